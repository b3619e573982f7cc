"""Tiny: one model of 0.5 M parameters for CSI, beams, traffic, KPIs and positions.

command   python train.py configs/tiny.py
hardware  2 CPU cores
time      60 minutes on one core beside other work, resumed once; about 0.04 kWh
          (40 W assumed)
expected  models/wlam_tiny; docs/benchmark.md
"""

from wlam.config import Config
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweeps import SweepTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.channels.hardware import HardwareConfig
from wlam.phy.channels.tdl import TdlConfig
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.simulate.beams import BeamConfig
from wlam.simulate.kpi import KpiConfig
from wlam.simulate.mobility import MobilityConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.tasks.mixture import DataSource
from wlam.training.optimisers import OptimizerConfig

LOW_HZ = (0.7e9, 1.8e9, 3.3e9, 5.2e9, 7.1e9)
HIGH_HZ = (24e9, 33e9, 47e9, 60e9)
LINE, PANEL = PanelConfig(1, 16), PanelConfig(4, 4)
SLOW_S, FAST_S = (2e-4, 4e-4, 8e-4), (2e-5, 4e-5, 8e-5, 1.6e-4)
KHZ_80_UP = (80e3, 160e3, 320e3)


def drops(scenario: str, base: PanelConfig, **more) -> DropConfig:
    """Users of all speeds, at SNRs from 0 to 80 dB."""
    return DropConfig(
        scenario, base=base, speeds_kmh=(1.0, 140.0), snr_db=(0.0, 80.0), **more
    )


def csi_time(scenario: str, base: PanelConfig, **more) -> DataSource:
    """Sixteen snapshots given, eight to predict, on 32 subcarriers."""
    grid = {"num_times": 24, "num_subcarriers": 32}
    source = drops(scenario, base, subcarrier_spacings_hz=KHZ_80_UP, **grid, **more)
    return DataSource("csi_time", source, 1.0, rows_per_sample=12, context=16)


def csi_frequency(scenario: str, base: PanelConfig, **more) -> DataSource:
    """32 subcarriers given, 32 to predict, in eight snapshots."""
    grid = {"num_times": 8, "num_subcarriers": 64}
    spacings = (40e3, *KHZ_80_UP)
    source = drops(scenario, base, subcarrier_spacings_hz=spacings, **grid, **more)
    return DataSource("csi_frequency", source, 1.0, rows_per_sample=12, context=32)


def csi_pilots(task: str, size: float) -> DataSource:
    """All 64 subcarriers from pilots on every fourth or eighth of them."""
    spacings = (20e3, 40e3, *KHZ_80_UP)
    grid = {"num_times": 4, "num_subcarriers": 64}
    source = drops("UMi", PANEL, subcarrier_spacings_hz=spacings, **grid, **LOW)
    return DataSource(task, source, size, rows_per_sample=12, context=64)


LOW = {"carriers_hz": LOW_HZ, "time_steps_s": SLOW_S}
HIGH = {"carriers_hz": HIGH_HZ, "time_steps_s": FAST_S}
mixture = {
    "time_umi": csi_time("UMi", LINE, **LOW),
    "time_uma": csi_time("UMa", PANEL, state="nlos", **LOW),
    "time_high": csi_time("UMi", LINE, **HIGH),
    "time_rma": csi_time(
        "RMa", PANEL, carriers_hz=LOW_HZ[:3], time_steps_s=(4e-4, 8e-4, 1.2e-3)
    ),
    "frequency_umi": csi_frequency("UMi", PANEL, **LOW),
    "frequency_uma": csi_frequency("UMa", LINE, state="nlos", **LOW),
    "pilots_4": csi_pilots("csi_pilots_4", 0.5),
    "pilots_8": csi_pilots("csi_pilots_8", 0.5),
    # Eight antennas given, 24 to predict.
    "antenna": DataSource(
        task="csi_antenna",
        source=drops(
            "UMi",
            PanelConfig(1, 32),
            num_times=4,
            num_subcarriers=32,
            subcarrier_spacings_hz=KHZ_80_UP,
            **LOW,
        ),
        size=0.25,
        rows_per_sample=12,
        context=8,
    ),
    # One subcarrier of one antenna over a longer time.
    "time_single": DataSource(
        task="csi_time",
        source=TdlConfig(
            num_times=72,
            num_subcarriers=1,
            array=(1, 1),
            speeds_kmh=(1.0, 140.0),
            snr_db=(0.0, 40.0),
            **LOW,
        ),
        size=1.0,
        rows_per_sample=2,
        context=64,
    ),
    # Packets of Wi-Fi: the upper half of the subcarriers from the lower.
    "frequency_wifi": DataSource(
        task="csi_frequency",
        source=HardwareConfig(
            DropConfig(
                "InH",
                carriers_hz=(2.4e9, 5.2e9),
                num_times=1,
                num_subcarriers=56,
                subcarrier_spacings_hz=(312.5e3,),
                snr_db=(5.0, 40.0),
                base=PanelConfig(1, 1),
            ),
            timing_s=(0.0, 5e-8),
            agc_step_db=(0.5, 3.0),
        ),
        size=0.0625,
        rows_per_sample=1,
        context=28,
    ),
    # Eight sweeps given, all beams of them or a few, of arrays with and without phase
    # errors; the last one is completed, and eight more are predicted.
    "beam": DataSource(
        task="beam",
        source=BeamConfig(
            num_times=16,
            num_ant=(12, 16, 24, 32, 64),
            field_of_view_deg=(None, 90.0, 120.0),
            phase_error_deg=(0.0, 40.0),
            dynamic_range_db=(2.0, 40.0),
            carriers_hz=(3.5e9, 28e9, 60e9),
            time_steps_s=(0.02, 0.04, 0.08, 0.12, 0.16),
            speeds_kmh=(3.0, 80.0),
        ),
        size=2.0,
        rows_per_sample=2,
        context=8,
    ),
    "traffic": DataSource(
        task="traffic",
        source=TrafficConfig(
            num_times=512, time_steps_s=(300.0, 600.0, 1200.0, 1800.0, 3600.0, 10800.0)
        ),
        size=1.0,
        rows_per_sample=1,
    ),
    # KPIs and positions are scored by the mean absolute error, which the median
    # minimises.
    "kpi": DataSource(
        task="series",
        source=KpiConfig(num_times=128, time_steps_s=(0.5, 1.0, 2.0)),
        size=0.5,
        rows_per_sample=2,
        linear_beyond=0.1,
    ),
    "position": DataSource(
        task="series",
        source=MobilityConfig(time_steps_s=(0.1, 0.2, 0.5, 1.0, 2.0)),
        size=0.5,
        rows_per_sample=2,
        linear_beyond=0.1,
    ),
}

config = Config(
    run="runs/tiny",
    mixture=mixture,
    evaluation={},
    model=PredictorConfig(
        TransformerConfig(width=72, layers=3, heads=4),
        channels=ChannelTokenizerConfig(bins=32),
        sweeps=SweepTokenizerConfig(),
        heads=("line_of_sight",),
    ),
    steps=1600,
    rows=613,
    validate_every=0,
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=100),
)
