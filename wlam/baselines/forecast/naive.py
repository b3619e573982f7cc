"""Forecasts without a fit: zero, last value or slope, the mean, one period ago."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from wlam.baselines.forecast.bounds import at_least_one


@partial(jax.jit, static_argnames="horizon")
def zero(context: Inexact[Array, "n l c"], horizon: int) -> Inexact[Array, "n h c"]:
    """The zero forecast: NMSE exactly 1 (0 dB)."""
    n, _, c = context.shape
    return jnp.zeros((n, horizon, c), context.dtype)


@partial(jax.jit, static_argnames="horizon")
def repeat_last(
    context: Inexact[Array, "n l c"], horizon: int
) -> Inexact[Array, "n h c"]:
    """Persistence: the last value of the context, H times."""
    return jnp.repeat(context[:, -1:], horizon, axis=1)


@partial(jax.jit, static_argnames="horizon")
def constant_slope(
    context: Inexact[Array, "n l c"], horizon: int
) -> Inexact[Array, "n h c"]:
    """The last difference goes on: a position at constant velocity."""
    last, before = context[:, -1:], context[:, -2:-1]
    slope = last - before if context.shape[1] > 1 else jnp.zeros_like(last)
    return last + slope * jnp.arange(1, horizon + 1, dtype=jnp.float32)[None, :, None]


@partial(jax.jit, static_argnames="horizon")
def context_mean(
    context: Inexact[Array, "n l c"], horizon: int
) -> Inexact[Array, "n h c"]:
    """The mean of the context over time, H times."""
    return jnp.repeat(context.mean(axis=1, keepdims=True), horizon, axis=1)


@partial(jax.jit, static_argnames=("horizon", "period"))
def seasonal_naive(
    context: Inexact[Array, "n l c"], horizon: int, period: int
) -> Inexact[Array, "n h c"]:
    """The value at the same time one period before.

    Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 5.2.

    Args:
        context: [n, L, C].
        horizon: steps to forecast; beyond one period the last period is repeated.
        period: steps in a period. Where the context is shorter, the forecast is
            `repeat_last`.
    """
    at_least_one(period=period)
    length = context.shape[1]
    if length < period:
        return repeat_last(context, horizon)
    return context[:, length - period + jnp.arange(horizon) % period]
