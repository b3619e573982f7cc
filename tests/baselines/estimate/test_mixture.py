"""The mixture estimator against the linear one, and the genie estimator."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.estimate.mixture import fit_kronecker_mixture, mixture_estimate
from wlam.phy import noise
from wlam.phy.channels.kronecker import (
    Covariances,
    draw_channels,
    lmmse_known,
    toeplitz_covariance,
)

KEYS = jax.random.split(jax.random.key(0), 4)
R, T, N = 8, 4, 3000
VARIANCE = np.full(N, 0.1, np.float32)


@pytest.fixture(scope="module")
def kinds():
    """Channels from one of two directions each: two covariances, and their indices."""

    @jax.jit
    def draw(key):
        one = jnp.ones((2, 1))
        angles = jnp.array([[-40.0], [35.0]])
        rx = toeplitz_covariance(angles, one, 4.0, R)
        tx = toeplitz_covariance(-angles, one, 20.0, T)
        which = jax.random.bernoulli(key, 0.5, (N,)).astype(int)
        return Covariances(rx[which], tx[which]), which

    return draw(KEYS[0])


@pytest.fixture(scope="module")
def channels(kinds):
    return np.asarray(jax.jit(draw_channels)(KEYS[1], kinds[0]))


@pytest.fixture(scope="module")
def observed(channels):
    complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
    added = np.asarray(complex_normal(KEYS[2], channels.shape))
    return channels + np.sqrt(VARIANCE)[:, None, None] * added


def nmse(estimate, truth):
    estimate = np.asarray(estimate)
    return float((abs(estimate - truth) ** 2).sum() / (abs(truth) ** 2).sum())


def test_one_component_is_the_linear_estimate(channels, observed):
    fit = partial(fit_kronecker_mixture, rx=1, tx=1, iterations=2)
    channels = channels[:1000]  # few enough that all their rows are used
    mixture = fit(KEYS[3], channels)
    found = np.asarray(mixture_estimate(observed, VARIANCE, mixture))
    columns = channels.swapaxes(1, 2).reshape(-1, R)
    rows = channels.reshape(-1, T)
    sides = [x.T @ x.conj() / len(x) for x in (columns, rows)]
    whole = np.kron(*sides)
    weights = whole @ np.linalg.inv(whole + 0.1 * np.eye(R * T))
    expected = (observed[:5].reshape(5, -1) @ weights.T).reshape(5, R, T)
    np.testing.assert_allclose(found[:5], expected, atol=3e-3)


def test_two_components_are_found_and_the_error_is_near_the_genie(
    kinds, channels, observed
):
    mixture = fit_kronecker_mixture(KEYS[3], channels, rx=2, tx=2, iterations=30)
    mixed = nmse(mixture_estimate(observed, VARIANCE, mixture), channels)
    single = fit_kronecker_mixture(KEYS[3], channels, rx=1, tx=1, iterations=2)
    linear = nmse(mixture_estimate(observed, VARIANCE, single), channels)
    genie = nmse(jax.jit(lmmse_known)(observed, VARIANCE, kinds[0]), channels)
    assert genie < mixed < 0.8 * linear
    assert mixed < 1.05 * genie
    # Directions at both ends belong together: two of the four pairs are empty.
    weight = np.sort(np.asarray(mixture.weight).ravel())
    np.testing.assert_allclose(weight[:2], 0, atol=0.02)
    np.testing.assert_allclose(weight.sum(), 1, atol=1e-4)


def test_without_noise_the_observation_is_the_estimate(channels):
    mixture = fit_kronecker_mixture(KEYS[3], channels, rx=2, tx=2, iterations=30)
    found = mixture_estimate(channels, 0 * VARIANCE, mixture)
    np.testing.assert_allclose(found, channels, atol=1e-3)
