"""The loss of sweeps that enter as a whole."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from wlam.models.predictor.sweeps import LOWEST, UNIT_DB
from wlam.nn.experts import Load
from wlam.types import SweepBatch

if TYPE_CHECKING:
    import wlam.models.predictor.network

FULL = 0.5
"""How often all beams of a sweep are shown."""
EVERY = (2, 4, 8)
"""Else every n-th, from a random first one on."""
LAST = 4.0
"""Weight of the last sweep that is known; one for each that follows."""
SPREAD = 0.1
"""Weight of the likelihood beside the error: forecasts come first."""


def draw_measured(
    key: PRNGKeyArray, shape: tuple[int, int, int]
) -> Bool[Array, "n l beam"]:
    """Which beams of which sweeps are shown: those of the last one to all sweeps."""
    n, length, beams = shape
    full_key, every_key, offset_key, first_key = jax.random.split(key, 4)
    every = jax.random.choice(every_key, jnp.array(EVERY), (n,))
    every = jnp.where(jax.random.bernoulli(full_key, FULL, (n,)), 1, every)
    every = jnp.minimum(every, beams)
    offset = jax.random.randint(offset_key, (n,), 0, every)
    shown = jnp.arange(beams)[None] % every[:, None] == offset[:, None]
    first = jax.random.randint(first_key, (n, 1), 0, length)
    known = jnp.arange(length)[None] >= first
    return known[:, :, None] & shown[:, None]


def sweep_loss(
    model: "wlam.models.predictor.network.Predictor",
    scans: SweepBatch,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Load | None]:
    """How far off the best beams and the powers of the last sweep and the next are.

    The powers are Huber's, in units of `UNIT_DB`; the best beam is a choice among all
    of them by their forecast powers in dB: its likelihood over that of a blind guess.

    Raises:
        ValueError: the model takes no sweeps, or gives fewer than are to be forecast.
    """
    n, times, beams = scans.values.shape
    length = scans.context
    if model.sweeps is None:
        raise ValueError("model.sweeps: found None; needed for sweeps with a context")
    if not 0 < times - length <= model.sweeps.config.ahead:
        raise ValueError(
            f"source: {times} sweeps, {length} of them given; needed 1 to "
            f"{model.sweeps.config.ahead} more, as model.sweeps.ahead says"
        )
    measured = draw_measured(key, (n, length, beams))
    shown = scans.values[:, :length]
    found = model.sweeps(model.backbone, shown, measured, scans.interval)
    forecast, spread, load = found
    forecast, spread = (x[:, : times - length + 1] for x in (forecast, spread))
    target = scans.clean[:, length - 1 :]
    top = jnp.where(measured, shown, -jnp.inf).max((1, 2))[:, None, None]
    wanted, given = ((x - top) / UNIT_DB for x in (target, forecast))
    wanted = jnp.maximum(wanted, -LOWEST)
    power = optax.losses.huber_loss(given, wanted).mean(-1)
    best = optax.losses.softmax_cross_entropy_with_integer_labels(
        given * UNIT_DB, target.argmax(-1)
    )
    error = jax.lax.stop_gradient(given) - wanted
    spread = spread / UNIT_DB
    likelihood = ((error / spread) ** 2 / 2 + jnp.log(spread)).mean(-1)
    losses = (power + best / jnp.log(beams) + SPREAD * likelihood).mean(0)
    weight = jnp.ones(losses.shape).at[0].set(LAST)
    return (weight * losses).sum() / weight.sum(), load
