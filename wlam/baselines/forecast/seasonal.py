"""Autoregression with a season."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wlam.baselines.forecast.ar import ar_per_channel, penalised_fit
from wlam.baselines.forecast.bounds import (
    BOUND,
    at_least_one,
    keep_within,
    peak,
    unit_scale,
)

ABOUT = 1  # steps on either side of the same time one period before that are used too
ENOUGH = 4  # equations for each coefficient that a fit needs


@partial(jax.jit, static_argnames=("horizon", "period", "order", "ridge"))
def seasonal_ar(
    context: Float[Array, "n l c"],
    horizon: int,
    period: int,
    order: int = 4,
    ridge: float = 3e-2,
) -> Float[Array, "n h c"]:
    """AR(p) with three more lags: one period, and a step less and more than it.

    These are the lags of the multiplicative seasonal model (1, ..., p; s, s + 1), with
    free coefficients and s - 1 added for seasons that drift: Box & Jenkins, ch. 9. No
    series is differenced; its mean is taken off. Fitted per channel like
    `ar_per_channel`.

    Args:
        context: [n, L, C], real.
        horizon: steps to forecast; beyond a period they rest on forecasts.
        period: s, steps in a period.
        order: p, reduced where the context has fewer than four equations for each
            coefficient, and to s - 2, so that no lag occurs twice. Where none is
            left, because the context is hardly longer than the period or the
            period is shorter than 3 steps, the forecast is `ar_per_channel`.
        ridge: weight of the penalty relative to the mean power of the regressors.

    Returns:
        [n, H, C], kept within twice the largest deviation from the mean.
    """
    at_least_one(period=period, order=order)
    length = context.shape[1]
    first = period + ABOUT  # the first step that all lags exist for
    lags_about = 2 * ABOUT + 1
    p = min(order, period - ABOUT - 1, (length - first) // ENOUGH - lags_about)
    if p < 1:
        return ar_per_channel(context, horizon, order=order, ridge=ridge, center=True)
    mean = context.mean(axis=1, keepdims=True)
    largest = peak(context - mean)
    scale = unit_scale(largest)
    x = (context - mean) / scale
    bound = BOUND * (largest / scale)[:, 0]

    def window(x, t):
        """The lags of step t, and step t itself: [n, 2 ABOUT + 1 + p + 1, c]."""
        before = jax.lax.dynamic_slice_in_dim(x, t - first, lags_about, axis=1)
        recent = jax.lax.dynamic_slice_in_dim(x, t - p, p + 1, axis=1)
        return jnp.concatenate([before, recent], axis=1)

    def add(t, moments):
        seen = window(x, t)
        return moments + jnp.einsum("npc,nqc->ncpq", seen, seen, precision="highest")

    n, _, c = x.shape
    moments = jnp.zeros((n, c, lags_about + p + 1, lags_about + p + 1), x.dtype)
    moments = jax.lax.fori_loop(first, length, add, moments)
    coefficients = penalised_fit(moments, ridge)

    def extend(t, x):
        lags = window(x, t)[:, :-1]
        following = jnp.einsum("ncp,npc->nc", coefficients, lags, precision="highest")
        following = keep_within(following, bound)
        return jax.lax.dynamic_update_slice_in_dim(x, following[:, None], t, axis=1)

    x = jnp.pad(x, ((0, 0), (0, horizon), (0, 0)))
    x = jax.lax.fori_loop(length, length + horizon, extend, x)
    return (x[:, length:] * scale + mean).astype(context.dtype)
