"""Sets in the layout of WiFo (arXiv 2412.08908): one complex array per .mat v7.3."""

from collections.abc import Iterator

import numpy as np

from wlam.data.files import CSI_AXES, StrPath
from wlam.data.readers.common import MAX_BYTES, Radio, check_positive, error, tensor
from wlam.data.readers.matlab73 import MatArray, opened
from wlam.types import Csi


def read(
    path: StrPath,
    radio: Radio,
    *,
    name: str | None = None,
    axes: tuple[str, ...] = CSI_AXES,
    start: int = 0,
    stop: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> tuple[Csi, list[str]]:
    """Read samples `start` to `stop` (None: to the end) of a file.

    Args:
        path: A MATLAB v7.3 file.
        radio: Metadata that the file lacks.
        name: The array; None takes the only complex one.
        axes: The file's axes as MATLAB shows them, sample first. Some sets have the
            antennas before the subcarriers.
        max_bytes: The most memory of the result.

    Returns:
        The tensor, labels["index"] the sample's number in the file; and notes, one line
        for each assumption.

    Raises:
        DataError: One line with field, what was found, what is needed.
    """
    with opened(path, name, _checked(path, axes), max_bytes) as array:
        stop = array.shape[0] if stop is None else stop
        if not 0 <= start < stop <= array.shape[0]:
            found = f"start {start}, stop {stop}"
            held = f"0 <= start < stop <= {array.shape[0]}, the samples of the file"
            raise error(path, "samples", f"{found}, must be {held}")
        return _slice(array, radio, axes, start, stop)


def stream(
    path: StrPath,
    radio: Radio,
    *,
    samples: int = 256,
    name: str | None = None,
    axes: tuple[str, ...] = CSI_AXES,
    max_bytes: int = MAX_BYTES,
) -> Iterator[Csi]:
    """Yield the whole file, `samples` at a time (the last may be fewer).

    The file may be larger than the memory. Compressed chunks are unpacked as a whole:
    few large slices are faster than many small ones. Errors of the file are
    raised before the first tensor, invalid values when they are read.

    Args and errors: see `read`.
    """
    check_positive(path, "samples", samples)
    with opened(path, name, _checked(path, axes), max_bytes) as array:
        for start in range(0, array.shape[0], samples):
            stop = min(start + samples, array.shape[0])
            yield _slice(array, radio, axes, start, stop)[0]


def _slice(
    array: MatArray, radio: Radio, axes: tuple[str, ...], start: int, stop: int
) -> tuple[Csi, list[str]]:
    values = array.read(start, stop).transpose([axes.index(axis) for axis in CSI_AXES])
    labels = {"index": np.arange(start, stop, dtype=np.int32)}
    data, notes = tensor(array.path, np.ascontiguousarray(values), radio, labels)
    if array.dataset.ndim < len(axes):
        notes.append(f"{array.name}: has 3 axes, assumed one {axes[-1]}")
    return data, notes


def _checked(path, axes):
    if sorted(axes) != sorted(CSI_AXES) or axes[0] != "sample":
        needed = f"{', '.join(CSI_AXES)} in any order, sample first"
        raise error(path, "axes", f"are {', '.join(axes)}, must be {needed}")
    return axes
