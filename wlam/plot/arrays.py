"""Questions and their answers as plain arrays with the steps in front."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from wlam.ops.checks import shown
from wlam.plot.style import check_sample, one_of
from wlam.types import AXES, Csi, DataError, Series, Sweeps, Traffic

FIELDS = {Csi: "csi", Sweeps: "rsrp_db", Series: "series", Traffic: "traffic"}
"""Types that can be drawn, and their field of values."""
RANKS = {Csi: (3, 5), Sweeps: (2, 3), Series: (1, 3), Traffic: (1, 2)}
SPACINGS = ("time_step_s", "subcarrier_spacing_hz", None)
"""Field with the spacing of the steps along each of `AXES`."""
ELEMENTS = (
    ("subcarrier", "antenna"),
    ("snapshot", "antenna"),
    ("snapshot", "subcarrier"),
)
"""What is beside the steps of channels, along each of `AXES`."""
RECEIVING = (
    ("subcarrier", "receive antenna", "transmit antenna"),
    ("snapshot", "receive antenna", "transmit antenna"),
    ("snapshot", "subcarrier", "receive antenna"),
)
"""The same of channels with receive antennas; steps are transmit antennas."""


@dataclass(frozen=True)
class Steps:
    """One sample, its steps in front."""

    values: np.ndarray  # [step, ...], NaN where nothing was measured
    names: tuple[str, ...]  # of the axes beside the steps
    spacing: float | None  # of the steps, in seconds or Hz


def kind_of(name: str, data: Any) -> type:
    """The type among `FIELDS`.

    Raises:
        DataError: of no such type.
    """
    for kind in FIELDS:
        if isinstance(data, kind):
            return kind
    raise DataError(
        f"{name}: found {type(data).__name__}; needed wlam.Csi, wlam.Sweeps or "
        "wlam.Series"
    )


def samples_of(name: str, data: Any) -> np.ndarray:
    """Values with samples in front, NaN where the mask says that nothing was measured.

    Channels are [sample, time, subcarrier, (receive antenna,) antenna], sweeps [sample,
    time, beam], series [sample, time, channel].

    Raises:
        DataError: the number of axes is none that such data have, or the mask is of
            another shape.
    """
    kind = kind_of(name, data)
    values = np.asarray(getattr(data, FIELDS[kind]))
    low, high = RANKS[kind]
    if not low <= values.ndim <= high or 0 in values.shape:
        raise DataError(
            f"{name}: found shape {values.shape}; needed {low} to {high} axes, none "
            "of them empty"
        )
    if not np.issubdtype(values.dtype, np.inexact):
        values = values.astype(np.float64)
    mask = getattr(data, "mask", None)
    if mask is not None:
        try:
            mask = np.broadcast_to(np.asarray(mask, bool), values.shape)
        except ValueError:
            raise DataError(
                f"mask: found shape {np.shape(mask)}; needed that of {name}, "
                f"{values.shape}"
            ) from None
        values = np.where(mask, values, np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    if kind in (Series, Traffic) and values.ndim < 3:
        values = values[None] if values.ndim == 1 else values
        values = values[..., None]
    receiving = getattr(data, "receive_antennas", None) is not None
    if kind is Sweeps and values.ndim == 2:
        values = values[None]
    if kind is Csi and values.ndim == (4 if receiving else 3):
        values = values[None]
    return values


def axis_number(axis: str, kind: type) -> int:
    """Index into `AXES`.

    Raises:
        DataError: an unknown axis, or one that such data do not have.
    """
    allowed = AXES if kind is Csi else AXES[:1]
    if axis not in allowed:
        raise DataError(f"axis: found {shown(axis)}; needed {' or '.join(allowed)}")
    return AXES.index(axis)


def steps_of(name: str, data: Any, axis: str, sample: int) -> Steps:
    """One sample along one axis.

    Raises:
        DataError: a type, shape, axis or sample that cannot be drawn.
    """
    kind = kind_of(name, data)
    number = axis_number(axis, kind)
    values = samples_of(name, data)
    check_sample(sample, len(values))
    one = values[sample]
    if kind is Csi:
        last = number == len(AXES) - 1
        one = np.moveaxis(one, -1 if last else number, 0)
        names = (RECEIVING if one.ndim == 4 else ELEMENTS)[number]
    else:
        names = ("beam",) if kind is Sweeps else ("channel",)
    field = SPACINGS[number]
    spacing = one_of(getattr(data, field, None), sample) if field else None
    return Steps(one, names, spacing)


def like(
    name: str, answer: Any, question: Any, axis: str, sample: int, steps: int | None
) -> np.ndarray:
    """What belongs beside a question: [step, ...], its elements those of the question.

    Args:
        name: for messages.
        answer: of the question's type.
        question: what was asked.
        axis, sample: see `steps_of`.
        steps: how many there must be; None: any number.

    Raises:
        DataError: of another type or shape.
    """
    if kind_of(name, answer) is not kind_of("question", question):
        raise DataError(
            f"{name}: found {type(answer).__name__}; needed "
            f"{type(question).__name__}, as the question is"
        )
    found = steps_of(name, answer, axis, sample).values
    wanted = steps_of("question", question, axis, sample).values.shape[1:]
    if found.shape[1:] != wanted or (steps is not None and len(found) != steps):
        count = "any number of" if steps is None else steps
        raise DataError(
            f"{name}: found {len(found)} steps of shape {found.shape[1:]}; needed "
            f"{count} steps of shape {wanted}"
        )
    return found
