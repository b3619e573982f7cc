"""Backbones at equal parameters and samples, on the same tensors: series of six tasks.

command   python train.py configs/backbones.py:NAME
          python eval.py runs/backbones/NAME
names     transformer, lstm, cfc, gated, lrc
hardware  one CPU core
time      docs/liquid.md
expected  docs/liquid.md

One network for all tasks: the quickstart's channels, sweeps and traffic, and channels
and sweeps measured at irregular times, all as single series, in tokens of 8 samples.
Baseline forecasts are left out, since they would hide most differences between
backbones. Evaluation cases have other carriers, speeds, profiles and intervals.
`gated` is a state-space model.
"""

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

from wlam.config import Config
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.base import BackboneConfig
from wlam.nn.backbones.liquid import LiquidBackboneConfig
from wlam.nn.backbones.recurrent import RecurrentConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.simulate.irregular import IrregularConfig
from wlam.tasks.mixture import DataSource


def beside(name: str) -> dict[str, Any]:
    """The names that another config file defines."""
    return runpy.run_path(str(Path(__file__).with_name(f"{name}.py")))


quickstart: Config = beside("quickstart")["config"]
irregular, tracker = beside("irregular"), beside("tracker")

BACKBONES: dict[str, BackboneConfig] = {
    "transformer": TransformerConfig(width=96, layers=3, heads=4),
    "lstm": RecurrentConfig(width=128, layers=2, cell="lstm"),
    "cfc": LiquidBackboneConfig(96, layers=3, cell="cfc", units=88),
    "gated": LiquidBackboneConfig(96, layers=3, cell="gated", units=256),
    "lrc": LiquidBackboneConfig(96, layers=3, cell="lrc", units=248),
}

# Sweeps about 64 to 120 ms apart, early, late or lost, as long as in evaluation.
tracks = IrregularConfig(
    tracker["street"]((0.0, 25.0), (0.008, 0.012, 0.015), 64, "drawn"),
    every=8,
    jitter=3,
    missing=(0.0, 0.4),
)
measured_now_and_then = {
    "csi_irregular": DataSource("csi_irregular", irregular["training"], 2e6, 1),
    "beam_irregular": DataSource("beam_irregular", tracks, 2e6, 64),
}
cases_of_them = {
    "csi_irregular_20dB": irregular["evaluation"]["irregular_20dB"],
    "beam_irregular_10mps": tracker["evaluation"]["tracks_10mps_irregular"],
}


def compared(name: str) -> Config:
    """The same experiment with one of the backbones."""
    parts = {
        name: replace(part, context=None) for name, part in quickstart.mixture.items()
    }
    # As series a sweep counts for each of its beams.
    parts["beam"] = replace(parts["beam"], rows_per_sample=32)
    return replace(
        quickstart,
        run=f"runs/backbones/{name}",
        mixture=parts | measured_now_and_then,
        evaluation=quickstart.evaluation | cases_of_them,
        model=PredictorConfig(BACKBONES[name], patch=8, baselines=False),
        steps=1500,
        rows=400,
        optimizer=replace(quickstart.optimizer, learning_rate=3e-3),
    )


configs = {name: compared(name) for name in BACKBONES}
