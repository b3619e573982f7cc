"""Posterior sampling against closed forms for Gaussian data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import (
    even_db,
    evenly_spaced,
    linear,
    sample_posterior,
    standard_noise,
    through_mask,
    through_matrix,
)

N, D = 4000, 3
SCHEDULE = even_db(200, 40.0, -30.0)


def white_data(x, step):
    """The mean of white Gaussian data of variance 1 given x."""
    return jnp.sqrt(SCHEDULE.signal[step]) * x


@pytest.fixture(scope="module")
def draws():
    """Samples given 1 + 2j in noise of variance 0.5, in the first entry of each."""
    observed = jnp.full((N, D), 1 + 2j, jnp.complex64)
    seen = jnp.array([[True, False, False]])
    pull = through_mask(observed, seen, jnp.full(N, 0.5))
    return np.asarray(
        sample_posterior(
            white_data,
            SCHEDULE,
            pull,
            (N, D),
            evenly_spaced(SCHEDULE.num_steps, 200),
            jax.random.key(0),
        )
    )


def test_draws_have_the_posterior_mean_and_variance(draws):
    # y = x + n with variances 1 and 0.5: mean y / 1.5, variance 1 / 3.
    mean, variance = draws.mean(0), abs(draws - draws.mean(0)) ** 2
    error = 4 * np.sqrt(1 / N)
    assert abs(mean[0] - (1 + 2j) / 1.5) < error
    assert abs(mean[1:]).max() < error
    # Steps of a finite grid leave a few percent.
    np.testing.assert_allclose(variance.mean(0), [1 / 3, 1, 1], rtol=0.08)


def test_noise_free_observations_are_kept():
    observed = standard_noise(jax.random.key(1), (8, D), jnp.complex64)
    seen = jnp.array([[True, False, True]])
    pull = through_mask(observed, seen, jnp.zeros(8))
    grid = evenly_spaced(SCHEDULE.num_steps, 10)
    found = sample_posterior(
        white_data, SCHEDULE, pull, (8, D), grid, jax.random.key(2)
    )
    np.testing.assert_allclose(found[:, ::2], observed[:, ::2], atol=1e-5)


def test_pulls_are_the_minimisers_of_their_objective():
    """(A^H A / v + I / s)^-1 (A^H y / v + x / s), by numpy in double precision."""
    rng = np.random.default_rng(0)
    a, y, x = (
        rng.normal(size=s) + 1j * rng.normal(size=s) for s in ((2, D), (5, 2), (5, D))
    )
    level, spread = 0.3, 0.7
    left = a.conj().T @ a / level + np.eye(D) / spread
    right = (y @ a.conj() / level + x / spread).T
    wanted = np.linalg.solve(left, right).T
    to32 = [np.complex64(v) for v in (y, a, x)]
    pull = through_matrix(
        jnp.asarray(to32[0]), jnp.asarray(to32[1]), jnp.full(5, level)
    )
    found = pull(jnp.asarray(to32[2]), jnp.array(spread))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_a_mask_is_a_matrix_with_rows_of_the_identity():
    rng = np.random.default_rng(1)
    x = jnp.asarray(np.complex64(rng.normal(size=(5, D)) + 1j))
    observed = jnp.asarray(np.complex64(rng.normal(size=(5, D))))
    level, spread = jnp.full(5, 0.2), jnp.array(0.4)
    seen = jnp.array([[True, False, True]])
    by_mask = through_mask(observed, seen, level)(x, spread)
    rows = jnp.eye(D, dtype=jnp.complex64)[::2]
    by_matrix = through_matrix(observed[:, ::2], rows, level)(x, spread)
    np.testing.assert_allclose(by_mask, by_matrix, rtol=1e-5, atol=1e-6)


def test_a_hidden_nan_has_no_influence():
    observed = jnp.array([[1.0, jnp.nan]], jnp.complex64)
    pull = through_mask(observed, ~jnp.isnan(observed), jnp.ones(1))
    assert np.isfinite(pull(jnp.ones((1, 2), jnp.complex64), jnp.array(1.0))).all()


@pytest.mark.parametrize("grid", [(5,), (1, 2, 0), (3, 1), (99, 0)])
def test_a_grid_that_does_not_fall_to_the_data(grid):
    pull = through_mask(jnp.zeros((1, 1)), jnp.ones((1, 1), bool), jnp.ones(1))
    with pytest.raises(ValueError, match="grid: found"):
        sample_posterior(white_data, linear(10), pull, (1, 1), grid, jax.random.key(0))
