"""Beam tracking in continuous time: the best beam between two sweeps.

command   python train.py configs/tracker.py:NAME, then
          python eval.py runs/tracker/NAME
names     cfc, lstm, gru_d, ode_lstm; cfc_untold, with the lead as input but not the
          times between sweeps; cfc_together, lstm_together and ode_lstm_together, whose
          cells have all beams as input, as in the papers; cfc_long and ode_lstm_long,
          on five times as many tracks, the first released as wlam_beam_tracker
hardware  one CPU core
time      docs/liquid.md
expected  docs/liquid.md

A base station of 64 antennas at 28 GHz sweeps its 64 beams every 100 ms or so, while
users walk and drive along the streets around it, and turn. Evaluated on sweeps exactly
100 ms apart, at speeds of 5 to 20 m/s, at ten times between two sweeps, and on sweeps
that come early, late or not at all.
"""

from dataclasses import replace
from typing import Any

from wlam.config import Config
from wlam.evaluation.defaults import TRACKING, street
from wlam.evaluation.evaluator import Evaluator
from wlam.models.beam_tracker.network import BeamTrackerConfig
from wlam.simulate.irregular import IrregularConfig
from wlam.tasks.mixture import DataSource
from wlam.training.optimisers import OptimizerConfig

# About ten sweeps, at steps of a third of the time between two of them.
training = IrregularConfig(
    street((0.0, 25.0), (0.025, 0.03, 0.035, 0.04), 30, "drawn"),
    every=3,
    jitter=1,
    missing=(0.0, 0.4),
)


evaluation: dict[str, Evaluator] = {
    name: replace(case, samples=256) for name, case in TRACKING.items()
}


def named(name: str, cell: str, steps: int = 800, **more: Any) -> Config:
    """One cell; all are trained on the same tracks, or on more of them."""
    return Config(
        run=f"runs/tracker/{name}",
        mixture={"tracks": DataSource("beam_irregular", training, 1.0, 1, context=24)},
        evaluation=evaluation,
        model=BeamTrackerConfig(cell=cell, **more),  # pyright: ignore[reportArgumentType]
        steps=steps,
        rows=32,
        steps_per_dispatch=10,
        validate_every=0,
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=50),
    )


CELLS = ("cfc", "lstm", "gru_d", "ode_lstm")
configs = {cell: named(cell, cell) for cell in CELLS}
configs["cfc_untold"] = named("cfc_untold", "cfc", elapsed=False)
for cell in ("cfc", "lstm", "ode_lstm"):
    name = f"{cell}_together"
    configs[name] = named(name, cell, together=64, units=64)
for cell in ("cfc", "ode_lstm"):
    configs[f"{cell}_long"] = named(f"{cell}_long", cell, steps=4000)
