"""Forecasts of fading from measurements at irregular times: NaN where there is none."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Inexact

from wlam.baselines.forecast.bounds import BOUND, keep_within, unit_scale
from wlam.baselines.forecast.jakes import jakes_correlation

WIDTHS = np.geomspace(0.001, 0.45, 20).astype(np.float32)
"""Largest Doppler shifts that are tried, in cycles per step."""
NOISES = np.geomspace(1e-4, 3.0, 8).astype(np.float32)
"""Powers of the noise over those of the signal."""
LEAST = 1e-5
"""Noise added to all hypotheses, against rounding."""


@partial(jax.jit, static_argnames="horizon")
def hold(context: Inexact[Array, "n l c"], horizon: int) -> Inexact[Array, "n h c"]:
    """The last measurement; 0 where there is none."""
    valid = measured(context)
    last = context.shape[1] - 1 - jnp.argmax(valid[:, ::-1], axis=1)
    found = jnp.take_along_axis(context, last[:, None, None], axis=1)
    found = jnp.where(valid.any(1)[:, None, None], found, 0)
    return jnp.repeat(found, horizon, axis=1)


@partial(jax.jit, static_argnames="horizon")
def irregular_wiener(
    context: Complex[Array, "n l c"],
    horizon: int,
    doppler: Float[Array, " n"],
    noise_to_signal: Float[Array, " n"],
) -> Complex[Array, "n h c"]:
    """The linear minimum mean square error forecast from all measurements.

    As `wlam.baselines.forecast.wiener`, for one noise power and any measurement times.

    Args:
        context: [n, L, C]; snapshots that were not measured are NaN.
        horizon: steps to forecast.
        doppler: largest Doppler shift times the interval of the steps.
        noise_to_signal: power of the noise over that of the signal.
    """

    def one(x: Array, width: Array, noise: Array) -> Array:
        seen = measured(x[None])[0]
        return _by_hypotheses(x, seen, horizon, width[None], noise[None])[1][0]

    found = jax.vmap(one)(context, doppler, noise_to_signal)
    return _within(context, found)


@partial(jax.jit, static_argnames="horizon")
def irregular_bands(
    context: Complex[Array, "n l c"], horizon: int
) -> Complex[Array, "n h c"]:
    """The same for unknown speed and noise: all hypotheses, weighted by likelihood.

    Isotropic scattering; the hypotheses (`WIDTHS`, `NOISES`) are shared by the channels
    of a sample; the power of the signal is its maximum-likelihood estimate.
    """
    widths, noises = (g.ravel() for g in np.meshgrid(WIDTHS, NOISES, indexing="ij"))

    def one(x: Array) -> Array:
        seen = measured(x[None])[0]
        given = jnp.asarray(widths), jnp.asarray(noises)
        likelihood, found = _by_hypotheses(x, seen, horizon, *given)
        return jnp.einsum("g,ghc->hc", jax.nn.softmax(likelihood), found)

    return _within(context, jax.lax.map(one, context))


def measured(context: Inexact[Array, "n l c"]) -> Bool[Array, "n l"]:
    """Which steps were measured."""
    return jnp.isfinite(context).all(2)


def _by_hypotheses(
    x: Complex[Array, "l c"],
    seen: Bool[Array, " l"],
    horizon: int,
    widths: Float[Array, " g"],
    noises: Float[Array, " g"],
) -> tuple[Float[Array, " g"], Complex[Array, "g h c"]]:
    """Log likelihood and forecast of every hypothesis of width and noise."""
    length, channels = x.shape
    x = jnp.where(seen[:, None], x, 0)
    unit = unit_scale(abs(x).max())
    x = x / unit
    correlation = jakes_correlation(widths, length + horizon)  # [hypothesis, lag]
    steps = jnp.arange(length)
    covariance = correlation[:, abs(steps[:, None] - steps[None])]
    # A step without measurement has unit variance and no correlation with others.
    both = (seen[:, None] & seen[None])[None]
    diagonal = jnp.where(seen[None], noises[:, None] + LEAST, 1.0)
    covariance = jnp.where(both, covariance, 0.0)
    covariance += diagonal[:, :, None] * jnp.eye(length)[None]
    root = jnp.linalg.cholesky(covariance)
    parts = jnp.concatenate([x.real, x.imag], axis=1)
    solved = jax.vmap(lambda r: jax.scipy.linalg.cho_solve((r, True), parts))(root)
    count = seen.sum() * channels
    energy = jnp.einsum("lk,glk->g", parts, solved, precision="highest")
    logdet = 2 * jnp.log(jnp.diagonal(root, axis1=1, axis2=2)).sum(1)
    likelihood = -count * jnp.log(jnp.maximum(energy, 1e-30)) - channels * logdet
    ahead = length + jnp.arange(horizon)[:, None] - steps[None]
    cross = jnp.where(seen[None, None], correlation[:, ahead], 0.0)
    found = jnp.einsum("ghl,glk->ghk", cross, solved, precision="highest")
    found = jax.lax.complex(found[..., :channels], found[..., channels:])
    return likelihood, unit * found


def _within(context: Array, forecast: Array) -> Array:
    """Kept within twice the largest magnitude of each channel."""
    known = jnp.where(measured(context)[..., None], abs(context), 0.0)
    bound = jnp.broadcast_to(BOUND * known.max(1, keepdims=True), forecast.shape)
    return keep_within(forecast, bound).astype(context.dtype)
