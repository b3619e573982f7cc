"""Interpolation of least-squares estimates over the subcarriers of each antenna."""

import jax
import numpy as np
from jaxtyping import Array, Bool, Complex, Float
from scipy.interpolate import CubicSpline

from wlam.ops.einsum import einsum


def linear_matrix(
    positions: Float[np.ndarray, "port pilot"], num_subcarriers: int
) -> Float[np.ndarray, "port subcarrier pilot"]:
    """Return the matrix of linear interpolation over subcarriers.

    Coleri et al., "Channel estimation techniques based on pilot arrangement in OFDM
    systems", IEEE Trans. Broadcasting 48(3), 2002. Beyond the outer pilots the line
    through the last two goes on, so that a linear channel is exact everywhere; a single
    pilot is repeated.

    Args:
        positions: Subcarriers of the pilots of each port, rising, not always whole.
        num_subcarriers: Subcarriers 0, 1, ... to interpolate to.

    Raises:
        ValueError: The positions do not rise.
    """
    _check_positions(positions, 1)
    if positions.shape[1] == 1:
        return np.ones((len(positions), num_subcarriers, 1), np.float32)
    return np.stack([_linear(port, num_subcarriers) for port in positions])


def spline_matrix(
    positions: Float[np.ndarray, "port pilot"], num_subcarriers: int
) -> Float[np.ndarray, "port subcarrier pilot"]:
    """Return the matrix of not-a-knot cubic-spline interpolation over subcarriers.

    de Boor, "A practical guide to splines", chapter IV: the first and the last two
    pieces are one cubic each, so that a cubic channel is exact everywhere, also beyond
    the outer pilots, where those cubics go on. A spline is linear in its data: its
    matrix is the spline of each unit vector.

    Args:
        positions: Subcarriers of the pilots of each port, rising, not always whole.
        num_subcarriers: Subcarriers 0, 1, ... to interpolate to.

    Raises:
        ValueError: The positions do not rise, or there are fewer than four.
    """
    _check_positions(positions, 4)
    grid = np.arange(num_subcarriers)
    unit = np.eye(positions.shape[1])
    splines = [CubicSpline(port, unit, bc_type="not-a-knot") for port in positions]
    return np.stack([spline(grid) for spline in splines]).astype(np.float32)


@jax.jit
def interpolate(
    observed: Complex[Array, "n port symbol pilot antenna"],
    matrix: Float[Array, "port subcarrier pilot"],
) -> Complex[Array, "n port symbol subcarrier antenna"]:
    """Return least-squares estimates interpolated over the subcarriers.

    Args:
        observed: `wlam.phy.ofdm.pilots.observe`.
        matrix: From `linear_matrix` or `spline_matrix`.
    """
    return einsum("pks,nplsa->nplka", matrix, observed)


def _linear(port, num_subcarriers):
    """Weights of the two pilots around each subcarrier, or next to it at the edges."""
    grid = np.arange(num_subcarriers)
    left = np.clip(np.searchsorted(port, grid, side="right") - 1, 0, len(port) - 2)
    share = (grid - port[left]) / (port[left + 1] - port[left])
    matrix = np.zeros((num_subcarriers, len(port)), np.float32)
    matrix[grid, left], matrix[grid, left + 1] = 1 - share, share
    return matrix


def _check_positions(positions, fewest):
    count = positions.shape[1]
    if count < fewest:
        raise ValueError(f"positions: found {count}, needed at least {fewest}")
    if (np.diff(positions, axis=1) <= 0).any():
        raise ValueError(f"positions: found {positions.tolist()}, needed rising ones")


def between_snapshots(
    blocks: Complex[np.ndarray, "n t k a"], there: Bool[np.ndarray, "n t"]
) -> Complex[np.ndarray, "n t k a"]:
    """Snapshots without pilots: on the line between those before and after them.

    Before the first and after the last with pilots they are equal to that one.
    """
    found, times = blocks.copy(), np.arange(blocks.shape[1])
    for sample, known in enumerate(there):
        if known.all():
            continue
        at = np.flatnonzero(known)
        after = np.searchsorted(at, times).clip(0, len(at) - 1)
        before = (np.searchsorted(at, times, side="right") - 1).clip(0)
        gap = at[after] - at[before]
        share = np.where(gap > 0, (times - at[before]) / np.maximum(gap, 1), 0)
        low, high = blocks[sample, at[before]], blocks[sample, at[after]]
        found[sample] = low + share[:, None, None] * (high - low)
    return found
