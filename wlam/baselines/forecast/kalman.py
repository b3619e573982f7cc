"""Kalman filter and predictor of fading with a known Doppler shift."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from wlam.baselines.forecast.bounds import BOUND, at_least_one, keep_within, peak
from wlam.baselines.forecast.jakes import jakes_correlation

# White noise that the model adds to the process, relative to its power: the correlation
# of slow fading is singular in any finite precision (Baddour & Beaulieu, below).
LOAD = 1e-5


@partial(jax.jit, static_argnames=("horizon", "order"))
def kalman(
    context: Inexact[Array, "n l c"],
    horizon: int,
    doppler: Float[Array, " n"],
    noise_to_signal: Float[Array, "n c"],
    order: int = 16,
) -> Inexact[Array, "n h c"]:
    """Filter all noisy steps with an AR(p) model of the fading, then run it on.

    The model has the autocorrelation J0(2 pi f_D t) of isotropic scattering up to lag p
    (Yule & Walker): Baddour & Beaulieu, "Autoregressive modeling for fading channel
    simulation", IEEE Trans. Wireless Commun. 4(4), 2005. Its state is the last p steps;
    the filter starts from their stationary covariance. The forecast is that of the
    Wiener filter over the whole context, for the model's autocorrelation.

    The gain is found without the p x p error covariance: from a stationary start it
    changes by a matrix of rank one in every step, so that p numbers represent it. Morf,
    Sidhu & Kailath, "Some new algorithms for recursive estimation in constant, linear,
    discrete-time systems", IEEE Trans. Autom. Control 19(4), 1974.

    Args:
        context: [n, L, C].
        horizon: steps to forecast.
        doppler: largest Doppler shift times the sampling interval, cycles per step.
        noise_to_signal: power of the noise over that of the signal; may be 0, and
            infinite, which gives a forecast of zero.
        order: p.

    Returns:
        [n, H, C], kept within twice the largest magnitude of each channel.
    """
    at_least_one(order=order)
    n, _, c = context.shape
    weights, innovation, correlation = yule_walker(doppler, order)
    weights = weights.T[:, :, None]

    def advance(state):
        """The model's step, newest first: companion matrix times state [p, n, c]."""
        return jnp.concatenate([(weights * state).sum(0)[None], state[:-1]])

    # Signal and noise have unit power together, as has a channel of noise alone.
    signal = 1 / (1 + noise_to_signal)
    noise = 1 - signal
    start = correlation.T[:, :, None] * signal[None]  # covariance with the newest step
    gain, total = advance(start), start[0] + noise
    least = innovation[:, None] * signal + noise
    zero = jnp.zeros((order, n, c), context.dtype)

    def filter_step(carry, observed):
        # `total` is the innovation variance, `gain` the gain of the filter times it;
        # the error covariance changes by amount * change change^T.
        state, gain, total, change, amount = carry
        state = advance(state) + gain * ((observed - state[0]) / total)[None]
        seen, ahead = change[0], advance(change)
        change = ahead - gain * (seen / total)[None]
        gain = gain + ahead * (amount * seen)[None]
        after = jnp.maximum(total + amount * seen**2, least)  # but for rounding
        return (state, gain, after, change, amount * total / after), None

    steps = jnp.moveaxis(context, 1, 0)
    carry = zero, gain, total, gain, -1 / total
    (state, *_), _ = jax.lax.scan(filter_step, carry, steps)
    _, forecast = jax.lax.scan(
        lambda state, _: (advance(state), state[0]), state, length=horizon
    )
    forecast = jnp.moveaxis(forecast, 0, 1)
    bound = jnp.broadcast_to(BOUND * peak(context), forecast.shape)
    return keep_within(forecast, bound).astype(context.dtype)


def yule_walker(
    doppler: Float[Array, " n"], order: int
) -> tuple[Float[Array, "n p"], Float[Array, " n"], Float[Array, "n p"]]:
    """AR(p) model of fading of power 1 + LOAD: weights, innovation power, correlation.

    Weights are those of the last, the last but one, ... step.
    """
    correlation = jakes_correlation(doppler, order + 1)
    correlation = correlation.at[:, 0].add(LOAD)
    time = jnp.arange(order)
    covariance = correlation[:, jnp.abs(time[:, None] - time[None])]
    weights = jnp.linalg.solve(covariance, correlation[:, 1:, None])[..., 0]
    innovation = correlation[:, 0] - (weights * correlation[:, 1:]).sum(1)
    return weights, jnp.maximum(innovation, LOAD), correlation[:, :-1]
