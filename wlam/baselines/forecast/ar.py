"""Autoregressions: linear prediction whose coefficients are fitted to the context."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from wlam.baselines.forecast.bounds import (
    BOUND,
    at_least_one,
    keep_within,
    peak,
    unit_scale,
)
from wlam.baselines.forecast.naive import repeat_last
from wlam.ops.solve import solve_tall


@partial(jax.jit, static_argnames=("horizon", "order", "ridge", "center"))
def ar_shared(
    context: Inexact[Array, "n l c"],
    horizon: int,
    order: int = 8,
    ridge: float = 1e-12,
    center: bool = False,
) -> Inexact[Array, "n h c"]:
    """AR(p) with one coefficient vector per sample, shared by its C channels.

    The antennas and subcarriers of one channel have the same Doppler shifts, hence the
    same linear recurrence (Prony): a sum of p complex exponentials in time is forecast
    exactly by p coefficients, however its amplitudes differ between channels. Pooling
    the equations of all channels is what makes so short a context enough; see Duel-
    Hallen, "Fading channel prediction for mobile radio", Proc. IEEE 95(12), 2007.

    The coefficients minimise the squared one-step errors of the context (covariance
    method: forward equations only, no windowing) plus a penalty on their norm, by
    orthogonalisation, and are iterated H times.

    Args:
        context: [n, L, C]; complex data get complex coefficients.
        horizon: steps to forecast.
        order: p, reduced to L // 2 where the context is short. A context of one step
            is repeated.
        ridge: weight of the penalty, above 0, relative to the mean power of the
            regressors. The default is about the rounding of float32; noise on the
            context regularises by itself.
        center: subtract each channel's mean over the context first and add it back:
            right for real series with an offset, wrong for fading.

    Returns:
        [n, H, C]. An unstable fit would grow without limit and make a weak
        baseline: every step is kept within twice the channel's largest magnitude in the
        context (twice its largest deviation from the mean where `center`).
    """
    return _ar(context, horizon, order, ridge, center, shared=True)


@partial(jax.jit, static_argnames=("horizon", "order", "ridge", "center"))
def ar_per_channel(
    context: Inexact[Array, "n l c"],
    horizon: int,
    order: int = 4,
    ridge: float = 1e-2,
    center: bool = False,
) -> Inexact[Array, "n h c"]:
    """AR(p) with its own coefficients in every channel, otherwise like `ar_shared`.

    The usual forecaster of one series from its own past (Box & Jenkins, ch. 5); set
    `center` for real series. One channel has few equations for its p coefficients,
    hence the heavier penalty.
    """
    return _ar(context, horizon, order, ridge, center, shared=False)


def _ar(context, horizon, order, ridge, center, *, shared):
    """AR by least squares; `shared` pools the equations of a sample's channels."""
    at_least_one(order=order)
    length = context.shape[1]
    order = min(order, length // 2)
    if order == 0:
        return repeat_last(context, horizon)
    mean = context.mean(axis=1, keepdims=True) if center else 0
    largest = peak(context - mean)
    scale = unit_scale(largest.max(axis=2, keepdims=True) if shared else largest)
    x = (context - mean) / scale
    if shared:
        coefficients = shared_fit(x, order, ridge)
    else:
        coefficients = penalised_fit(_moments(x, order), ridge)
    forecast = _iterate(x, coefficients, horizon, BOUND * largest / scale, shared)
    return (forecast * scale + mean).astype(context.dtype)


def shared_fit(
    x: Inexact[Array, "n l c"], order: int, ridge: float
) -> Inexact[Array, "n p"]:
    """Coefficients for all channels of a sample, oldest lag first."""
    length = x.shape[1]
    lags = jnp.stack([x[:, k : length - order + k] for k in range(order + 1)], axis=-1)
    equations = lags.reshape(len(x), -1, order + 1)
    power = (abs(equations[..., :order]) ** 2).sum((1, 2)) / order
    load = jnp.sqrt(ridge * power)[:, None, None] * jnp.eye(order + 1)[None, :order]
    equations = jnp.concatenate([equations, load.astype(x.dtype)], axis=1)
    return solve_tall(equations[..., :order], equations[..., order])


def _moments(x, order):
    """Sums of lag products, oldest lag first: [n, c, p + 1, p + 1]."""
    n, length, c = x.shape

    # Window by window, so that the [n, L - p, C, p] regressors never exist at once.
    def add(t, moments):
        window = jax.lax.dynamic_slice_in_dim(x, t, order + 1, axis=1)
        return moments + jnp.einsum(
            "npc,nqc->ncpq", window.conj(), window, precision=jax.lax.Precision.HIGHEST
        )

    moments = jnp.zeros((n, c, order + 1, order + 1), x.dtype)
    return jax.lax.fori_loop(0, length - order, add, moments)


def penalised_fit(
    moments: Inexact[Array, "*b p1 p1"], ridge: float
) -> Inexact[Array, "*b p"]:
    """Solve (X'X + ridge * power * I) a = X'y, given the moments of [X, y]."""
    order = moments.shape[-1] - 1
    gram, cross = moments[..., :order, :order], moments[..., :order, order:]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real / order
    tiny = jnp.finfo(moments.dtype).tiny ** 0.5  # a zero context has zero coefficients
    load = (ridge * power + tiny)[..., None, None]
    identity = jnp.eye(order, dtype=moments.dtype)
    gram = gram + load * jnp.broadcast_to(identity, gram.shape)
    return jnp.linalg.solve(gram, cross)[..., 0]


def _iterate(x, coefficients, horizon, bound, shared):
    """Feed the one-step forecast back H times, never beyond `bound` [n, 1, c]."""
    order = coefficients.shape[-1]
    predict = "np,npc->nc" if shared else "ncp,npc->nc"

    def step(window, _):
        following = jnp.einsum(
            predict, coefficients, window, precision=jax.lax.Precision.HIGHEST
        )
        following = keep_within(following, bound[:, 0])
        return jnp.concatenate([window[:, 1:], following[:, None]], axis=1), following

    _, forecast = jax.lax.scan(step, x[:, -order:], length=horizon)
    return jnp.moveaxis(forecast, 0, 1)
