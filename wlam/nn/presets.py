"""Named sizes. Parameter counts are of the whole model and are checked by a test."""

from wlam.nn.predictor import ModelConfig
from wlam.nn.transformer import TransformerConfig

PRESETS: dict[str, ModelConfig] = {
    "nano": ModelConfig(TransformerConfig(width=64, layers=2, heads=4)),
    "tiny": ModelConfig(TransformerConfig(width=128, layers=4, heads=4)),
    "small": ModelConfig(TransformerConfig(width=256, layers=8, heads=8)),
    "base": ModelConfig(TransformerConfig(width=512, layers=12, heads=8)),
}
