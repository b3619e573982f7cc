"""Complex arrays of MATLAB v7.3 files, which are HDF5, slice by slice.

MATLAB writes complex numbers as a compound of `real` and `imag`, and its first axis
runs fastest: the axes of HDF5 are reversed. Trailing axes of length 1 are not written.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from jaxtyping import Complex64

from wlam.data.files import StrPath
from wlam.data.readers.common import (
    HDF5,
    UNREADABLE,
    check_size,
    error,
    head,
    kind,
    single,
    some,
)
from wlam.types import DataError

NEEDED = "a MATLAB v7.3 file (save -v7.3)"
SLAB_BYTES = 2**26  # read at once, in addition to the result
# Deflate, the only compression of MATLAB, gains at most this factor: an array that
# declares more is empty, or made to exhaust the memory.
MOST_COMPRESSION = 1032


@dataclass(frozen=True)
class MatArray:
    """A checked complex array of an open file."""

    path: StrPath
    name: str
    dataset: Any
    shape: tuple[int, ...]  # in the order of MATLAB
    max_bytes: int

    def read(self, start: int, stop: int) -> Complex64[np.ndarray, "..."]:
        """Indices `start` to `stop` of the first axis, all of the others.

        Raises:
            DataError: too large for `max_bytes`, broken, NaN, beyond complex64.
        """
        shape = (stop - start, *self.shape[1:])
        check_size(self.path, self.name, shape, 8, self.max_bytes)
        values = np.empty(shape, np.complex64)
        # Slabs of MATLAB's last axis, which are contiguous in the file.
        stored = values.reshape(stop - start, *self.dataset.shape[-2::-1])
        length = stored.shape[-1]
        step = max(1, SLAB_BYTES * length // (2 * values.nbytes))
        if self.dataset.chunks:  # are unpacked as a whole: once is enough
            step += -step % self.dataset.chunks[0]
        for first in range(0, length, step):
            last = min(first + step, length)
            stored[..., first:last] = self._slab(start, stop, first, last)
        return values

    def _slab(self, start, stop, first, last):
        try:
            raw = self.dataset[first:last, ..., start:stop].T
        except UNREADABLE as cause:
            problem = f"cannot be read ({cause}), must be whole"
            raise error(self.path, self.name, problem) from cause
        for part in ("real", "imag"):
            bad = ~np.isfinite(raw[part])
            if bad.any():
                at = [int(i) for i in np.unravel_index(bad.argmax(), bad.shape)]
                at[0], at[-1] = at[0] + start, at[-1] + first
                problem = f"has NaN or infinite values, such as at {at}"
                raise error(self.path, self.name, f"{problem}, must be finite")
        values = np.empty(raw.shape, np.result_type(raw.dtype["real"], np.complex64))
        values.real, values.imag = raw["real"], raw["imag"]
        return single(self.path, self.name, values)


@contextmanager
def opened(
    path: StrPath, name: str | None, axes: tuple[str, ...], max_bytes: int
) -> Iterator[MatArray]:
    """A complex array of a file: `name`, or the only one.

    Args:
        axes: The axes it must have, in the order of MATLAB; "..." at the end allows
            any further ones. Otherwise the last axis may be missing, since MATLAB drops
            it when its length is 1; it is restored.

    Raises:
        DataError: no such file, another format, broken, no or several such arrays, a
            link to elsewhere, another kind of number, rank or size.
    """
    first = head(path, 520, NEEDED)
    if HDF5 not in (first[:8], first[512:520]):
        raise error(path, "path", f"is {kind(first)}, must be {NEEDED}")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r", rdcc_nbytes=SLAB_BYTES))
            name = _find(path, file, name)
            dataset = file[name]
            shape = _checked(path, name, dataset, axes, max_bytes)
        except DataError:
            raise
        except UNREADABLE as cause:
            problem = f"cannot be read as HDF5 ({cause}), must be {NEEDED}"
            raise error(path, "path", problem) from cause
        yield MatArray(path, name, dataset, shape, max_bytes)


def _find(path, file, name) -> str:
    """The name of the dataset; only hard links stay within the file."""
    found = {member: _describe(file, member) for member in file if not _own(member)}
    complex_ones = [member for member in found if found[member] == "complex"]
    held = some(f"{member} ({what})" for member, what in found.items())
    if name is None:
        if len(complex_ones) != 1:
            problem = f"{len(complex_ones)} complex arrays, the file holds {held}"
            raise error(path, "name", f"{problem}; must be given unless there is one")
        (name,) = complex_ones
    elif name not in found:
        raise error(path, name, f"is missing, must be one of what is held: {held}")
    if found[name] != "complex":
        raise error(path, name, f"is {found[name]}, must be a complex array")
    return name


def _own(member):
    """Whether a member is internal to MATLAB: #refs#, #subsystem#."""
    return member.startswith("#")


def _describe(file, member):
    link = file.get(member, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        return "a link to another file"
    if not isinstance(link, h5py.HardLink):
        return "a soft link"
    if file.get(member, getclass=True) is not h5py.Dataset:
        return "not an array"
    try:
        dtype = file[member].dtype
    except TypeError:
        return "of an unknown type"
    if set(dtype.names or ()) != {"real", "imag"}:
        return str(dtype)
    parts = {dtype[part] for part in dtype.names}
    if len(parts) > 1 or parts.pop().kind != "f":
        return f"a complex of {dtype['real']} and {dtype['imag']}"
    return "complex"


def _checked(path, name, dataset, axes, max_bytes):
    """The shape in the order of MATLAB."""
    # Without this attribute the order of axes is unknown.
    if "MATLAB_class" not in dataset.attrs:
        raise error(path, name, "has no MATLAB_class, must be written by MATLAB (v7.3)")
    if dataset.external is not None or dataset.is_virtual:
        raise error(path, name, "lies in another file, must lie in this one")
    shape = () if dataset.shape is None else dataset.shape[::-1]
    open_ended = axes[-1] == "..."
    if len(shape) == len(axes) - 1 and not open_ended:
        shape = (*shape, 1)
    if len(shape) < len(axes) - open_ended or (
        len(shape) > len(axes) and not open_ended
    ):
        problem = f"has shape {list(shape)}, must be [{', '.join(axes)}]"
        raise error(path, name, problem)
    if 0 in shape or "MATLAB_empty" in dataset.attrs:
        raise error(path, name, f"has shape {list(shape)}, must not be empty")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > MOST_COMPRESSION * stored:
        problem = f"declares {dataset.nbytes} bytes {list(shape)} and holds {stored}"
        raise error(path, name, f"{problem}, must be whole")
    if dataset.chunks:
        check_size(
            path, f"{name} chunk", dataset.chunks, dataset.dtype.itemsize, max_bytes
        )
    return shape
