"""The generator: samples of channels, conditioned on scenario, state and azimuth.

command   python train.py configs/generator.py
          python eval.py runs/generator
hardware  one CPU core
time      40 minutes beside other work
expected  docs/generation.md

A diffusion Transformer of 32 subcarriers by 16 antennas at 3.5 GHz, conditioned on the
scenario, a line of sight and the user's azimuth. A quarter of the samples trains
shortcuts.
"""

from wlam.config import Config
from wlam.evaluation.defaults import GENERATION
from wlam.evaluation.generate import drops
from wlam.models.generator.network import GeneratorConfig
from wlam.tasks.mixture import DataSource
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.optimisers import OptimizerConfig


def drops_of(scenario: str) -> DataSource:
    return DataSource("csi_estimate", drops(scenario), 1.0, rows_per_sample=1)


config = Config(
    run="runs/generator",
    mixture={name.lower(): drops_of(name) for name in ("UMi", "UMa", "RMa", "InH")},
    evaluation=GENERATION,
    model=GeneratorConfig(),
    steps=6000,
    rows=128,
    steps_per_dispatch=10,
    validate_every=100,
    optimizer=OptimizerConfig(
        learning_rate=1e-3, warmup_steps=100, weight_decay=0.0, beta2=0.98
    ),
    checkpoint=CheckpointConfig(every_minutes=3.0),
)
