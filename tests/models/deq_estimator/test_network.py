"""The estimator of arrays of sub-arrays: where learning begins, and its errors."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.deq_estimator.network import ArrayEstimatorConfig
from wlam.nn.fixed_point import Solver
from wlam.nn.lipschitz import LipschitzConfig
from wlam.phy.arrays import to_beamspace
from wlam.phy.channels.hybrid_field import HybridFieldConfig, generate, observe
from wlam.tasks import TASKS

ARRAY = HybridFieldConfig(sub_arrays=(1, 2), antennas=(2, 4), num_measurements=8)
CONFIG = ArrayEstimatorConfig(
    ARRAY, network=LipschitzConfig(planes=4, width=4, blocks=0)
)


@pytest.fixture(scope="module")
def network():
    return nnx.jit(lambda: CONFIG.build(nnx.Rngs(0)))()


@pytest.fixture(scope="module")
def model(network):
    return network.model()


@pytest.fixture(scope="module")
def data():
    return jax.jit(lambda key: generate(key, ARRAY, 4))(jax.random.key(0))


@pytest.fixture(scope="module")
def clean(data):
    """The channels [n, antenna]."""
    return jnp.asarray(np.asarray(data.clean)[:, 0, 0])


def test_the_sensing_of_angles_sees_what_that_of_antennas_does(network, model, clean):
    receiver = model.receiver

    @jax.jit
    def see(clean):
        angles = to_beamspace(clean, network.array_shape).reshape(4, 2, 8)
        return jnp.einsum("smd,nsd->nsm", network.sensing(receiver), angles)

    found = see(clean)
    wanted = np.asarray(clean) @ receiver.whole().T
    np.testing.assert_allclose(found.reshape(4, -1), wanted, atol=1e-4)


def test_the_loss_is_below_that_of_nothing(network, data):
    """0 dB is what an estimate of zero has; all sub-arrays enter together."""
    part = TASKS["csi_estimate"].batch(jax.random.key(0), data, 1, None)
    assert part.clean.shape == (4, 1, 16)
    graph, params = nnx.split(network)

    def loss(params):
        return nnx.merge(graph, params).loss(part, jax.random.key(1))

    value, gradients = jax.jit(jax.value_and_grad(loss))(params)
    assert value < 0
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradients))


def test_estimates_and_residuals(model, clean):
    level = jnp.full(4, 20.0)
    seen = jax.jit(observe)(jax.random.key(2), clean, model.receiver.weights, level)
    white = model.receiver.white(np.asarray(seen))
    solver = Solver(memory=5, most=60, tolerance=1e-5)
    found, residuals = model.with_residuals(white, 0.01, solver)
    assert found.shape == (4, 16)
    seen_again = found.astype(np.complex64) @ model.receiver.whole().T
    miss = abs(seen_again - white.reshape(4, -1)) ** 2
    assert miss.mean() < 0.05  # of measurements of variance about 1
    last = residuals[0][~np.isnan(residuals[0])][-1]
    assert last < 1e-3
    np.testing.assert_array_equal(model.estimate(white, 0.01, solver), found)


def test_bad_input_is_named(network, model):
    white = np.ones((3, 2, 4), np.complex64)
    with pytest.raises(ValueError, match="observed: found complex64 of shape"):
        model.estimate(white[:, :1], 0.1)
    with pytest.raises(ValueError, match="observed: found"):
        model.estimate(white * np.nan, 0.1)
    for level in (0.0, np.inf, [0.1, 0.2]):
        with pytest.raises(ValueError, match="noise_variance: found"):
            model.estimate(white, np.asarray(level))
    with pytest.raises(ValueError, match=r"network\.planes: found 8"):
        replace(CONFIG, network=LipschitzConfig())

    def loss(key):
        data = generate(key, replace(ARRAY, antennas=(2, 2)), 2)
        return network.loss(TASKS["csi_estimate"].batch(key, data, 1, None), key)

    with pytest.raises(ValueError, match="and 16 antennas"):
        jax.eval_shape(loss, jax.random.key(0))  # shapes tell, nothing is computed
