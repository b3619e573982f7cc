"""Metadata from the caller, and checks, for all readers.

Files are untrusted: sizes are checked before memory is allocated, and every error is
one line with the field, what was found and what is needed.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex64

from wlam.data.files import BROKEN, StrPath
from wlam.phy.arrays import ula
from wlam.types import Antennas, Array, Csi, DataError

MAX_BYTES = 2**32  # of one array in memory, unless the caller allows more

# Errors of numpy, zipfile, h5py and scipy for broken files.
UNREADABLE = (*BROKEN, TypeError, AttributeError, IndexError)

SCALARS = ("time_step_s", "subcarrier_spacing_hz", "carrier_hz")
MATLAB_5 = b"MATLAB 5.0 MAT-file"
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Radio:
    """Metadata that these files lack.

    Raises:
        DataError: A number that is not finite and positive.
    """

    time_step_s: float  # between two snapshots; unused where there is only one
    subcarrier_spacing_hz: float
    carrier_hz: float
    # [antenna, 3], in wavelengths; None assumes a half-wavelength line along y
    antenna_positions: Any = None
    antenna_polarisation: Any = None  # int [antenna]; None assumes all the same

    def __post_init__(self):
        for name in SCALARS:
            with np.errstate(over="ignore", under="ignore"):
                value = np.float32(getattr(self, name))
            if not (np.isfinite(value) and value > 0):
                problem = f"is {getattr(self, name)}, must be finite and positive"
                raise DataError(f"{name}: {problem}")


def error(path: StrPath, field: str, problem: str) -> DataError:
    """A DataError in one line; names and other messages may have several."""
    return DataError(" ".join(f"{field}: {problem} ({os.fspath(path)})".split()))


def some(names: Any, most: int = 8) -> str:
    """A list of a file's names, of limited length."""
    listed = sorted(map(str, names))
    shown = [repr(name)[1:-1][:60] for name in listed[:most]]
    more = [f"and {len(listed) - most} more"] if len(listed) > most else []
    return ", ".join(shown + more) or "nothing"


def head(path: StrPath, size: int, needed: str) -> bytes:
    """The first bytes of a file; DataError where there are none."""
    try:
        with open(path, "rb") as file:
            first = file.read(size)
    except FileNotFoundError as cause:
        raise error(path, "path", f"does not exist, must be {needed}") from cause
    except IsADirectoryError as cause:
        raise error(path, "path", f"is a folder, must be {needed}") from cause
    except UNREADABLE as cause:
        problem = f"cannot be read ({cause}), must be {needed}"
        raise error(path, "path", problem) from cause
    if not first:
        raise error(path, "path", f"is empty (0 bytes), must be {needed}")
    return first


def kind(first: bytes) -> str:
    """The format of a file, from its first 520 bytes."""
    if first.startswith(MATLAB_5):
        return "a MATLAB v5 file"
    if HDF5 in (first[:8], first[512:520]):
        return "an HDF5 (MATLAB v7.3) file"
    return "a zip archive" if first.startswith(b"PK") else "something else"


def check_size(path: StrPath, field: str, shape: Any, itemsize: int, limit: int):
    """DataError: an array is too large; before memory is allocated."""
    size = itemsize
    for length in shape:
        size *= int(length)
    if size > limit:
        problem = f"{[int(n) for n in shape]} takes {size} bytes"
        raise error(path, field, f"{problem}, must be at most max_bytes = {limit}")


def check_positive(path: StrPath, field: str, value: int):
    if value < 1:
        raise error(path, field, f"is {value}, must be at least 1")


def check_finite(path: StrPath, field: str, values: np.ndarray):
    bad = ~np.isfinite(values)
    if bad.any():
        first = [int(i) for i in np.unravel_index(bad.argmax(), bad.shape)]
        problem = f"has {bad.sum()} NaN or infinite values, the first at {first}"
        raise error(path, field, f"{problem}, must be finite")


def single(
    path: StrPath, field: str, values: np.ndarray
) -> Complex64[np.ndarray, "..."]:
    """Finite values as complex64; DataError beyond its range."""
    check_finite(path, field, values)
    with np.errstate(over="ignore", under="ignore"):
        converted = values.astype(np.complex64)
    if not np.isfinite(converted).all() or values.any() > converted.any():
        problem = "holds values beyond the range of complex64"
        raise error(path, field, f"{problem}, must be in another unit")
    return converted


def tensor(
    path: StrPath,
    csi: Complex64[np.ndarray, "sample time subcarrier antenna"],
    radio: Radio,
    labels: dict[str, Array],
) -> tuple[Csi, list[str]]:
    """The tensor, and one line for each assumption."""
    samples, antennas = len(csi), csi.shape[-1]
    notes: list[str] = []
    scalars: dict[str, Any] = {
        name: np.full(samples, getattr(radio, name), np.float32) for name in SCALARS
    }
    positions, polarisation = radio.antenna_positions, radio.antenna_polarisation
    if positions is None:
        positions = ula(antennas)
        notes.append(
            "antenna_positions: assumed a uniform linear array along y with "
            f"half-wavelength spacing ({antennas} antennas)"
        )
    if polarisation is None:
        polarisation = np.zeros(antennas, np.int32)
        notes.append("antenna_polarisation: assumed the same for all antennas")
    data = Csi(
        csi=csi,
        **scalars,
        antennas=Antennas(
            given(path, "antenna_positions", positions, np.float32, (antennas, 3)),
            given(path, "antenna_polarisation", polarisation, np.int32, (antennas,)),
        ),
        labels=labels,
    )
    return data, notes


def given(
    path: StrPath, field: str, values: Any, dtype: Any, shape: tuple[int, ...]
) -> np.ndarray:
    """The caller's values as an array; DataError for another type or shape."""
    found = np.asarray(values)
    accepted = "iu" if np.dtype(dtype).kind == "i" else "fiu"
    if found.dtype.kind not in accepted or found.shape != shape:
        problem = f"is {found.dtype} {list(found.shape)}"
        raise error(path, field, f"{problem}, must be {np.dtype(dtype)} {list(shape)}")
    check_finite(path, field, found)
    with np.errstate(over="ignore"):
        converted = found.astype(dtype)
    if not np.isclose(converted, found, rtol=1e-5).all():
        problem = f"holds values beyond the range of {np.dtype(dtype)}"
        raise error(path, field, f"{problem}, must be in another unit")
    return converted
