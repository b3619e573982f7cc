"""One tiny model and its compiled forward pass, shared by the tests of wlam.nn."""

from functools import partial

import jax
import pytest
from einops import rearrange
from flax import nnx

from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.inputs import SeriesInputs
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig

TINY = PredictorConfig(TransformerConfig(width=16, layers=2, heads=2), patch=4)


@pytest.fixture(scope="session")
def model():
    """A random model whose head is not small: an untrained one would hide errors."""
    model = TINY.build(nnx.Rngs(0))
    state = nnx.state(model)
    key = jax.random.key(1)

    def shake(x):
        return x + 0.1 * jax.random.normal(jax.random.fold_in(key, x.size), x.shape)

    nnx.update(model, jax.tree.map(shake, state))
    return model


@pytest.fixture(scope="session")
def forecaster(model):
    return PredictorAPI(model)


@pytest.fixture(scope="session")
def apply(model):
    """Forward pass of single rows: (values, hidden, interval, axis) -> forecasts.

    All that is not hidden is the context, or the first steps if their number is given.
    """
    graph, state = nnx.split(model)

    @partial(jax.jit, static_argnames=("group", "steps"))
    def forward(values, hidden, interval, axis, group=1, steps=None):
        grouped = rearrange(values, "(b g) t -> b g t", g=group)
        first = slice(None, None, group)
        about = (interval[first], axis[first], TINY, group == 2)
        given = ~hidden[first].at[:, steps or values.shape[1] :].set(True)
        rows = SeriesInputs.of(grouped, hidden[first], given, *about)
        return nnx.merge(graph, state)(rows)

    return forward
