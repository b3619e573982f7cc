"""MIMO channels by the maximum-likelihood Kronecker covariance of each.

A channel [rx, tx] is Gaussian with a Kronecker covariance, both factors of which are
sums of known Toeplitz matrices ("atoms": covariances of paths from a direction) with
unknown weights. The weights are those that make the observation most probable (Burg,
Luenberger & Wenger, "Estimation of structured covariance matrices", Proc. IEEE 70,
1982), found by updates that never make it less so (Sun, Babu & Palomar, "Robust
estimation of structured covariance matrix for heavy-tailed elliptical distributions",
IEEE Trans. Signal Process. 64, 2016, section IV); the estimate is the linear one with
this covariance. There is no training: only the angular spread of the paths is known.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from wlam.baselines.estimate.algebra import root_of_ratio
from wlam.ops.einsum import einsum
from wlam.ops.solve import eigh_each
from wlam.phy.channels.kronecker import (
    Covariances,
    KroneckerConfig,
    first_column,
    lmmse_known,
    toeplitz,
)

SMALLEST = 1e-12
"""Keeps quotients finite; the power of an element is about 1."""


class Atoms(NamedTuple):
    """First columns of the Toeplitz matrices that covariances are sums of."""

    rx: Complex[Array, "k r"]
    tx: Complex[Array, "l t"]


class CovarianceFit(NamedTuple):
    """The maximum-likelihood weights of one observation."""

    rx: Float[Array, "n k"]  # weights of the atoms, adding up to 1
    tx: Float[Array, "n l"]
    noise_variance: Float[Array, " n"]  # as given, or as fitted

    def covariances(self, atoms: Atoms) -> Covariances:
        return Covariances(
            toeplitz(einsum("nk,kr->nr", self.rx, atoms.rx)),
            toeplitz(einsum("nl,lt->nt", self.tx, atoms.tx)),
        )


def path_atoms(config: KroneckerConfig, rx: int = 128, tx: int = 24) -> Atoms:
    """Atoms of single paths, spread as those of `config` are.

    Args:
        config: its antennas and spreads.
        rx, tx: directions at either end, evenly spaced in their sine at the receiver,
            whose beams have equal widths there, and in angle at the transmitter, whose
            paths are wider than its beams.
    """
    sine = (np.arange(rx) + 0.5) * 2 / rx - 1
    angle = (np.arange(tx) + 0.5) * 180 / tx - 90

    def columns(centre: np.ndarray, spread_deg: float, num_ant: int) -> Array:
        one = jnp.ones((len(centre), 1))
        return first_column(jnp.asarray(centre)[:, None], one, spread_deg, num_ant)

    return Atoms(
        columns(np.degrees(np.arcsin(sine)), config.spread_rx_deg, config.num_rx),
        columns(angle, config.spread_tx_deg, config.num_tx),
    )


@partial(jax.jit, static_argnames=("iterations", "fit_noise"))
def fit_covariances(
    observed: Complex[Array, "n r t"],
    noise_variance: Float[Array, " n"],
    atoms: Atoms,
    iterations: int = 30,
    fit_noise: bool = False,
) -> CovarianceFit:
    """The most probable weights of the atoms, one fit for each observation.

    Args:
        observed: channels in white noise.
        noise_variance: of every element.
        atoms: see `path_atoms`.
        iterations: updates of each side; 0 gives equal weights.
        fit_noise: fit the noise variance too, from this one on.
    """
    n = len(observed)
    power = (abs(observed) ** 2).mean((1, 2))
    # What a side's weights add up to is the power of the channel.
    level = jnp.maximum(power - noise_variance, 1e-2 * power)
    start = (
        jnp.full((n, len(atoms.rx)), 1 / len(atoms.rx)),
        level[:, None] * jnp.full((n, len(atoms.tx)), 1 / len(atoms.tx)),
        noise_variance,
    )

    def update(carry: tuple, _: None) -> tuple[tuple, None]:
        a, b, noise = carry
        (rx, us), (tx, vs) = (
            eigh_each(toeplitz(einsum("nk,kd->nd", weight, columns)))
            for weight, columns in ((a, atoms.rx), (b, atoms.tx))
        )
        rx, tx = jnp.maximum(rx, 0), jnp.maximum(tx, 0)
        inside = einsum("nra,nrt,ntb->nab", us.conj(), observed, vs.conj())
        total = rx[:, :, None] * tx[:, None] + noise[:, None, None] + SMALLEST
        white = inside / total
        # Gradients of the two parts of the likelihood: observed and expected power.
        seen = einsum("nab,nb,ncb->nac", white, tx, white.conj())
        a *= root_of_ratio(
            match(einsum("nra,nac->nrc", us, seen), us, atoms.rx),
            match(us * (tx[:, None] / total).sum(2)[:, None], us, atoms.rx),
        )
        seen = einsum("nab,na,nac->nbc", white, rx, white.conj())
        b *= root_of_ratio(
            match(einsum("ntb,nbc->ntc", vs, seen), vs, atoms.tx),
            match(vs * (rx[:, :, None] / total).sum(1)[:, None], vs, atoms.tx),
        )
        if fit_noise:
            noise *= root_of_ratio(
                (abs(white) ** 2).sum((1, 2)), (1 / total).sum((1, 2))
            )
        # The product determines the factors up to a scale.
        size = a.sum(1, keepdims=True)
        return (a / size, b * size, noise), None

    (a, b, noise), _ = jax.lax.scan(update, start, length=iterations)
    return CovarianceFit(a, b, noise)


@partial(jax.jit, static_argnames=("iterations", "fit_noise"))
def fitted_estimate(
    observed: Complex[Array, "n r t"],
    noise_variance: Float[Array, " n"],
    atoms: Atoms,
    iterations: int = 30,
    fit_noise: bool = False,
) -> Complex[Array, "n r t"]:
    """The linear estimate with the covariance of `fit_covariances`."""
    found = fit_covariances(observed, noise_variance, atoms, iterations, fit_noise)
    return lmmse_known(observed, found.noise_variance, found.covariances(atoms))


def match(
    left: Complex[Array, "n d c"],
    right: Complex[Array, "n d c"],
    columns: Complex[Array, "k d"],
) -> Float[Array, "n k"]:
    """Trace of every atom times the Hermitian left right^H.

    Only the sums along the diagonals of that product matter, which are the correlation
    of the columns: a product of their Fourier transforms.
    """
    size = columns.shape[1]
    spectra = [jnp.fft.fft(x, 2 * size, axis=1) for x in (left, right)]
    power = (spectra[0] * spectra[1].conj()).sum(2).real
    # The atom's own transform over all its diagonals, real.
    atom = 2 * jnp.fft.fft(columns, 2 * size, axis=1).real - columns[:, :1].real
    return einsum("nf,kf->nk", power, atom) / (2 * size)
