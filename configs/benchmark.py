"""The zero-shot benchmark: cases that no model of this repository is trained on.

command   python eval.py MODEL --cases configs/benchmark.py --report benchmark.html,
          or make benchmark for the page of all models and sets
hardware  2 CPU cores
time      a quarter of an hour on one core for wlam_tiny, as long for the baselines
expected  a line for each case, the model beside the best baseline

Presets D17 to D19 of WiFo and H1 to H12 of HeterCSI on our own generator: the second
half of the steps from the first, and the upper half of the subcarriers from the lower,
at 20 dB. Arrays and grids are larger than in training, carriers and intervals are
others. Targets are noise-free.

Antennas 9 to 32 of a line from the first eight. All subcarriers from pilots on every
fourth or eighth, in another scenario than that of training. Single antennas in Jakes
fading, one and four steps ahead of 64, at the six points of the order-16 Wiener table.
Channels faster than any in training.

RSRP that a phone shows on a drive, eight values from 32, a second apart: other carriers
and sites than in training, the same interval. The target is the displayed value.
The last of four sweeps of 64 beams, of which every fourth or eighth was measured.
Positions in metres, eight from 32, half a second apart, along streets: training has
smooth random tracks only.
"""

from dataclasses import replace

from wlam.config import Config
from wlam.evaluation.forecast import Forecast
from wlam.phy.channels.tdl import TdlConfig
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.presets import PRESETS
from wlam.simulate.beams import BeamConfig
from wlam.simulate.kpi import KpiConfig
from wlam.simulate.mobility import MobilityConfig

UNSEEN = ["D17", "D18", "D19", *(f"H{i}" for i in range(1, 13))]
SAMPLES = 32

evaluation = {}
for name in UNSEEN:
    drops = PRESETS[name]
    half = drops.num_times // 2
    evaluation[f"{name}_time"] = Forecast(
        task="csi_time",
        source=drops,
        context=drops.num_times - min(half, 8),
        horizon=min(half, 8),
        samples=SAMPLES,
    )
    lower = drops.num_subcarriers // 2
    evaluation[f"{name}_frequency"] = Forecast(
        task="csi_frequency",
        # A few snapshots are enough to see movement.
        source=replace(drops, num_times=8),
        context=lower,
        horizon=drops.num_subcarriers - lower,
        samples=SAMPLES,
    )

evaluation["antennas"] = Forecast(
    task="csi_antenna",
    source=DropConfig(
        "UMa",
        carriers_hz=(2.6e9,),
        base=PanelConfig(1, 32),
        num_times=4,
        num_subcarriers=32,
        snr_db=(20.0, 20.0),
    ),
    context=8,
    horizon=24,
    samples=SAMPLES,
)

# Pilots on a comb, in blocks of 4 x 64 x 32 without a line of sight.
for every, snr_db in ((4, 10.0), (4, 20.0), (4, 40.0), (8, 20.0)):
    evaluation[f"pilots_{every}_{snr_db:g}dB"] = Forecast(
        task=f"csi_pilots_{every}",
        source=DropConfig(
            "UMa",
            state="nlos",
            carriers_hz=(2.6e9,),
            base=PanelConfig(4, 8),
            num_times=4,
            num_subcarriers=64,
            subcarrier_spacings_hz=(60e3,),
            speeds_kmh=(3.0, 60.0),
            snr_db=(snr_db, snr_db),
        ),
        context=64,
        horizon=64,
        samples=SAMPLES,
    )

# At 108 km/h and a carrier of 1e8 wavelengths a light second: 300 Hz.
for cycles in (0.02, 0.05, 0.1):
    for snr_db in (10.0, 20.0):
        fading = TdlConfig(
            profiles=("A",),
            carriers_hz=(2.998e9,),
            time_steps_s=(cycles / 300,),
            speeds_kmh=(108.0, 108.0),
            num_times=68,
            num_subcarriers=1,
            array=(1, 1),
            snr_db=(snr_db, snr_db),
        )
        for h in (1, 4):
            evaluation[f"jakes_{cycles:g}_{snr_db:g}dB_h{h}"] = Forecast(
                task="csi_time",
                source=fading,
                context=64,
                horizon=h,
                skip=h - 1,
                samples=512,
            )

evaluation["fast"] = Forecast(
    task="csi_time",
    source=TdlConfig(
        profiles=("A", "B", "C"),
        carriers_hz=(2.6e9,),
        time_steps_s=(2e-4,),
        speeds_kmh=(180.0, 250.0),
        num_times=72,
        num_subcarriers=16,
        snr_db=(10.0, 20.0),
    ),
    context=64,
    horizon=8,
    samples=SAMPLES,
)

for every in (4, 8):
    evaluation[f"beam_scan_{every}"] = Forecast(
        task=f"beam_scan_{every}",
        source=BeamConfig(num_times=8, carriers_hz=(39e9,), time_steps_s=(0.1,)),
        context=4,
        horizon=1,
        tail=0.5,
        samples=128,
    )

evaluation["position_0.5s"] = Forecast(
    task="series",
    source=MobilityConfig(kind="street", num_times=40, time_steps_s=(0.5,)),
    context=32,
    horizon=8,
    samples=256,
)

evaluation["kpi_1s"] = Forecast(
    task="series",
    source=KpiConfig(
        num_times=40,
        time_steps_s=(1.0,),
        quantities=("rsrp",),
        carriers_hz=(0.7e9, 1.5e9, 2.3e9, 3.7e9),
        grid=(6, 4),
    ),
    context=32,
    horizon=8,
    samples=256,
)

config = Config(run="runs/benchmark", mixture={}, evaluation=evaluation)
