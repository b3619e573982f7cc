"""Fading whose largest Doppler shift and signal-to-noise ratio are known."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from wlam.baselines.forecast.bounds import peak, unit_scale
from wlam.ops.phasor import cis

# Abramowitz & Stegun, Handbook of Mathematical Functions: equation 9.4.1 in (x / 3)^2,
# and the modulus and phase of 9.4.3 in 3 / x; ascending powers.
_SMALL = (1.0, -2.2499997, 1.2656208, -0.3163866, 0.0444479, -0.0039444, 0.0002100)
_MODULUS = (
    0.79788456,
    -0.00000077,
    -0.00552740,
    -0.00009512,
    0.00137237,
    -0.00072805,
    0.00014476,
)
_PHASE = (
    -0.78539816,
    -0.04166397,
    -0.00003954,
    0.00262573,
    -0.00054125,
    -0.00029333,
    0.00013558,
)


def bessel_j0(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The Bessel function of the first kind of order zero, to 1e-6 up to x = 100.

    Abramowitz & Stegun, equations 9.4.1 (up to 3) and 9.4.3 (beyond); their own errors
    are below 1e-7, the rest is rounding of the argument in single precision.
    """
    x = jnp.abs(x)
    small = jnp.minimum(x, 3.0)
    large = jnp.maximum(x, 3.0)
    inverse = 3.0 / large
    cycles = (large + _polynomial(_PHASE, inverse)) / (2 * jnp.pi)
    wave = _polynomial(_MODULUS, inverse) / jnp.sqrt(large) * cis(cycles).real
    return jnp.where(x <= 3.0, _polynomial(_SMALL, (small / 3.0) ** 2), wave)


def jakes_correlation(
    doppler: Float[Array, " n"], num_lags: int
) -> Float[Array, "n {num_lags}"]:
    """Autocorrelation J0(2 pi f_D t) at the lags 0, 1, ... of isotropic scattering.

    Clarke, "A statistical theory of mobile-radio reception", Bell Syst. Tech. J. 47,
    1968; Jakes, Microwave mobile communications, 1974, section 1.3.

    Args:
        doppler: f_D times the sampling interval, in cycles per step.
        num_lags: how many lags.
    """
    lags = jnp.arange(num_lags, dtype=doppler.dtype)
    return bessel_j0(2 * jnp.pi * doppler[:, None] * lags[None])


@jax.jit
def noise_to_signal(
    context: Inexact[Array, "n l c"], snr_db: Float[Array, " n"]
) -> Float[Array, "n c"]:
    """Power of white noise over that of the signal in every channel.

    The noise is the same in all channels and known from the signal-to-noise ratio of
    the sample as a whole; the remaining power of a channel is signal. Infinite where
    none remains.
    """
    scale = unit_scale(peak(context).max(axis=2, keepdims=True))
    power = (jnp.abs(context / scale) ** 2).mean(axis=1)
    noise = power.mean(axis=1, keepdims=True) / (1 + 10 ** (snr_db / 10))[:, None]
    signal = power - noise
    return jnp.where(signal > 0, noise / jnp.where(signal > 0, signal, 1), jnp.inf)


def _polynomial(coefficients, x):
    value = jnp.zeros_like(x)
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value
