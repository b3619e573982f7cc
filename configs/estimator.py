"""The channel estimator: one network for MIMO and OFDM, any SNR, known or unknown.

command   python train.py configs/estimator.py
hardware  one CPU core
time      72 minutes
expected  docs/estimation.md

A diffusion model of channels, trained at SNRs from -20 to 40 dB, in a quarter of the
samples without the SNR as input. Three-path Kronecker channels of 64 x 16 antennas, and
38.901 drops, noise-free: between such arrays, and over the delays and angles of a line.
"""

from wlam.config import Config
from wlam.evaluation.defaults import ESTIMATION
from wlam.models.estimator.network import EstimatorConfig
from wlam.nn.denoisers.spectral import SpectralConfig
from wlam.phy.channels.kronecker import KroneckerConfig
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.mimo import MimoConfig
from wlam.tasks.mixture import DataSource
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.optimisers import OptimizerConfig


def drops(scenario: str, size: float, subcarriers: int, antennas: int) -> DataSource:
    source = DropConfig(
        scenario=scenario,
        carriers_hz=(2e9, 3.5e9, 7e9, 28e9),
        num_times=1,
        num_subcarriers=subcarriers,
        subcarrier_spacings_hz=(15e3, 30e3, 60e3, 120e3, 180e3, 360e3),
        base=PanelConfig(1, antennas),
    )
    return DataSource("csi_estimate", source, size, rows_per_sample=1)


def mimo_drops(scenario: str, size: float) -> DataSource:
    source = DropConfig(
        scenario=scenario,
        carriers_hz=(2e9, 3.5e9, 7e9, 28e9),
        num_times=1,
        num_subcarriers=1,
        base=PanelConfig(1, 64),
        user=PanelConfig(1, 16),
    )
    return DataSource("csi_estimate", MimoConfig(source), size, rows_per_sample=1)


config = Config(
    run="runs/estimator",
    mixture={
        "mimo": DataSource("csi_estimate", KroneckerConfig(), 16.0, rows_per_sample=1),
        "mimo_umi": mimo_drops("UMi", 2.0),
        "mimo_uma": mimo_drops("UMa", 2.0),
        "mimo_inh": mimo_drops("InH", 2.0),
        "umi": drops("UMi", 2.0, 64, 32),
        "uma": drops("UMa", 2.0, 64, 32),
        "rma": drops("RMa", 1.0, 64, 8),
        "inh": drops("InH", 1.0, 64, 16),
    },
    evaluation=ESTIMATION,
    model=EstimatorConfig(SpectralConfig(width=32, blocks=3)),
    steps=4000,
    rows=76,
    temperature=1.0,
    steps_per_dispatch=10,
    validate_every=100,
    optimizer=OptimizerConfig(
        learning_rate=3e-3, warmup_steps=100, weight_decay=0.01, beta2=0.98
    ),
    checkpoint=CheckpointConfig(every_minutes=3.0),
)
