"""Antenna arrays: positions, far-field responses, angular bins, element patterns.

Angles are those of 3GPP TR 38.901 clause 7.1: the azimuth is measured in the x-y plane
from +x towards +y, the zenith angle from +z; both in radians. Positions are in
wavelengths. The arrays lie in the y-z plane and face +x.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Complex64, Float, Float32, Int, Num

from wlam.ops.checks import at_least_one, is_whole, shown
from wlam.ops.phasor import cis
from wlam.types import Antennas, ArrayShape, DataError

# Positions closer than this, in wavelengths, count as equal.
_TOLERANCE = 1e-3


def upa(
    num_vertical: int, num_horizontal: int, spacing: float = 0.5
) -> Float32[np.ndarray, "antenna 3"]:
    """Return the positions, in wavelengths, of a uniform planar array.

    Rows lie along y and are stacked along z. The horizontal index runs fastest:
    antenna = vertical * num_horizontal + horizontal. Antenna 0 is at the origin.

    Raises:
        ValueError: One of the two numbers is less than one.
    """
    if min(num_vertical, num_horizontal) < 1:
        raise ValueError(
            f"array: {num_vertical} x {num_horizontal} has no antennas; "
            "both numbers must be at least 1"
        )
    z, y = np.divmod(np.arange(num_vertical * num_horizontal), num_horizontal)
    return (spacing * np.stack([np.zeros_like(y), y, z], axis=-1)).astype(np.float32)


def ula(num_ant: int, spacing: float = 0.5) -> Float32[np.ndarray, "antenna 3"]:
    """Return the positions, in wavelengths, of a uniform linear array along y.

    Its response in the horizontal plane is exp(j 2 pi spacing n sin(azimuth)).

    Raises:
        ValueError: `num_ant` is less than one.
    """
    return upa(1, num_ant, spacing)


def panel(
    rows: Any, columns: Any, polarisations: Any = 1, spacing: Any = 0.5
) -> Antennas:
    """Return the antennas of a uniform planar panel, as `wlam.Csi(antennas=...)` takes.

    All antennas of one polarisation come first, then those of the next; within one the
    horizontal index runs fastest: antenna = (polarisation * rows + row) * columns +
    column. Columns lie along y, rows are stacked along z, and both polarisations of a
    cross-polarised pair have one position.

    Args:
        rows, columns: of positions, at least 1.
        polarisations: 1, or 2 antennas at every position.
        spacing: between neighbours, in wavelengths.

    Raises:
        DataError: naming the argument, what was found and what is needed.
    """
    at_least_one("rows", rows)
    at_least_one("columns", columns)
    if not is_whole(polarisations) or polarisations > 2:
        raise DataError(f"polarisations: found {shown(polarisations)}; needed 1 or 2")
    if not isinstance(spacing, Real) or not 0 < float(spacing) < math.inf:
        raise DataError(
            f"spacing: found {shown(spacing)}; needed a positive number of wavelengths"
        )
    places = upa(int(rows), int(columns), float(spacing))
    kinds = np.repeat(np.arange(int(polarisations), dtype=np.int32), len(places))
    return Antennas(np.tile(places, (int(polarisations), 1)), kinds)


def direction(
    azimuth: Float[Array, "*shape"], zenith: Float[Array, "*shape"]
) -> Float[Array, "*shape 3"]:
    """Return the unit vector of a direction in rad, TR 38.901 equation 7.5-23."""
    horizontal, vertical = cis(azimuth / (2 * jnp.pi)), cis(zenith / (2 * jnp.pi))
    return jnp.stack(
        [
            vertical.imag * horizontal.real,
            vertical.imag * horizontal.imag,
            vertical.real,
        ],
        axis=-1,
    )


def response(
    positions: Float[ArrayLike, "antenna 3"],
    azimuth: Float[Array, "*shape"],
    zenith: Float[Array, "*shape"],
) -> Complex64[Array, "*shape antenna"]:
    """Return the far-field response exp(j 2 pi r . d) of every antenna.

    r is the unit vector towards (`azimuth`, `zenith`), in rad, and d the position of
    the antenna in wavelengths: the array factor of TR 38.901 equation 7.5-22.
    """
    towards = direction(azimuth, zenith)
    # Not a matrix product, which GPUs round to few digits.
    cycles = sum(
        towards[..., None, axis]
        * jnp.asarray(positions)[:, axis].reshape((1,) * azimuth.ndim + (-1,))
        for axis in range(3)
    )
    return cis(jnp.asarray(cycles))


def spherical_cycles(
    positions: Num[ArrayLike, "antenna 3"],
    towards: Num[Array, "*shape 3"],
    distance: Num[Array, "*shape"],
) -> Num[Array, "*shape antenna"]:
    """Return by how many wavelengths each antenna is nearer to a point source.

    That is rho - |rho r - d|, written so that it keeps its digits where the source is
    far away; it tends to r . d there, the plane wave of `response`.

    Args:
        positions: d of the antennas, in wavelengths.
        towards: r, unit vectors to the sources.
        distance: rho, from the origin of the positions to the sources, in wavelengths.
    """
    places = jnp.asarray(positions)
    along = sum(
        towards[..., None, axis] * places[:, axis].reshape((1,) * distance.ndim + (-1,))
        for axis in range(3)
    )
    square = (places**2).sum(-1).reshape((1,) * distance.ndim + (-1,))
    # In units of rho: 1 - sqrt(1 - x) = x / (1 + sqrt(1 - x)).
    rho = distance[..., None]
    x = (2 * along - square / rho) / rho
    return rho * x / (1 + jnp.sqrt(jnp.maximum(1 - x, 0.0)))


def element_gain_db(
    azimuth: Float[Array, "*shape"], zenith: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the power gain in dBi of a base station element, TR 38.901 table 7.3-1.

    The element faces +x with 8 dBi and has beams 65 degrees wide; nothing is
    more than 30 dB below its maximum. Angles are in rad; the azimuth may be any.
    """
    off_horizon = jnp.rad2deg(zenith) - 90.0
    turned = jnp.rad2deg(azimuth)
    off_boresight = turned - 360.0 * jnp.round(turned / 360.0)
    vertical = jnp.minimum(12.0 * (off_horizon / 65.0) ** 2, 30.0)
    horizontal = jnp.minimum(12.0 * (off_boresight / 65.0) ** 2, 30.0)
    return 8.0 - jnp.minimum(vertical + horizontal, 30.0)


def beamspace(
    positions: Num[ArrayLike, "antenna 3"], polarisation: Int[ArrayLike, "antenna"]
) -> Complex64[np.ndarray, "bin antenna"]:
    """Return a unitary matrix that takes antennas to angular bins.

    Where the antennas of each polarisation form a uniform line, rectangle or box along
    the coordinate axes, in any order, the matrix is their unitary DFT: the bins of one
    polarisation after the other, by rising number, and within it the Kronecker product
    over z, y and x, the latter fastest. Bin k of n antennas `spacing` apart is the
    direction of sine k / (n spacing), modulo 1 / spacing; bin 0 is broadside.

    Any other array gets the identity: its antennas are its bins. Nothing is raised.

    Args:
        positions: In wavelengths; 1e-3 of a wavelength is neglected.
        polarisation: A number for each antenna; equal numbers, equal polarisations.
    """
    antennas = _groups(positions, polarisation)
    num_ant = len(np.asarray(positions))
    if antennas is None:
        return np.eye(num_ant, dtype=np.complex64)
    matrix = np.zeros((num_ant, num_ant), np.complex64)
    first_bin = 0
    for grid in antennas:
        dft = np.ones((1, 1))
        for length in grid.shape:
            dft = np.kron(dft, np.fft.fft(np.eye(length), norm="ortho"))
        bins = np.arange(first_bin, first_bin + grid.size)
        matrix[np.ix_(bins, grid.ravel())] = dft
        first_bin += grid.size
    return matrix


def array_shape(
    positions: Num[ArrayLike, "antenna 3"], polarisation: Int[ArrayLike, "antenna"]
) -> ArrayShape:
    """Return the shapes whose unitary DFTs `beamspace` is; empty if the identity."""
    antennas = _groups(positions, polarisation) or []
    return tuple((grid.shape[0], grid.shape[1], grid.shape[2]) for grid in antennas)


def uniform_line(
    positions: Num[ArrayLike, "antenna 3"], polarisation: Int[ArrayLike, "antenna"]
) -> tuple[np.ndarray, float]:
    """Return the order of antennas along a uniform line, and their spacing.

    Raises:
        DataError: they are no uniform line along a coordinate axis, or of more than one
            polarisation.
    """
    shapes = array_shape(positions, polarisation)
    if len(shapes) != 1 or sum(length > 1 for length in shapes[0]) != 1:
        raise DataError(
            f"antennas: found {shapes or 'no regular array'} along z, y and x "
            "for each polarisation; needed a uniform line of one polarisation"
        )
    places = np.asarray(positions, np.float64)
    axis = int(np.argmax(np.ptp(places, axis=0)))
    order = np.argsort(places[:, axis])
    return order, float(np.ptp(places[:, axis]) / (len(places) - 1))


def uniform_lines(
    positions: Num[ArrayLike, "antenna 3"], polarisation: Int[ArrayLike, "antenna"]
) -> Int[np.ndarray, "line element"]:
    """Return the antennas of each uniform line of an array.

    They run along its longest side, one polarisation each; of an array without a
    regular grid every antenna is a line of its own.
    """
    found = []
    for grid in _groups(positions, polarisation) or []:
        longest = int(np.argmax(grid.shape))
        rows = np.moveaxis(grid, longest, -1)
        found.append(rows.reshape(-1, rows.shape[-1]))
    if len({rows.shape[1] for rows in found}) != 1:
        return np.arange(len(np.asarray(positions)))[:, None]
    return np.concatenate(found)


def from_beamspace(
    bins: Complex[Array, "*batch bin"], array_shape: ArrayShape
) -> Complex[Array, "*batch bin"]:
    """Return the antennas whose angular bins these are: the inverse of `beamspace`.

    They come one polarisation after the other, within it by z, y and x, the latter
    fastest, whatever the order in which the array names them.
    """
    return _by_polarisation(bins, array_shape, jnp.fft.ifftn)


def to_beamspace(
    antennas: Complex[Array, "*batch bin"], array_shape: ArrayShape
) -> Complex[Array, "*batch bin"]:
    """Return the angular bins of antennas in the order of `from_beamspace`."""
    return _by_polarisation(antennas, array_shape, jnp.fft.fftn)


def _by_polarisation(x: Array, array_shape: ArrayShape, transform: Callable) -> Array:
    parts, first = [], 0
    for shape in array_shape:
        part = x[..., first : first + math.prod(shape)]
        grid = part.reshape(*x.shape[:-1], *shape)
        turned = transform(grid, axes=(-3, -2, -1), norm="ortho")
        parts.append(turned.reshape(part.shape))
        first += math.prod(shape)
    return jnp.concatenate(parts, axis=-1) if array_shape else x


def _groups(positions: ArrayLike, polarisation: ArrayLike) -> list[np.ndarray] | None:
    """Return the grid of each polarisation; None where one has none."""
    places, kinds = np.asarray(positions, np.float64), np.asarray(polarisation)
    found = []
    for kind in np.unique(kinds):
        (members,) = np.nonzero(kinds == kind)
        grid = _grid(places[members])
        if grid is None:
            return None
        found.append(members[grid])
    return found


def _grid(positions: np.ndarray) -> np.ndarray | None:
    """Return the antenna at each position of a grid [z, y, x]; None without a grid."""
    if not np.isfinite(positions).all():
        return None
    places = []
    for coordinate in positions.T[::-1]:
        order = np.argsort(coordinate)
        is_next = np.diff(coordinate[order], prepend=coordinate[order[0]]) > _TOLERANCE
        place = np.empty(len(order), int)
        place[order] = np.cumsum(is_next)
        levels = np.bincount(place, coordinate) / np.bincount(place)
        if len(levels) > 1 and np.ptp(np.diff(levels)) > _TOLERANCE:
            return None
        places.append(place)
    shape = [place.max() + 1 for place in places]
    if math.prod(shape) != len(positions):
        return None
    grid = np.full(shape, -1)
    grid[tuple(places)] = np.arange(len(positions))
    return (
        grid if (grid >= 0).all() else None
    )  # two antennas at one position leave a hole
