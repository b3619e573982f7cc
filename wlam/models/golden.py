"""The inputs of golden pairs: what a released model makes of them lies beside it."""

from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange

from wlam.phy.arrays import ula
from wlam.phy.transforms import from_bins, steps_back, steps_first, to_bins
from wlam.types import FREQUENCY, TIME, Antennas, Csi, Series, Sweeps

if TYPE_CHECKING:
    import wlam.models.base

GRID = (4, 8)
"""Rows and columns of the golden channel."""
LINE = Antennas(ula(GRID[1]), np.zeros(GRID[1], np.int32))


def golden_context() -> np.ndarray:
    """[4, 100, 1] float32: tones, a trend, a step."""
    t = np.arange(100)
    rows = [np.sin(0.3 * t), np.cos(0.05 * t) + 0.02 * t, 0.1 * t, 1.0 * (t > 60)]
    return np.stack(rows)[..., None].astype(np.float32)


def golden_channel() -> np.ndarray:
    """[1, 16, 32] complex64: two tones in each of 4 x 8 bins.

    And what looks like noise, since fits of bare tones hang on the last bit.
    """
    t, k = np.arange(16.0)[:, None], np.arange(32.0)
    tones = np.exp(0.06j * k * t) + 0.5 * np.exp(0.6j * k - 1j * (1.2 - 0.03 * k) * t)
    noise = 0.1 * np.exp(2j * np.pi * (0.37 * t**2 + 1.618 * k**2 + 0.731 * t * k**2))
    return np.asarray((tones + noise) / (1 + k), np.complex64)[None]


def golden_pilots() -> np.ndarray:
    """[1, 16, 32] complex64, the same channel where every fourth step is known."""
    channel = golden_channel()
    channel[:, np.arange(channel.shape[1]) % 4 != 0] = np.nan
    return channel


def golden_sweeps() -> np.ndarray:
    """[1, 8, 32] float32, the same for sweeps: a beam moves, and some are missing."""
    t, k = np.arange(8.0)[:, None], np.arange(32.0)
    noise = 0.3 * np.cos(2 * np.pi * (0.37 * t**2 + 1.618 * k**2 + 0.731 * t * k**2))
    sweeps = -70 - 20 * np.tanh(abs(k - 9.3 - 0.7 * t) / 6) + noise
    sweeps[1, ::2] = np.nan
    return np.asarray(sweeps, np.float32)[None]


def as_csi(bins: np.ndarray, axis: int, antennas: Antennas | None = LINE) -> Csi:
    """Bins [n, step, 32] as the channel that has them."""
    x = rearrange(bins, "n t (u v) -> n t u v", u=GRID[0])
    csi = steps_back(np.asarray(from_bins(x, axis, antennas)), axis)
    if axis == TIME:
        return Csi(csi, time_step_s=1e-3, antennas=LINE)
    return Csi(csi, subcarrier_spacing_hz=1e5, antennas=LINE)


def as_bins(csi: Csi, axis: int, antennas: Antennas | None = LINE) -> np.ndarray:
    """The inverse of `as_csi`."""
    x = to_bins(steps_first(np.asarray(csi.csi), axis), axis, antennas)
    return np.asarray(rearrange(x, "n t u v -> n t (u v)"))


def golden_answers(model: "wlam.models.base.Model") -> dict[str, np.ndarray]:
    """Forecasts of series, of channels and of sweeps that a model takes as a whole."""
    found = {}
    if Series in model.accepts:
        series = Series(golden_context(), time_step_s=1e-3)
        found["forecast"] = model.predict(series, 24).series
    if Csi in model.completes:
        channel = as_csi(golden_channel(), TIME)
        found["channel_forecast"] = as_bins(model.predict(channel, 8), TIME)
        pilots = as_csi(golden_pilots(), FREQUENCY)
        completed = model.complete(pilots, "frequency")
        found["channel_completed"] = as_bins(completed, FREQUENCY)
    if Sweeps in model.completes:
        sweeps = Sweeps(golden_sweeps(), time_step_s=0.1)
        found["sweep_forecast"] = model.predict(sweeps, 10).rsrp_db
    return found
