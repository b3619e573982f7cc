"""The input-gated cell against its differential equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.liquid import InputGatedConfig
from wlam.nn.liquid.cell import LiquidCell
from wlam.nn.liquid.input_gated import FAST, SLOW

B, T, I, N = 2, 40, 3, 5
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, T, I)), jnp.float32)
ELAPSED = jnp.asarray(RNG.uniform(0.1, 3.0, size=(B, T)), jnp.float32)
STATE = jnp.asarray(RNG.normal(size=(B, N)), jnp.float32)
CELL = InputGatedConfig(N).build(I, nnx.Rngs(0))


def after(time, state=STATE):
    return CELL(state, X[:, 0], jnp.full(B, time, jnp.float32))[0]


def test_it_solves_its_differential_equation():
    rate = jax.nn.softplus(CELL.rate(X[:, 0]))
    target = jnp.tanh(CELL.target(X[:, 0]))
    h, steps = np.asarray(STATE, np.float64), 20_000
    for _ in range(steps):
        h = h + 0.7 / steps * np.asarray(rate * (target - h), np.float64)
    np.testing.assert_allclose(after(0.7), h, atol=2e-5)


def test_a_step_in_two_halves_gives_the_same_state():
    np.testing.assert_allclose(after(0.4, after(0.3)), after(0.7), atol=1e-6)


def test_limits_of_time():
    np.testing.assert_allclose(after(1e-9), STATE, atol=1e-6)
    np.testing.assert_allclose(after(1e9), jnp.tanh(CELL.target(X[:, 0])), atol=1e-6)


def test_fresh_rates_are_spread_evenly_by_logarithm():
    rates = jax.nn.softplus(CELL.rate.bias[...])
    np.testing.assert_allclose(rates, np.geomspace(SLOW, FAST, N), rtol=1e-5)


@pytest.mark.parametrize("form", ["sequential", "parallel"])
def test_a_scan_is_the_cell_step_by_step(form):
    cell = InputGatedConfig(N, form).build(I, nnx.Rngs(0))
    seen = jnp.asarray(RNG.random((B, T)) < 0.7)
    state, out = cell.unroll(STATE, X, ELAPSED, seen)
    want = LiquidCell.unroll(cell, STATE, X, ELAPSED, seen)
    mask = np.asarray(seen)
    np.testing.assert_allclose(out[mask], want[1][mask], atol=1e-5)
    np.testing.assert_allclose(state, want[0], atol=1e-5)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="units, inputs: found 0, 3; needed 1 or more"):
        InputGatedConfig(0).build(3, nnx.Rngs(0))
