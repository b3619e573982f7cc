"""Forecasts from measurements at irregular times: cells with and without time inputs.

command   python train.py configs/irregular.py:NAME, then
          python eval.py runs/irregular/NAME
names     cfc, cfc_memory (behind an LSTM), gated, lrc, lstm_told, gru_d, ode_lstm;
          cfc_untold, cfc_memory_untold, gated_untold and lrc_untold, with the lead of
          the forecast as input but not the times between measurements; lstm, with
          neither; cfc_unturned, without the rotation of series to a real last sample
hardware  one CPU core
time      docs/liquid.md
expected  docs/liquid.md

Fading of single antennas at all speeds. One snapshot in four is measured, up to one
early or late, and up to three fifths of the measurements are lost. From those among 64
snapshots come the next 16. Evaluation has another carrier, interval and profiles.
"""

from wlam.config import Config
from wlam.evaluation.forecast import Forecast
from wlam.models.continuous.network import CELLS, ContinuousConfig
from wlam.phy.channels.tdl import TdlConfig
from wlam.simulate.irregular import IrregularConfig
from wlam.tasks.mixture import DataSource
from wlam.training.optimisers import OptimizerConfig


def fading(
    snr_db: tuple[float, float], missing: tuple[float, float] = (0.2, 0.2), **more
) -> IrregularConfig:
    grid = {"num_times": 80, "num_subcarriers": 1, "array": (1, 1)}
    return IrregularConfig(TdlConfig(snr_db=snr_db, **grid, **more), missing=missing)


training = fading(
    (0.0, 40.0),
    missing=(0.0, 0.6),
    profiles=("A", "B", "C"),
    carriers_hz=(1.8e9, 3.5e9, 5.2e9),
    time_steps_s=(1e-4, 2e-4, 4e-4),
    speeds_kmh=(3.0, 120.0),
)
unseen = {
    "profiles": ("D", "E"),
    "carriers_hz": (2.6e9,),
    "time_steps_s": (1.5e-4,),
    "speeds_kmh": (10.0, 100.0),
}
evaluation = {
    name: Forecast("csi_irregular", source, context=64, horizon=16, samples=512)
    for name, source in {
        "irregular_10dB": fading((10.0, 10.0), **unseen),
        "irregular_20dB": fading((20.0, 20.0), **unseen),
        "irregular_20dB_half_lost": fading((20.0, 20.0), missing=(0.5, 0.5), **unseen),
    }.items()
}


def named(name: str, cell: str, **more: bool) -> Config:
    """The experiment of one cell; `more` are the fields that differ."""
    return Config(
        run=f"runs/irregular/{name}",
        mixture={"fading": DataSource("csi_irregular", training, 1.0, 1)},
        evaluation=evaluation,
        model=ContinuousConfig(cell=cell, **more),
        steps=6000,
        rows=256,
        steps_per_dispatch=50,
        validate_every=500,
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=100),
    )


UNTOLD = ("cfc", "cfc_memory", "gated", "lrc")
configs = {cell: named(cell, cell) for cell in CELLS}
for cell in UNTOLD:
    name = f"{cell}_untold"
    configs[name] = named(name, cell, elapsed=False)
configs["cfc_unturned"] = named("cfc_unturned", "cfc", turned=False)
