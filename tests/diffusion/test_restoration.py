"""Plug and play: the mean of Gaussian data, and the identity as a denoiser."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import falling_levels, plug_and_play, through_mask, through_matrix
from wlam.diffusion.restoration import LAST
from wlam.phy.noise import complex_normal

N, M, D = 4, 3, 6
KEY = jax.random.key(0)


def test_levels_fall_from_the_data_to_the_noise():
    variance = jnp.array([0.1, 1e-3, 30.0])
    levels = falling_levels(variance, 5)
    np.testing.assert_allclose(levels[0, :2], 1.0, rtol=1e-5)
    np.testing.assert_allclose(levels[-1, :2], LAST * variance[:2], rtol=1e-4)
    ratios = levels[1:] / levels[:-1]
    np.testing.assert_allclose(ratios, jnp.broadcast_to(ratios[:1], (4, 3)), rtol=1e-4)
    # These data are pure noise; no level is below the last.
    np.testing.assert_allclose(levels[:, 2], LAST * 30, rtol=1e-4)


@pytest.mark.parametrize("variance", [0.0, 1e-40])
def test_levels_of_no_noise_are_finite(variance):
    levels = np.asarray(falling_levels(jnp.full(1, variance), 5))[:, 0]
    assert (np.diff(levels) < 0).all()
    assert levels[-1] > 0


def test_gaussian_data_have_their_maximum_a_posteriori():
    """A Gaussian's denoiser is C (C + level)^-1: the fixed point is known.

    x = argmin |y - A x|^2 / v + |x - D x|^2 / s with D x held, so that
    (A^H A / v + 1 / s) x = A^H y / v + D x / s. With s = level that is the minimum of
    |y - A x|^2 / v + x^H (1 - D) x / level, and 1 - D = level (C + level)^-1: the mean
    of data with covariance C + level.
    """
    covariance = np.diag([2.0, 1.0, 0.5, 0.2, 0.1, 0.05])
    sensing = complex_normal(KEY, (M, D))
    observed = complex_normal(jax.random.key(1), (N, M))
    variance, level = 0.2, 0.05
    prior = covariance + level * np.eye(D)
    gain = jnp.asarray(covariance @ np.linalg.inv(prior), jnp.float32)
    pull = through_matrix(observed, sensing, jnp.full(N, variance))
    find = jax.jit(
        lambda levels: plug_and_play(
            lambda x, *_: x @ gain.T, pull, (N, D), levels, weight=1.0
        )
    )
    found = find(jnp.full((3000, N), level))
    seen = np.asarray(sensing)
    gram = seen @ prior @ seen.conj().T + variance * np.eye(M)
    wanted = np.asarray(observed) @ np.linalg.inv(gram).T @ (prior @ seen.conj().T).T
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("levels", [1, 5])
def test_the_identity_as_a_denoiser_keeps_observations(levels):
    """Entries that are not observed stay 0, noise-free observations are kept."""
    x = complex_normal(KEY, (N, D))
    seen = jnp.broadcast_to(jnp.arange(D) % 2 == 0, (N, D))
    pull = through_mask(x, seen, jnp.zeros(N))
    find = jax.jit(lambda l: plug_and_play(lambda x, *_: x, pull, (N, D), l))
    found = find(jnp.ones((levels, N)))
    np.testing.assert_allclose(found, jnp.where(seen, x, 0), atol=1e-6)


def test_denoisers_get_the_index_and_the_level_of_each_step():
    levels = jnp.array([[0.5], [0.25]])
    pull = through_mask(jnp.ones((1, 2)), jnp.zeros((1, 2), bool), jnp.ones(1))
    found = plug_and_play(
        lambda x, level, number: x + level[:, None] * (1 + number),
        pull,
        (1, 2),
        levels,
        dtype="float32",
    )
    np.testing.assert_allclose(found, 0.5 * 1 + 0.25 * 2)
