"""Beam trackers at irregular times; missing sweeps are NaN.

They move the last sweep along the beam axis, as those of
`wlam.baselines.sweeps.trackers`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from wlam.baselines.sweeps.trackers import TRACKED_SWEEPS, peaks, shifted_sweep

NOISE = 0.15
"""Standard deviation of the peak position of a sweep, in beams. This and the next were
chosen on separate tracks, seed 7 of configs/tracker.py, by the mean SE ratio."""
ACCELERATION = 1.6
"""Of the bearing, rad/s^2."""
RATE = 0.5
"""Standard deviation of the first rate of the bearing, rad/s."""


@partial(jax.jit, static_argnames="horizon")
def line_tracker(
    sweeps_db: Float[Array, "n l beam"], horizon: int
) -> Float[Array, "n h beam"]:
    """Move the last sweep as fast as its best beam moved over the last eight.

    A straight line by least squares through the best-beam indices of the last 8 sweeps
    that are not missing, against their times; see `linear_beam_tracker`.
    """
    seen, last = _made(sweeps_db)
    known = seen & (jnp.cumsum(seen[:, ::-1], axis=1)[:, ::-1] <= TRACKED_SWEEPS)
    best = jnp.argmax(jnp.where(seen[..., None], sweeps_db, 0.0), axis=2)
    count = known.sum(1, keepdims=True)
    steps = jnp.arange(seen.shape[1])[None]
    time = steps - (steps * known).sum(1, keepdims=True) / count
    spread = (known * time**2).sum(1)
    slope = (known * best * time).sum(1) / jnp.where(spread > 0, spread, 1.0)
    ahead = _ahead(seen, last, horizon)
    sweep, position = _at(sweeps_db, last), _at(best, last)
    return _moved(sweep, position[:, None] + slope[:, None] * ahead)


@partial(jax.jit, static_argnames=("horizon", "noise", "acceleration"))
def bearing_tracker(
    sweeps_db: Float[Array, "n l beam"],
    horizon: int,
    interval_s: Float[Array, " n"],
    noise: float = NOISE,
    acceleration: float = ACCELERATION,
) -> Float[Array, "n h beam"]:
    """Move the last sweep by an extended Kalman filter of bearing and rate.

    The state is the angle off broadside and its rate, driven by white acceleration;
    measured is the peak position of every sweep between the beams, which on a DFT
    codebook is the sine of the angle. Between sweeps the filter predicts: Bar-Shalom,
    Li & Kirubarajan, "Estimation with applications to tracking and navigation", 2001,
    sections 6.3.2 and 10.3.

    Args:
        sweeps_db: [n, L, beam], dB or dBm, of a DFT codebook; NaN where missing.
        horizon: steps to forecast.
        interval_s: time between two steps.
        noise: std of the measured position, in beams.
        acceleration: std of the acceleration, rad/s^2.
    """
    beams = sweeps_db.shape[2]
    seen, last = _made(sweeps_db)
    sine = 2 * (peaks(jnp.where(seen[..., None], sweeps_db, 0.0)) + 0.5) / beams - 1
    variance = (2 * noise / beams) ** 2
    dt = interval_s
    agitation = (acceleration * dt) ** 2
    # The angle before the first sweep is unknown, and one sweep has no rate.
    wide = jnp.full(len(sine), jnp.pi**2)
    start = (jnp.zeros(len(sine)), jnp.zeros(len(sine)))
    start = (*start, wide, jnp.zeros(len(sine)), jnp.full(len(sine), RATE**2))

    def step(state, now):
        angle, rate, pp, pv, vv = state
        observed, made = now
        angle = angle + dt * rate
        pp = pp + 2 * dt * pv + dt**2 * vv + agitation * dt**2 / 4
        pv = pv + dt * vv + agitation * dt / 2
        vv = vv + agitation
        # Linearised at the measured angle while the predicted one is uncertain.
        at = jnp.where(pp > 1.0, jnp.arcsin(jnp.clip(observed, -1.0, 1.0)), angle)
        slope = jnp.maximum(jnp.cos(at), 2 / beams)
        total = slope**2 * pp + variance
        error = observed - jnp.sin(at) + slope * (at - angle)
        gain, of_rate = slope * pp / total * made, slope * pv / total * made
        after = (
            jnp.clip(angle + gain * error, -jnp.pi / 2, jnp.pi / 2),
            rate + of_rate * error,
            (1 - gain * slope) * pp,
            (1 - gain * slope) * pv,
            vv - of_rate * slope * pv,
        )
        return after, after[:2]

    inputs = (sine.T, seen.T.astype(jnp.float32))
    _, (angles, rates) = jax.lax.scan(step, start, inputs)
    angle, rate = _at(angles.T, last), _at(rates.T, last)
    ahead = _ahead(seen, last, horizon) * dt[:, None]
    line = jnp.clip(angle[:, None] + rate[:, None] * ahead, -jnp.pi / 2, jnp.pi / 2)
    return _moved(_at(sweeps_db, last), (jnp.sin(line) + 1) * beams / 2 - 0.5)


def _made(
    sweeps_db: Float[Array, "n l beam"],
) -> tuple[Bool[Array, "n l"], Array]:
    """Which sweeps are not missing, and the last of them."""
    made = jnp.isfinite(sweeps_db).all(2)
    return made, made.shape[1] - 1 - jnp.argmax(made[:, ::-1], axis=1)


def _at(values: Array, step: Array) -> Array:
    """The values of every sample at its own step."""
    index = step.reshape(-1, *(1,) * (values.ndim - 1))
    return jnp.take_along_axis(values, index, axis=1)[:, 0]


def _ahead(seen: Bool[Array, "n l"], last: Array, horizon: int) -> Float[Array, "n h"]:
    """Steps from the last sweep to those that are forecast."""
    steps = seen.shape[1] + jnp.arange(horizon)
    return (steps[None] - last[:, None]).astype(jnp.float32)


def _moved(
    sweep_db: Float[Array, "n beam"], position: Float[Array, "n h"]
) -> Float[Array, "n h beam"]:
    """A sweep shifted so that its best beam lies at the positions, rounded."""
    to = jnp.clip(jnp.round(position), 0, sweep_db.shape[1] - 1).astype(int)
    return shifted_sweep(sweep_db, to - jnp.argmax(sweep_db, axis=1)[:, None])
