"""Normalisation by the visible context."""

import jax.numpy as jnp
import numpy as np

from wlam.nn.scale import fit_scale

X = jnp.array(np.random.default_rng(0).normal(size=(3, 2, 50)), jnp.float32)
SEEN = jnp.arange(50)[None, None] < jnp.array([50, 20, 1])[:, None, None]


def test_statistics_are_those_of_the_visible_samples_of_a_group():
    scale = fit_scale(X, SEEN, center=True)
    np.testing.assert_allclose(scale.mean[1], X[1, :, :20].mean(), rtol=1e-5)
    np.testing.assert_allclose(scale.spread[1], X[1, :, :20].std(), rtol=1e-5)
    hidden = jnp.where(SEEN, X, 1e9)
    np.testing.assert_array_equal(fit_scale(hidden, SEEN, True).mean, scale.mean)


def test_zero_stays_zero_without_centering():
    scale = fit_scale(X, SEEN, center=False)
    np.testing.assert_array_equal(scale.mean, 0)
    np.testing.assert_allclose(scale.spread[0], jnp.sqrt((X[0] ** 2).mean()), rtol=1e-5)


def test_apply_and_invert_are_inverse_down_to_tiny_units():
    for unit in (1e-25, 1.0, 1e9):
        scale = fit_scale(unit * X, SEEN, center=True)
        there = scale.apply(unit * X)
        np.testing.assert_allclose(scale.invert(there)[:2], unit * X[:2], rtol=1e-3)
        np.testing.assert_allclose(there[0].std(), 1.0, rtol=1e-3)


def test_a_constant_context_becomes_zero():
    scale = fit_scale(jnp.full((1, 1, 8), 3.0), jnp.ones((1, 1, 8), bool), center=True)
    np.testing.assert_array_equal(scale.apply(jnp.full((1, 1, 8), 3.0)), 0)
    np.testing.assert_array_equal(scale.invert(jnp.ones((1, 1, 2))), 3.0)
