"""The loss of sparse sweeps."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.nn.experts import Load
from wlam.nn.predictor import Predictor
from wlam.nn.scan import LOWEST, UNIT_DB, match
from wlam.tasks.sequences import Scans


def scan_loss(
    model: Predictor, scans: Scans, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Load | None]:
    """How far off the best beam and the powers of the next sweep are.

    A random piece of every track is shown, one sweep or as many as a token knows, and
    of it every n-th beam from a random first one, the same for the batch. The powers
    are Huber's, in units of `UNIT_DB`; the best beam is a choice among all of them by
    their forecast powers in dB: its likelihood over that of a blind guess.

    Raises:
        ValueError: the model takes no sparse sweeps, or tracks are too short.
    """
    n, times, beams = scans.values.shape
    if model.scan is None:
        raise ValueError("model.scan: found None; needed for sparse sweeps")
    sweeps = model.scan.config.sweeps
    if times <= sweeps or beams % scans.every:
        raise ValueError(
            f"source: sweeps of {times} times and {beams} beams; needed more than "
            f"{sweeps} times and a multiple of {scans.every} beams"
        )
    offset_key, start_key, known_key = jax.random.split(key, 3)
    offset = jax.random.randint(offset_key, (), 0, scans.every)
    shown = offset + scans.every * jnp.arange(beams // scans.every)
    start = jax.random.randint(start_key, (n, 1), 0, times - sweeps)
    index = start + jnp.arange(sweeps + 1)[None]
    window = jnp.take_along_axis(scans.values, index[:, :-1, None], axis=1)
    target = jnp.take_along_axis(scans.clean, index[:, -1:, None], axis=1)[:, 0]
    known = jnp.arange(sweeps)[None] >= jax.random.randint(known_key, (n, 1), 0, sweeps)
    measured = jnp.zeros(beams, bool).at[shown].set(True)
    measured = known[:, :, None] & measured[None, None]
    matched = match(window[:, -1], shown)
    forecast, load = model.scan(model.backbone, window, measured, matched)
    top = jnp.take(window[:, -1], shown, axis=1).max(1)[:, None]
    wanted, found = ((x - top) / UNIT_DB for x in (target, forecast))
    power = optax.losses.huber_loss(found, jnp.maximum(wanted, -LOWEST)).mean()
    best = optax.losses.softmax_cross_entropy_with_integer_labels(
        found * UNIT_DB, target.argmax(1)
    )
    return power + best.mean() / jnp.log(beams), load
