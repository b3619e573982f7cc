"""A Wiener predictor for bins whose Doppler shifts fill a band, of unknown width.

An autoregression estimates all its coefficients from the context. Where many rays of
all directions share a bin (a single antenna, a wide beam), two numbers, the Doppler
spread and the noise power, determine the best linear predictor. A grid of hypotheses
covers both, every hypothesis has its predictor, and their posterior probabilities given
the context weight the forecasts. All matrices are constants, inverted on the host.
"""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float
from scipy.special import j0

from wlam.baselines.forecast.local import Reach, pool
from wlam.ops.phasor import angle, cis

ORDER = 16
"""Steps that a forecast uses, at most half of the context."""
WIDTHS = np.geomspace(0.003, 0.45, 14)
"""Largest Doppler shifts, in cycles per step (along subcarriers: delays)."""
NOISES = np.geomspace(1e-4, 3.0, 7)
"""Powers of the noise over those of the signal."""
NEAR: Reach = (1, 1)
"""Neighbours whose likelihoods are pooled with those of a bin."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bands:
    """The posterior of the hypotheses given the context."""

    weights: Float[Array, "n bin hypothesis"]  # posterior probabilities
    middle: Float[Array, "n bin"]  # of the band, in cycles per step


def hypotheses() -> tuple[Float[np.ndarray, " g"], Float[np.ndarray, " g"]]:
    """All pairs of width and noise."""
    widths, noises = np.meshgrid(WIDTHS, NOISES, indexing="ij")
    return widths.ravel(), noises.ravel()


@cache
def precision(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Inverse covariance [hypothesis, p, p] of every hypothesis; log determinant.

    The covariance of p steps is J0(2 pi f |i - j|), and the noise on the diagonal
    (Clarke, "A statistical theory of mobile-radio reception", BSTJ 47, 1968).
    """
    widths, noises = hypotheses()
    steps = np.arange(order)
    lags = abs(steps[:, None] - steps[None])
    matrix = j0(2 * np.pi * widths[:, None, None] * lags[None])
    matrix = matrix + noises[:, None, None] * np.eye(order)[None]
    return np.linalg.inv(matrix), np.linalg.slogdet(matrix)[1]


@cache
def predictors(order: int, horizon: int) -> np.ndarray:
    """[hypothesis, h, p]: the linear minimum mean square error forecasts.

    Kay, "Fundamentals of statistical signal processing: estimation theory", theorem
    12.1; see `wlam.baselines.forecast.wiener`, for known width and noise.
    """
    widths, _ = hypotheses()
    lags = order + np.arange(horizon)[:, None] - np.arange(order)[None]
    cross = j0(2 * np.pi * widths[:, None, None] * lags[None])
    return (cross @ precision(order)[0]).astype(np.float32)


def order_of(length: int) -> int:
    """Steps that a forecast uses of a context of `length`."""
    return max(1, min(ORDER, length // 2))


def fit_bands(x: Complex[Array, "n l u v"], known: Bool[Array, "n l"]) -> Bands:
    """Weights the hypotheses by their likelihood; the prior is uniform.

    The power of the signal is its maximum-likelihood estimate. Neighbours in angle and
    delay share rays, and the middle of their band is estimated; a bin without
    neighbours is a single antenna, at which rays arrive from all directions: the middle
    of its band is zero.

    Args:
        x: series of all bins, unknown steps zero.
        known: which steps are known; windows with unknown steps are left out.
    """
    n, length, u, v = x.shape
    order = order_of(length)
    starts = length - order + 1
    window = jnp.arange(starts)[:, None] + jnp.arange(order)[None]
    whole = known[:, window].all(2)
    pairs = (x[:, 1:] * x[:, :-1].conj()).sum(1)
    lag = pool(pairs, NEAR)
    alone = u * v == 1
    middle = 0 * lag.real if alone else angle(lag.imag, lag.real) / (2 * jnp.pi)
    centred = x * cis(-middle[:, None] * jnp.arange(length)[None, :, None, None])
    # The inverse covariance is real: only real parts of the products matter.
    windows = jnp.stack([centred[:, k : k + starts] for k in range(order)])
    windows = jnp.where(whole[None, :, :, None, None], windows, 0)
    parts = jnp.stack([windows.real, windows.imag])
    products = jnp.einsum("cintuv,cjntuv->nuvij", parts, parts, precision="highest")
    products = pool(products, NEAR)
    inverse, logdet = (jnp.asarray(a, jnp.float32) for a in precision(order))
    energy = jnp.einsum("nuvij,gij->nuvg", products, inverse, precision="highest")
    energy = jnp.maximum(energy, energy.max(-1, keepdims=True) * 1e-9)
    energy = jnp.where(energy > 0, energy, 1)
    steps = known.sum(1)[:, None, None, None]
    likelihood = -steps * (jnp.log(energy) + logdet[None, None, None] / order)
    weights = jax.nn.softmax(likelihood, axis=-1)
    return Bands(weights.reshape(n, u * v, -1), middle.reshape(n, u * v))


def bands_forecasts(
    series: Complex[Array, "n l k"], bands: Bands, horizon: int
) -> Complex[Array, "n {horizon} k"]:
    """The forecasts of all hypotheses, weighted by their posterior.

    Args:
        series: the bins' steps; the last ones are used.
        bands: posterior of these bins.
        horizon: steps to forecast.
    """
    order = order_of(series.shape[1])
    steps = jnp.arange(order + horizon)[None, :, None]
    rotation = cis(-bands.middle[:, None] * steps)
    last = series[:, -order:] * rotation[:, :order]
    matrix = jnp.einsum(
        "nkg,ghp->nkhp", bands.weights, predictors(order, horizon), precision="highest"
    )
    parts = [
        jnp.einsum("nkhp,npk->nhk", matrix, part, precision="highest")
        for part in (last.real, last.imag)
    ]
    return jax.lax.complex(*parts) * rotation[:, order:].conj()
