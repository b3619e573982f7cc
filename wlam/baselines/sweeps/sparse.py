"""Full sweeps from sparse ones: lines between beams, and single paths."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from wlam.baselines.forecast.bounds import unit_scale
from wlam.ops.solve import solve_positive
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain

FINE = 9  # directions tried within each beam; odd, so that its axis is one
GP_NOISE = 0.02  # power of the noise of `smoothed_sweep` over that between beams
DEEPEST = 1e-4  # smallest noise floor, relative to the strongest measured power


class PathFit(NamedTuple):
    """A single path fitted to some sweeps, and the sweep of all beams that follows."""

    position: Float[Array, "*b"]  # the path's direction, as an index between beams
    sweep_db: Float[Array, "*b beam"]
    unexplained: Float[Array, "*b"]  # share of what varies over the measured beams


@partial(jax.jit, static_argnames=("num_ant", "field_of_view_deg"))
def fit_path(
    rsrp_db: Float[Array, "*b beam"],
    measured: Bool[Array, "*b beam"],
    num_ant: int,
    field_of_view_deg: float | None = None,
) -> PathFit:
    """The path and the noise floor that fit the measured beams best.

    Every direction is tried, as in a matched filter (Alkhateeb, El Ayach, Leus & Heath,
    "Channel estimation and hybrid precoding for millimeter wave cellular systems", IEEE
    J. Sel. Topics Signal Process. 8(5), 2014, search theirs in two stages): linear
    least squares of the powers by the array's pattern and a constant, as of noise.
    Two beams that illuminate a path determine its direction.

    Args:
        rsrp_db: sweeps in dB; unmeasured beams may have any finite value.
        measured: which beams are measured; a sweep without any has no path.
        num_ant: elements of the array, half a wavelength apart in a line.
        field_of_view_deg: of the codebook, see `beam_directions`.
    """
    beams = rsrp_db.shape[-1]
    fine = beam_directions(FINE * beams, field_of_view_deg)
    pattern = array_gain(fine, beam_directions(beams, field_of_view_deg), num_ant)
    top_db = jnp.where(measured, rsrp_db, -jnp.inf).max(-1, keepdims=True)
    top_db = jnp.where(jnp.isfinite(top_db), top_db, 0)
    power = jnp.where(measured, 10 ** ((rsrp_db - top_db) / 10), 0)
    shown = measured.astype(power.dtype)
    count = jnp.maximum(shown.sum(-1, keepdims=True), 1)
    mean = power.sum(-1, keepdims=True) / count
    power = power - mean * shown
    over_beams = partial(jnp.einsum, "...c,dc->...d", precision="highest")
    means = over_beams(shown, pattern) / count
    squares = over_beams(shown, pattern**2) - count * means**2
    # A path outside all measured beams explains nothing.
    squares = jnp.maximum(squares, 1e-3 * num_ant**2)
    fit = jnp.maximum(over_beams(power, pattern), 0)
    explained = fit**2 / squares
    best = explained.argmax(-1)[..., None]
    of_best = partial(jnp.take_along_axis, indices=best, axis=-1)
    strength = of_best(fit / squares)
    floor = jnp.maximum(mean - strength * of_best(means), DEEPEST)
    sweep = strength * pattern[best[..., 0]] + floor
    energy = (power**2).sum(-1)
    return PathFit(
        position=(best[..., 0] + 0.5) / FINE - 0.5,
        sweep_db=top_db + 10 * jnp.log10(sweep),
        unexplained=jnp.clip(1 - of_best(explained)[..., 0] / unit_scale(energy), 0, 1),
    )


def filled_sweeps(
    rsrp_db: Float[Array, "n l beam"], measured: Bool[Array, "n l beam"]
) -> Float[Array, "n l beam"]:
    """All beams of sweeps, linear in dB between the measured ones.

    Beyond the outermost the edge is held. A sweep without measured beams is the one
    before it, or the first with any. Each series has one or more measured beams.
    """
    length, beams = rsrp_db.shape[1:]
    index = jnp.broadcast_to(jnp.arange(beams)[None, None], rsrp_db.shape)
    left = jax.lax.cummax(jnp.where(measured, index, -1), axis=2)
    right = jax.lax.cummin(jnp.where(measured, index, beams), axis=2, reverse=True)
    low, high = jnp.where(left < 0, right, left), jnp.where(right == beams, left, right)
    low, high = (jnp.clip(x, 0, beams - 1) for x in (low, high))
    share = (index - low) / jnp.maximum(high - low, 1)
    below, above = (jnp.take_along_axis(rsrp_db, x, axis=2) for x in (low, high))
    filled = below + jnp.clip(share, 0.0, 1.0) * (above - below)
    known = measured.any(axis=2)
    time = jnp.arange(length)[None]
    latest = jax.lax.cummax(jnp.where(known, time, -1), axis=1)
    latest = jnp.where(latest < 0, jnp.argmax(known, axis=1)[:, None], latest)
    return jnp.take_along_axis(filled, latest[..., None], axis=1)


def smoothed_sweep(
    rsrp_db: Float[Array, "n beam"], measured: Bool[Array, "n beam"]
) -> Float[Array, "n beam"]:
    """All beams of a sweep, smooth in dB between the measured ones.

    The mean of a Gaussian process (Rasmussen & Williams, Gaussian processes for machine
    learning, 2006, equation 2.25) whose squared exponential covariance falls to exp(-1
    / 2) over the mean spacing of the measured beams.
    A peak between two beams may exceed both, other than on a line.
    """
    beams = rsrp_db.shape[-1]
    shown = measured.astype(rsrp_db.dtype)
    count = jnp.maximum(shown.sum(-1, keepdims=True), 1)
    mean = (shown * rsrp_db).sum(-1, keepdims=True) / count
    away = jnp.arange(beams)[:, None] - jnp.arange(beams)[None]
    scaled = away[None] * count[..., None] / beams
    covariance = jnp.exp(-(scaled**2) / 2)
    pairs = covariance * shown[:, :, None] * shown[:, None]
    matrix = pairs + GP_NOISE * jnp.eye(beams)[None]
    weights = solve_positive(matrix, shown * (rsrp_db - mean))
    return mean + jnp.einsum("nab,nb->na", covariance, weights, precision="highest")
