"""Base: the experiment of configs/small.py for a model of 24 M parameters.

command   python train.py configs/base.py
hardware  one GPU
time      not yet run; energy not yet known
expected  not yet run; printed by `make benchmark`
"""

import runpy
from dataclasses import replace
from pathlib import Path

from wlam.config import Config
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.training.optimisers import OptimizerConfig

small: Config = runpy.run_path(str(Path(__file__).with_name("small.py")))["config"]

config = replace(
    small,
    run="runs/base",
    model=replace(
        small.model, backbone=TransformerConfig(width=512, layers=6, heads=8)
    ),
    steps=40_000,
    optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=1000),
)
