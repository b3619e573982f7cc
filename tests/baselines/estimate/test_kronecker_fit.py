"""Fitted Kronecker covariances against likelihood, dense algebra and the genie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.estimate import kronecker_fit
from wlam.baselines.estimate.kronecker_fit import (
    Atoms,
    fit_covariances,
    fitted_estimate,
)
from wlam.phy import noise
from wlam.phy.channels import kronecker
from wlam.phy.channels.kronecker import KroneckerConfig

match = jax.jit(kronecker_fit.match)
toeplitz = jax.jit(kronecker.toeplitz)
toeplitz_covariance = jax.jit(kronecker.toeplitz_covariance, static_argnums=(2, 3))
lmmse_known = jax.jit(kronecker.lmmse_known)
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)

KEYS = jax.random.split(jax.random.key(0), 3)
CONFIG = KroneckerConfig(num_rx=16, num_tx=4, spread_rx_deg=4.0)
N = 64


@pytest.fixture(scope="module")
def drawn():
    """Channels at 10 dB: (covariances, channels, observed, noise variance)."""

    @jax.jit
    def draw(keys):
        covariances = kronecker.draw_covariances(keys[0], CONFIG, N)
        channels = kronecker.draw_channels(keys[1], covariances)
        added = np.sqrt(0.1) * noise.complex_normal(keys[2], channels.shape)
        return covariances, channels, channels + added, jnp.full(N, 0.1)

    covariances, *others = draw(KEYS)
    return covariances, *map(np.asarray, others)


@pytest.fixture(scope="module")
def atoms():
    made = jax.jit(lambda: kronecker_fit.path_atoms(CONFIG, rx=32, tx=12))()
    return jax.tree.map(np.asarray, made)


def test_atoms_are_the_covariances_of_single_paths(atoms):
    one, config = np.ones((1, 1), np.float32), CONFIG
    angle = np.degrees(np.arcsin(2.5 * 2 / 32 - 1))
    expected = toeplitz_covariance(angle * one, one, config.spread_rx_deg, 16)
    np.testing.assert_allclose(toeplitz(atoms.rx[2:3]), expected, atol=1e-4)
    expected = toeplitz_covariance(2.5 * 15 * one - 90, one, config.spread_tx_deg, 4)
    np.testing.assert_allclose(toeplitz(atoms.tx[2:3]), expected, atol=1e-4)


def test_match_is_the_trace_of_a_product(atoms):
    left, right = np.asarray(complex_normal(KEYS[0], (2, 3, 16, 5)))
    found = match(left, right, atoms.rx)
    product = np.einsum("ndc,nec->nde", left, right.conj())
    # Hermitian products only, of which it is the real part that is left.
    expected = np.einsum("kde,ned->nk", toeplitz(atoms.rx), product).real
    np.testing.assert_allclose(found, expected, atol=1e-3)


@jax.jit
def covariances_of(fit, atoms):
    return fit.covariances(atoms)


def log_likelihood(fit, atoms, observed):
    """Of every observation, by its full covariance."""
    found = covariances_of(fit, atoms)
    rx, tx = np.asarray(found.rx), np.asarray(found.tx)
    whole = np.complex128(np.einsum("nab,ncd->nacbd", rx, tx).reshape(N, 64, 64))
    whole += np.asarray(fit.noise_variance)[:, None, None] * np.eye(64)
    y = observed.reshape(N, 64, 1)
    inside = (y.conj() * np.linalg.solve(whole, y)).sum((1, 2)).real
    return -np.linalg.slogdet(whole)[1] - inside


@pytest.mark.parametrize("fit_noise", [False, True])
def test_updates_raise_the_likelihood(drawn, atoms, fit_noise):
    _, _, observed, variance = drawn
    found = [
        log_likelihood(
            fit_covariances(observed, variance, atoms, i, fit_noise), atoms, observed
        )
        for i in (0, 1, 3, 10)
    ]
    # Both sides move at once, for which one likelihood in many may fall a little.
    assert (np.diff(np.mean(found, axis=1)) > 0).all()
    assert (found[-1] > found[0]).all()


def test_the_error_of_the_fit_is_near_the_genie(drawn, atoms):
    covariances, channels, observed, variance = drawn

    def error(found):
        return float((abs(np.asarray(found) - channels) ** 2).sum())

    genie = error(lmmse_known(observed, variance, covariances))
    ours = error(fitted_estimate(observed, variance, atoms))
    wrong = error(fitted_estimate(observed, 8 * variance, atoms))
    blind = error(fitted_estimate(observed, 8 * variance, atoms, 100, fit_noise=True))
    plain = error(fitted_estimate(observed, variance, atoms, iterations=0))
    print("over the genie's error:", ours / genie, wrong / genie, blind / genie)
    assert ours < 1.25 * genie
    assert blind < 0.8 * wrong
    assert plain > 1.5 * genie


def test_with_one_atom_only_the_power_is_fitted():
    """A factor that is the identity: the mean power, less that of the noise."""
    one = np.eye(16, dtype=np.complex64)[:1]
    atoms = Atoms(jnp.asarray(one), jnp.asarray(one[:, :4]))
    observed = 2 * np.asarray(complex_normal(KEYS[1], (3, 16, 4)))
    fit = fit_covariances(observed, np.ones(3, np.float32), atoms, 300)
    np.testing.assert_allclose(fit.rx, 1, atol=1e-5)
    power = (abs(observed) ** 2).mean((1, 2))
    np.testing.assert_allclose(np.asarray(fit.tx)[:, 0], power - 1, rtol=1e-3)
