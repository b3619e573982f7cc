"""Errors of each expert of the bank, of their mixture, and of models.

    python benchmarks/bank.py [CASE ...] [--models MODEL ...]

For cases of configs/benchmark.py that forecast channels, by default the Jakes cases:
pooled NMSE in dB against noise-free targets of every expert of
`wlam.baselines.bank.ar_bank` in its own order, of their mean weighted by backtest error
(the baseline "AR bank"), of the Wiener predictor with known Doppler shift and noise
variance, and of models.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import jax
import numpy as np
import tyro
from jaxtyping import Array

import wlam
from benchmarks.leaderboard.goals import JAKES, WIENER
from wlam.baselines.bank.ar_bank import BANK, fit_and_forecast
from wlam.config import read_config
from wlam.evaluation.forecast import Case, Forecast, asked
from wlam.evaluation.table import Table, text
from wlam.metrics import nmse_pooled_db
from wlam.ops.pieces import in_pieces
from wlam.tasks import task_of
from wlam.tasks.csi import in_bins
from wlam.tasks.windows import Windows, cut_windows
from wlam.types import DataError

CASES, PIECE = "configs/benchmark.py", 16
NAMES = [
    *(
        f"{expert.method} {expert.order}, {expert.reach[0]} {expert.reach[1]}"
        for expert in BANK
    ),
    "bands",
]


@dataclass(frozen=True)
class Options:
    """The cases, and the models that forecast them."""

    # Of configs/benchmark.py.
    cases: Annotated[tuple[str, ...], tyro.conf.Positional] = JAKES
    # Runs or released models.
    models: tuple[str, ...] = ()


@partial(jax.jit, static_argnames=("horizon", "grid"))
def by_experts(context: Array, horizon: int, grid: tuple[int, int]) -> Array:
    """[sample, step, bin, expert]."""
    bank, _, peak = fit_and_forecast(context, horizon, grid)
    return bank.forecasts[..., :-1] * peak[..., None]


def forecasts_of(
    case: Case, windows: Windows, models: Sequence[str]
) -> dict[str, np.ndarray]:
    """By name, the experts first."""
    horizon, grid = windows.horizon, windows.grid
    if grid is None or windows.every > 1:
        raise DataError(f"CASE: found {case.name}; needed one that forecasts channels")

    alone: list[np.ndarray] = []

    def expert(bins: np.ndarray, horizon: int, number: int) -> np.ndarray:
        if not alone:  # all experts at once, with the first
            run = partial(by_experts, horizon=horizon, grid=grid)
            alone.append(in_pieces(lambda _, piece: run(piece), PIECE, bins))
        return alone[0][..., number]

    found = {
        name: np.asarray(
            in_bins(windows, partial(expert, number=i))(windows.context, horizon)
        )
        for i, name in enumerate(NAMES)
    }
    task = task_of(case.task)
    baselines = task.baselines(case.data, windows)
    for name in ("AR bank", WIENER):
        if name in baselines:
            found[name] = np.asarray(baselines[name](windows.context, horizon))
    return found | {name: asked(wlam.load(name), task, windows) for name in models}


def main(options: Options) -> None:
    known = {
        name: case
        for name, case in read_config(CASES).evaluation.items()
        if isinstance(case, Forecast)
    }
    rows: dict[str, list[float]] = {}
    for name in options.cases:
        if name not in known:
            raise DataError(f"CASE: found {name!r}; needed some of {', '.join(known)}")
        case = known[name].case(name)
        task = task_of(case.task)
        windows = cut_windows(
            task.sequences(case.data), case.context, case.horizon, sliding=False
        )
        for label, found in forecasts_of(case, windows, options.models).items():
            score = nmse_pooled_db(
                found[:, case.skip :], windows.target[:, case.skip :]
            )
            rows.setdefault(label, []).append(score.value)
        print(f"{name} …", file=sys.stderr, flush=True)
    cells = [[label, *(f"{x:.2f}" for x in values)] for label, values in rows.items()]
    print(text(Table(["forecast", *options.cases], cells, frozenset({0}))))


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (DataError, ValueError) as error:
        sys.exit(f"bank.py: {error}")
