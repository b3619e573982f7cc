"""Channels in the domains where a path is a single bin: delay, Doppler, direction.

One sign convention for all of wlam: a path of delay tau has the phase -2 pi f tau along
subcarriers (TR 38.901 equation 7.5-22), and one of Doppler shift nu the phase +2 pi nu
t along time. So delays are the inverse DFT of subcarriers and Doppler shifts the DFT of
snapshots; directions are `wlam.phy.arrays.beamspace`. All transforms are unitary, so
that errors and noise are the same in either domain.

A channel is forecast or completed along one axis; the other two are transformed to
where it is sparse:

axis        steps         rows of bins    columns of bins
time        snapshots     delays          directions
frequency   subcarriers   Doppler shifts  directions
antenna     antennas      Doppler shifts  delays
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from einops import rearrange

from wlam.ops.einsum import einsum
from wlam.phy.arrays import beamspace, uniform_line
from wlam.types import ANTENNA, TIME, Antennas, Array, DataError

LAYOUTS = {
    0: "n t s a -> n t s a",
    1: "n t s a -> n s t a",
    2: "n t s a -> n a t s",
}
"""Channels [sample, time, subcarrier, antenna] with the steps of an axis in front."""
BACK = {
    0: "n t s a -> n t s a",
    1: "n s t a -> n t s a",
    2: "n a t s -> n t s a",
}


def steps_first(csi: Array, axis: int) -> Array:
    """[sample, time, subcarrier, antenna] -> [sample, step, row, column]."""
    return rearrange(csi, LAYOUTS[axis])


def steps_back(x: Array, axis: int) -> Array:
    """The inverse of `steps_first`."""
    return rearrange(x, BACK[axis])


def to_bins(x: Array, axis: int, antennas: Antennas | None) -> Array:
    """Rows and columns of `steps_first` to bins.

    Args:
        x: complex [..., step, row, column], numpy or JAX.
        axis: index into `AXES`, the axis of the steps.
        antennas: of the columns; without influence where the steps are antennas.
    """
    if axis == ANTENNA:
        return _along(_along(x, -2, doppler=True), -1, doppler=False)
    angles = einsum("...a,ba->...b", x, directions(antennas, x.shape[-1]))
    return _along(angles, -2, doppler=axis != TIME)


def from_bins(bins: Array, axis: int, antennas: Antennas | None) -> Array:
    """The inverse of `to_bins`."""
    if axis == ANTENNA:
        return _along(_along(bins, -1, doppler=True), -2, doppler=False)
    x = _along(bins, -2, doppler=axis == TIME)
    return einsum("...b,ba->...a", x, directions(antennas, x.shape[-1]).conj())


def directions(antennas: Antennas | None, count: int) -> np.ndarray:
    """Complex64 [direction, antenna], unitary; the identity without array geometry."""
    if antennas is None:
        return np.eye(count, dtype=np.complex64)
    return beamspace(antennas.positions, antennas.polarisation)


def in_line(antennas: Antennas | None) -> tuple[np.ndarray, float]:
    """Order and spacing (in wavelengths) of antennas that are a uniform line.

    Raises:
        DataError: they are none.
    """
    if antennas is None:
        raise DataError("antennas: found None; needed those of a uniform line")
    return uniform_line(antennas.positions, antennas.polarisation)


def _along(x: Array, axis: int, doppler: bool) -> Array:
    """The DFT, or the inverse one, along an axis; both unitary."""
    module = jnp.fft if not isinstance(x, np.ndarray) else np.fft
    transform: Callable = module.fft if doppler else module.ifft
    return transform(x, axis=axis, norm="ortho").astype(np.complex64)
