"""A Wiener predictor for bins whose Doppler shifts fill a band, of unknown width.

An autoregression has to find all its coefficients in the context. Where many rays of
all directions share a bin (a single antenna, a wide beam) there is little to find: two
numbers, how fast it fades and how noisy it is, say all that a linear predictor can use.
So both are guessed on a grid, every guess has its predictor, and what the context makes
of the guesses weighs them. All matrices are constants: nothing is inverted here.
"""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from wlam.baselines.forecast.local import Reach, pool
from wlam.ops.phasor import angle, cis

ORDER = 16
"""Steps that a forecast is made from, at most half of the context."""
WIDTHS = np.geomspace(0.003, 0.45, 14)
"""Largest Doppler shifts, in cycles per step (along subcarriers: delays)."""
NOISES = np.geomspace(1e-4, 3.0, 7)
"""Powers of the noise over those of the signal."""
NEAR: Reach = (1, 1)
"""Bins that weigh the guesses together with the one between them."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bands:
    """What the context says of the guesses."""

    weights: Float[Array, "n bin guess"]  # their posterior probabilities
    middle: Float[Array, "n bin"]  # of the band, in cycles per step


def guesses() -> tuple[Float[np.ndarray, " guess"], Float[np.ndarray, " guess"]]:
    """All pairs of width and noise."""
    widths, noises = np.meshgrid(WIDTHS, NOISES, indexing="ij")
    return widths.ravel(), noises.ravel()


def bessel_j0(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """J0 in double precision: the mean of cos(x sin t), exact for x below the nodes."""
    count = 64 + int(abs(x).max())
    nodes = np.pi * (np.arange(count) + 0.5) / count
    return np.cos(x[..., None] * np.sin(nodes)).mean(-1)


@cache
def precision(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every guess [guess, p, p] the inverse of the covariance; its log determinant.

    The covariance of p steps is J0(2 pi f |i - j|), and the noise on the diagonal
    (Clarke, "A statistical theory of mobile-radio reception", BSTJ 47, 1968).
    """
    widths, noises = guesses()
    steps = np.arange(order)
    lags = abs(steps[:, None] - steps[None])
    matrix = bessel_j0(2 * np.pi * widths[:, None, None] * lags[None])
    matrix = matrix + noises[:, None, None] * np.eye(order)[None]
    return np.linalg.inv(matrix), np.linalg.slogdet(matrix)[1]


@cache
def predictors(order: int, horizon: int) -> np.ndarray:
    """[guess, h, p]: the linear minimum mean square error forecasts.

    Kay, "Fundamentals of statistical signal processing: estimation theory", theorem
    12.1; see `wlam.baselines.forecast.wiener`, which is told width and noise.
    """
    widths, _ = guesses()
    lags = order + np.arange(horizon)[:, None] - np.arange(order)[None]
    cross = bessel_j0(2 * np.pi * widths[:, None, None] * lags[None])
    return (cross @ precision(order)[0]).astype(np.float32)


def order_of(length: int) -> int:
    """Steps that a forecast is made from where `length` are given."""
    return max(1, min(ORDER, length // 2))


def fit_bands(x: Complex[Array, "n l u v"], known: Bool[Array, "n l"]) -> Bands:
    """Weighs the guesses by their likelihood, all of them alike beforehand.

    The power of the signal is that of the highest likelihood. Neighbours in angle and
    delay share rays, and their bands are not around zero; a bin without neighbours is
    a single antenna, to which rays come from everywhere: its band is.

    Args:
        x: series of all bins, unknown steps zero.
        known: which steps are known; windows of unknown ones do not count.
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
    turned = x * cis(-middle[:, None] * jnp.arange(length)[None, :, None, None])
    # The inverse covariance is real: of the products of two steps, so are what counts.
    rows = jnp.stack([turned[:, k : k + starts] for k in range(order)])
    rows = jnp.where(whole[None, :, :, None, None], rows, 0)
    parts = jnp.stack([rows.real, rows.imag])
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
    """The forecasts of all guesses, weighed.

    Args:
        series: the bins' steps; the last ones are used.
        bands: of these bins.
        horizon: steps to forecast.
    """
    order = order_of(series.shape[1])
    steps = jnp.arange(order + horizon)[None, :, None]
    frame = cis(-bands.middle[:, None] * steps)
    last = series[:, -order:] * frame[:, :order]
    matrix = jnp.einsum(
        "nkg,ghp->nkhp", bands.weights, predictors(order, horizon), precision="highest"
    )
    parts = [
        jnp.einsum("nkhp,npk->nhk", matrix, part, precision="highest")
        for part in (last.real, last.imag)
    ]
    return jax.lax.complex(*parts) * frame[:, order:].conj()
