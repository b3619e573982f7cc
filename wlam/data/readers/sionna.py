"""Channel impulse responses of Sionna, saved with numpy.savez, as CSI on a grid."""

import zipfile
from typing import Any, Literal

import numpy as np
from jaxtyping import Complex, Float

from wlam.data.files import StrPath
from wlam.data.readers.common import (
    MAX_BYTES,
    UNREADABLE,
    Radio,
    check_finite,
    check_positive,
    check_size,
    error,
    head,
    kind,
    single,
    some,
    tensor,
)
from wlam.types import Csi, DataError

NEEDED = "an .npz with a and tau (numpy.savez)"
A_AXES = "[batch, rx, rx_ant, tx, tx_ant, path, time]"
TAU_AXES = "[batch, rx, tx, path] or [batch, rx, rx_ant, tx, tx_ant, path]"


def read(
    path: StrPath,
    radio: Radio,
    *,
    num_subcarriers: int,
    side: Literal["tx", "rx"] = "tx",
    max_bytes: int = MAX_BYTES,
) -> tuple[Csi, list[str]]:
    """Compute h[k] = sum_p a_p exp(-j 2 pi f_k tau_p).

    f_k = (k - num_subcarriers // 2) * spacing, as in `subcarrier_frequencies` of
    Sionna. Every link and every antenna of the other side gives one sample.

    Args:
        path: An .npz with `a` complex [batch, num_rx, num_rx_ant, num_tx, num_tx_ant,
            num_paths, num_time_steps] and `tau` in s [batch, num_rx, num_tx, num_paths]
            or [batch, num_rx, num_rx_ant, num_tx, num_tx_ant, num_paths]. Both may lack
            the batch, as in Sionna RT.
        radio: Metadata that the file lacks.
        num_subcarriers: K.
        side: The antenna axis of the CSI: of the transmitter or of the receiver.
        max_bytes: The most memory of each array and of the result.

    Returns:
        The tensor, its samples in the order of labels["batch"], ["rx"], ["tx"] and
        ["other_ant"], the antenna of the other side; and notes, one line for each
        assumed or ignored field.

    Raises:
        DataError: One line with field, what was found, what is needed.
    """
    check_positive(path, "num_subcarriers", num_subcarriers)
    if side not in ("tx", "rx"):
        raise error(path, "side", f"is {side!r}, must be tx or rx")
    a, tau, ignored = _arrays(path, max_bytes)
    batch, rx, rx_ant, tx, tx_ant, _, times = a.shape
    other, antennas = (rx_ant, tx_ant) if side == "tx" else (tx_ant, rx_ant)
    samples = (batch, rx, tx, other)
    shape = (*samples, times, num_subcarriers, antennas)
    check_size(path, "csi", shape, 8, max_bytes)
    check_size(path, "tau", (*tau.shape[1:], num_subcarriers), 16, max_bytes)
    delays = "rspk" if tau.ndim == 4 else "rmsnpk"
    result = "rsmtkn" if side == "tx" else "rsntkm"
    offset = np.arange(num_subcarriers) - num_subcarriers // 2
    frequencies = offset * radio.subcarrier_spacing_hz
    csi = np.empty(shape, np.complex64)
    for index in range(batch):
        ramp = np.exp(-2j * np.pi * tau[index, ..., None] * frequencies)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.einsum(f"rmsnpt,{delays}->{result}", a[index], ramp)
        csi[index] = single(path, "csi", values)
    indices = np.indices(samples, np.int32).reshape(4, -1)
    names = ("batch", "rx", "tx", "other_ant")
    labels: dict[str, Any] = dict(zip(names, indices, strict=True))
    data, notes = tensor(path, csi.reshape(-1, *shape[4:]), radio, labels)
    if ignored:
        notes.append(f"ignored: {some(ignored)}")
    return data, notes


def _arrays(
    path: StrPath, max_bytes: int
) -> tuple[
    Complex[np.ndarray, "batch rx rx_ant tx tx_ant path time"],
    Float[np.ndarray, "batch ..."],
    list[str],
]:
    first = head(path, 520, NEEDED)
    if not first.startswith(b"PK"):
        raise error(path, "path", f"is {kind(first)}, must be {NEEDED}")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            for name in ("a", "tau"):
                if names.count(name) != 1:
                    problem = f"is there {names.count(name)} times, must be once"
                    held = f"the file holds {some(names)}"
                    raise error(path, name, f"{problem}; {held}")
            a = _member(path, archive, "a", "c", A_AXES, max_bytes)
            tau = _member(path, archive, "tau", "f", TAU_AXES, max_bytes)
    except DataError:
        raise
    except UNREADABLE as cause:
        problem = f"cannot be read as .npz ({cause}), must be {NEEDED}"
        raise error(path, "path", problem) from cause
    if a.ndim == 6:
        a, tau = a[None], tau[None]
    if a.ndim != 7:
        raise error(path, "a", f"has shape {list(a.shape)}, must be {A_AXES}")
    if 0 in a.shape:
        raise error(path, "a", f"has shape {list(a.shape)}, must not be empty")
    batch, rx, _, tx, _, num_paths, _ = a.shape
    if tau.shape not in ((batch, rx, tx, num_paths), a.shape[:6]):
        problem = f"has shape {list(tau.shape)} beside a {list(a.shape)}"
        raise error(path, "tau", f"{problem}, must be {TAU_AXES}")
    check_finite(path, "a", a)
    check_finite(path, "tau", tau)
    return a, tau.astype(np.float64), [n for n in names if n not in ("a", "tau")]


def _member(path, archive, name, kind, axes, max_bytes) -> Any:
    """An array whose declared size is the stored one; never a pickle."""
    needed = f"{'complex' if kind == 'c' else 'float'} {axes}"
    entry = f"{name}.npy"
    stored = archive.getinfo(entry).file_size
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise error(path, name, f"is .npy of version {version}, must be 1.0 or 2.0")
        shape, _, dtype = readers[version](file)
        stored -= file.tell()
    if dtype.hasobject:
        raise error(path, name, f"holds Python objects (a pickle), must be {needed}")
    if dtype.kind != kind:
        raise error(path, name, f"is {dtype}, must be {needed}")
    check_size(path, name, shape, dtype.itemsize, max_bytes)
    declared = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if declared != stored or min(shape, default=0) < 0:
        problem = f"declares {list(shape)} of {dtype} and holds {stored} bytes"
        raise error(path, name, f"{problem}, must be whole")
    with archive.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
