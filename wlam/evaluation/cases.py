"""Cases of measured sets, and of a user's file."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wlam.data.files import check_window, read_npz, whole_block
from wlam.data.measured import CASES, SINGLE_HORIZONS, SPARSE_SWEEPS, find_measured
from wlam.evaluation.forecast import Case
from wlam.phy.noise import awgn
from wlam.tasks import layout_of
from wlam.tasks.estimate import NOISE
from wlam.tasks.own import UserData
from wlam.types import Csi, DataError

NOISE_SEED = 0
USUAL = tuple(name for name in CASES if name not in (*SINGLE_HORIZONS, *SPARSE_SWEEPS))


def measured_cases(
    fetched: str | Path | None,
    prepared: str | Path = "data",
    names: Sequence[str] = USUAL,
) -> tuple[list[Case], list[str]]:
    """The measured sets that are found, and a line for each that is not.

    Args:
        fetched: folder of the files as their authors give them; None: only what is
            prepared already is found.
        prepared: folder where they are prepared on first use.
        names: of `wlam.data.measured.CASES`. Those of a single horizon and sparse
            sweeps, which the benchmark asks for, are not among the usual ones.
    """
    found, missing = find_measured(prepared, names, manual_dir=fetched)
    names = [field.name for field in fields(Case)]
    todo = [
        Case(**{name: getattr(case, name) for name in names}) for case in found.values()
    ]
    return todo, [f"skipped {name}: {reason}" for name, reason in missing.items()]


@dataclass(frozen=True, kw_only=True)
class OwnData(UserData):
    """A user's file to evaluate on; options of eval.py."""

    # Steps between two windows (beam, traffic, series); the horizon if not given.
    stride: int | None = None
    # Share of each series, at its end, that targets lie in (beam, traffic, series).
    tail: float = 0.2
    # Adds noise to the context at this SNR (csi tasks); targets stay as they are.
    snr_db: float | None = None


def file_case(own: OwnData) -> tuple[Case, list[str]]:
    """The user's own data as a case, and notes on what was assumed.

    Raises:
        DataError: an option or the file cannot be used; one line says which and why.
    """
    file, task = str(own.data), str(own.task)
    layout = None if own.task is None else layout_of(task)
    given = None not in (own.context, own.horizon)
    if layout is None or not (layout.pilots or given):
        raise DataError(
            "--task, --context, --horizon: missing; --data needs all three "
            "(csi_estimate the first alone)"
        )
    data, notes = read_npz(file, layout)
    context, horizon = int(own.context or 0), int(own.horizon or 0)
    if layout.pilots:
        context = horizon = whole_block(data, own.context, own.horizon)
    check_window(layout, data, context, horizon)
    if own.snr_db is not None:
        data = add_noise(data, own.snr_db)
        notes.append(f"context: noise added at {own.snr_db:g} dB")
    case = Case(
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
