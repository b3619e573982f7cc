"""The zero-shot benchmark: what no model of this repository is trained on.

command   python eval.py MODEL --cases configs/benchmark.py --report benchmark.html,
          or make benchmark for the page of all models and sets
hardware  2 CPU cores
time      not yet measured
expected  a line for each case, the model beside every floor

Presets D17 to D19 of WiFo and H1 to H12 of HeterCSI on our own generator: the second
half of the steps from the first, and the upper half of the subcarriers from the lower,
at 20 dB. Arrays, grids, carriers and intervals are larger, wider and others than those
of training. Targets are noise-free.

RSRP that a phone shows on a drive, eight values from 32, a second apart: other carriers
and sites than in training, the same interval. There the target is what is shown.
"""

from dataclasses import replace

from wlam.config import Case, Config
from wlam.phy.kpi import KpiConfig
from wlam.phy.tr38901.presets import PRESETS

UNSEEN = ["D17", "D18", "D19", *(f"H{i}" for i in range(1, 13))]
SAMPLES = 32

evaluation = {}
for name in UNSEEN:
    drops = PRESETS[name]
    half = drops.num_times // 2
    evaluation[f"{name}_time"] = Case(
        task="csi_time",
        source=drops,
        context=drops.num_times - min(half, 8),
        horizon=min(half, 8),
        samples=SAMPLES,
    )
    lower = drops.num_subcarriers // 2
    evaluation[f"{name}_frequency"] = Case(
        task="csi_frequency",
        # A few snapshots are enough to see movement.
        source=replace(drops, num_times=8),
        context=lower,
        horizon=drops.num_subcarriers - lower,
        samples=SAMPLES,
    )

evaluation["kpi_1s"] = Case(
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
