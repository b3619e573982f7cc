"""Quickstart: one small model, three kinds of tensors, four tasks, no files.

command   python train.py configs/quickstart.py && python eval.py runs/quickstart
hardware  2 CPU cores
time      6 minutes with installation and measured sets, 2 and a half of them training
expected  docs/quickstart.md
"""

from wlam.config import Config
from wlam.evaluation.forecast import Forecast
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweeps import SweepTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.channels.cdl import CdlConfig
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.simulate.beams import BeamConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.tasks.mixture import DataSource
from wlam.training.optimisers import OptimizerConfig

# ---- training data -------------------------------------------------------------------
# Channels are drops of users in streets and cities; clustered delay lines are unseen.
# They enter as a whole: 64 snapshots given and 8 to predict, or 48 subcarriers and 8.
SEEN = {
    "speeds_kmh": (3.0, 80.0),
    "base": PanelConfig(1, 8),
    "snr_db": (0.0, 30.0),
}
BINS = {"num_subcarriers": 16, "subcarrier_spacings_hz": (360e3,)}
SUB_7_GHZ = (0.9e9, 2.1e9, 3.5e9, 7e9)
MMWAVE = (24e9, 39e9)
mixture = {
    "csi_time": DataSource(
        task="csi_time",
        source=DropConfig(
            "UMi",
            **SEEN,
            carriers_hz=SUB_7_GHZ,
            time_steps_s=(0.1e-3, 0.15e-3, 0.2e-3, 0.25e-3, 0.3e-3, 0.5e-3),
            num_times=72,
            **BINS,
        ),
        rows_per_sample=40,
        context=64,
        size=2e6,
    ),
    # Apart from the above, because Doppler shifts ten times as high are sampled faster.
    "csi_time_mmwave": DataSource(
        task="csi_time",
        source=DropConfig(
            "UMi",
            **SEEN,
            carriers_hz=MMWAVE,
            time_steps_s=(0.03e-3, 0.05e-3, 0.08e-3, 0.1e-3),
            num_times=72,
            **BINS,
        ),
        rows_per_sample=40,
        context=64,
        size=1e6,
    ),
    "csi_frequency": DataSource(
        task="csi_frequency",
        source=DropConfig(
            "UMa",
            **SEEN,
            carriers_hz=SUB_7_GHZ + MMWAVE,
            num_times=4,
            num_subcarriers=56,
            subcarrier_spacings_hz=(30e3, 60e3, 90e3, 180e3, 360e3),
        ),
        rows_per_sample=40,
        context=48,
        size=2e6,
    ),
    "beam": DataSource(
        task="beam",
        source=BeamConfig(
            num_times=16,
            num_ant=(16, 32),
            num_beams=32,
            carriers_hz=(3.5e9, 28e9),
            time_steps_s=(0.02, 0.04, 0.08, 0.12, 0.16),
            speeds_kmh=(3.0, 80.0),
        ),
        size=4e6,
        rows_per_sample=4,
        context=8,
    ),
    "traffic": DataSource(
        task="traffic",
        source=TrafficConfig(
            num_times=512, time_steps_s=(300.0, 600.0, 1200.0, 1800.0, 3600.0, 10800.0)
        ),
        size=1e6,
        rows_per_sample=1,
    ),
}

# ---- evaluation: carriers, speeds, profiles and intervals that training lacks --------
# One order of magnitude, or a few series would dominate every average.
UNSEEN_TRAFFIC = {"scale": (1e2, 1e3)}
UNSEEN = {"speeds_kmh": (80.0, 120.0), "array": (2, 8), "snr_db": (0.0, 30.0)}
evaluation = {
    "csi_time_2.6GHz_CDL-B": Forecast(
        task="csi_time",
        source=CdlConfig(
            **UNSEEN,
            profiles=("B",),
            carriers_hz=(2.6e9,),
            time_steps_s=(0.35e-3,),
            num_times=72,
            num_subcarriers=24,
        ),
        context=64,
        horizon=8,
    ),
    "csi_time_28GHz_CDL-E": Forecast(
        task="csi_time",
        source=CdlConfig(
            **UNSEEN,
            profiles=("E",),
            carriers_hz=(28e9,),
            time_steps_s=(0.0625e-3,),
            num_times=72,
            num_subcarriers=24,
        ),
        context=64,
        horizon=8,
    ),
    "csi_frequency_2.6GHz_CDL-B": Forecast(
        task="csi_frequency",
        source=CdlConfig(
            **UNSEEN,
            profiles=("B",),
            carriers_hz=(2.6e9,),
            num_times=4,
            num_subcarriers=56,
            subcarrier_spacings_hz=(120e3,),
        ),
        context=48,
        horizon=8,
    ),
    "csi_frequency_28GHz_CDL-E": Forecast(
        task="csi_frequency",
        source=CdlConfig(
            **UNSEEN,
            profiles=("E",),
            carriers_hz=(28e9,),
            num_times=4,
            num_subcarriers=56,
            subcarrier_spacings_hz=(240e3,),
        ),
        context=48,
        horizon=8,
    ),
    "beam_60GHz_64_beams": Forecast(
        task="beam",
        source=BeamConfig(
            num_times=64,
            num_ant=(64,),
            num_beams=64,
            carriers_hz=(60e9,),
            time_steps_s=(0.1,),
            speeds_kmh=(80.0, 120.0),
        ),
        context=16,
        horizon=4,
        tail=0.75,
    ),
    "traffic_15min": Forecast(
        task="traffic",
        source=TrafficConfig(**UNSEEN_TRAFFIC, num_times=768, time_steps_s=(900.0,)),
        context=288,
        horizon=24,
        samples=128,
    ),
    "traffic_2h": Forecast(
        task="traffic",
        source=TrafficConfig(**UNSEEN_TRAFFIC, num_times=256, time_steps_s=(7200.0,)),
        context=96,
        horizon=12,
        samples=128,
    ),
}

config = Config(
    run="runs/quickstart",
    mixture=mixture,
    evaluation=evaluation,
    model=PredictorConfig(
        TransformerConfig(width=96, layers=3, heads=4),
        channels=ChannelTokenizerConfig(bins=32),
        sweeps=SweepTokenizerConfig(),
    ),
    steps=280,
    rows=400,
    # No batch is repeated, so that the training loss is one of new data, and a second
    # program to compile would cost half a minute.
    validate_every=0,
    optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=100),
)
