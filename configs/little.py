"""Little: the mixture of configs/tiny.py for a model of 1.6 M parameters.

command   python train.py configs/little.py
hardware  2 CPU cores
time      95 minutes on one core beside other work, resumed once; about 0.06 kWh
          (40 W assumed)
expected  models/wlam_little; docs/benchmark.md
"""

import runpy
from dataclasses import replace
from pathlib import Path

from wlam.nn.backbones.transformer import TransformerConfig
from wlam.training.optimisers import OptimizerConfig

tiny = runpy.run_path(str(Path(__file__).with_name("tiny.py")))["config"]

config = replace(
    tiny,
    run="runs/little",
    model=replace(tiny.model, backbone=TransformerConfig(width=128, layers=5, heads=4)),
    steps=1500,
    optimizer=OptimizerConfig(learning_rate=7e-4, warmup_steps=100),
)
