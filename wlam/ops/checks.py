"""Checks of users' arguments, with errors of one line."""

from typing import Any

import numpy as np

from wlam.types import DataError

LARGEST = float(np.finfo(np.float32).max)


def is_whole(x: Any) -> bool:
    """Whether it is a whole number of 1 or more."""
    return isinstance(x, int | np.integer) and not isinstance(x, bool) and int(x) >= 1


def shown(x: Any) -> str:
    """The argument, on one short line."""
    return " ".join(repr(x).split())[:60]


def at_least_one(name: str, x: Any) -> None:
    """A DataError unless it is a whole number of 1 or more."""
    if not is_whole(x):
        raise DataError(f"{name}: found {shown(x)}; needed a whole number, at least 1")


def sides_of(grid: Any) -> tuple[int, int]:
    """Rows and columns of bins, or a DataError."""
    sides = tuple(grid) if isinstance(grid, tuple | list | np.ndarray) else ()
    if len(sides) != 2 or not all(map(is_whole, sides)):
        raise DataError(
            f"grid: found {shown(grid)}; needed rows and columns, two whole numbers of "
            "at least 1"
        )
    return int(sides[0]), int(sides[1])


def spacings(interval: Any, samples: int, name: str = "interval") -> np.ndarray:
    """The spacing of the steps of each sample, float32, or a DataError."""
    try:
        with np.errstate(over="ignore", under="ignore"):
            found = np.asarray(interval, np.float64).astype(np.float32)
    except (TypeError, ValueError):
        found = np.zeros(0)
    fits = found.shape in ((), (1,), (samples,))
    if not fits or not np.all(np.isfinite(found) & (found > 0)):
        what = shown(interval)
        if found.size > 1:
            what = f"{found[:3].tolist()} of shape {found.shape}"
        raise DataError(
            f"{name}: found {what}; needed one positive number, or one for each of "
            f"{samples} samples"
        )
    return np.broadcast_to(found.reshape(-1), samples)


def within_float32(name: str, x: np.ndarray) -> None:
    """A DataError for finite numbers beyond float32; NaN and inf pass."""
    if x.dtype.itemsize <= (8 if x.dtype.kind == "c" else 4):
        return
    largest = np.maximum(abs(np.real(x)), abs(np.imag(x)))
    beyond = largest[np.isfinite(x) & (largest > LARGEST)]
    if len(beyond):
        raise DataError(
            f"{name}: found {beyond[0]:.3g}; needed numbers of float32, up to "
            f"{LARGEST:.3g}"
        )
