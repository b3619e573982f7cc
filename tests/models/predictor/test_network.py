"""The tests of the multi-task predictor that need no training (arXiv 2507.05938)."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.baselines.bank.series import FORECASTS, BaselineForecasts
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.inputs import SeriesInputs
from wlam.models.predictor.network import (
    SHARPNESS,
    PredictorConfig,
    last_visible,
)
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.nn.embeddings import Granularity, GranularityConfig
from wlam.types import FREQUENCY, TIME

B, T, P = 6, 24, 4
N = T // P


@pytest.fixture(scope="module")
def rows():
    values = jax.random.normal(jax.random.key(0), (B, T))
    hidden = jnp.zeros((B, T), bool).at[:3, :6].set(True)  # a patch and a half
    interval = jnp.geomspace(1e-3, 3600.0, B)
    return values, hidden, interval, jnp.full(B, TIME)


def nothing(value):
    """Guesses that are all the same."""
    forecasts = jnp.full((B, N, P, len(FORECASTS)), value)
    return BaselineForecasts(forecasts, jnp.ones((B, N, P, len(FORECASTS))))


def test_no_output_depends_on_later_samples(apply, rows):
    values, hidden, interval, axis = (x[3:4] for x in rows)
    jacobian = jax.jacobian(lambda v: apply(v, hidden, interval, axis)[0])(values)
    jacobian = jacobian[:, :, 0].reshape(N, P, N, P)  # output patch, ., input patch, .
    size = abs(jacobian).sum((1, 3))
    assert np.all(size[np.triu_indices(N, 1)] == 0)
    assert np.all(size[np.tril_indices(N)] > 0)


def test_rows_do_not_see_each_other(apply, rows):
    values, hidden, interval, axis = rows
    order = jnp.array([3, 5, 0, 1, 4, 2])
    out = apply(values, hidden, interval, axis)
    permuted = apply(values[order], hidden[order], interval[order], axis)
    np.testing.assert_array_equal(permuted, out[order])


def test_hidden_samples_have_no_influence(apply, rows):
    values, hidden, interval, axis = rows
    out = apply(values, hidden, interval, axis)
    changed = jnp.where(hidden, 1e6, values)
    np.testing.assert_array_equal(apply(changed, hidden, interval, axis), out)
    nan = jnp.where(hidden, jnp.nan, values)
    np.testing.assert_array_equal(apply(nan, hidden, interval, axis), out)
    gradient = jax.grad(lambda v: (apply(v, hidden, interval, axis) ** 2).sum())(values)
    assert np.all(gradient[hidden] == 0)
    assert np.all(gradient[:, -P - 1] != 0)


def test_padding_on_the_left_changes_nothing(apply, rows):
    values, hidden, interval, axis = rows
    visible = jnp.zeros_like(hidden)
    out = apply(values, visible, interval, axis)
    pad = 3 * P
    padded = apply(
        jnp.pad(values, ((0, 0), (pad, 0)), constant_values=7.0),
        jnp.pad(visible, ((0, 0), (pad, 0)), constant_values=True),
        interval,
        axis,
    )
    np.testing.assert_allclose(padded[:, 3:], out, rtol=1e-4, atol=1e-5)


def test_interval_and_axis_reach_the_forecast(apply, rows):
    values, hidden, interval, axis = rows
    out = apply(values, hidden, interval, axis)
    assert not np.allclose(apply(values, hidden, 2 * interval, axis), out, atol=1e-3)
    other = jnp.full(B, FREQUENCY)
    assert not np.allclose(apply(values, hidden, interval, other), out, atol=1e-3)


def test_last_visible():
    patches = jnp.arange(12.0).reshape(1, 3, 4)
    hidden = jnp.array([[[0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]]], bool)
    np.testing.assert_array_equal(last_visible(patches, hidden), [[3.0, 6.0, 0.0]])


def test_granularity_none_is_silent_and_lookup_takes_the_nearest():
    rngs = nnx.Rngs(0)
    none = Granularity(GranularityConfig("none"), 8, rngs, jnp.dtype("float32"))
    np.testing.assert_array_equal(none(jnp.ones(2), jnp.zeros(2, int)), 0.0)
    table = GranularityConfig("lookup", known_intervals=(1e-3, 1.0))
    lookup = Granularity(table, 8, rngs, jnp.dtype("float32"))
    out = lookup(jnp.array([1e-3, 2e-3, 0.5, 1.0]), jnp.zeros(4, int))
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out[2], out[3])
    assert not np.array_equal(out[1], out[2])


def test_an_untrained_forecast_is_a_mix_by_the_record(model, rows):
    """Weights of one over what each option missed, sharpened."""
    values, hidden, interval, axis = rows
    silent = model.config.build(nnx.Rngs(0))
    keys = jax.random.split(jax.random.key(0))
    options = jax.random.normal(keys[0], (B, N, P, len(FORECASTS)))
    missed = jnp.exp(jax.random.normal(keys[1], (B, N, P, len(FORECASTS))))
    weights = missed**-SHARPNESS / (missed**-SHARPNESS).sum(-1, keepdims=True)

    given = SeriesInputs(
        values, hidden, BaselineForecasts(options, missed), interval, axis
    )
    found = nnx.jit(lambda m: m(given))(silent)
    expected = (weights * options).sum(-1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_guesses_a_forecast_starts_from_the_last_value(model, rows):
    values, hidden, interval, axis = rows
    plain = replace(model.config, baselines=False).build(nnx.Rngs(0))
    for layer in (plain.head.w2, plain.head.w3):
        layer.kernel[...] = jnp.zeros_like(layer.kernel[...])
    last = last_visible(values.reshape(B, N, P), hidden.reshape(B, N, P))
    held = jnp.repeat(last[..., None], P, 2)
    given = SeriesInputs(values, hidden, nothing(3.0), interval, axis)
    np.testing.assert_array_equal(nnx.jit(lambda m: m(given))(plain), held)


def test_bad_sizes_are_named():
    with pytest.raises(
        ValueError, match=r"model\.channels: found with baselines=False"
    ):
        PredictorConfig(baselines=False, channels=ChannelTokenizerConfig())
    with pytest.raises(ValueError, match=r"backbone\.heads: 3 heads"):
        TransformerConfig(width=16, heads=3)
    with pytest.raises(ValueError, match=r"granularity\.known_intervals: empty"):
        Granularity(GranularityConfig("lookup"), 8, nnx.Rngs(0), jnp.dtype("float32"))


def test_bfloat16_products_are_near_float32_ones(model, rows):
    """Same parameters; eight bits of mantissa in every product, none lost elsewhere."""
    values, hidden, interval, axis = rows
    narrow = replace(model.config, dtype="bfloat16").build(nnx.Rngs(0))
    nnx.update(narrow, nnx.state(model))
    given = SeriesInputs(values, hidden, nothing(0.0), interval, axis)

    @nnx.jit
    def outputs(models):
        return [m(given) for m in models]

    wide, coarse = outputs([model, narrow])
    assert coarse.dtype == wide.dtype == jnp.float32
    error = jnp.sqrt(jnp.mean((coarse - wide) ** 2) / jnp.mean(wide**2))
    assert 0 < error < 0.02
    kernels = jax.tree.leaves(nnx.state(narrow, nnx.Param))
    assert all(kernel.dtype == jnp.float32 for kernel in kernels)
