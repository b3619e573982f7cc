"""One tiny model and its compiled forward pass, shared by the tests of wlam.nn."""

import jax
import pytest
from flax import nnx

from wlam.nn.forecast import Forecaster
from wlam.nn.predictor import ModelConfig
from wlam.nn.transformer import TransformerConfig

TINY = ModelConfig(TransformerConfig(width=16, layers=2, heads=2), patch=4)


@pytest.fixture(scope="session")
def model():
    """A random model whose head is not small: an untrained one would hide errors."""
    model = TINY.build(nnx.Rngs(0))
    state = nnx.state(model)
    key = jax.random.key(1)

    def shake(x):
        return x + 0.2 * jax.random.normal(jax.random.fold_in(key, x.size), x.shape)

    nnx.update(model, jax.tree.map(shake, state))
    return model


@pytest.fixture(scope="session")
def forecaster(model):
    return Forecaster(model)


@pytest.fixture(scope="session")
def apply(model):
    """The forward pass of single rows: (values, hidden, interval) -> forecasts."""
    graph, state = nnx.split(model)

    @jax.jit
    def forward(values, hidden, interval, axis):
        return nnx.merge(graph, state)(values, hidden, interval, axis)

    return forward
