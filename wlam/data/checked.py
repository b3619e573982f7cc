"""Checks of users' data: canonical arrays of NumPy, or an error of one line.

    canonical = checked_csi(question, "time")     # [sample, time, subcarrier, antenna]
    answer = replace(canonical, csi=forecast, mask=None)
    return like(question, answer)                 # on the axes of the question

NaN, `mask` and the mask of a `numpy.ma.MaskedArray` all mark missing values; infinity
is an error. Values are not changed.
"""

import operator
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from wlam.ops.checks import shown, spacings, within_float32
from wlam.phy.arrays import ula, uniform_line
from wlam.types import (
    AXES,
    Antennas,
    Csi,
    DataError,
    Question,
    Series,
    Sweeps,
    Traffic,
)

INTERVALS = {"time": "time_step_s", "frequency": "subcarrier_spacing_hz"}
"""The field with the interval of each axis; that of antennas is their spacing."""
CSI = "[sample, time, subcarrier, antenna]"
CSI_NEEDED = f"{CSI}, [time, subcarrier, antenna] or, of links, "
CSI_NEEDED += "[sample, time, subcarrier, receive antenna, transmit antenna]"
Kind = TypeVar("Kind", bound=Question)


def checked_csi(csi: Any, axis: Any = "time") -> Csi:
    """Channels as consistent arrays of NumPy.

    Args:
        csi: `wlam.Csi` of lists, arrays of NumPy, JAX or PyTorch, or masked arrays;
            with or without a sample axis. Four axes are those of `CSI`, unless
            `receive_antennas` is given: then they are a link without a sample axis.
        axis: one of `AXES`, whose interval is needed; None: no interval is.

    Returns:
        csi complex64 [sample, time, subcarrier, antenna], or five axes for a link, 0
        where missing; mask bool like csi, True where measured;
        intervals and carrier float32 [sample], or None where not given; antennas (and
        receive_antennas of a link) float32 and int32, half-wavelength lines along y
        where not given; clean complex64 like csi; pilots bool [time, subcarrier,
        antenna]; labels [sample, ...].

    Raises:
        DataError: naming the field, what was found and what is needed.
    """
    _check_type("csi", csi, (Csi,))
    if axis not in (*AXES, None):
        raise DataError(f"axis: found {shown(axis)}; needed one of {', '.join(AXES)}")
    values, missing = _numbers("csi", csi.csi, "c")
    is_link = values.ndim == 5 or (
        values.ndim == 4 and csi.receive_antennas is not None
    )
    if values.ndim not in (3, 4, 5):
        raise DataError(f"csi: found shape {values.shape}; needed {CSI_NEEDED}")
    no_samples = values.ndim == (4 if is_link else 3)
    _check_no_axis_is_empty("csi", values)
    values, mask = _measured("csi", values, missing, csi.mask, np.complex64)
    if no_samples:
        values, mask = values[None], mask[None]
    _check_samples(mask)
    samples, shape = len(values), values.shape
    antennas = _geometry("antennas", csi.antennas, shape, -1)
    receive = csi.receive_antennas
    if is_link:
        receive = _geometry("receive_antennas", receive, shape, -2)
    elif receive is not None:
        raise DataError(
            f"receive_antennas: found some for csi of shape {shape}; needed five axes, "
            "[sample, time, subcarrier, receive antenna, transmit antenna]"
        )
    intervals = {
        name: _interval(name, getattr(csi, name), samples)
        for name in (*INTERVALS.values(), "carrier_hz")
    }
    if axis == "antenna":
        uniform_line(antennas.positions, antennas.polarisation)
    elif axis is not None and intervals[INTERVALS[axis]] is None:
        raise _missing_interval(INTERVALS[axis], axis)
    clean = csi.clean
    if clean is not None:
        clean = _clean(clean, "c", shape, no_samples, np.complex64)
    return Csi(
        csi=values,
        mask=mask,
        antennas=antennas,
        receive_antennas=receive,
        clean=clean,
        labels=_labels(csi.labels, samples, no_samples),
        pilots=None if csi.pilots is None else _pilots(csi.pilots, shape[1:]),
        **intervals,
    )


def checked_sweeps(sweeps: Any) -> Sweeps:
    """Sweeps as consistent arrays of NumPy; see `checked_csi`.

    Args:
        sweeps: `wlam.Sweeps`, [track, time, beam] or [time, beam].

    Returns:
        rsrp_db float32 [track, time, beam], 0 where missing; mask bool
        like it; time_step_s float32 [track]; clean like rsrp_db; labels [track, ...].

    Raises:
        DataError: naming the field, what was found and what is needed.
    """
    _check_type("sweeps", sweeps, (Sweeps,))
    values, missing = _numbers("rsrp_db", sweeps.rsrp_db, "fiu")
    if values.ndim not in (2, 3):
        raise DataError(
            f"rsrp_db: found shape {values.shape}; needed [track, time, beam] or "
            "[time, beam]"
        )
    _check_no_axis_is_empty("rsrp_db", values)
    values, mask = _measured("rsrp_db", values, missing, sweeps.mask, np.float32)
    alone = values.ndim == 2
    if alone:
        values, mask = values[None], mask[None]
    _check_samples(mask)
    clean = sweeps.clean
    if clean is not None:
        clean = _clean(clean, "fiu", values.shape, alone, np.float32)
    return Sweeps(
        rsrp_db=values,
        mask=mask,
        time_step_s=_time_step(sweeps.time_step_s, len(values)),
        clean=clean,
        labels=_labels(sweeps.labels, len(values), alone),
    )


def checked_series(series: Any) -> Series:
    """Series as consistent arrays of NumPy; see `checked_csi`.

    Args:
        series: `wlam.Series` [sample, time, channel], [sample, time] or [time], or
            `wlam.Traffic` [series, time] or [time].

    Returns:
        series float32 [sample, time, channel], 0 where missing; mask bool
        like it; time_step_s float32 [sample]; labels [sample, ...].

    Raises:
        DataError: naming the field, what was found and what is needed.
    """
    _check_type("series", series, (Series, Traffic))
    name = _name(series)
    values, missing = _numbers(name, getattr(series, name), "fiu")
    most = 2 if isinstance(series, Traffic) else 3
    if not 1 <= values.ndim <= most:
        needed = ("[time]", "[sample, time]", "[sample, time, channel]")[:most]
        raise DataError(
            f"{name}: found shape {values.shape}; needed {' or '.join(needed[::-1])}"
        )
    _check_no_axis_is_empty(name, values)
    values, mask = _measured(name, values, missing, series.mask, np.float32)
    alone = values.ndim == 1
    if alone:
        values, mask = values[None], mask[None]
    if values.ndim == 2:
        values, mask = values[..., None], mask[..., None]
    _check_samples(mask)
    return Series(
        series=values,
        mask=mask,
        time_step_s=_time_step(series.time_step_s, len(values)),
        labels=_labels(series.labels, len(values), alone),
    )


def horizon_of(horizon: Any, most: int | None = None) -> int:
    """The requested number of steps, checked.

    Args:
        most: the largest allowed number; None: no limit.

    Raises:
        DataError: it is not a whole number from 1 to `most`.
    """
    try:
        steps = 0 if isinstance(horizon, bool) else operator.index(horizon)
    except TypeError:
        steps = 0
    if steps < 1 or (most is not None and steps > most):
        limits = "of at least 1" if most is None else f"from 1 to {most}"
        raise DataError(
            f"horizon: found {shown(horizon)}; needed a whole number {limits}"
        )
    return steps


def like(question: Kind, answer: Question) -> Kind:
    """A canonical answer on the axes of the question.

    Args:
        question: the user's data.
        answer: `Csi`, `Sweeps` or `Series` as the functions above return them, with
            any number of steps.

    Returns:
        The kind of the question: without a sample or channel axis where the question
        has none.
    """
    given = getattr(question, _name(question))
    values = np.asarray(getattr(answer, _name(answer)))
    if isinstance(question, Csi):
        link = np.ndim(given) == 4 and question.receive_antennas is not None
        alone, drop = np.ndim(given) == 3 or link, False
    elif isinstance(question, Sweeps):
        alone, drop = np.ndim(given) == 2, False
    else:
        alone, drop = np.ndim(given) == 1, np.ndim(given) < 3

    def back(x: Any) -> Any:
        if x is None:
            return None
        x = np.asarray(x)
        x = x[..., 0] if drop and x.ndim == values.ndim else x
        return x[0] if alone else x

    fields: dict[str, Any] = {"mask": back(answer.mask)}
    for name in (*INTERVALS.values(), "carrier_hz", "clean"):
        if hasattr(answer, name):
            fields[name] = back(getattr(answer, name))
    fields["labels"] = {name: back(x) for name, x in answer.labels.items()}
    found: Any = Traffic if isinstance(question, Traffic) else partial(replace, answer)
    return found(**{_name(question): back(values)}, **fields)


def _check_type(name: str, x: Any, kinds: tuple[type, ...]) -> None:
    if not isinstance(x, kinds):
        needed = " or ".join(f"wlam.{kind.__name__}" for kind in kinds)
        raise DataError(f"{name}: found {type(x).__name__}; needed {needed}")


def _name(x: Question) -> str:
    """The field with the values."""
    names = {Csi: "csi", Sweeps: "rsrp_db", Series: "series", Traffic: "traffic"}
    return names[type(x)]


def _array(name: str, x: Any) -> np.ndarray:
    """Any input as np.asarray; bfloat16 and similar types become float32."""
    try:
        found = np.asarray(x)
        if found.dtype.kind == "V" and found.dtype.names is None:
            found = found.astype(np.float32)
    except Exception as cause:  # other libraries raise errors of their own
        raise DataError(
            f"{name}: found {type(x).__name__} that is no array "
            f"({shown(str(cause))}); needed numbers"
        ) from cause
    return found


def _numbers(name: str, x: Any, kinds: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a kind, and the mask of missing ones of a masked array."""
    if x is None:
        raise DataError(f"{name}: found None; needed numbers")
    if isinstance(x, list | tuple) and any(np.ma.isMaskedArray(part) for part in x):
        x = np.ma.stack(x)  # np.asarray would drop the masks
    missing = np.ma.getmaskarray(x) if isinstance(x, np.ma.MaskedArray) else False
    found = _array(name, x)
    if found.dtype.kind not in kinds:
        needed = "complex numbers" if kinds == "c" else "real numbers"
        raise DataError(
            f"{name}: found {found.dtype} of shape {found.shape}; needed {needed}"
        )
    return found, np.broadcast_to(missing, found.shape)


def _check_no_axis_is_empty(name: str, x: np.ndarray) -> None:
    if 0 in x.shape:
        raise DataError(
            f"{name}: found shape {x.shape}; needed axes that are not empty"
        )


def _measured(
    name: str, x: np.ndarray, missing: np.ndarray, mask: Any, dtype: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Values of a type, 0 where missing, and the mask of measured ones."""
    known = ~(missing | np.isnan(x))
    if mask is not None:
        known &= _mask(name, mask, x.shape)
    _check_range(name, x, known)
    return np.where(known, x, 0).astype(dtype), known


def _check_samples(known: np.ndarray) -> None:
    some = known.reshape(len(known), -1).any(axis=1)
    if not some.all():
        raise DataError(
            f"mask: sample {int(np.argmin(some))} has nothing measured; needed one "
            "value or more in every sample, neither masked nor NaN"
        )


def _check_range(name: str, x: np.ndarray, known: np.ndarray) -> None:
    """DataError: infinite values, too large for float32, or all too small for it."""
    infinite = np.isinf(x) & known
    if infinite.any():
        at = [int(i) for i in np.unravel_index(infinite.argmax(), x.shape)]
        raise DataError(
            f"{name}: found {infinite.sum()} infinite values, the first at {at}; "
            "needed finite ones, and NaN or mask for what is missing"
        )
    seen = x[known]
    within_float32(name, seen)
    tiny = np.finfo(np.float32).tiny
    if seen.any() and max(abs(np.real(seen)).max(), abs(np.imag(seen)).max()) < tiny:
        raise DataError(
            f"{name}: found nothing larger than {abs(seen).max():.3g}; needed numbers "
            f"of float32, from {tiny:.3g}, in another unit"
        )


def _mask(name: str, mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The mask as bool, broadcast to the shape of the array."""
    found = _array("mask", mask)
    if found.dtype.kind in "iu" and np.isin(found, (0, 1)).all():
        found = found.astype(bool)
    if found.dtype != bool:
        raise DataError(
            f"mask: found {found.dtype} of shape {found.shape}; needed bool, True "
            f"where {name} was measured"
        )
    first = found.ndim and found.shape == shape[: found.ndim]
    try:
        full = np.broadcast_to(found, shape)
    except ValueError:
        ones = (*found.shape, *(1,) * (len(shape) - found.ndim))
        hint = f"; of the first axes it is {ones}" if first else ""
        raise DataError(
            f"mask: found shape {found.shape}; needed {shape}, the shape of {name}, or "
            f"one that broadcasts to it{hint}"
        ) from None
    if first and found.size > 1 and found.ndim < len(shape):
        raise DataError(
            f"mask: found shape {found.shape}, the first and the last axes of {name} "
            f"{shape}; needed one axis for each of its axes, of length 1 where all "
            "share it"
        )
    return full


def _interval(name: str, x: Any, samples: int) -> np.ndarray | None:
    return None if x is None else spacings(x, samples, name)


def _time_step(x: Any, samples: int) -> np.ndarray:
    if x is None:
        raise _missing_interval("time_step_s", "time")
    return spacings(x, samples, "time_step_s")


def _missing_interval(name: str, axis: str) -> DataError:
    unit = "Hz" if name.endswith("hz") else "seconds"
    return DataError(
        f"{name}: found None; needed the interval of axis {axis!r} in {unit}"
    )


def _geometry(name: str, antennas: Any, shape: tuple[int, ...], at: int) -> Antennas:
    """The antennas of an axis; a half-wavelength line where none are given."""
    length = shape[at]
    if antennas is None:
        return Antennas(ula(length), np.zeros(length, np.int32))
    if not isinstance(antennas, Antennas):
        raise DataError(
            f"{name}: found {type(antennas).__name__}; needed wlam.Antennas or what "
            "wlam.panel gives"
        )
    positions = _array(f"{name}.positions", antennas.positions)
    if positions.dtype.kind not in "fiu" or positions.shape[1:] != (3,):
        raise DataError(
            f"{name}.positions: found {positions.dtype} of shape {positions.shape}; "
            "needed real numbers [antenna, 3], in wavelengths"
        )
    with np.errstate(over="ignore"):
        positions = positions.astype(np.float32)
    if not np.isfinite(positions).all():
        bad = int(np.argmin(np.isfinite(positions).all(axis=1)))
        raise DataError(
            f"{name}.positions: found {positions[bad].tolist()} for antenna {bad}; "
            "needed finite numbers"
        )
    if len(positions) != length:
        raise _wrong_antennas(name, len(positions), shape, at)
    kinds = _array(f"{name}.polarisation", antennas.polarisation)
    if kinds.dtype.kind not in "iu" or kinds.shape != (length,):
        raise DataError(
            f"{name}.polarisation: found {kinds.dtype} of shape {kinds.shape}; needed "
            f"{length} whole numbers, one for each antenna"
        )
    return Antennas(positions, kinds.astype(np.int32))


def _wrong_antennas(
    name: str, found: int, shape: tuple[int, ...], at: int
) -> DataError:
    axes = ["sample", "time", "subcarrier", "antenna"]
    if len(shape) == 5:
        axes = [*axes[:3], "receive antenna", "transmit antenna"]
    fits = [i for i in range(1, len(shape)) if shape[i] == found]
    hint = ""
    if fits:
        hint = f"; axis {fits[-1] - len(shape)} has {found}, the axes look swapped"
    where = "at the end" if at == -1 else "before the last axis"
    return DataError(
        f"csi: found {found} antennas in the geometry ({name}) but shape {shape} with "
        f"{shape[at]} {where}; needed [{', '.join(axes)}]{hint}"
    )


def _clean(
    x: Any, kinds: str, shape: tuple[int, ...], alone: bool, dtype: Any
) -> np.ndarray:
    found, _ = _numbers("clean", x, kinds)
    found = found[None] if alone else found
    if found.shape != shape or not np.isfinite(found).all():
        what = f"shape {found.shape}"
        if found.shape == shape:
            what = "values that are not finite"
        raise DataError(f"clean: found {what}; needed finite ones of shape {shape}")
    _check_range("clean", found, np.ones(shape, bool))
    return found.astype(dtype)


def _labels(labels: Any, samples: int, alone: bool) -> dict[str, np.ndarray]:
    if not isinstance(labels, Mapping):
        raise DataError(
            f"labels: found {type(labels).__name__}; needed a dict, name -> [sample]"
        )
    found = {}
    for name, x in labels.items():
        x = _array(f"labels[{name!r}]", x)
        x = x[None] if alone and (x.ndim == 0 or len(x) != 1) else x
        if x.ndim == 0 or len(x) != samples:
            raise DataError(
                f"labels[{name!r}]: found shape {x.shape}; needed {samples}, one for "
                "each sample"
            )
        found[name] = x
    return found


def _pilots(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    found = _array("pilots", x)
    try:
        full = np.broadcast_to(found, shape)
    except ValueError:
        full = None
    if full is None or found.dtype != bool or not found.any():
        what = "no pilot" if found.dtype == bool and not found.any() else ""
        what = what or f"{found.dtype} of shape {found.shape}"
        raise DataError(
            f"pilots: found {what}; needed bool {shape}, True where there is a pilot"
        )
    return full.copy()
