"""Beam trackers: the last sweep, moved along the beam axis as its best beam moves.

They assume that neighbouring beams have neighbouring indices.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

TRACKED_SWEEPS = 8  # context sweeps that the linear tracker fits its line to
EDGE_STEP_DB = 1e-3  # loss of a beam beyond the edge, so that the best one is unique


@partial(jax.jit, static_argnames="horizon")
def linear_beam_tracker(
    rsrp_db_context: Float[Array, "n l beam"], horizon: int
) -> Float[Array, "n h beam"]:
    """Move the last sweep along the beam axis as fast as its best beam was moving.

    A straight line is drawn by least squares through the best-beam indices of the last
    8 sweeps (fewer where the context is shorter); its slope, from the last index on,
    gives the index h steps later, rounded and kept on the codebook. The forecast is the
    last sweep shifted by that change, so that it yields a whole profile and top-k too,
    and its strongest beam is the predicted index.

    Args:
        rsrp_db_context: [n, L, beam], dB or dBm, real.
        horizon: sweeps to forecast.

    Returns:
        [n, H, beam] dB. Beams that come in from beyond the codebook hold the value of
        its edge, less 0.001 dB per beam so that the best beam stays unique.
    """
    tracked = min(TRACKED_SWEEPS, rsrp_db_context.shape[1])
    best = jnp.argmax(rsrp_db_context[:, -tracked:], axis=2)
    time = jnp.arange(tracked) - (tracked - 1) / 2
    slope = (best * time[None, :]).sum(1) / jnp.maximum((time**2).sum(), 1)
    return _move(
        rsrp_db_context[:, -1], best[:, -1].astype(slope.dtype), slope, horizon
    )


@partial(jax.jit, static_argnames=("horizon", "noise", "acceleration"))
def kalman_beam_tracker(
    rsrp_db_context: Float[Array, "n l beam"],
    horizon: int,
    noise: float = 0.3,
    acceleration: float = 0.1,
) -> Float[Array, "n h beam"]:
    """Move the last sweep by a constant-velocity Kalman filter.

    Measured is the peak position of every sweep between the beams, by the parabola
    through the best beam and its neighbours in dB; filtered are position and velocity
    over the whole context (`constant_velocity`). The last sweep is shifted to the
    predicted position, rounded, as by `linear_beam_tracker`.

    Args:
        rsrp_db_context: [n, L, beam], dB or dBm, real.
        horizon: sweeps to forecast.
        noise: std of the measured position, in beams.
        acceleration: std of the change of velocity, in beams per sweep and sweep.

    Returns:
        [n, H, beam] dB; edges as by `linear_beam_tracker`.
    """
    position, velocity = constant_velocity(peaks(rsrp_db_context), noise, acceleration)
    return _move(rsrp_db_context[:, -1], position, velocity, horizon)


def peaks(sweeps_db: Float[Array, "n l beam"]) -> Float[Array, "n l"]:
    """Index of the peak of every sweep, between beams where it is inside the codebook.

    The vertex of the parabola through the best beam and its two neighbours, at most
    half a beam from the best.
    """
    best = jnp.argmax(sweeps_db, axis=2)
    last = sweeps_db.shape[2] - 1
    beside = jnp.stack([best - 1, best, best + 1], axis=2)
    near = jnp.take_along_axis(sweeps_db, jnp.clip(beside, 0, last), axis=2)
    left, middle, right = near[..., 0], near[..., 1], near[..., 2]
    bend = 2 * middle - left - right
    vertex = jnp.where(bend > 0, (right - left) / (2 * jnp.where(bend > 0, bend, 1)), 0)
    inside = (best > 0) & (best < last)
    return best + jnp.where(inside, vertex, 0.0)


def constant_velocity(
    measured: Float[Array, "n l"],
    noise: float,
    acceleration: float,
    known: Bool[Array, "n l"] | None = None,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Place and velocity at the last of some measured positions, a step apart.

    Kalman filter with piecewise constant white acceleration: Bar-Shalom, Li &
    Kirubarajan, "Estimation with applications to tracking and navigation", 2001,
    section 6.3.2. Starts at the first measured position, at rest give or take a unit.

    Args:
        measured: positions.
        noise: std of the measured positions.
        acceleration: std of the acceleration.
        known: which of the positions are; all if not given. One or more of each series.
    """
    if known is None:
        known = jnp.ones(measured.shape, bool)
    agitation = acceleration**2 * jnp.array([[0.25, 0.5], [0.5, 1.0]])

    first = jnp.argmax(known, axis=1)
    begin = jnp.take_along_axis(measured, first[:, None], axis=1)[:, 0]
    certain = jnp.diag(jnp.array([noise**2, 1.0]))
    still = jnp.zeros_like(begin)
    start = (begin, still, jnp.broadcast_to(certain, (len(begin), 2, 2)))

    def step(state, inputs):
        before, (index, observed, is_known) = state, inputs
        position, velocity, covariance = before
        pp, pv, vv = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
        ahead = jnp.stack([pp + 2 * pv + vv, pv + vv, pv + vv, vv], axis=1)
        covariance = ahead.reshape(-1, 2, 2) + agitation[None]
        of_place = covariance[:, 0]
        gain = of_place / (of_place[:, :1] + noise**2) * is_known[:, None]
        position = position + velocity
        error = observed - position
        covariance = covariance - gain[:, :, None] * of_place[:, None]
        after = position + gain[:, 0] * error, velocity + gain[:, 1] * error, covariance
        has_begun = index > first
        after = jax.tree.map(
            lambda new, old: jnp.where(
                has_begun.reshape(-1, *(1,) * (new.ndim - 1)), new, old
            ),
            after,
            before,
        )
        return after, None

    index = jnp.arange(1, measured.shape[1])
    inputs = (index, measured[:, 1:].T, known[:, 1:].T)
    (position, velocity, _), _ = jax.lax.scan(step, start, inputs)
    return position, velocity


def _move(
    sweep_db: Float[Array, "n beam"],
    position: Float[Array, " n"],
    velocity: Float[Array, " n"],
    horizon: int,
) -> Float[Array, "n h beam"]:
    """Shift a sweep so that its best beam goes on from `position` at `velocity`."""
    beams = sweep_db.shape[1]
    steps = 1.0 + jnp.arange(horizon)
    line = position[:, None] + velocity[:, None] * steps[None]
    ahead = jnp.clip(jnp.round(line), 0, beams - 1).astype(int)
    return shifted_sweep(sweep_db, ahead - jnp.argmax(sweep_db, axis=1)[:, None])


def shifted_sweep(
    sweep_db: Float[Array, "n beam"], shift: Int[Array, "n h"]
) -> Float[Array, "n h beam"]:
    """A sweep moved up by `shift` beams; what comes in is the edge, a little less."""
    n, beams = sweep_db.shape
    origin = jnp.arange(beams)[None, None, :] - shift[:, :, None]
    inside = jnp.clip(origin, 0, beams - 1)
    sweeps = jnp.broadcast_to(sweep_db[:, None], (n, shift.shape[1], beams))
    beyond = jnp.abs(origin - inside).astype(sweeps.dtype)
    return jnp.take_along_axis(sweeps, inside, axis=2) - EDGE_STEP_DB * beyond


def moved_sweep(
    sweep_db: Float[Array, "n beam"], shift: Float[Array, "n h"]
) -> Float[Array, "n h beam"]:
    """A sweep moved up by parts of beams, linear in dB between them; edges are held."""
    beams = sweep_db.shape[1]
    origin = jnp.arange(beams)[None, None, :] - shift[:, :, None]
    origin = jnp.clip(origin, 0.0, beams - 1.0)
    low = jnp.floor(origin).astype(int)
    below, above = (
        jnp.take_along_axis(sweep_db[:, None], jnp.minimum(x, beams - 1), axis=2)
        for x in (low, low + 1)
    )
    return below + (origin - low) * (above - below)
