"""Ablations: tiny with less training data, trained for as many steps.

command   python train.py configs/ablations.py:NAME, then
          python -m benchmarks.leaderboard wlam_tiny --ablations runs/ablations/NAME
names     without_time: no channels along time, which a mask over the future would hide;
          four_settings: four pairs of a scenario and a carrier, not two dozen
hardware  2 CPU cores
time      without_time 43, four_settings 50 minutes on one core beside other work
expected  on D17 to D19 without_time is 0.18 dB behind tiny in time, four_settings 0.05
          in time and frequency (docs/benchmark.md, docs/missed.md)

The remaining data sources have as many samples in a step as in a step of tiny.
"""

import runpy
from dataclasses import replace
from pathlib import Path

from wlam.config import Config
from wlam.tasks.mixture import DataSource, shares

tiny: Config = runpy.run_path(str(Path(__file__).with_name("tiny.py")))["config"]


def ablation(name: str, parts: dict[str, DataSource]) -> Config:
    """Tiny's experiment on other data sources, with the names of some of its own."""
    share = shares(tiny.mixture, tiny.temperature)
    rows = round(tiny.rows * sum(share[part] for part in parts))
    return replace(tiny, run=f"runs/ablations/{name}", mixture=parts, rows=rows)


def at_carrier(name: str, carrier_hz: float) -> DataSource:
    """A data source of tiny at one carrier."""
    part = tiny.mixture[name]
    return replace(part, source=replace(part.source, carriers_hz=(carrier_hz,)))


rest = {
    n: part for n, part in tiny.mixture.items() if not n.startswith(("time", "freq"))
}
four = {
    "time_umi": 3.3e9,
    "time_uma": 1.8e9,
    "frequency_umi": 3.3e9,
    "frequency_uma": 1.8e9,
}
configs = {
    "without_time": ablation(
        "without_time",
        {n: part for n, part in tiny.mixture.items() if part.task != "csi_time"},
    ),
    "four_settings": ablation(
        "four_settings", {n: at_carrier(n, hz) for n, hz in four.items()} | rest
    ),
}
