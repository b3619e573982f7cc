"""Forecasters that need no training: what every learned forecaster is compared with.

All of them map a context [n, L, C] to a forecast [n, H, C] of the same dtype, are
jitted (`horizon` and the other numbers are static) and accept real or complex arrays
except where said. None ever sees the values it forecasts.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

TRACKED_SWEEPS = 8  # context sweeps that the beam tracker draws its line through
BOUND = 2.0  # an iterated AR forecast stays within this multiple of the context's peak
EDGE_STEP_DB = 1e-3  # what a beam beyond the edge loses, so that the best one is unique


@partial(jax.jit, static_argnames="horizon")
def zero(context: Inexact[Array, "n l c"], horizon: int) -> Inexact[Array, "n h c"]:
    """Forecast nothing at all: NMSE exactly 1 (0 dB)."""
    n, _, c = context.shape
    return jnp.zeros((n, horizon, c), context.dtype)


@partial(jax.jit, static_argnames="horizon")
def repeat_last(
    context: Inexact[Array, "n l c"], horizon: int
) -> Inexact[Array, "n h c"]:
    """Persistence: the last value of the context, H times."""
    return jnp.repeat(context[:, -1:], horizon, axis=1)


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
        period: steps in a period. Where the context is shorter, nothing was seen one
            period before and the forecast is `repeat_last`.
    """
    _check(period=period)
    length = context.shape[1]
    if length < period:
        return repeat_last(context, horizon)
    return context[:, length - period + jnp.arange(horizon) % period]


@partial(jax.jit, static_argnames=("horizon", "order", "ridge", "center"))
def ar_shared(
    context: Inexact[Array, "n l c"],
    horizon: int,
    order: int = 8,
    ridge: float = 1e-5,
    center: bool = False,
) -> Inexact[Array, "n h c"]:
    """AR(p) with one coefficient vector per sample, shared by its C channels.

    The antennas and subcarriers of one channel see the same Doppler shifts, hence the
    same linear recurrence (Prony): a sum of p complex exponentials in time is forecast
    exactly by p coefficients, however its amplitudes differ between channels. Pooling
    the equations of all channels is what makes so short a context enough; see Duel-
    Hallen, "Fading channel prediction for mobile radio", Proc. IEEE 95(12), 2007.

    The coefficients minimise the squared one-step errors of the context (the covariance
    method: forward rows only, no windowing) plus a penalty on their norm, and are
    iterated H times.

    Args:
        context: [n, L, C]; complex data get complex coefficients.
        horizon: steps to forecast.
        order: p, reduced to L // 2 where the context is short. A context of one step
            is repeated.
        ridge: weight of the penalty, above 0, relative to the mean power of the
            regressors. The default is about the least that float32 supports; noise on
            the context regularises by itself.
        center: subtract each channel's mean over the context first and add it back:
            right for real series with an offset, wrong for fading.

    Returns:
        [n, H, C]. An unstable fit would grow without limit, which makes a floor look
        silly: every step is kept within twice the channel's largest magnitude in the
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


@partial(jax.jit, static_argnames="horizon")
def linear_beam_tracker(
    rsrp_db_context: Float[Array, "n l beam"], horizon: int
) -> Float[Array, "n h beam"]:
    """Move the last sweep along the beam axis as fast as its best beam was moving.

    A straight line is drawn by least squares through the best-beam indices of the last
    8 sweeps (fewer where the context is shorter); its slope, from the last index on,
    gives the index h steps later, rounded and kept on the codebook. The forecast is the
    last sweep shifted by that change, so that it yields a whole profile and top-k too,
    and its strongest beam is the predicted index. Assumes that neighbouring beams have
    neighbouring indices.

    Args:
        rsrp_db_context: [n, L, beam], dB or dBm, real.
        horizon: sweeps to forecast.

    Returns:
        [n, H, beam] dB. Beams that come in from beyond the codebook hold the value of
        its edge, less 0.001 dB per beam so that the best beam stays unique.
    """
    n, length, beams = rsrp_db_context.shape
    tracked = min(TRACKED_SWEEPS, length)
    best = jnp.argmax(rsrp_db_context[:, -tracked:], axis=2)
    time = jnp.arange(tracked) - (tracked - 1) / 2
    slope = (best * time[None, :]).sum(1) / jnp.maximum((time**2).sum(), 1)
    steps = 1 + jnp.arange(horizon)
    last = best[:, -1:]
    line = jnp.round(last + slope[:, None] * steps[None, :]).astype(best.dtype)
    shift = jnp.clip(line, 0, beams - 1) - last

    origin = jnp.arange(beams)[None, None, :] - shift[:, :, None]
    inside = jnp.clip(origin, 0, beams - 1)
    sweeps = jnp.broadcast_to(rsrp_db_context[:, -1:], (n, horizon, beams))
    beyond = jnp.abs(origin - inside).astype(sweeps.dtype)
    return jnp.take_along_axis(sweeps, inside, axis=2) - EDGE_STEP_DB * beyond


def _ar(context, horizon, order, ridge, center, *, shared):
    """AR by least squares; `shared` pools the equations of a sample's channels."""
    _check(order=order)
    length = context.shape[1]
    order = min(order, length // 2)
    if order == 0:
        return repeat_last(context, horizon)
    mean = context.mean(axis=1, keepdims=True) if center else 0
    deviation = context - mean
    # Power squares the range of float32: fit at unit scale, whatever the unit is.
    peak = jnp.abs(deviation).max(axis=1, keepdims=True)
    scale = peak.max(axis=2, keepdims=True) if shared else peak
    scale = jnp.where(scale > 0, scale, 1)
    forecast = _iterate(
        deviation / scale,
        _coefficients(deviation / scale, order, ridge, shared),
        horizon,
        BOUND * peak / scale,
        shared,
    )
    return (forecast * scale + mean).astype(context.dtype)


def _coefficients(x, order, ridge, shared):
    """Solve (X'X + ridge * power * I) a = X'y, oldest lag first: [n, (c,) p]."""
    n, length, c = x.shape
    pool = "npc,nqc->npq" if shared else "npc,nqc->ncpq"
    batch = (n,) if shared else (n, c)

    # Window by window, so that the [n, L - p, C, p] regressors never exist at once.
    def add(t, moments):
        window = jax.lax.dynamic_slice_in_dim(x, t, order + 1, axis=1)
        return moments + jnp.einsum(
            pool, window.conj(), window, precision=jax.lax.Precision.HIGHEST
        )

    moments = jnp.zeros((*batch, order + 1, order + 1), x.dtype)
    moments = jax.lax.fori_loop(0, length - order, add, moments)
    gram, cross = moments[..., :order, :order], moments[..., :order, order:]
    power = jnp.trace(gram, axis1=-2, axis2=-1).real / order
    tiny = jnp.finfo(x.dtype).tiny ** 0.5  # a silent context gets coefficients of zero
    load = (ridge * power + tiny)[..., None, None]
    gram = gram + load * jnp.broadcast_to(jnp.eye(order, dtype=x.dtype), gram.shape)
    return jnp.linalg.solve(gram, cross)[..., 0]


def _iterate(x, coefficients, horizon, bound, shared):
    """Feed the one-step forecast back H times, never beyond `bound` [n, 1, c]."""
    order = coefficients.shape[-1]
    predict = "np,npc->nc" if shared else "ncp,npc->nc"

    def step(window, _):
        following = jnp.einsum(
            predict, coefficients, window, precision=jax.lax.Precision.HIGHEST
        )
        size = jnp.abs(following)
        excess = jnp.where(size > bound[:, 0], size, 1)
        following = following * jnp.where(size > bound[:, 0], bound[:, 0] / excess, 1)
        return jnp.concatenate([window[:, 1:], following[:, None]], axis=1), following

    _, forecast = jax.lax.scan(step, x[:, -order:], length=horizon)
    return jnp.moveaxis(forecast, 0, 1)


def _check(**positive):
    for name, value in positive.items():
        if value < 1:
            raise ValueError(f"{name}: {value}, must be at least 1")
