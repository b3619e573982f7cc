"""Linear minimum mean square error estimation.

A channel h [d] is observed as y = A h + n, through a sensing matrix A [m, d] and in
white noise. Channels over subcarriers and antennas are flattened in this order.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from wlam.ops.einsum import einsum


class Moments(NamedTuple):
    """Mean and covariance E (h - mean)(h - mean)^H of random channels."""

    mean: Inexact[Array, "d"]
    covariance: Inexact[Array, "d d"]


@jax.jit
def fit_moments(channels: Complex[Array, "n d"]) -> Moments:
    """Return the sample mean and the sample covariance (divided by n) of channels.

    Raises:
        ValueError: There are fewer than two channels.
    """
    if len(channels) < 2:
        raise ValueError(f"channels: found {len(channels)}, needed at least 2")
    mean = channels.mean(0)
    deviation = channels - mean[None]
    covariance = einsum("ni,nj->ij", deviation, deviation.conj()) / len(channels)
    return Moments(mean, covariance)


@jax.jit
def lmmse(
    observed: Complex[Array, "n m"],
    noise_variance: Float[Array, "n"],
    sensing: Inexact[Array, "m d"],
    moments: Moments,
) -> Complex[Array, "n d"]:
    """Linear minimum mean square error estimate, one covariance for all samples.

    mean + R A^H (A R A^H + variance I)^-1 (y - A mean): Kay, "Fundamentals of
    statistical signal processing: estimation theory", theorem 12.1, equation 12.26.
    Directions that hold neither signal nor noise are left at the mean.

    Args:
        observed: y.
        noise_variance: Of each element of y, of each sample, in its unit of power.
        sensing: A.
        moments: From `fit_moments`, or true ones; the covariance is Hermitian.
    """
    each = jax.vmap(_wiener, in_axes=(0, 0, None, None, None))
    return each(observed, noise_variance, sensing, *moments)


@jax.jit
def lmmse_true(
    observed: Complex[Array, "n m"],
    noise_variance: Float[Array, "n"],
    sensing: Inexact[Array, "m d"],
    covariance: Complex[Array, "n d d"],
) -> Complex[Array, "n d"]:
    """Linear minimum mean square error estimate, each sample with its own covariance.

    As `lmmse` with mean zero: of the genie estimator with known path positions but
    not their phases. Noise is taken to be no less than rounding, about 60 dB below the
    total power of y.

    Args:
        observed: y.
        noise_variance: Of each element of y, of each sample, in its unit of power.
        sensing: A.
        covariance: E h h^H of each sample, Hermitian.
    """
    each = jax.vmap(_wiener_once, in_axes=(0, 0, None, 0))
    return each(observed, noise_variance, sensing, covariance)


def _wiener(observed, noise_variance, sensing, mean, covariance):
    """LMMSE of one sample. By eigenvalues, so that samples share them at any SNR."""
    cross = einsum("ij,mj->im", covariance, sensing.conj())
    values, vectors = jnp.linalg.eigh(einsum("mi,ij->mj", sensing, cross))
    values = jnp.maximum(values, 0)
    rounding = 4 * jnp.finfo(values.dtype).eps * values[-1]
    total = values + noise_variance
    gain = jnp.where(total > rounding, 1 / jnp.where(total > 0, total, 1), 0)
    innovation = observed - einsum("mi,i->m", sensing, mean)
    whitened = gain * einsum("mk,m->k", vectors.conj(), innovation)
    return mean + einsum("im,m->i", cross, einsum("mk,k->m", vectors, whitened))


def _wiener_once(observed, noise_variance, sensing, covariance):
    """LMMSE of one sample. By Cholesky, since samples share no factor."""
    cross = einsum("ij,mj->im", covariance, sensing.conj())
    gram = einsum("mi,ij->mj", sensing, cross)
    rounding = 4 * jnp.finfo(gram.dtype).eps * jnp.trace(gram).real
    load = noise_variance + rounding
    load = jnp.where(load > 0, load, 1)
    factor = jax.scipy.linalg.cho_factor(gram + load * jnp.eye(len(gram)))
    return einsum("im,m->i", cross, jax.scipy.linalg.cho_solve(factor, observed))
