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
"""

from dataclasses import replace

from wlam.config import Case, Config
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

config = Config(run="runs/benchmark", mixture={}, evaluation=evaluation)
