"""Samples of a series at the same time of previous days."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

SEASON = (-1, 0, 1)
"""Samples about the same time of yesterday that the seasonal AR uses."""


def yesterday(
    x: Float[Array, "b g t"], hidden: Bool[Array, "b t"], season: Int[Array, " b"]
) -> tuple[Float[Array, "b g t k"], Bool[Array, "b t k"]]:
    """The SEASON samples a day before each, 0 where unknown, and which are known."""
    time = jnp.arange(x.shape[-1])[None, :, None]
    index = time + jnp.array(SEASON)[None, None] - season[:, None, None]
    value, known = _at(x, hidden, index)
    # A day must be longer than the samples about it reach, or they are today's.
    return value, known & (season > max(SEASON))[:, None, None]


def same_time(
    x: Float[Array, "b g t"],
    hidden: Bool[Array, "b t"],
    season: Int[Array, " b"],
    stride: int,
    horizon: int,
    about: int,
    back: int,
) -> tuple[Float[Array, "b g n q"], Bool[Array, "b 1 n q"]]:
    """The time of day of each of the samples after an origin, some days before.

    Args:
        about: samples that are added to the time.
        back: days before; 1 is the latest day that the origin or those before it reach.
    """
    last = jnp.arange(stride - 1, x.shape[-1], stride)
    ahead = jnp.arange(1, horizon + 1) + about
    day = jnp.maximum(season, 1)[:, None, None]
    days = jnp.maximum(-(-ahead[None, None] // day), 1) + back - 1
    index = last[None, :, None] + ahead[None, None] - days * day
    value, known = _at(x, hidden, index)
    known = known & (season > max(SEASON))[:, None, None]
    return jnp.where(known[:, None], value, 0.0), known[:, None]


def _at(
    x: Float[Array, "b g t"], hidden: Bool[Array, "b t"], index: Int[Array, "b n q"]
) -> tuple[Float[Array, "b g n q"], Bool[Array, "b n q"]]:
    """Samples at some indices, 0 where unknown, and whether they are known."""
    inside = jnp.clip(index, 0, x.shape[-1] - 1)
    sample = jnp.arange(len(x))[:, None, None]
    known = (index >= 0) & ~hidden[sample, inside]
    value = jnp.moveaxis(x.swapaxes(1, 2)[sample, inside], -1, 1)
    return jnp.where(known[:, None], value, 0.0), known
