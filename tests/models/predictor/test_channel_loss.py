"""The loss of whole channels: what it sees, what it has no unit for, what it trains."""

from dataclasses import replace
from functools import partial
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.predictor import channel_loss as grids
from wlam.models.predictor import series_loss
from wlam.models.predictor.channel_loss import (
    FAR,
    channel_loss,
    channel_losses,
    gaussian_loss,
    in_bins,
)
from wlam.models.predictor.channels import LEAST_SPREAD, ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.arrays import upa
from wlam.phy.channels.cdl import CdlConfig
from wlam.phy.transforms import from_bins
from wlam.simulate.traffic import TrafficConfig
from wlam.tasks import TASKS
from wlam.tasks.mixture import DataSource, draw_batch
from wlam.training.objective import total_loss
from wlam.types import TIME, Antennas, ChannelBatch, Csi, Series

CONFIG = PredictorConfig(
    TransformerConfig(width=16, layers=1, heads=2),
    channels=ChannelTokenizerConfig(bins=8),
)
CHANNELS = CdlConfig(num_times=24, num_subcarriers=4, array=(1, 4), snr_db=(9.0, 9.0))
MIXTURE = {
    "csi": DataSource("csi_time", CHANNELS, 1.0, context=16),
    "traffic": DataSource("traffic", TrafficConfig(num_times=32), 1.0),
}
SAMPLES = {"csi": 2, "traffic": 2}
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def batch():
    return jax.jit(lambda key: draw_batch(key, MIXTURE, SAMPLES))(KEY)


@pytest.fixture(scope="module")
def model():
    graph, params = nnx.split(CONFIG.build(nnx.Rngs(0)))
    return graph, nnx.to_pure_dict(params)


@pytest.fixture(scope="module")
def loss(model):
    graph, params = model
    return jax.jit(
        lambda grids: channel_loss(nnx.merge(graph, params), in_bins(grids), KEY)[
            0
        ].mean()
    )


def test_a_batch_holds_rows_and_whole_channels(batch):
    assert isinstance(batch["csi"], ChannelBatch)
    assert batch["csi"].values.shape == (2, 24, 4, 4)
    assert batch["csi"].context == 16
    assert batch["traffic"].values.shape == (2, 1, 32)


def test_the_forecast_does_not_see_what_follows_the_context(batch, loss):
    """Noisy values after the context are nowhere used; clean ones are targets."""
    grids = batch["csi"]
    expected = loss(grids)
    other = replace(grids, values=grids.values.at[:, 16:].set(jnp.nan))
    assert loss(other) == expected
    assert loss(replace(grids, clean=-grids.clean)) > expected


def test_the_loss_has_no_unit(batch, loss):
    grids = batch["csi"]
    small = replace(grids, values=1e-9 * grids.values, clean=1e-9 * grids.clean)
    np.testing.assert_allclose(loss(small), loss(grids), rtol=1e-3)


def test_parts_of_one_shape_go_together_and_keep_their_losses(batch, model):
    """Equal parts have equal losses, whatever stands beside them, up to their draws."""
    graph, params = model
    grids = batch["csi"]
    exact = replace(grids, values=grids.clean, clean=0 * grids.clean)
    # Of another array, whose bins are the same.
    square = Antennas(upa(2, 2), np.zeros(4, np.int32))
    bins = in_bins(grids)
    values, clean = (from_bins(x, TIME, square) for x in (bins.values, bins.clean))
    other_array = replace(grids, values=values, clean=clean, antennas=square.geometry)
    parts = {"a": grids, "b": exact, "c": other_array}
    found = jax.jit(lambda parts: channel_losses(nnx.merge(graph, params), parts, KEY))(
        parts
    )[0]
    assert found.keys() == parts.keys()
    np.testing.assert_allclose(found["a"], found["c"], rtol=0.5)
    assert found["b"] > 2 * found["a"]  # nothing to predict, and yet predicted


@pytest.mark.slow
def test_experts_see_the_tokens_of_whole_channels(batch):
    """2 samples of 8 bins, with two patches that are known and one that follows."""
    backbone = replace(CONFIG.backbone, experts=3, active=2)
    graph, params = nnx.split(replace(CONFIG, backbone=backbone).build(nnx.Rngs(0)))
    parts = {"csi": batch["csi"]}
    losses, (load,) = jax.jit(
        lambda params: channel_losses(nnx.merge(graph, params), parts, KEY)
    )(params)
    assert np.isfinite(losses["csi"])
    assert load.used.sum(1) == 2 * 2 * 8 * 3  # two experts a token
    np.testing.assert_allclose(load.wished.sum(1), 2 * 8 * 3, rtol=1e-5)


def test_gradients_reach_both_ways_in_and_silence_breaks_none(batch, model):
    """And what trains the distributions does not move the forecasts under them."""
    graph, params = model
    # Heads begin at zero and let nothing through.
    params = params | {"head": jax.tree.map(lambda x: x + 0.01, params["head"])}
    silent = replace(
        batch["csi"],
        values=batch["csi"].values.at[0].set(0),
        clean=batch["csi"].clean.at[0].set(0),
    )
    shares = {"csi": 0.5, "traffic": 0.5}

    @jax.jit
    def gradient(params, batch, weight):
        function = partial(total_loss, graph, shares=shares, key=KEY)
        with (
            mock.patch.object(series_loss, "QUANTILES", weight),
            mock.patch.object(grids, "SPREAD", weight),
        ):
            return jax.grad(lambda p: function(p, batch)[0])(params)

    found, without = (
        gradient(params, batch | {"csi": silent}, weight) for weight in (0.1, 0.0)
    )
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))
    for part in ("channels", "head", "backbone"):
        assert any(np.any(x != 0) for x in jax.tree.leaves(found[part])), part
    rows, whole = (
        [np.asarray(head["w2"]["bias"]) for head in heads]
        for heads in zip(
            *((g["head"], g["channels"]["head"]) for g in (found, without)), strict=True
        )
    )
    # Rows: changes, gaps, then weights. Channels: the spread is the last of each step.
    ends = CONFIG.patch, CONFIG.patch * (1 + len(CONFIG.quantiles))
    rows = [np.split(x, ends) for x in rows]
    rows = [(np.concatenate([x[0], x[2]]), x[1]) for x in rows]
    whole = [x.reshape(CONFIG.channels.patch, -1) for x in whole]
    whole = [(x[:, :-1], x[:, -1]) for x in whole]
    for (forecast, spread), (same, none) in (rows, whole):
        np.testing.assert_allclose(forecast, same, rtol=1e-3, atol=1e-6)
        assert np.all(spread != 0)
        assert not none.any()


def test_the_likelihood_is_greatest_at_the_root_mean_square_error():
    """Of a complex Gaussian; far errors pull with a bounded force."""
    error = jax.lax.complex(*jax.random.normal(KEY, (2, 100_000)) * 0.3)
    mean_square = (abs(error) ** 2).mean()

    @jax.jit
    def slope(spread, error):
        def total(log):
            return gaussian_loss(error, jnp.full(error.shape, jnp.exp(log))).mean()

        return jax.grad(total)(jnp.log(spread))

    rms = jnp.sqrt(mean_square)
    assert abs(slope(rms, error)) < 0.01
    for factor in (2.0, 4.0):  # 2 - 2 e^2 / s^2 where hardly any error is far off
        expected = 2 - 2 / factor**2
        assert slope(factor * rms, error) == pytest.approx(expected, abs=0.01)
    assert slope(0.5 * rms, error) < -2
    assert slope(jnp.float32(0.01), error * 1e4) == pytest.approx(2 - 2 * FAR, rel=1e-3)
    ends = gaussian_loss(
        jnp.sqrt(FAR * jnp.array([1 - 1e-5, 1 + 1e-5])) + 0j, jnp.ones(2)
    )
    assert ends == pytest.approx([FAR, FAR], rel=1e-4)
    exact = gaussian_loss(jnp.zeros(1, jnp.complex64), jnp.zeros(1))  # nothing is exact
    assert exact[0] == pytest.approx(2 * np.log(LEAST_SPREAD), rel=1e-5)


def test_bad_requests_are_named(batch):
    rows_only = PredictorConfig(CONFIG.backbone).build(nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"model\.channels: found None"):
        channel_loss(rows_only, batch["csi"], KEY)
    ones = np.ones(2, np.float32)
    series = Series(np.ones((2, 24, 3), np.float32), ones)
    with pytest.raises(ValueError, match="context: found 16 of 24 steps"):
        TASKS["series"].batch(KEY, series, 1, 16)
    csi = Csi(np.ones((2, 24, 1, 3), np.complex64), time_step_s=ones)
    with pytest.raises(ValueError, match="context: found 24 of 24 steps"):
        TASKS["csi_time"].batch(KEY, csi, 1, 24)


PILOTS = DataSource(
    "csi_pilots_4", replace(CHANNELS, num_subcarriers=16), 1.0, context=16
)


def test_channels_are_completed_from_their_pilots_alone(model):
    """What lies between them is a target and never an input."""
    part = jax.jit(lambda key: draw_batch(key, {"p": PILOTS}, {"p": 2})["p"])(KEY)
    assert part.every == 4
    assert jnp.isnan(part.los).all()  # of delay lines nobody knows
    graph, params = model

    @jax.jit
    def loss(grids):
        return channel_loss(nnx.merge(graph, params), in_bins(grids), KEY)[0]

    between = (jnp.arange(16) % 4 != 2)[None, :, None, None]
    hidden = replace(part, values=jnp.where(between, 7.0, part.values))
    np.testing.assert_array_equal(loss(hidden), loss(part))
    worse = replace(part, clean=jnp.where(between, -part.clean, part.clean))
    assert (loss(worse) > loss(part) + 0.1).all()


@pytest.mark.slow
def test_the_line_of_sight_is_learnt_where_it_is_known(batch):
    config = replace(CONFIG, heads=("line_of_sight",))
    graph, params = nnx.split(config.build(nnx.Rngs(0)))
    part = batch["csi"]

    @jax.jit
    def slopes(params, los):
        def loss(params):
            model = nnx.merge(graph, params)
            found = channel_loss(
                model, in_bins(replace(part, los=los)), jax.random.key(3)
            )
            return found[0].mean()

        return jax.grad(loss)(params)["heads"]["line_of_sight"]

    def size(los):
        return sum(float(abs(x).sum()) for x in jax.tree.leaves(slopes(params, los)))

    with mock.patch.object(grids, "STRONGEST", 1.0):
        assert size(np.array([1, 0], np.float32)) > 0
        assert size(np.full(2, np.nan, np.float32)) == 0
