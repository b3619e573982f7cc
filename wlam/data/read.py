"""Files and folders as inputs of models: `wlam.read`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from wlam.data.checked import checked_csi, checked_series, checked_sweeps, like
from wlam.data.files import StrPath, read_arrays
from wlam.types import Antennas, Csi, DataError, Question, Series, Sweeps, Traffic

KINDS = {"csi": Csi, "rsrp_db": Sweeps, "traffic": Traffic, "series": Series}
"""The type of data, by the array that a file holds."""
SCALARS = ("time_step_s", "subcarrier_spacing_hz", "carrier_hz")
GEOMETRY = ("antenna_positions", "antenna_polarisation")
KNOWN = (*KINDS, *SCALARS, *GEOMETRY, "mask", "measured", "pilots", "clean")
KNOWN = (*KNOWN, "noise_variance")
OF_REAL_DATA = ("time_step_s", "mask", "measured", "clean")
SIONNA = ("a", "tau")  # an .npz of Sionna's impulse responses
HOLD = "csi, rsrp_db, traffic or series, see docs/data_formats.md"
READERS = "wlam.data.readers (format='wifo', 'llm4cp', 'deepmimo' or 'sionna')"
MOST_BYTES = 2**32


@overload
def read(
    path: StrPath, *, notes: Literal[False] = False, **arguments: Any
) -> Question: ...
@overload
def read(
    path: StrPath, *, notes: Literal[True], **arguments: Any
) -> tuple[Question, list[str]]: ...
def read(
    path: Any,
    *,
    format: str | None = None,
    split: str | None = None,
    time_step_s: Any = None,
    subcarrier_spacing_hz: Any = None,
    carrier_hz: Any = None,
    antennas: Antennas | None = None,
    notes: bool = False,
    **options: Any,
) -> Any:
    """Read measurements or simulations as inputs of models.

    >>> csi = wlam.read("my_csi.npz")
    >>> csi = wlam.read("H.mat", time_step_s=5e-4, subcarrier_spacing_hz=3e4,
    ...                 carrier_hz=3.5e9, antennas=wlam.panel(4, 8))

    Args:
        path: an .npz in the format of `wlam.data.files`, in which NaN, or False in an
            array `mask`, marks missing values; a .mat with the same names ("save -v7")
            or in a layout of `wlam.data.readers`; a folder of such .npz files, which
            are joined along samples; or a prepared TFDS folder.
        format: the layout of another simulator or data set, a name of
            `wlam.data.readers.FORMATS`; None: from the arrays.
        split: of a prepared folder, such as "test" or "train[:10%]"; None: the only
            one.
        time_step_s, subcarrier_spacing_hz, carrier_hz, antennas: values that the file
            lacks; they override those of the file.
        notes: whether to return (data, notes): one line for each converted, assumed or
            ignored field.
        options: those of the format's own reader.

    Returns:
        `Csi`, `Sweeps`, `Series` or `Traffic` in arrays of NumPy; its mask is False
        for missing values, and None if there are none.

    Raises:
        DataError: one line: no such file, an unknown format, a broken file, an unknown
            layout, or invalid values. Pickles are never loaded.
    """
    path = Path(path)
    arguments: dict[str, Any] = {
        "time_step_s": time_step_s,
        "subcarrier_spacing_hz": subcarrier_spacing_hz,
        "carrier_hz": carrier_hz,
        "antennas": antennas,
    }
    given = {name: x for name, x in arguments.items() if x is not None}
    lines: list[str] = []
    if path.is_dir():
        if format or options:
            raise DataError(
                f"format: found {format or ', '.join(options)} for the folder {path}; "
                "needed a file"
            )
        data = _folder(path, split, given, lines)
    elif split is not None:
        raise DataError(f"split: found {split!r} for {path}; needed a prepared folder")
    else:
        data = _file(path, format, given, options, lines)
    return (data, lines) if notes else data


def _file(
    path: Path,
    format: str | None,
    given: dict[str, Any],
    options: dict[str, Any],
    notes: list[str],
) -> Question:
    from wlam.data.readers import FORMATS, common

    what = common.kind(common.head(path, 520, "an .npz, a .mat or a folder"))
    if format is None:
        if what == "a zip archive":
            arrays, ignored = read_arrays(path, (*KNOWN, *SIONNA))
            if not {*SIONNA} <= {*arrays} or {*KINDS} & {*arrays}:
                _check_no_options(path, options)
                if ignored:
                    notes.append(f"ignored: {', '.join(ignored)}")
                return _question(path, arrays, given, notes)
            format = "sionna"
        elif what == "a MATLAB v5 file":
            arrays = _matlab5(path)
            if "channels" not in arrays:
                _check_no_options(path, options)
                return _question(path, _as_of_numpy(arrays, notes), given, notes)
            format = "deepmimo"
        elif what == "an HDF5 (MATLAB v7.3) file":
            format = _layout_of_matlab73(path, options.get("name"))
        else:
            raise DataError(
                f"path: found {path}, which is {what}; needed an .npz (numpy.savez), a "
                ".mat or a folder"
            )
    if format not in FORMATS:
        raise DataError(f"format: found {format!r}; needed one of {', '.join(FORMATS)}")
    return _foreign(path, format, given, options, notes)


def _check_no_options(path: Path, options: dict[str, Any]) -> None:
    if options:
        raise DataError(
            f"{next(iter(options))}: found an option for {path}; needed one of "
            f"{', '.join(SCALARS)}, antennas, or a format with options"
        )


def _matlab5(path: Path) -> dict[str, Any]:
    from wlam.data.readers.matlab5 import load

    try:
        return load(path, (*KNOWN, "channels"), MOST_BYTES)
    except DataError as cause:
        if ": is missing" not in str(cause):
            raise
        raise DataError(
            f"{str(cause).replace('csi: is missing', 'path: found no known layout')}; "
            f"needed {HOLD}, or a reader of {READERS}"
        ) from cause


def _layout_of_matlab73(path: Path, name: str | None) -> str:
    """The format of the only complex array, or of the named one."""
    from wlam.data.readers.matlab73 import opened

    try:
        with opened(path, name, ("first", "second", "third", "..."), MOST_BYTES) as x:
            return "wifo" if len(x.shape) <= 4 else "llm4cp"
    except DataError as cause:
        raise DataError(
            f"{cause}; needed one complex array, or name= and a reader of {READERS}"
        ) from cause


def _foreign(
    path: Path,
    format: str,
    given: dict[str, Any],
    options: dict[str, Any],
    notes: list[str],
) -> Csi:
    from wlam.data import readers

    for name in SCALARS:
        if name not in given:
            raise DataError(
                f"{name}: found none in {path} ({format}), whose layout lacks it; "
                f"needed wlam.read(path, {name}=...)"
            )
    try:
        scalars = {name: float(given[name]) for name in SCALARS}
    except (TypeError, ValueError) as cause:
        raise DataError(f"{', '.join(SCALARS)}: needed one number each") from cause
    antennas = given.get("antennas")
    geometry = () if antennas is None else (antennas.positions, antennas.polarisation)
    radio = readers.Radio(*scalars.values(), *geometry)
    try:
        data, found = readers.read(path, format, radio, **options)
    except TypeError as cause:  # an unknown option, or a missing one
        why = str(cause).partition("() ")[2] or str(cause)
        raise DataError(f"options: {format} {why} ({path})") from cause
    notes += found
    return data


def _as_of_numpy(arrays: dict[str, Any], notes: list[str]) -> dict[str, np.ndarray]:
    """MATLAB's matrices: two axes at least, none of length 1 at the end."""
    found = {}
    for name, x in arrays.items():
        if not isinstance(x, np.ndarray):
            raise DataError(f"{name}: found {type(x).__name__}; needed an array")
        if name in (*SCALARS, "pilots", "antenna_polarisation", "noise_variance"):
            x = x.reshape(-1)
        if name in ("pilots", "antenna_polarisation") and np.array_equal(x, np.rint(x)):
            x = x.astype(np.int32)
        if name == "measured" and 1 in x.shape:
            x = x.reshape(-1)
        found[name] = x
    csi = found.get("csi")
    if csi is not None and csi.ndim == 3:
        notes.append("csi: has 3 axes, assumed one antenna")
        for name in ("csi", "clean", "mask"):
            if name in found and found[name].shape == csi.shape:
                found[name] = found[name][..., None]
    return found


def _question(
    path: Path, arrays: dict[str, np.ndarray], given: dict[str, Any], notes: list[str]
) -> Question:
    """The data of the arrays of a file, checked."""
    name = next((name for name in KINDS if name in arrays), None)
    if name is None:
        held = ", ".join(arrays) or "no array that is known"
        raise DataError(f"path: found {held} in {path}; needed {HOLD}")
    kind = KINDS[name]
    known = (*OF_REAL_DATA, name) if kind is not Csi else KNOWN
    if passed := [x for x in arrays if x not in known or (x in KINDS and x != name)]:
        notes.append(f"ignored: {', '.join(passed)}")
    arrays = {x: arrays[x] for x in arrays if x not in passed}
    values = arrays[name]
    try:
        if "measured" in arrays:
            values = _with_gaps(values, arrays["measured"], name)
        fields: dict[str, Any] = {name: values}
        if "mask" in arrays:
            fields["mask"] = _mask(arrays["mask"], values)
        if "clean" in arrays and kind in (Csi, Sweeps):
            fields["clean"] = arrays["clean"]
        fields |= {scalar: arrays[scalar] for scalar in SCALARS if scalar in arrays}
        if kind is Csi:
            fields |= _of_channels(arrays, values, given, notes)
        known_to_caller = {*SCALARS} if kind is Csi else {"time_step_s"}
        fields |= {x: given[x] for x in given if x in known_to_caller}
        question = kind(**fields)
        canonical = _checked(question)
    except DataError as cause:
        raise DataError(f"{cause} ({path})") from cause
    _note(name, values, canonical, notes)
    mask = canonical.mask
    if np.all(np.asarray(mask)):
        canonical = replace(canonical, mask=None)
    return like(question, canonical)


def _checked(question: Question) -> Csi | Sweeps | Series:
    if isinstance(question, Csi):
        return checked_csi(question, axis=None)
    if isinstance(question, Sweeps):
        return checked_sweeps(question)
    return checked_series(question)


def _note(name: str, values: np.ndarray, canonical: Any, notes: list[str]) -> None:
    dtype = np.complex64 if name == "csi" else np.float32
    if values.dtype != dtype:
        notes.append(f"{name}: converted from {values.dtype} to {np.dtype(dtype)}")
    missing = int(canonical.mask.size - canonical.mask.sum())
    if missing:
        share = 100 * missing / canonical.mask.size
        notes.append(f"mask: {missing} values are missing ({share:.2g} %)")


def _with_gaps(values: np.ndarray, measured: np.ndarray, name: str) -> np.ndarray:
    """Values with NaN for the snapshots or sweeps that were not measured."""
    samples = {"csi": values.ndim > 3, "rsrp_db": values.ndim > 2}
    lead = values.shape[: 1 + samples.get(name, values.ndim > 1)]
    fits = measured.shape in (lead, lead[-1:])
    if measured.dtype.kind not in "bu" or not fits:
        raise DataError(
            f"measured: found {measured.dtype} of shape {measured.shape}; needed bool "
            f"[time] or [sample, time], {lead}"
        )
    seen = measured.reshape(*measured.shape, *(1,) * (values.ndim - len(lead)))
    return np.where(seen.astype(bool), values, values.dtype.type(np.nan))


def _mask(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mask; [time, subcarrier] in a file applies to all samples and antennas."""
    if values.ndim == 4 and mask.ndim == 2 and mask.shape == values.shape[1:3]:
        return mask[..., None]
    return mask


def _of_channels(
    arrays: dict[str, np.ndarray],
    values: np.ndarray,
    given: dict[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    """Geometry, pilots and noise variance."""
    fields: dict[str, Any] = {}
    count = values.shape[-1] if values.ndim else 0
    if "antennas" in given:
        fields["antennas"] = given["antennas"]
    elif "antenna_positions" in arrays:
        polarisation = arrays.get("antenna_polarisation")
        if polarisation is None:
            polarisation = np.zeros(count, np.int32)
            notes.append("antenna_polarisation: assumed the same for all antennas")
        fields["antennas"] = Antennas(arrays["antenna_positions"], polarisation)
    else:
        notes.append(
            "antenna_positions: assumed a uniform linear array along y with "
            f"half-wavelength spacing ({count} antennas)"
        )
    for name in SCALARS:
        if name not in arrays and name not in given:
            notes.append(f"{name}: not given; some requests need it")
    if "pilots" in arrays and values.ndim in (3, 4):
        subcarriers = values.shape[-2]
        pilots = arrays["pilots"]
        if pilots.dtype.kind not in "iu" or not set(pilots.flat) <= {
            *range(subcarriers)
        }:
            raise DataError(
                f"pilots: found {pilots.dtype} {pilots.ravel()[:8].tolist()}; needed "
                f"subcarriers, 0 to {subcarriers - 1}"
            )
        at = np.isin(np.arange(subcarriers), pilots)
        fields["pilots"] = np.broadcast_to(at[:, None], values.shape[-3:])
    if "noise_variance" in arrays:
        noise = arrays["noise_variance"].reshape(-1)
        samples = len(values) if values.ndim > 3 else 1
        if noise.size not in (1, samples) or not (noise > 0).all():
            raise DataError(
                f"noise_variance: found {noise[:4].tolist()}; needed one positive "
                f"number, or one for each of {samples} samples"
            )
        full = np.broadcast_to(noise.astype(np.float32), samples)
        fields["labels"] = {"noise_variance": full}
    return fields


def _folder(
    path: Path, split: str | None, given: dict[str, Any], notes: list[str]
) -> Question:
    if (path / "dataset_info.json").is_file():
        return _prepared(path, split, given)
    files = sorted(path.glob("*.npz"))
    if not files:
        held = sorted(x.name for x in path.iterdir())[:8]
        raise DataError(
            f"path: found {', '.join(held) or 'nothing'} in the folder {path}; needed "
            ".npz files, or a prepared TFDS folder (dataset_info.json)"
        )
    if split is not None:
        raise DataError(f"split: found {split!r} for {path}; needed a prepared folder")
    parts = []
    for file in files:
        lines: list[str] = []
        parts.append(_file(file, None, given, {}, lines))
        notes += [f"{file.name}: {line}" for line in lines]
    return join(parts, [file.name for file in files])


def join(parts: list[Question], names: list[str]) -> Question:
    """Data of one kind, joined along the samples.

    Raises:
        DataError: the kinds, the other axes or the antennas differ.
    """
    first = parts[0]
    whole = [_checked(part) for part in parts]
    for part, x, name in zip(parts, whole, names, strict=True):
        if type(part) is not type(first) or _common(x) != _common(whole[0]):
            raise DataError(
                f"path: found {type(part).__name__} {_common(x)[0]} in {name}, and "
                f"{type(first).__name__} {_common(whole[0])[0]} in {names[0]}; needed "
                "equal axes after the first, equal antennas and equal fields"
            )
    samples = [len(np.asarray(x.mask)) for x in whole]

    def put(get: Callable[[Any], Any]) -> Any:
        return np.concatenate([np.asarray(get(x)) for x in whole])

    fields: dict[str, Any] = {
        name: put(lambda x, name=name: getattr(x, name))
        for name in (*KINDS, *SCALARS, "clean", "mask")
        if getattr(whole[0], name, None) is not None
    }
    labels = {
        name: put(lambda x, name=name: x.labels[name]) for name in whole[0].labels
    }
    labels["file"] = np.repeat(np.arange(len(parts)), samples)
    if fields["mask"].all():
        fields["mask"] = None
    found = replace(whole[0], **fields, labels=labels)
    if isinstance(first, Traffic):
        return like(Traffic(np.empty((1, 1))), found)
    return found


def _common(x: Csi | Sweeps | Series) -> tuple[Any, ...]:
    """Properties that must be equal in data to join."""
    fields = [name for name, value in vars(x).items() if value is not None]
    antennas = getattr(x, "antennas", None)
    geometry = [] if antennas is None else np.asarray(antennas.positions).tolist()
    kinds = [] if antennas is None else np.asarray(antennas.polarisation).tolist()
    pilots = getattr(x, "pilots", None)
    seen = [] if pilots is None else np.asarray(pilots).tolist()
    shape = np.asarray(x.mask).shape[1:]
    return list(shape), fields, sorted(x.labels), geometry, kinds, seen


def _prepared(path: Path, split: str | None, given: dict[str, Any]) -> Question:
    from wlam.data import builders  # imports TFDS, which is slow

    if split is None:
        info = json.loads((path / "dataset_info.json").read_text())
        splits = [found["name"] for found in info.get("splits", [])]
        if len(splits) != 1:
            raise DataError(
                f"split: found {', '.join(splits) or 'none'} in {path}; needed "
                "wlam.read(path, split=...), one of them"
            )
        split = str(splits[0])
    data = builders.read_tensor(path, split)
    return replace(data, **{x: given[x] for x in given if hasattr(data, x)})
