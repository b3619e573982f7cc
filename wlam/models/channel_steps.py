"""Channels along the axis that is asked about: holes filled, and answers put back.

Every model of channels sees what is made here. Entries that were not measured have no
influence: holes within the context are on a line between the measured steps around
them, in the frame of the mean phase step; steps before the first measured one are
unknown; and where the last steps are missing, the forecast begins at the last that was
measured and goes that much further. Every sample is laid out by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from einops import rearrange
from jaxtyping import Bool, Complex, Float, Int

from wlam.data.checked import checked_csi, like
from wlam.phy.arrays import line
from wlam.phy.transforms import in_line, steps_back, steps_first
from wlam.types import ANTENNA, AXES, FREQUENCY, Antennas, Csi, DataError

Forecast = Callable[..., tuple[np.ndarray, ...]]
"""(values [n, l, u, v], known [n, l], interval [n], horizon) -> arrays [n, h, ...]"""


@dataclass(frozen=True)
class ChannelSteps:
    """What a model is asked about channels."""

    values: Complex[np.ndarray, "n l u v"]  # holes filled; 0 where a step is not known
    known: Bool[np.ndarray, "n l"]
    measured: Bool[np.ndarray, "n l u v"]
    gap: Int[np.ndarray, " n"]  # steps at the end that nothing was measured of
    interval: Float[np.ndarray, " n"]  # of the steps, in s, Hz or wavelengths
    axis: int  # index into AXES
    antennas: Antennas | None  # of the columns
    checked: Csi  # the question in full
    question: Csi  # as it was asked

    @staticmethod
    def of(question: Any, axis: str, least: int = 1) -> "ChannelSteps":
        """Lays channels out along an axis.

        Args:
            question: `wlam.Csi` as a user has it.
            axis: one of `AXES`.
            least: steps that must have been measured, of every sample.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        csi = checked_csi(question, axis)
        along = AXES.index(axis)
        # Every receive antenna is a channel of its own.
        x, mask = csi.csi, csi.mask
        received = x.shape[3] if x.ndim == 5 else 1
        if x.ndim == 5:
            x, mask = (rearrange(a, "n t k r a -> (n r) t k a") for a in (x, mask))
        if along == ANTENNA:
            order, spacing = in_line(csi.antennas)
            x, mask = x[..., order], mask[..., order]
            interval = np.full(len(x), spacing, np.float32)
        else:
            unit = csi.subcarrier_spacing_hz if along == FREQUENCY else csi.time_step_s
            interval = np.repeat(unit, received)
        values, measured = steps_first(x, along), steps_first(mask, along)
        there = np.asarray(np.any(measured, axis=(2, 3)))
        count = there.sum(1)
        if count.min() < least:
            sample = int(count.argmin()) // received
            raise DataError(
                f"mask: found {count.min()} measured steps along {axis} in sample "
                f"{sample}; needed {least} or more"
            )
        steps = np.arange(there.shape[1])
        last = np.where(there, steps, -1).max(1)
        known = steps >= there.argmax(1)[:, None]
        filled = fill_holes(values, measured)
        return ChannelSteps(
            values=np.where(known[..., None, None], filled, 0).astype(np.complex64),
            known=known,
            measured=measured,
            gap=there.shape[1] - 1 - last,
            interval=interval,
            axis=along,
            antennas=None if along == ANTENNA else csi.antennas,
            checked=csi,
            question=question,
        )

    def forecast(self, forecast: Forecast, horizon: int) -> tuple[np.ndarray, ...]:
        """What follows every sample, by a function of channels without a gap."""
        found: list[np.ndarray] | None = None
        for gap in np.unique(self.gap):
            which = np.flatnonzero(self.gap == gap)
            length = self.known.shape[1] - gap
            parts = forecast(
                self.values[which, :length],
                self.known[which, :length],
                self.interval[which],
                int(horizon + gap),
            )
            parts = [np.asarray(part)[:, gap:] for part in parts]
            if found is None:
                shape = len(self.gap)
                found = [np.zeros((shape, *p.shape[1:]), p.dtype) for p in parts]
            for whole, part in zip(found, parts, strict=True):
                whole[which] = part
        assert found is not None
        return tuple(found)

    def answer(self, values: Complex[np.ndarray | jax.Array, "n h u v"]) -> Csi:
        """Steps as channels on the axes of the question."""
        x = steps_back(np.asarray(values, np.complex64), self.axis)
        csi, antennas = self.checked, self.checked.antennas
        if csi.csi.ndim == 5:
            x = rearrange(x, "(n r) t k a -> n t k r a", r=csi.csi.shape[3])
        if self.axis == ANTENNA:
            antennas = further(csi.antennas, x.shape[-1])
        return like(self.question, replace(csi, csi=x, mask=None, antennas=antennas))


def further(antennas: Antennas | None, count: int) -> Antennas:
    """The `count` antennas that follow those of a uniform line."""
    assert antennas is not None
    order, _ = line(antennas.positions, antennas.polarisation)
    places = np.asarray(antennas.positions, np.float64)[order]
    step = (places[-1] - places[0]) / (len(places) - 1)
    ahead = places[-1] + step * np.arange(1, count + 1)[:, None]
    kinds = np.full(count, np.asarray(antennas.polarisation)[0], np.int32)
    return Antennas(ahead.astype(np.float32), kinds)


def fill_holes(
    values: Complex[np.ndarray, "n l u v"], measured: Bool[np.ndarray, "n l u v"]
) -> Complex[np.ndarray, "n l u v"]:
    """Entries that were not measured: on a line between those that were.

    First along the steps, then along rows and columns for what was never measured, such
    as subcarriers of a guard band. The outermost that was measured is held beyond.
    """
    if measured.all():
        return values
    found, there = values.copy(), measured.copy()
    for sample in np.flatnonzero(~measured.all((1, 2, 3))):
        x, m = found[sample], there[sample]
        for axis in range(3):
            if m.all():
                break
            x, m = _on_lines(x, m, axis)
        found[sample] = x
    return found


def _on_lines(
    x: Complex[np.ndarray, "l u v"], measured: Bool[np.ndarray, "l u v"], axis: int
) -> tuple[Complex[np.ndarray, "l u v"], Bool[np.ndarray, "l u v"]]:
    """The same of one axis; also what is known afterwards."""
    x, m = np.moveaxis(x, axis, 0), np.moveaxis(measured, axis, 0)
    place = np.arange(len(x)).reshape(-1, 1, 1)
    pairs = np.where(m[1:] & m[:-1], x[1:] * x[:-1].conj(), 0).sum()
    turn = np.exp(-1j * np.angle(pairs) * place)  # 1 where no two neighbours are known
    still = np.where(m, x * turn, 0)
    before = np.maximum.accumulate(np.where(m, place, -1), axis=0)
    after = np.minimum.accumulate(np.where(m, place, len(x))[::-1], axis=0)[::-1]
    known = np.broadcast_to(m.any(0), m.shape)
    low = np.where(before >= 0, before, after).clip(0, len(x) - 1)
    high = np.where(after < len(x), after, before).clip(0, len(x) - 1)
    share = np.where(high > low, (place - low) / np.maximum(high - low, 1), 0)
    found = np.take_along_axis(still, low, 0) * (1 - share)
    found = (found + np.take_along_axis(still, high, 0) * share) * turn.conj()
    found = np.where(m, x, np.where(known, found, 0))
    return np.moveaxis(found, 0, axis), np.moveaxis(known, 0, axis)
