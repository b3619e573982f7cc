"""The best linear predictor of fading with a known Doppler shift."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from wlam.baselines.forecast.bounds import BOUND, at_least_one, keep_within, peak
from wlam.baselines.forecast.jakes import jakes_correlation


@partial(jax.jit, static_argnames=("horizon", "order"))
def wiener(
    context: Inexact[Array, "n l c"],
    horizon: int,
    doppler: Float[Array, " n"],
    noise_to_signal: Float[Array, "n c"],
    order: int = 16,
) -> Inexact[Array, "n h c"]:
    """Linear minimum mean square error prediction from the last p noisy steps.

    r_h (R + rho I)^-1 y with the autocorrelation J0(2 pi f_D t) of isotropic
    scattering: Kay, "Fundamentals of statistical signal processing: estimation theory",
    theorem 12.1; Duel-Hallen, "Fading channel prediction for mobile radio", Proc. IEEE
    95(12), 2007. No linear predictor of order p does better on such fading. A channel
    that is made of few paths has another autocorrelation, which a fit to its context
    may find.

    Args:
        context: [n, L, C].
        horizon: steps to forecast.
        doppler: largest Doppler shift times the sampling interval, cycles per step.
        noise_to_signal: rho, power of the noise over that of the signal; may be 0, and
            infinite, which gives a forecast of zero.
        order: p, reduced to L where the context is short.

    Returns:
        [n, H, C], kept within twice the largest magnitude of each channel.
    """
    at_least_one(order=order)
    p = min(order, context.shape[1])
    correlation = jakes_correlation(doppler, p + horizon)
    time = jnp.arange(p)
    covariance = correlation[:, jnp.abs(time[:, None] - time[None])]
    ahead = jnp.arange(horizon)[:, None] + p - time[None]
    # By eigenvalues, which all channels of a sample share, whatever their noise.
    values, vectors = jnp.linalg.eigh(covariance)
    rounding = 4 * p * jnp.finfo(values.dtype).eps
    values = jnp.maximum(values, 0) + rounding
    gain = 1 / (values[:, :, None] + noise_to_signal[:, None])
    seen = jnp.einsum("npk,npc->nkc", vectors, context[:, -p:], precision="highest")
    cross = jnp.einsum(
        "nhp,npk->nhk", correlation[:, ahead], vectors, precision="highest"
    )
    forecast = jnp.einsum("nhk,nkc->nhc", cross, gain * seen, precision="highest")
    bound = jnp.broadcast_to(BOUND * peak(context), forecast.shape)
    return keep_within(forecast, bound).astype(context.dtype)
