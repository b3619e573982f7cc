"""LTC cells: the equation of one neuron, bounds of potentials, limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.liquid import FullyConnected, LtcConfig, auto_ncp, clip_positive

FOREVER = jnp.full(3, 1e9)


def one_neuron(unfolds, tau=1.3, target=-0.7, drive=2.1):
    """dx/dt = -x / tau + f (A - x) with a constant drive f."""
    config = LtcConfig(FullyConnected(1), unfolds, positive="clip")
    cell = config.build(1, nnx.Rngs(0))
    for param, value in (
        (cell.capacitance, 1.0),
        (cell.leak, 1 / tau),
        (cell.rest, 0.0),
        (cell.inner.weight, 0.0),
        (cell.sensory.slope, 0.0),  # half open, whatever is measured
        (cell.sensory.weight, 2 * drive),
        (cell.sensory.reversal, target),
    ):
        param[...] = jnp.full_like(param[...], value)
    return cell


@pytest.mark.parametrize(
    ("unfolds", "error"), [(1, 0.184), (6, 0.0357), (12, 0.0179), (60, 0.00356)]
)
def test_a_neuron_with_a_constant_drive(unfolds, error):
    tau, target, drive, start = 1.3, -0.7, 2.1, 0.4
    cell = one_neuron(unfolds)
    state, out = cell(jnp.full((1, 1), start), jnp.zeros((1, 1)), jnp.ones(1))
    rate = 1 / tau + drive
    end = drive * target / rate
    exact = (start - end) * np.exp(-rate) + end
    np.testing.assert_allclose(abs(state[0, 0] - exact), error, rtol=0.01)
    np.testing.assert_array_equal(out, state)  # initial output maps are the identity


@pytest.fixture(scope="module")
def cell():
    return LtcConfig(auto_ncp(16, 3)).build(2, nnx.Rngs(1))


@pytest.fixture(scope="module")
def step(cell):
    graph, params = nnx.split(cell)
    return jax.jit(lambda state, x, dt: nnx.merge(graph, params)(state, x, dt)[0])


def test_initial_parameters_lie_within_their_ranges(cell):
    for param, low, high in (
        (cell.leak, 0.001, 1.0),
        (cell.capacitance, 0.4, 0.6),
        (cell.inner.weight, 0.001, 1.0),
    ):
        acts = np.asarray(jax.nn.softplus(param[...]))
        assert low <= acts.min() + 1e-6 < acts.max() - 1e-6 <= high
    for param, low, high in (
        (cell.rest, -0.2, 0.2),
        (cell.inner.slope, 3.0, 8.0),
        (cell.sensory.threshold, 0.3, 0.8),
    ):
        assert low <= param[...].min() < param[...].max() <= high


@pytest.mark.parametrize("elapsed", [1e-3, 1.0, 100.0, 1e6])
def test_potentials_stay_in_the_range_of_their_drives(step, elapsed):
    rng = np.random.default_rng(0)
    state = rng.uniform(-1, 1, size=(64, 16)).astype(np.float32)
    for _ in range(5):
        x = rng.normal(size=(64, 2)).astype(np.float32) * 10
        state = step(state, x, np.full(64, elapsed, np.float32))
        assert abs(np.asarray(state)).max() <= 1 + 1e-6


def test_no_time_changes_nothing(step):
    state = np.random.default_rng(1).uniform(-1, 1, (3, 16)).astype(np.float32)
    after = step(state, np.ones((3, 2), np.float32), np.full(3, 1e-9, np.float32))
    np.testing.assert_allclose(after, state, atol=1e-6)


def test_after_a_long_time_a_neuron_is_at_the_potential_of_its_synapses():
    cell = LtcConfig(auto_ncp(16, 3), unfolds=1).build(2, nnx.Rngs(2))
    wired = auto_ncp(16, 3).wire(2)
    rng = np.random.default_rng(2)
    state, x = rng.uniform(-1, 1, (3, 16)), rng.normal(size=(3, 2))
    after, _ = cell(
        jnp.asarray(state, jnp.float32), jnp.asarray(x, jnp.float32), FOREVER
    )
    above = below = 0.0
    for before, synapses, signs in (
        (state, cell.inner, wired.synapses),
        (x, cell.sensory, wired.sensory),
    ):
        gap = before[:, :, None] - np.asarray(synapses.threshold[...])
        opened = 1 / (1 + np.exp(-np.asarray(synapses.slope[...]) * gap))
        weight = np.log1p(np.exp(np.asarray(synapses.weight[...]))) * abs(signs)
        above = above + (weight * opened * signs).sum(1)
        below = below + (weight * opened).sum(1)
    leak = np.log1p(np.exp(np.asarray(cell.leak[...])))
    mean = (leak * np.asarray(cell.rest[...]) + above) / (leak + below)
    np.testing.assert_allclose(after, mean, atol=2e-6)


def test_the_time_constant_lies_between_that_of_the_leak_and_of_all_synapses():
    cell, tau, strongest = one_neuron(1), 1.3, 4.2
    cell.sensory.slope[...] = jnp.ones((1, 1)) * 3.0

    def after(state, x):
        return cell(state[None, None], x[None, None], jnp.full(1, 0.5))[0][0, 0]

    for x in np.linspace(-5, 5, 7, dtype=np.float32):
        kept = jax.grad(after)(jnp.array(0.3), jnp.asarray(x))
        constant = 0.5 / (1 / kept - 1)  # of one sub-step: 1 / (1 + dt / tau)
        assert tau / (1 + tau * strongest) - 1e-5 <= constant <= tau + 1e-5


def test_clipping_leaves_no_negative_parameter():
    cell = LtcConfig(FullyConnected(4), positive="clip").build(2, nnx.Rngs(0))
    cell.inner.weight[...] = cell.inner.weight[...] - 0.5
    cell.leak[...] = -cell.leak[...]
    clip_positive(cell)
    assert cell.inner.weight[...].min() == 0 < cell.inner.weight[...].max()
    assert (cell.leak[...] == 0).all()


def test_no_unfolds_are_refused():
    with pytest.raises(ValueError, match="unfolds: found 0"):
        LtcConfig(unfolds=0).build(2, nnx.Rngs(0))
