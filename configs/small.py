"""Small: the mixture of configs/tiny.py for a model of 6.5 M parameters.

command   python train.py configs/small.py
hardware  one GPU
time      not yet run; energy not yet known
expected  not yet run; printed by `make benchmark`
"""

import runpy
from dataclasses import replace
from pathlib import Path

from wlam.config import Config
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.training.optimisers import OptimizerConfig

tiny: Config = runpy.run_path(str(Path(__file__).with_name("tiny.py")))["config"]

config = replace(
    tiny,
    run="runs/small",
    # All bins of most channels attend to each other: a GPU has the memory.
    model=replace(
        tiny.model,
        backbone=TransformerConfig(width=256, layers=6, heads=8),
        channels=ChannelTokenizerConfig(bins=128),
    ),
    rows=8 * tiny.rows,
    steps=20_000,
    optimizer=OptimizerConfig(learning_rate=5e-4, warmup_steps=500),
)
