"""CfC cells: the effect of time, and masks of wired cells."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.liquid import CfcConfig, WiredCfcConfig, auto_ncp, unroll
from wlam.nn.liquid.cfc import GATES

I, N, B = 3, 6, 4
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(B, I)), jnp.float32)
STATE = jnp.asarray(RNG.uniform(-1, 1, size=(B, N)), jnp.float32)
MODES = list(GATES)


def made(mode, backbone=0, time=None):
    """A cell; with `time`, its t_a is that everywhere."""
    cell = CfcConfig(N, mode, backbone).build(I, nnx.Rngs(0))
    if time is not None:
        of_time = slice(2 * N, 3 * N)
        cell.heads.kernel[...] = cell.heads.kernel[...].at[:, of_time].set(0.0)
        cell.heads.bias[...] = cell.heads.bias[...].at[of_time].set(time)
    return cell


def after(cell, elapsed):
    return np.asarray(cell(STATE, X, jnp.full(B, elapsed))[0])


def parts(cell):
    kernel = np.asarray(cell.heads.kernel[...])
    f = np.concatenate([X, STATE], axis=1) @ kernel
    return f[:, :N], f[:, N : 2 * N]


def test_without_a_time_gate_time_has_no_effect():
    cell = made("default", time=0.0)
    np.testing.assert_array_equal(after(cell, 0.1), after(cell, 50.0))


@pytest.mark.parametrize(("time", "part"), [(1.0, 1), (-1.0, 0)])
def test_after_a_long_time_one_of_two_targets_is_reached(time, part):
    cell = made("default", time=time)
    want = np.tanh(parts(cell)[part])
    np.testing.assert_allclose(after(cell, 1e6), want, atol=1e-6)


def test_the_pure_form_begins_and_ends_as_its_solution():
    cell = made("pure")
    target = np.random.default_rng(1).normal(size=N).astype(np.float32)
    cell.target[...] = jnp.asarray(target)
    f1, _ = parts(cell)
    np.testing.assert_allclose(after(cell, 0.0), target * (1 - f1), atol=1e-5)
    cell.rate[...] = jnp.ones(N)
    np.testing.assert_allclose(after(cell, 1e4), np.tile(target, (B, 1)), atol=1e-6)


def test_states_stay_within_one():
    cell = made("default", backbone=8)
    cell.heads.kernel[...] = 100 * cell.heads.kernel[...]
    state = STATE
    for elapsed in (0.01, 1.0, 100.0):
        state = cell(state, 10 * X, jnp.full(B, elapsed))[0]
        assert abs(state).max() <= 1


@pytest.mark.parametrize("mode", MODES)
def test_elapsed_times_are_1_by_default(mode):
    cell = made(mode, backbone=8)
    ones, none = after(cell, 1.0), np.asarray(cell(STATE, X)[0])
    np.testing.assert_allclose(none, ones, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_where_there_is_no_synapse_there_is_no_gradient(mode):
    policy = auto_ncp(14, 3)
    cell = WiredCfcConfig(policy, mode).build(I, nnx.Rngs(0))
    graph, params = nnx.split(cell)
    x = jnp.asarray(RNG.normal(size=(B, 5, I)), jnp.float32)

    @jax.jit
    @jax.grad
    def gradient(params):
        return (unroll(nnx.merge(graph, params), x)[0] ** 2).sum()

    found = gradient(params)
    wired = policy.wire(I)
    inter, command, motor = wired.layers
    into = [
        wired.sensory[:, inter],
        wired.synapses[np.ix_(inter, command)],
        wired.synapses[np.ix_(command, motor)],
    ]
    for number, there in enumerate(into):
        of_kernel = np.asarray(found["layers"][number]["heads"]["kernel"][...])
        rows, units = there.shape
        sparse = of_kernel[:, : units * (1 if mode == "pure" else 2)]
        sparse = sparse.reshape(rows + units, -1, units)
        assert (sparse[:rows].swapaxes(0, 1)[:, there == 0] == 0).all()
        assert (sparse[:rows].swapaxes(0, 1)[:, there != 0] != 0).all()
        assert (sparse[rows:] != 0).mean() > 0.9  # units are fully connected


@pytest.mark.parametrize("sizes", [{"units": 0}, {"backbone": -1}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="units, inputs, backbone: found"):
        CfcConfig(**sizes).build(I, nnx.Rngs(0))
