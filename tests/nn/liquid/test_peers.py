"""Cells to compare with: equations, and the effect of time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.liquid.peers import GruDConfig, LstmConfig, OdeLstmConfig

B, I, N = 3, 2, 4
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, I)), jnp.float32)
STATE = jnp.asarray(RNG.normal(size=(B, N)), jnp.float32)
MEMORY = jnp.asarray(RNG.normal(size=(B, N)), jnp.float32)


def after(cell, time, state):
    return cell(state, X, jnp.full(B, time, jnp.float32))[1]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def of(layer, *parts):
    kernel, bias = (np.asarray(p[...], np.float64) for p in (layer.kernel, layer.bias))
    return np.concatenate(parts, axis=-1) @ kernel + bias


@pytest.mark.parametrize("told", [True, False])
def test_long_short_term_memory(told):
    cell = LstmConfig(N, told).build(I, nnx.Rngs(0))
    time = [np.full((B, 1), 0.7)] if told else []
    i, f, g, o = np.split(of(cell.gates, X, *time, STATE), 4, axis=-1)
    memory = sigmoid(f) * MEMORY + sigmoid(i) * np.tanh(g)
    want = sigmoid(o) * np.tanh(memory)
    np.testing.assert_allclose(after(cell, 0.7, (STATE, MEMORY)), want, atol=1e-6)
    other = after(cell, 5.0, (STATE, MEMORY))
    assert (abs(other - want).max() > 1e-3) == told


def test_gru_d_is_a_gru_on_a_state_that_decays():
    cell = GruDConfig(N).build(I, nnx.Rngs(0))
    cell.shift[...] = jnp.array([0.3, -0.2, -9.0, 0.0])  # the third does not decay
    rate = 0.1 * 2.5 + np.array([0.3, -0.2, -9.0, 0.0])
    left = np.asarray(STATE) * np.exp(-np.maximum(rate, 0))[None]
    reset, update = np.split(sigmoid(of(cell.gates, X, left)), 2, axis=-1)
    new = np.tanh(of(cell.candidate, X, reset * left))
    want = (1 - update) * left + update * new
    np.testing.assert_allclose(after(cell, 2.5, STATE), want, atol=1e-6)
    # After a long time only the third is left.
    late = after(cell, 1e6, STATE)
    kept = jnp.asarray(np.asarray(STATE) * np.array([[0, 0, 1, 0]]), jnp.float32)
    np.testing.assert_allclose(late, after(cell, 1e6, kept), atol=1e-6)


def test_ode_lstm_follows_its_equation_from_the_output_of_the_lstm():
    cell = OdeLstmConfig(N).build(I, nnx.Rngs(0))
    (begin, _), _ = cell.memory((STATE, MEMORY), X)
    np.testing.assert_allclose(after(cell, 0.0, (STATE, MEMORY)), begin, atol=1e-6)
    slope, h, steps = jax.jit(cell.slope), begin, 2000
    for _ in range(steps):
        h = h + 0.8 / steps * slope(h)
    np.testing.assert_allclose(after(cell, 0.8, (STATE, MEMORY)), h, atol=1e-3)


def test_sizes_are_checked():
    for config in (LstmConfig(0), GruDConfig(0)):
        with pytest.raises(ValueError, match="units, inputs: found 0, 2; needed 1"):
            config.build(I, nnx.Rngs(0))
