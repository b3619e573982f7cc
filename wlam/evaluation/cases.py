"""What is judged: generated cases of a config, measured sets, a user's file."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wlam.data.files import ESTIMATE, LAYOUTS, check_window, read_npz, whole_block
from wlam.data.generators import generate
from wlam.data.measured import CASES, SCANS, SINGLE_HORIZONS, find_measured
from wlam.data.own import FileConfig
from wlam.evaluation.evaluator import Evaluator
from wlam.evaluation.judge import EvalCase
from wlam.phy.noise import awgn
from wlam.tasks import TASKS
from wlam.tasks.estimate import NOISE
from wlam.types import Csi, DataError, Series, Sweeps, Traffic

NOISE_SEED = 0
ONLY = {"channels": Csi, "series": Series | Traffic, "sweeps": Sweeps}
"""Tensors of a model that forecasts one kind of data only, by the kind's name."""
USUAL = tuple(name for name in CASES if name not in (*SINGLE_HORIZONS, *SCANS))


@dataclass(frozen=True)
class Case(Evaluator):
    """One line of the evaluation: a task on generated data unseen in training."""

    # A name of wlam.tasks.TASKS.
    task: str
    # Config of a generator.
    source: Any
    # Steps (or subcarriers) that are given.
    context: int
    # Steps that are forecast.
    horizon: int
    # Steps of the horizon, its first, that are not scored.
    skip: int = 0
    # Generated samples.
    samples: int = 64
    # Share of each series that sliding windows have their targets in.
    tail: float = 0.2
    # Of the evaluation data; training keys come from Config.seed.
    seed: int = 10_000

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            known = ", ".join(TASKS)
            raise ValueError(f"task: found {self.task!r}; needed one of {known}")
        if not 0 <= self.skip < self.horizon:
            raise ValueError(
                f"skip: found {self.skip} of {self.horizon} steps; needed fewer"
            )


def generated_cases(evaluation: Mapping[str, Case]) -> list[EvalCase]:
    """The evaluation cases of a config, with their data."""
    return [generated_case(name, case) for name, case in evaluation.items()]


def generated_case(name: str, case: Case) -> EvalCase:
    """One of them."""
    make = jax.jit(lambda key: generate(key, case.source, case.samples))
    data = jax.tree.map(np.asarray, make(jax.random.key(case.seed)))
    of_file = isinstance(case.source, FileConfig)
    return EvalCase(
        name=name,
        task=case.task,
        data=data,
        context=case.context,
        horizon=case.horizon,
        skip=case.skip,
        tail=case.tail,
        about=f"{'file' if of_file else 'generated'}: {case.source}",
    )


def measured_root() -> Path:
    """WLAM_DATA_DIR, or a `shared/data` folder beside the checkout."""
    given = os.environ.get("WLAM_DATA_DIR")
    return Path(given) if given else Path(__file__).parents[3] / "shared" / "data"


def measured_cases(
    names: Sequence[str] = USUAL,
) -> tuple[list[EvalCase], list[str]]:
    """The measured sets found in `measured_root()`, and a line for each that is not.

    They are prepared on first use, in WLAM_PREPARED_DIR or ./data.

    Args:
        names: of `wlam.data.measured.CASES`. Those of a single horizon and sparse
            sweeps, which the benchmark asks for, are not among the usual ones.
    """
    prepared = os.environ.get("WLAM_PREPARED_DIR", "data")
    found, missing = find_measured(prepared, names, manual_dir=measured_root())
    names = [field.name for field in fields(EvalCase)]
    todo = [
        EvalCase(**{name: getattr(case, name) for name in names})
        for case in found.values()
    ]
    return todo, [f"skipped {name}: {reason}" for name, reason in missing.items()]


def fitting(todo: list[EvalCase], model: Any) -> tuple[list[EvalCase], list[str]]:
    """The cases that a model can forecast, and a line for each that it cannot."""
    reasons = [unfit(case, model) for case in todo]
    pairs = list(zip(todo, reasons, strict=True))
    skipped = [f"skipped {case.name}: {why}" for case, why in pairs if why]
    return [case for case, why in pairs if not why], skipped


def unfit(case: EvalCase, model: Any) -> str:
    """Why a model cannot forecast a case; empty if it can."""
    if model.only in ONLY and not isinstance(case.data, ONLY[model.only]):
        return f"the model forecasts {model.only} only"
    if case.task == ESTIMATE:
        return "" if hasattr(model, "estimate") else "the model estimates no channels"
    if model.only == "pilots":
        return "the model estimates channels only"
    if LAYOUTS[case.task].completes:
        is_channel = isinstance(case.data, Csi)
        if model.only or not (
            model.takes_channels if is_channel else model.takes_sweeps
        ):
            return f"the model completes no {'channels' if is_channel else 'sweeps'}"
    return ""


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """A user's file and what is asked of it; options of eval.py."""

    # An .npz file of your own, see docs/data_formats.md.
    data: str | None = None
    # A name of wlam.tasks.TASKS.
    task: str | None = None
    # Steps (subcarriers, antennas for those tasks) that the model sees.
    context: int | None = None
    # Steps (subcarriers) to forecast.
    horizon: int | None = None
    # Steps between two windows (beam, traffic, series); the horizon if not given.
    stride: int | None = None
    # Share of each series, at its end, that targets lie in (beam, traffic, series).
    tail: float = 0.2
    # Adds noise to the context at this SNR (csi tasks); targets stay as they are.
    snr_db: float | None = None


def file_case(own: OwnData) -> tuple[EvalCase, list[str]]:
    """The user's own data as a case, and notes on what was assumed.

    Raises:
        DataError: an option or the file cannot be used; one line says which and why.
    """
    file, task = str(own.data), str(own.task)
    if own.task is None or (task != ESTIMATE and None in (own.context, own.horizon)):
        raise DataError(
            "--task, --context, --horizon: missing; --data needs all three "
            f"({ESTIMATE} the first alone)"
        )
    data, notes = read_npz(file, task)
    context, horizon = int(own.context or 0), int(own.horizon or 0)
    if task == ESTIMATE:
        context = horizon = whole_block(data, own.context, own.horizon)
    check_window(task, data, context, horizon)
    if own.snr_db is not None:
        data = add_noise(data, own.snr_db)
        notes.append(f"context: noise added at {own.snr_db:g} dB")
    case = EvalCase(
        name=Path(file).stem,
        task=task,
        data=data,
        context=context,
        horizon=horizon,
        stride=own.stride,
        tail=own.tail,
        about=file,
    )
    return case, notes


def add_noise(data: Any, snr_db: float) -> Csi:
    """White noise on what the model sees; the file's own values stay the target."""
    if not isinstance(data, Csi):
        raise DataError("--snr-db: found a real-valued task; noise is for csi tasks")
    if not np.isfinite(snr_db):
        raise DataError(f"--snr-db: found {snr_db}; needed a finite number of dB")
    seen = np.isfinite(data.csi)  # NaN: not measured
    share = seen.mean((1, 2, 3), keepdims=True)
    key, clean = jax.random.key(NOISE_SEED), jnp.asarray(np.where(seen, data.csi, 0))
    noisy = awgn(key, clean, snr_db + 10 * np.log10(share), axes=(1, 2, 3))
    noisy = np.where(seen, noisy, np.complex64(np.nan))
    power = np.nanmean(abs(data.csi) ** 2, (1, 2, 3))
    labels = {**data.labels, NOISE: np.float32(power * 10 ** (-snr_db / 10))}
    changed = {"csi": np.asarray(noisy), "clean": data.csi, "labels": labels}
    return replace(data, **changed)
