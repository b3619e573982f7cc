"""Your own measurements as an .npz, and atomic writing of files.

A file holds one array, by task, and scalars (0-d or shape [1], finite, positive):

  csi_time, csi_frequency,  csi complex64 [sample, time, subcarrier, antenna]
  csi_antenna, csi_pilots_4,
  csi_pilots_8, csi_estimate,
  csi_irregular
  beam, beam_irregular,     rsrp_db float32 [track, time, beam]
  beam_scan_4, beam_scan_8
  traffic                   traffic float32 [series, time]
  series                    series float32 [sample, time, channel]

Every file has time_step_s; one with csi also has subcarrier_spacing_hz and carrier_hz,
and it may have antenna_positions float32 [antenna, 3] in wavelengths and
antenna_polarisation int [antenna]. For csi_estimate it may have the positions of
pilots, as pilots int [pilot] or as mask bool, the noise variance, and the clean
channel; see `_pilots`. For csi_irregular and beam_irregular it must have
the mask of measured snapshots or sweeps, measured bool [time] or [sample, time]; the
others may hold any numbers, which are ignored.
"""

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from wlam.phy.arrays import ula
from wlam.types import Antennas, Array, Csi, DataError, Series, Sweeps, Traffic

StrPath = str | os.PathLike[str]
Data = Csi | Sweeps | Traffic | Series

# Errors of numpy and zipfile for broken members.
BROKEN = (
    *(ValueError, KeyError, EOFError, OSError, MemoryError, OverflowError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Layout:
    """The array that a task reads, its axes and scalars."""

    data: type  # the tensor it becomes
    name: str  # its array, in the file and in the tensor
    axes: tuple[str, ...]
    target: str  # the axis that the task forecasts along
    dtype: type = np.float32
    scalars: tuple[str, ...] = ("time_step_s",)
    completes: bool = False  # targets lie in the context, not after it
    pilots: bool = False  # channels are estimated from pilots of a block
    irregular: bool = False  # some snapshots or sweeps are missing

    def span(self, context: int, horizon: int) -> int:
        """Steps from the first known one to the last target."""
        return context if self.completes else context + horizon


CSI_AXES = ("sample", "time", "subcarrier", "antenna")
CSI_SCALARS = ("time_step_s", "subcarrier_spacing_hz", "carrier_hz")
CSI = Layout(Csi, "csi", CSI_AXES, "time", np.complex64, CSI_SCALARS)
BEAM = Layout(Sweeps, "rsrp_db", ("track", "time", "beam"), "time")
TRAFFIC = Layout(Traffic, "traffic", ("series", "time"), "time")
SERIES = Layout(Series, "series", ("sample", "time", "channel"), "time")


def read_npz(path: StrPath, layout: Layout) -> tuple[Data, list[str]]:
    """Read a user's file for one task, with all fields checked.

    Args:
        path: an .npz in the format of this module.
        layout: what the task reads, `Task.layout`.

    Returns:
        The tensor (numpy arrays; scalars repeated per sample), and notes: one line for
        each converted, assumed or ignored field, to show to the user.

    Raises:
        DataError: one line with the field, what was found and what is needed: no such
            file, not an .npz, broken, a missing field, a wrong shape or kind of number,
            NaN or infinity, a value beyond float32. Arrays of Python objects (pickles)
            are never loaded.
    """
    notes: list[str] = []
    with _open(path) as archive:
        file = _File(path, archive, notes)
        values = file.array(layout.name, layout.dtype, layout.axes)
        scalars = {name: file.scalar(name, len(values)) for name in layout.scalars}
        fields = {layout.name: values, **scalars}
        if layout.data is Csi:
            fields |= _antennas(file, values.shape[-1])
        if layout.pilots:
            fields |= _pilots(file, values.shape)
        if layout.irregular:
            fields[layout.name] = _measured(file, values)
        file.report_ignored()
    return layout.data(**fields), notes


def read_arrays(
    path: StrPath, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Those of `names` that an .npz holds, unchanged, and its other names.

    Raises:
        DataError: no such file, not an .npz, broken, or an array of Python objects,
            which is never loaded.
    """
    with _open(path) as archive:
        file = _File(path, archive, [])
        held = archive.files
        found = {name: file._member(name, "an array") for name in names if name in held}
    return found, sorted(set(held) - set(names))


def infer_task(path: StrPath, layouts: Mapping[str, Layout]) -> str:
    """The first task whose array a user's file holds.

    Raises:
        DataError: one line: the file cannot be opened, or holds no task's array.
    """
    with _open(path) as archive:
        held = archive.files
    for task, layout in layouts.items():
        if layout.name in held:
            return task
    names = ", ".join(dict.fromkeys(layout.name for layout in layouts.values()))
    raise _error(
        f"data: {os.fspath(path)} holds {_some(held)}, must hold one of {names}"
    )


def check_window(layout: Layout, data: Data, context: int, horizon: int) -> None:
    """Check that context and horizon fit into the data.

    Args:
        layout: what the task reads, `Task.layout`.
        data: the task's tensor.
        context: L, known steps (subcarriers, antennas for those tasks).
        horizon: H, steps to forecast.

    Raises:
        DataError: one line with the length of the axis that was found.
    """
    if not isinstance(data, layout.data):
        raise _error(
            f"data: found {type(data).__name__}; needed {layout.data.__name__}"
        )
    length = np.shape(getattr(data, layout.name))[layout.axes.index(layout.target)]
    for name, value in (("context", context), ("horizon", horizon)):
        if value < 1:
            raise _error(f"{name}: {value}, must be at least 1")
    if layout.span(context, horizon) > length:
        what = "context" if layout.completes else "context + horizon"
        found = context if layout.completes else f"{context} + {horizon}"
        raise _error(
            f"{what}: {found}, must be at most {length}, the length of the "
            f"{layout.target} axis of {layout.name}"
        )
    if layout.irregular:
        _check_gaps(np.asarray(getattr(data, layout.name)), context)


def whole_block(data: Data, context: int | None, horizon: int | None) -> int:
    """Context and horizon of estimation from pilots: all subcarriers.

    Raises:
        DataError: one of them was given.
    """
    if context is not None or horizon is not None:
        raise _error(
            f"--context, --horizon: found {context}, {horizon}; needed none, "
            "all subcarriers are estimated"
        )
    return np.shape(vars(data)["csi"])[2]


def write_npz_atomic(path: StrPath, /, **arrays: Array) -> None:
    """Write arrays as an .npz atomically: the file is complete or absent.

    Raises:
        DataError: an array of Python objects, which `read_npz` does not read.
        OSError: the folder does not exist or cannot be written.
    """
    numbers: dict[str, Any] = {name: np.asarray(a) for name, a in arrays.items()}
    for name, values in numbers.items():
        if values.dtype.hasobject:
            raise _error(f"{name}: holds Python objects, must be an array of numbers")
    _write_atomic(path, lambda file: np.savez(file, **numbers))


def write_text_atomic(path: StrPath, text: str) -> None:
    """Write text as UTF-8 atomically: the file is complete or absent.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    _write_atomic(path, lambda file: file.write(text.encode()))


class _File:
    """The members of one opened .npz; records notes and the names that were read."""

    def __init__(self, path, archive, notes):
        self.path, self.archive, self.notes = path, archive, notes
        self.read = set()

    def array(self, name, dtype, axes, shape=None):
        """The member `name`, finite, with `axes` (and `shape`, where known)."""
        needed = f"{np.dtype(dtype)} [{', '.join(axes)}]"
        found = self._member(name, needed)
        accepted = {"c": "c", "f": "fiu", "i": "iu"}[np.dtype(dtype).kind]
        if found.dtype.kind not in accepted:
            raise self.error(name, f"is {found.dtype}, must be {needed}")
        if found.ndim != len(axes) or (shape and found.shape != shape):
            wanted = f"{list(shape)} = [{', '.join(axes)}]" if shape else needed
            raise self.error(name, f"has shape {list(found.shape)}, must be {wanted}")
        for axis, length in zip(axes, found.shape, strict=True):
            if length == 0:
                problem = f"has shape {list(found.shape)}, {axis} must not be empty"
                raise self.error(name, problem)
        return self._convert(name, found, dtype)

    def scalar(self, name, samples):
        """The positive number `name`, once for every sample."""
        found = self._member(name, "one number")
        if found.dtype.kind not in "fiu" or found.shape not in ((), (1,)):
            problem = f"is {found.dtype} of shape {list(found.shape)}"
            raise self.error(name, f"{problem}, must be one number (0-d or shape [1])")
        value = float(found.reshape(()))
        with np.errstate(over="ignore"):
            single = np.float32(value)
        if not (np.isfinite(single) and single > 0):
            raise self.error(name, f"is {value}, must be finite and positive")
        return np.full(samples, single)

    def positive(self, name, samples):
        """Positive numbers `name`, one for every sample or one for all."""
        if np.shape(self._member(name, "numbers")) in ((), (1,)):
            return self.scalar(name, samples)
        values = self.array(name, np.float32, ("sample",), (samples,))
        if values.min() <= 0:
            raise self.error(name, f"holds {values.min()}, must be positive")
        return values

    def flags(self, name, shape):
        """The truth values `name`, [time, subcarrier] or also [antenna]."""
        needed = "bool [time, subcarrier] or [time, subcarrier, antenna]"
        found = self._member(name, needed)
        if found.dtype != bool or found.shape not in (shape[:2], shape):
            problem = f"is {found.dtype} of shape {list(found.shape)}, must be {needed}"
            raise self.error(name, f"{problem} = {list(shape)}")
        full = found[..., None] if found.ndim == 2 else found
        return np.broadcast_to(full, shape).copy()

    def report_ignored(self):
        ignored = set(self.archive.files) - self.read
        if ignored:
            self.notes.append(f"ignored: {_some(ignored)}")

    def _member(self, name, needed):
        if name not in self.archive.files:
            held = f"the file holds {_some(self.archive.files)}"
            raise self.error(name, f"is missing, must be {needed}; {held}")
        try:
            found = self.archive[name]
        except BROKEN as error:
            if "allow_pickle" in str(error):
                problem = "holds Python objects (a pickle), must be an array of numbers"
                raise self.error(name, problem) from error
            raise self.error(name, f"cannot be read ({error})") from error
        if not isinstance(found, np.ndarray):
            raise self.error(name, f"is not a numpy array, must be {needed}")
        self.read.add(name)
        return found

    def _convert(self, name, found, dtype):
        bad = ~np.isfinite(found)
        if bad.any():
            first = [int(i) for i in np.unravel_index(bad.argmax(), bad.shape)]
            problem = f"has {bad.sum()} NaN or infinite values, the first at {first}"
            raise self.error(name, problem)
        if found.dtype == dtype:
            return found
        with np.errstate(over="ignore", under="ignore"):
            converted = found.astype(dtype)
        if np.dtype(dtype).kind == "i":
            limits = np.iinfo(dtype)
            lost = found.min() < limits.min or found.max() > limits.max
        else:  # too large, or all of it too small
            lost = not np.isfinite(converted).all() or found.any() > converted.any()
        if lost:
            problem = f"{found.dtype} beyond the range of {np.dtype(dtype)}"
            raise self.error(name, f"holds {problem}, must be in another unit")
        self.notes.append(f"{name}: converted from {found.dtype} to {np.dtype(dtype)}")
        return converted

    def error(self, name, problem):
        return _error(f"{name}: {problem} ({os.fspath(self.path)})")


def _antennas(file, antennas):
    """The array geometry; a half-wavelength line where none is given."""
    if "antenna_positions" in file.archive.files:
        axes, shape = ("antenna", "3"), (antennas, 3)
        positions = file.array("antenna_positions", np.float32, axes, shape)
    else:
        positions = ula(antennas)
        file.notes.append(
            "antenna_positions: assumed a uniform linear array along y with "
            f"half-wavelength spacing ({antennas} antennas)"
        )
    if "antenna_polarisation" in file.archive.files:
        axes, shape = ("antenna",), (antennas,)
        polarisation = file.array("antenna_polarisation", np.int32, axes, shape)
    else:
        polarisation = np.zeros(antennas, np.int32)
        file.notes.append("antenna_polarisation: assumed the same for all antennas")
    return {"antennas": Antennas(positions, polarisation)}


def _pilots(file, shape):
    """Positions of pilots, noise variance and clean channel, where given.

    pilots int [pilot], subcarriers with pilots in every snapshot; or mask bool
    [time, subcarrier] or [time, subcarrier, antenna]; noise_variance, one number or one
    for each sample; clean like csi.
    """
    held, samples, subcarriers = file.archive.files, shape[0], shape[2]
    if "pilots" in held and "mask" in held:
        raise file.error("pilots, mask", "are both there, must be one of them")
    seen = np.ones(shape[1:], bool)
    if "pilots" in held:
        pilots = file.array("pilots", np.int32, ("pilot",))
        inside = (pilots >= 0) & (pilots < subcarriers)
        if not inside.all() or len(set(pilots.tolist())) < len(pilots):
            problem = f"holds {pilots[:8].tolist()}, must be different subcarriers"
            raise file.error("pilots", f"{problem}, 0 to {subcarriers - 1}")
        at = np.isin(np.arange(subcarriers), pilots)
        seen = np.broadcast_to(at[None, :, None], shape[1:]).copy()
    elif "mask" in held:
        seen = np.asarray(file.flags("mask", shape[1:]))
    else:
        file.notes.append("pilots: assumed everywhere")
    if not seen.any():
        raise file.error("mask", "has no pilot, must have one or more")
    fields: dict[str, Any] = {"pilots": seen}
    if "clean" in held:
        fields["clean"] = file.array("clean", np.complex64, CSI_AXES, shape)
    else:
        file.notes.append("clean: not given; csi itself is the target, with its noise")
    if "noise_variance" in held:
        fields["labels"] = {"noise_variance": file.positive("noise_variance", samples)}
    else:
        file.notes.append("noise_variance: not given; estimators run without it")
    return fields


def _measured(file, values):
    """The measured snapshots or sweeps, and NaN for the missing ones."""
    samples, times = values.shape[:2]
    needed = "bool [time] or [sample, time]"
    found = file._member("measured", needed)
    if found.dtype != bool or found.shape not in ((times,), (samples, times)):
        problem = f"is {found.dtype} of shape {list(found.shape)}, must be {needed}"
        raise file.error("measured", f"{problem} = {[samples, times]}")
    seen = np.broadcast_to(found, (samples, times))
    if not seen.any(axis=1).all():
        row = int(np.argmin(seen.any(axis=1)))
        raise file.error("measured", f"has none in sample {row}, must have one or more")
    seen = seen.reshape(samples, times, *(1,) * (values.ndim - 2))
    return np.where(seen, values, values.dtype.type(np.nan))


def _check_gaps(values, context):
    """Every context must hold a measurement."""
    seen = np.isfinite(values).reshape(*values.shape[:2], -1).all(axis=2)
    start = np.zeros(len(values), int)
    for now in range(values.shape[1]):
        start = np.where(seen[:, now], now + 1, start)
        gap = now + 1 - start
        if gap.max() >= context:
            raise _error(
                f"measured: sample {gap.argmax()} has none in {context} steps, must "
                "have one or more in every context"
            )


@contextmanager
def _open(path):
    """The opened .npz; DataError where the path is no such file."""
    with ExitStack() as stack:
        archive = None
        try:
            file = stack.enter_context(open(path, "rb"))
            head = file.read(6)
            file.seek(0)
            if head.startswith(b"PK"):
                archive = np.load(file, allow_pickle=False)
        except FileNotFoundError as error:
            raise _error(f"path: {path} does not exist, must be an .npz") from error
        except IsADirectoryError as error:
            raise _error(f"path: {path} is a folder, must be an .npz") from error
        except BROKEN as error:
            raise _error(f"path: {path} cannot be read as .npz ({error})") from error
        if archive is None:
            known = {b"": "empty (0 bytes)", b"\x93NUMPY": "one unnamed array (.npy)"}
            found = known.get(head, "something else")
            raise _error(f"path: {path} is {found}, must be an .npz (numpy.savez)")
        yield archive


def _some(names, most=8):
    """A list of a file's names, of limited length."""
    shown = [repr(name)[1:-1] for name in sorted(names)[:most]]
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join(shown + more) or "nothing"


def _error(message):
    """A DataError in one line; names and messages of numpy may have several."""
    return DataError(" ".join(message.split()))


def _write_atomic(path, write):
    """Let `write` fill a temporary file, then replace the target by it."""
    target = Path(os.path.realpath(path))
    neighbour = target.with_name(f".{target.name[:200]}.{uuid4().hex[:8]}.tmp")
    try:
        with open(neighbour, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(neighbour, target)
    finally:
        neighbour.unlink(missing_ok=True)
