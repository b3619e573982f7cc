"""Contexts, targets and the loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.embeddings import TIME
from wlam.nn.predictor import ModelConfig
from wlam.nn.transformer import TransformerConfig
from wlam.tasks.sequences import Rows
from wlam.training.objective import draw_context, next_patches, rows_loss

N, P = 6, 4


def test_every_context_length_occurs():
    hidden, n = draw_context(jax.random.key(0), 20_000, N, P)
    first = hidden.sum(1)
    length = n * P - first
    assert set(np.unique(length)) == set(range(1, (N - 1) * P + 1))
    # Hidden samples come first, and none of them later.
    np.testing.assert_array_equal(hidden, jnp.arange(N * P)[None] < first[:, None])
    assert (first == 0).mean() > 0.1  # whole contexts are common


def test_next_patches():
    x = jnp.arange(12.0)[None]
    target, exists = next_patches(x, patch=4, horizon=6)
    np.testing.assert_array_equal(target[0, 0], jnp.arange(4.0, 10.0))
    np.testing.assert_array_equal(exists[0], True)
    np.testing.assert_array_equal(exists[1], [1, 1, 1, 1, 0, 0])
    assert not exists[2].any()


def loss_of(values, clean=None, key=0):
    config = ModelConfig(TransformerConfig(width=8, layers=1, heads=2), patch=P)
    model = config.build(nnx.Rngs(0))
    clean = values if clean is None else clean
    rows = Rows(values, clean, jnp.full(len(values), 1e-3), TIME, center=True)
    return jax.jit(lambda rows: rows_loss(model, rows, jax.random.key(key))[0])(rows)


def test_the_loss_has_no_unit():
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))
    np.testing.assert_allclose(loss_of(x), loss_of(1e-6 * x), rtol=1e-4)
    np.testing.assert_allclose(loss_of(x), loss_of(100 * x + 50), rtol=1e-3)


def test_constant_rows_are_left_out():
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))
    constant = jnp.ones((64, 1, N * P))
    assert loss_of(constant) == 0
    assert jnp.isfinite(loss_of(jnp.where(jnp.arange(N * P) > 12, x, 1.0)))


@pytest.mark.parametrize("steps", [P, N * P - 1])
def test_sequences_that_are_no_patches_are_named(steps):
    with pytest.raises(ValueError, match=f"source: sequences of {steps} steps"):
        loss_of(jnp.zeros((2, 1, steps)))


def test_targets_are_the_clean_series():
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))
    assert loss_of(x, clean=jnp.zeros_like(x)) != loss_of(x)
