"""One tiny model and its compiled forward pass, shared by the tests of wlam.nn."""

from functools import partial

import jax
import pytest
from einops import rearrange
from flax import nnx

from wlam.nn.forecast import Forecaster
from wlam.nn.guess import steps_per_day
from wlam.nn.predictor import ModelConfig
from wlam.nn.rollout import guesses_of_rows
from wlam.nn.transformer import TransformerConfig

TINY = ModelConfig(TransformerConfig(width=16, layers=2, heads=2), patch=4)


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
    return Forecaster(model)


@pytest.fixture(scope="session")
def apply(model):
    """Forward pass of single rows: (values, hidden, interval, axis) -> forecasts."""
    graph, state = nnx.split(model)

    @partial(jax.jit, static_argnames="group")
    def forward(values, hidden, interval, axis, group=1):
        grouped = rearrange(values, "(b g) t -> b g t", g=group)
        found = guesses_of_rows(
            grouped,
            hidden[::group],
            ~hidden[::group],
            steps_per_day(interval[::group], axis[::group]),
            TINY.patch,
            TINY.patch,
            is_complex=group == 2,
        )
        return nnx.merge(graph, state)(values, hidden, found, interval, axis)

    return forward
