"""What each member of the bank forecasts alone, beside their mix and the models.

    python benchmarks/bank.py [CASE ...] [--models MODEL ...]

For cases of configs/benchmark.py that continue channels, without names the Jakes rows:
pooled NMSE in dB against noise-free targets of every member of
`wlam.baselines.bank.ar_bank` in its own order, of the mix by record, which is the floor
"AR bank", of the Wiener predictor that is told the Doppler shift and the noise, and of
models.
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
from wlam.baselines.bank.ar_bank import BANK, options_of
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
    *(f"{fit.method} {fit.order}, {fit.reach[0]} {fit.reach[1]}" for fit in BANK),
    "bands",
]


@dataclass(frozen=True)
class Options:
    """What is forecast, and by whom."""

    # Of configs/benchmark.py.
    cases: Annotated[tuple[str, ...], tyro.conf.Positional] = JAKES
    # Runs or released models.
    models: tuple[str, ...] = ()


@partial(jax.jit, static_argnames=("horizon", "grid"))
def members(context: Array, horizon: int, grid: tuple[int, int]) -> Array:
    """[sample, step, bin, member]."""
    options, _, peak = options_of(context, horizon, grid)
    return options.forecasts[..., :-1] * peak[..., None]


def forecasts_of(
    case: EvalCase, windows: Windows, models: Sequence[str]
) -> dict[str, np.ndarray]:
    """By name, the members first."""
    horizon, grid = windows.horizon, windows.grid
    if grid is None or windows.every > 1:
        raise DataError(f"CASE: found {case.name}; needed one that continues channels")
    alone = in_pieces(
        lambda _, piece: members(piece, horizon, grid), PIECE, windows.context
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
