"""Named sizes. Parameter counts are of the whole model and are checked by a test."""

from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig


def _preset(width: int, layers: int, heads: int) -> PredictorConfig:
    return PredictorConfig(
        TransformerConfig(width, layers, heads), channels=ChannelTokenizerConfig()
    )


PRESETS: dict[str, PredictorConfig] = {
    "tiny": _preset(72, 3, 4),
    "little": _preset(128, 5, 4),
    "small": _preset(256, 6, 8),
    "base": _preset(512, 6, 8),
    "large": _preset(768, 11, 12),
}
"""About 0.4, 1.5, 6, 23 and 85 million parameters."""
