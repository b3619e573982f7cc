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
from wlam.config import load_config
from wlam.evaluation.cases import generated_case
from wlam.evaluation.judge import EvalCase, forecast
from wlam.metrics import nmse_pooled_db
from wlam.ops.pieces import in_pieces
from wlam.tasks import TASKS
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
    case: EvalCase, windows: Windows, models: Sequence[str]
) -> dict[str, np.ndarray]:
    """By name, the experts first."""
    horizon, grid = windows.horizon, windows.grid
    if grid is None or windows.every > 1:
        raise DataError(f"CASE: found {case.name}; needed one that forecasts channels")
    alone = in_pieces(
        lambda _, piece: by_experts(piece, horizon, grid), PIECE, windows.context
    )
    found = {name: alone[..., i] for i, name in enumerate(NAMES)}
    baselines = TASKS[case.task].baselines(case.data, windows)
    for name in ("AR bank", WIENER):
        if name in baselines:
            found[name] = np.asarray(baselines[name](windows.context, horizon))
    return found | {model: forecast(wlam.load(model), windows) for model in models}


def main(options: Options) -> None:
    known = load_config(CASES, []).evaluation
    rows: dict[str, list[float]] = {}
    for name in options.cases:
        if name not in known:
            raise DataError(f"CASE: found {name!r}; needed some of {', '.join(known)}")
        case = generated_case(name, known[name])
        task = TASKS[case.task]
        windows = cut_windows(
            task.sequences(case.data), case.context, case.horizon, sliding=False
        )
        for label, found in forecasts_of(case, windows, options.models).items():
            score = nmse_pooled_db(
                found[:, case.skip :], windows.target[:, case.skip :]
            )
            rows.setdefault(label, []).append(score.value)
        print(f"{name} …", file=sys.stderr, flush=True)
    print("| forecast |", " | ".join(options.cases), "|")
    print("| --- |", "---: |" * len(options.cases))
    for label, values in rows.items():
        print(f"| {label} |", " | ".join(f"{x:.2f}" for x in values), "|")


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (DataError, ValueError) as error:
        sys.exit(f"bank.py: {error}")
