"""Estimation by a mixture of Gaussians whose covariances are Kronecker products.

Koller, Fesl, Turan & Utschick, "An asymptotically MSE-optimal estimator based on
Gaussian mixture models", IEEE Trans. Signal Process. 70, 2022 (arXiv 2112.12499): the
conditional mean under a mixture that was fitted to channels is a sum of linear
estimates, weighted by the posterior probability of each component. For MIMO
channels receive and transmit side have a mixture each, and every pair is a component,
so that there are few parameters (section V-D).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.ops.einsum import einsum
from wlam.ops.solve import eigh_each

VECTORS = 8192
"""Columns, or rows, of channels that a side is fitted to, drawn at random, and at most
as many channels for the weights of the pairs."""
LOAD = 1e-4
"""Added to covariances, over their mean power: sample covariances may be singular."""


class Side(NamedTuple):
    """A mixture of zero-mean Gaussians, by the eigenvalues of its covariances."""

    weight: Float[Array, " k"]
    power: Float[Array, "k d"]
    vectors: Complex[Array, "k d d"]


class KroneckerMixture(NamedTuple):
    """A component for each pair of one of the receiver and one of the transmitter."""

    weight: Float[Array, "k l"]
    rx: Side
    tx: Side


@partial(jax.jit, static_argnames=("rx", "tx", "iterations"))
def fit_kronecker_mixture(
    key: PRNGKeyArray,
    channels: Complex[Array, "n r t"],
    rx: int = 16,
    tx: int = 4,
    iterations: int = 50,
) -> KroneckerMixture:
    """Fits both sides by expectation maximisation, then the weights of all pairs.

    Args:
        channels: noise-free, of mean power 1 in every element.
        rx, tx: components of either side.
        iterations: of each of the three fits.
    """
    keys = jax.random.split(key)
    columns = channels.swapaxes(1, 2).reshape(-1, channels.shape[1])
    rows = channels.reshape(-1, channels.shape[2])
    sides = [
        _fit_side(k, x, count, iterations)
        for k, x, count in ((keys[0], columns, rx), (keys[1], rows, tx))
    ]
    weight = jnp.full((rx, tx), 1 / (rx * tx))
    mixture = KroneckerMixture(weight, *sides)
    some = channels[:VECTORS]
    likelihood = _log_likelihood(mixture, some, jnp.full(len(some), LOAD))

    def once(weight: Array, _: None) -> tuple[Array, None]:
        return jnp.exp(_by_bayes(likelihood, weight)).mean(0), None

    return mixture._replace(weight=jax.lax.scan(once, weight, length=iterations)[0])


@jax.jit
def mixture_estimate(
    observed: Complex[Array, "n r t"],
    noise_variance: Float[Array, " n"],
    mixture: KroneckerMixture,
) -> Complex[Array, "n r t"]:
    """The conditional mean of channels in white noise.

    Args:
        observed: channels, in the unit in which the mixture was fitted, and noise.
        noise_variance: of every element.
    """
    likelihood = _log_likelihood(mixture, observed, noise_variance)
    posterior = jnp.exp(_by_bayes(likelihood, mixture.weight))
    rx, tx = mixture.rx, mixture.tx

    def of_pair(total: Array, pair: Array) -> tuple[Array, None]:
        k, j = pair
        inside = _inside(observed, rx.vectors[k], tx.vectors[j])
        power = rx.power[k][None, :, None] * tx.power[j][None, None]
        inside = inside * power / (power + noise_variance[:, None, None])
        part = einsum("ra,nab,tb->nrt", rx.vectors[k], inside, tx.vectors[j])
        return total + posterior[:, k, j, None, None] * part, None

    pairs = jnp.stack(jnp.divmod(jnp.arange(mixture.weight.size), len(tx.weight)), 1)
    return jax.lax.scan(of_pair, jnp.zeros_like(observed), pairs)[0]


def _inside(
    x: Complex[Array, "n r t"], us: Complex[Array, "r r"], vs: Complex[Array, "t t"]
) -> Complex[Array, "n r t"]:
    """In the eigenvectors of both sides."""
    return einsum("ra,nrt,tb->nab", us.conj(), x, vs.conj())


def _log_likelihood(
    mixture: KroneckerMixture,
    observed: Complex[Array, "n r t"],
    noise_variance: Float[Array, " n"],
) -> Float[Array, "n k l"]:
    """Log likelihood of every pair, up to a constant."""
    rx, tx = mixture.rx, mixture.tx

    def of_pair(_: None, pair: Array) -> tuple[None, Array]:
        k, j = pair
        inside = abs(_inside(observed, rx.vectors[k], tx.vectors[j])) ** 2
        power = rx.power[k][None, :, None] * tx.power[j][None, None]
        power = power + noise_variance[:, None, None]
        return None, -(inside / power + jnp.log(power)).sum((1, 2))

    pairs = jnp.stack(jnp.divmod(jnp.arange(mixture.weight.size), len(tx.weight)), 1)
    _, likelihood = jax.lax.scan(of_pair, None, pairs)
    return likelihood.T.reshape(-1, *mixture.weight.shape)


def _by_bayes(
    likelihood: Float[Array, "n k l"], weight: Float[Array, "k l"]
) -> Float[Array, "n k l"]:
    """Logarithm of the posterior of every pair."""
    # A component without samples keeps a probability near 0.
    found = likelihood + jnp.log(jnp.maximum(weight, 1e-12))[None]
    return jax.nn.log_softmax(found.reshape(len(found), -1)).reshape(found.shape)


def _fit_side(
    key: PRNGKeyArray, x: Complex[Array, "n d"], count: int, iterations: int
) -> Side:
    """Expectation maximisation; begins at the samples nearest in direction to a few."""
    number = min(VECTORS, len(x))
    x = x[jax.random.choice(key, len(x), (number,), replace=False)]
    few = x[:count]
    few = few / jnp.linalg.norm(few, axis=1, keepdims=True)
    like = abs(einsum("nd,kd->nk", x, few.conj())).argmax(1)
    share = jax.nn.one_hot(like, count)

    def maximise(share: Array) -> Side:
        size = share.sum(0) + 1e-6
        # One after the other: all at once need [n, d, d] in between.
        covariance = jax.lax.map(
            lambda w: einsum("nd,ne->de", w[:, None] * x, x.conj()),
            (share / size[None]).T,
        )
        power, vectors = eigh_each(covariance)
        power = jnp.maximum(power, 0)
        load = LOAD * power.mean(1, keepdims=True) + 1e-9
        return Side(size / size.sum(), power + load, vectors)

    def once(share: Array, _: None) -> tuple[Array, None]:
        side = maximise(share)
        inside = abs(einsum("kde,nd->nke", side.vectors.conj(), x)) ** 2
        likelihood = (inside / side.power[None] + jnp.log(side.power)[None]).sum(-1)
        return jax.nn.softmax(jnp.log(side.weight)[None] - likelihood, axis=1), None

    return maximise(jax.lax.scan(once, share, length=iterations)[0])
