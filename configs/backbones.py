"""Backbones at equal parameters and samples, on the same tensors: rows of four tasks.

command   python train.py configs/backbones.py:NAME
          python eval.py runs/backbones/NAME
names     transformer, lstm, cfc, gated, lrc
hardware  one CPU core
time      docs/liquid.md
expected  docs/liquid.md

The quickstart's channels, sweeps and traffic, all as rows, in tokens of 8 samples, by
one network for all tasks and without training-free forecasts, which would answer most
of it: what is compared is the backbone. Judged on the quickstart's cases, which have
other carriers, speeds, profiles and intervals. `gated` is a state-space model.
"""

import runpy
from dataclasses import replace
from pathlib import Path

from wlam.config import Config
from wlam.nn.backbone import BackboneConfig
from wlam.nn.liquid_backbone import LiquidBackboneConfig
from wlam.nn.predictor import ModelConfig
from wlam.nn.recurrent import RecurrentConfig
from wlam.nn.transformer import TransformerConfig

quickstart: Config = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))[
    "config"
]

BACKBONES: dict[str, BackboneConfig] = {
    "transformer": TransformerConfig(width=96, layers=3, heads=4),
    "lstm": RecurrentConfig(width=128, layers=2, cell="lstm"),
    "cfc": LiquidBackboneConfig(96, layers=3, cell="cfc", units=88),
    "gated": LiquidBackboneConfig(96, layers=3, cell="gated", units=256),
    "lrc": LiquidBackboneConfig(96, layers=3, cell="lrc", units=248),
}


def compared(name: str) -> Config:
    """The same experiment with one of the backbones."""
    parts = {
        name: replace(part, context=None) for name, part in quickstart.mixture.items()
    }
    # As rows a sweep counts for each of its beams.
    parts["beam"] = replace(parts["beam"], rows_per_sample=32)
    return replace(
        quickstart,
        run=f"runs/backbones/{name}",
        mixture=parts,
        model=ModelConfig(BACKBONES[name], patch=8, guess=False),
        steps=1500,
        rows=400,
        optimizer=replace(quickstart.optimizer, learning_rate=3e-3),
    )


configs = {name: compared(name) for name in BACKBONES}
