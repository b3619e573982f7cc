"""The fixed-point estimator of the THz array: few RF chains, near and far paths.

command   python train.py configs/array_estimator.py
hardware  one CPU core
time      17 minutes
expected  docs/estimation.md
"""

from wlam.config import Config
from wlam.evaluation.defaults import COMBINED
from wlam.models.deq_estimator.network import ArrayEstimatorConfig
from wlam.phy.channels.hybrid_field import HybridFieldConfig
from wlam.tasks.mixture import DataSource
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.optimisers import OptimizerConfig

config = Config(
    run="runs/array_estimator",
    mixture={
        "thz": DataSource("csi_estimate", HybridFieldConfig(), 1.0, rows_per_sample=1)
    },
    evaluation=COMBINED,
    model=ArrayEstimatorConfig(),
    steps=1500,
    rows=32,
    steps_per_dispatch=5,
    validate_every=50,
    optimizer=OptimizerConfig(
        learning_rate=3e-3, warmup_steps=50, weight_decay=0.0, beta2=0.98
    ),
    checkpoint=CheckpointConfig(every_minutes=3.0),
)
