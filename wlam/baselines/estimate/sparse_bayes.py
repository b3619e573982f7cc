"""Channels of few paths by their maximum-likelihood power spectrum.

Every channel is a sum of atoms with independent Gaussian amplitudes, and the variances
of these are fitted to each observation by itself: sparse Bayesian learning (Tipping,
J. Mach. Learn. Res. 1, 2001). Parts with the same paths and other phases, such as
sub-arrays or antennas, share the variances: Wipf & Rao, "An empirical Bayesian strategy
for solving the simultaneous sparse approximation problem", IEEE Trans. Signal Process.
55(7), 2007. The updates are those of Sun, Babu & Palomar, ibid. 64, 2016, section IV,
which never lower the likelihood. There is no training.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from wlam.baselines.estimate.algebra import root_of_ratio
from wlam.ops.solve import inverse_factor_each

ROUNDING = 1e-6
"""Noise is at least this share of the mean power of the observation."""

product = partial(jnp.matmul, precision="highest")


EARLIEST = -0.2
"""Earliest delay, over the unambiguous range of a comb: timing is never exact."""


def delay_atoms(
    subcarriers: int, every: int = 1, oversampling: int = 4
) -> Complex[np.ndarray, "k delay"]:
    """Paths along frequency, of unit norm, with unambiguous delays on a comb.

    Delays that are 1 / n of the inverse spacing apart are aliases on pilots at every
    n-th subcarrier: the dictionary has no two such.

    Args:
        subcarriers: their number, with pilots or without.
        every: n.
        oversampling: delays for each resolvable one.
    """
    count = max(1, round(subcarriers * oversampling / every))
    delay = (EARLIEST + (np.arange(count) + 0.5) / count) / every
    waves = np.exp(-2j * np.pi * np.arange(subcarriers)[:, None] * delay)
    return (waves / np.sqrt(subcarriers)).astype(np.complex64)


class SpectrumFit(NamedTuple):
    """The maximum-likelihood powers of the atoms and of the noise."""

    power: Float[Array, "n k"]
    noise_variance: Float[Array, " n"]  # as given, or as fitted


@partial(jax.jit, static_argnames=("iterations", "fit_noise"))
def fit_spectrum(
    observed: Complex[Array, "n s m"],
    noise_variance: Float[Array, " n"],
    seen: Inexact[Array, "#s m k"],
    iterations: int = 15,
    fit_noise: bool = False,
) -> SpectrumFit:
    """The most probable powers of the atoms, one fit for each sample.

    Args:
        observed: s parts of a sample, in white noise.
        noise_variance: of every element.
        seen: atoms as each part observes them, or as all do.
        iterations: updates; with 0 the powers are equal.
        fit_noise: fit the noise variance too, from this one on.
    """
    mean = (abs(observed) ** 2).mean((1, 2))
    # Parts with the same sensing have the same expected power.
    alike = observed.shape[1] // len(seen)
    level = mean / (abs(seen) ** 2).sum(-1).mean()
    # Below it a covariance has no factor in float32; for zeros any number will do.
    least = jnp.where(mean > 0, ROUNDING * mean, 1)
    start = (
        jnp.repeat(level[:, None], seen.shape[2], axis=1),
        jnp.maximum(noise_variance, least),
    )

    def update(carry: tuple, _: None) -> tuple[tuple, None]:
        power, noise = carry
        root = whitener(power, noise, seen)
        atoms = product(root, seen[None])
        white = product(root, observed[..., None])
        # Gradients of the likelihood: observed and expected power of an atom.
        found = (abs(product(adjoint(atoms), white)[..., 0]) ** 2).sum(1)
        power *= root_of_ratio(found, alike * (abs(atoms) ** 2).sum((1, 2)))
        if fit_noise:
            rest = (abs(product(adjoint(root), white)) ** 2).sum((1, 2, 3))
            expected = alike * (abs(root) ** 2).sum((1, 2, 3))
            noise = jnp.maximum(noise * root_of_ratio(rest, expected), least)
        return (power, noise), None

    return SpectrumFit(*jax.lax.scan(update, start, length=iterations)[0])


@partial(jax.jit, static_argnames=("iterations", "fit_noise"))
def sparse_bayes(
    observed: Complex[Array, "n s m"],
    noise_variance: Float[Array, " n"],
    sensing: Inexact[Array, "#s m d"],
    dictionary: Inexact[Array, "d k"],
    iterations: int = 15,
    fit_noise: bool = False,
) -> Complex[Array, "n s d"]:
    """The linear estimate under the spectrum of `fit_spectrum`.

    Args:
        observed: sensing times a channel, part by part, in white noise; whiten both
            sides where it is not.
        noise_variance: of every element; may be zero, and is then that of rounding.
        sensing: of each part, or of all alike.
        dictionary: the atoms.
    """
    seen = product(sensing, dictionary[None])
    found = fit_spectrum(observed, noise_variance, seen, iterations, fit_noise)
    root = whitener(found.power, found.noise_variance, seen)
    rest = product(adjoint(root), product(root, observed[..., None]))
    amplitude = product(adjoint(seen)[None], rest)[..., 0] * found.power[:, None]
    return product(amplitude, dictionary.T[None])


def whitener(
    power: Float[Array, "n k"],
    noise: Float[Array, " n"],
    seen: Inexact[Array, "s m k"],
) -> Inexact[Array, "n s m m"]:
    """The inverse of the Cholesky factor of the expected covariance."""
    expected = product(seen[None] * power[:, None, None], adjoint(seen)[None])
    eye = jnp.eye(seen.shape[1], dtype=expected.dtype)[None, None]
    loaded = expected + noise[:, None, None, None] * eye
    return inverse_factor_each(loaded.reshape(-1, *loaded.shape[2:])).reshape(
        loaded.shape
    )


def adjoint(x: Inexact[Array, "*n a b"]) -> Inexact[Array, "*n b a"]:
    return x.swapaxes(-1, -2).conj()
