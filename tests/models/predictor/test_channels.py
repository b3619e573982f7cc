"""Channels as a whole: what the joint way in keeps, and what it may not see."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.baselines.bank.ar_bank import ar_bank
from wlam.baselines.bank.smoothers import between_pilots
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.channels import Channel, ChannelTokenizerConfig, all_bins
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.arrays import ula
from wlam.phy.transforms import from_bins, steps_back, steps_first, to_bins
from wlam.types import FREQUENCY, TIME, Antennas, Csi, DataError, Series

N, L, H, U, V = 2, 16, 8, 4, 3
K = 6
LINE = Antennas(ula(V), np.zeros(V, np.int32))
INTERVAL = jnp.full(N, 1e-3)
RNG = np.random.default_rng(0)
CONFIG = PredictorConfig(
    TransformerConfig(width=16, layers=1, heads=2),
    channels=ChannelTokenizerConfig(patch=8, bins=K),
)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


def fading():
    """A few tones in every bin, a little noise."""
    frequency = RNG.uniform(-0.2, 0.2, (N, 1, U, V, 3))
    time = np.arange(L)[:, None, None, None]
    tones = np.exp(2j * np.pi * frequency * time) * complex_normal(N, 1, U, V, 3)
    return (tones.sum(-1) + 0.05 * complex_normal(N, L, U, V)).astype(np.complex64)


X = jnp.asarray(fading())
ALL = jnp.ones((N, L), bool)
FLAT = np.asarray(X).reshape(N, L, U * V)


def of(bins, axis=TIME):
    """The channels that have these bins [n, step, (u v)]."""
    x = np.asarray(bins).reshape(*np.shape(bins)[:2], U, V)
    csi = steps_back(np.asarray(from_bins(x, axis, LINE)), axis)
    return Csi(csi, time_step_s=1e-3, subcarrier_spacing_hz=1e3)


def bins_of(csi, axis=TIME):
    """The inverse of `of`."""
    x = np.asarray(to_bins(steps_first(csi.csi, axis), axis, LINE))
    return x.reshape(*x.shape[:2], U * V)


@pytest.fixture(scope="module")
def model():
    return build(CONFIG)


def build(config):
    """With a head that is not zero, as training leaves it."""
    model = config.build(nnx.Rngs(0))
    for layer in (model.channels.head.w2, model.channels.head.w3):
        shape = layer.kernel[...].shape
        layer.kernel[...] = 0.1 * jax.random.normal(jax.random.key(1), shape)
    return model


@pytest.fixture(scope="module")
def continued(model):
    """Forecast and spread [n, h, bin] of all bins, compiled once."""
    graph, params = nnx.split(model)

    @jax.jit
    def run(x, known):
        model = nnx.merge(graph, params)
        channel = Channel.of(x, known, INTERVAL, TIME, H)
        return all_bins(model.channels, model.backbone, channel, H)

    return lambda x, known=ALL: [np.asarray(y) for y in run(x, known)]


@pytest.fixture(scope="module")
def forecast(continued):
    return lambda x, known=ALL: continued(x, known)[0]


@pytest.fixture(scope="module")
def forecaster(model):
    return PredictorAPI(model)


def close(a, b, tolerance=2e-3):
    return np.linalg.norm(a - b) < tolerance * np.linalg.norm(b)


def test_phase_and_unit_come_back(forecast):
    factor = np.complex64(3e-9 * np.exp(2j))
    assert close(forecast(factor * X), factor * forecast(X))


def test_a_doppler_shift_comes_back(forecast):
    turn = np.exp(2j * np.pi * 0.13 * np.arange(L + H)).astype(np.complex64)
    shifted = forecast(X * turn[None, :L, None, None])
    assert close(shifted, forecast(X) * turn[L:, None])


def test_the_spread_has_the_unit_and_no_phase(continued):
    expected = continued(X)[1]
    turn = np.exp(2j * np.pi * 0.13 * np.arange(L)).astype(np.complex64)
    found = continued(np.complex64(3e-9j) * X * turn[None, :, None, None])[1]
    assert close(found, 3e-9 * expected)
    silent = continued(X.at[:, :, 0, 1].set(0))[1]
    assert not silent[..., 1].any()
    assert np.all(np.delete(silent, 1, axis=-1) > 0)


def test_unknown_steps_have_no_influence(forecast):
    known = jnp.arange(L)[None] >= jnp.array([[0], [5]])
    hidden = jnp.where(known[..., None, None], X, jnp.nan)
    expected = forecast(X, known)
    np.testing.assert_array_equal(forecast(hidden, known), expected)
    assert not close(expected[1], forecast(X)[1], 0.01)


def test_samples_of_a_batch_do_not_meet(forecast):
    other = X.at[1].set(5)
    np.testing.assert_allclose(forecast(other)[0], forecast(X)[0], rtol=1e-3, atol=1e-4)


def test_a_silent_channel_stays_silent_and_finite(forecast):
    assert not forecast(0 * X).any()


@pytest.fixture(scope="module")
def channel():
    return jax.jit(partial(Channel.of, axis=TIME, horizon=H))(X, ALL, INTERVAL)


def test_bins_of_a_group_see_each_other_and_their_order_does_not_matter(model, channel):
    run = jax.jit(lambda chosen: model.channels(model.backbone, channel, chosen, H)[0])
    chosen = jnp.tile(jnp.array([7, 2, 9, 4, 0, 11]), (N, 1))
    first = np.asarray(run(chosen))
    assert close(np.asarray(run(chosen[:, ::-1]))[..., ::-1], first, 1e-4)
    other = chosen.at[:, 5].set(3)  # other company
    assert not close(np.asarray(run(other))[..., :5], first[..., :5], 1e-4)


@pytest.mark.parametrize("bins", [5, 50])
def test_training_starts_from_the_floor_of_that_name(bins, channel):
    config = PredictorConfig(
        CONFIG.backbone, channels=ChannelTokenizerConfig(patch=8, bins=bins)
    )
    model = config.build(nnx.Rngs(0))
    start = jax.jit(lambda c: all_bins(model.channels, model.backbone, c, H)[0])
    assert close(np.asarray(start(channel)), ar_bank(FLAT, H, (U, V)))


def test_attention_says_what_the_backbone_takes(model, channel):
    """Weights sum to one; a token that no other takes from changes no other."""
    chosen = jnp.tile(jnp.arange(K), (N, 1))

    @jax.jit
    def look(channel):
        tokens = model.channels.tokens(channel, chosen, H)
        visible = jnp.arange(tokens.values.shape[1])[None] != 2
        visible = jnp.broadcast_to(visible, tokens.values.shape[:2])
        weights = model.backbone.attention(tokens.values, visible, tokens.positions)
        through = model.backbone(tokens.values, visible, tokens.positions)
        moved = tokens.values.at[:, 2].set(0)
        return weights, through, model.backbone(moved, visible, tokens.positions)

    weights, through, other = map(np.asarray, look(channel))
    assert weights.shape == (1, N, 2, 3 * K, 3 * K)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    others = np.arange(3 * K) != 2
    assert not weights[..., others, 2].any()
    np.testing.assert_array_equal(through[:, others], other[:, others])


def test_clean_tones_are_continued_exactly(forecast):
    """Three tones in every bin; a trained head may not harm what the bank has right."""
    time = np.arange(L + H)[:, None, None, None]
    frequency = np.array([0.05, -0.11, 0.2])
    waves = np.exp(2j * np.pi * frequency * time) * complex_normal(N, 1, U, V, 3)
    x = waves.sum(-1).astype(np.complex64)
    expected = x[:, L:].reshape(N, H, -1)
    assert close(forecast(jnp.asarray(x[:, :L])), expected, 3e-2)


def test_predict_takes_channels_and_missing_steps(forecaster, forecast):
    context = np.tile(FLAT, (3, 1, 1))  # more than one call
    answer = forecaster.predict(of(context), H)
    assert answer.csi.shape == (3 * N, H, U, V)
    assert answer.csi.dtype == np.complex64
    found = bins_of(answer)
    assert close(found[:N], forecast(X), 1e-4)
    np.testing.assert_allclose(found[:N], found[N : 2 * N], rtol=1e-3, atol=1e-4)
    asked = of(context)
    late = np.arange(L)[:, None, None] >= 4
    known = jnp.broadcast_to(jnp.arange(L) >= 4, (N, L))
    found = bins_of(forecaster.predict(replace(asked, mask=late), H))
    assert close(found[:N], forecast(X, known), 1e-4)
    # The last step lost: one step more from those before.
    early = np.arange(L)[:, None, None] < L - 1
    found = forecaster.predict(replace(asked, mask=early), H - 1).csi
    short = replace(asked, csi=asked.csi[:, :-1])
    np.testing.assert_array_equal(found, forecaster.predict(short, H).csi[:, 1:])
    few = replace(asked, csi=asked.csi[:, -1:])
    with pytest.raises(
        DataError, match=r"mask: found 1 measured steps .*; needed 2 or"
    ):
        forecaster.predict(few, H)


def test_intervals_and_samples_are_those_of_a_complex_gaussian(forecaster, continued):
    """Each part has half of the variance: the quantile of 90 % is 1.645 s / sqrt 2.

    Spreads of bins add up to those of subcarriers and antennas, the same for all here.
    """
    forecast, spread = continued(X)
    middle = of(forecast).csi
    variance = (spread**2).reshape(N, H, U, V).mean((2, 3))
    element = np.broadcast_to(np.sqrt(variance)[..., None, None], middle.shape)
    low, high = (x.csi for x in forecaster.predict_interval(of(FLAT), H))
    half = 1.644854 / np.sqrt(2) * element
    assert close(high - low, 2 * half * (1 + 1j))
    assert close((high + low) / 2, middle)
    wide = forecaster.predict_interval(of(FLAT), H, coverage=0.99)[1].csi
    assert close((wide - middle).real, half * 2.575829 / 1.644854, 1e-2)
    samples = [x.csi for x in forecaster.sample(of(FLAT), H, samples=500)]
    drawn = np.stack([bins_of(Csi(x)) for x in samples])
    assert drawn.shape == (500, N, H, U * V)
    assert drawn.dtype == low.dtype == np.complex64
    units = (drawn - forecast) / spread
    assert abs(units.mean()) < 0.01
    np.testing.assert_allclose((abs(units) ** 2).mean(0), 1, atol=0.3)
    assert (abs(units) ** 2).mean() == pytest.approx(1, abs=0.01)
    assert abs((units**2).mean()) < 0.01  # circular
    elements = np.stack(samples)
    for part in (np.real, np.imag):
        inside = (part(low) <= part(elements)) & (part(elements) <= part(high))
        assert inside.mean() == pytest.approx(0.9, abs=0.005)
    (again,) = forecaster.sample(of(FLAT), H, samples=1, seed=1)
    assert not np.allclose(again.csi, samples[0], atol=1e-2)


@pytest.fixture(scope="module")
def sighted():
    """A model that tells, from its features, whether there is a line of sight."""
    return PredictorAPI(build(replace(CONFIG, heads=("line_of_sight",))))


def test_features_know_no_phase_unit_or_doppler_shift(sighted):
    features = sighted.embed(of(FLAT))
    assert features.shape == (N, 16)
    assert features.dtype == np.float32
    turn = 3e-9j * np.exp(2j * np.pi * 0.13 * np.arange(L))[:, None]
    turned = sighted.embed(of((turn * FLAT).astype(np.complex64)))
    assert close(turned, features)
    assert not close(features[0], features[1], 0.01)
    assert np.isfinite(sighted.embed(of(0 * FLAT))).all()


PILOTS = np.arange(2, L + H, 4)
BOTH = np.concatenate([np.asarray(X), np.asarray(X)[:, :H]], axis=1)
"""Longer, for six pilots."""


@pytest.fixture(scope="module")
def completed(forecaster):
    def run(x, at=PILOTS):
        hidden = np.full((N, L + H, U * V), np.nan, np.complex64)
        hidden[:, at] = x.reshape(N, L + H, U * V)[:, at]
        asked = forecaster.complete(of(hidden, FREQUENCY), "frequency")
        return bins_of(asked, FREQUENCY)

    return run


def test_all_steps_are_completed_from_pilots(completed):
    found = completed(BOTH)
    assert found.shape == (N, L + H, U * V)
    assert np.isfinite(found).all()
    factor = np.complex64(3e-9 * np.exp(2j))
    assert close(completed(factor * BOTH), factor * found)


def test_completing_starts_from_the_smoothers_by_their_record():
    fresh = PredictorAPI(CONFIG.build(nnx.Rngs(0)))
    flat = BOTH.reshape(N, L + H, U * V)
    hidden = np.full(flat.shape, np.nan, np.complex64)
    hidden[:, PILOTS] = flat[:, PILOTS]
    asked = of(hidden, FREQUENCY)
    found = bins_of(fresh.complete(asked, "frequency"), FREQUENCY)
    np.testing.assert_array_equal(bins_of(fresh.estimate(asked), FREQUENCY), found)
    start = between_pilots(flat[:, PILOTS], PILOTS, L + H, (U, V), weighted=True)
    assert close(found, start)


def test_what_cannot_be_completed_is_named(forecaster):
    x = np.full((N, U, L, V), np.nan, np.complex64)
    x[:, :, [1, 4, 8]] = 1
    asked = Csi(x, subcarrier_spacing_hz=1e3)
    with pytest.raises(
        DataError, match=r"mask: found frequency steps \[1, 4, 8\] known"
    ):
        forecaster.complete(asked)
    x[0, 0, 1, 0] = np.nan
    with pytest.raises(
        DataError, match="mask: found frequency steps that are known in"
    ):
        forecaster.complete(asked)
    with pytest.raises(DataError, match="csi: found float32 of shape"):
        forecaster.complete(replace(asked, csi=x.real))
    series = Series(np.ones((2, 9)), time_step_s=1.0)
    with pytest.raises(DataError, match="complete: found Series; needed one of"):
        forecaster.complete(series)
    rows = PredictorAPI(PredictorConfig(CONFIG.backbone).build(nnx.Rngs(0)))
    assert not rows.can("complete")
    assert not rows.completes
    with pytest.raises(DataError, match="complete: found Csi; needed"):
        rows.complete(asked)
    with pytest.raises(
        DataError, match="head: found 'line_of_sight'; needed one of no"
    ):
        forecaster.head("line_of_sight", of(FLAT))


def test_a_line_of_sight_is_a_probability_without_unit_or_phase(sighted):
    assert sighted.heads == ("line_of_sight",)
    found = sighted.head("line_of_sight", of(FLAT))
    assert found.shape == (N,)
    assert ((found > 0) & (found < 1)).all()
    again = sighted.head("line_of_sight", of(np.complex64(5e-6j) * FLAT))
    np.testing.assert_allclose(again, found, atol=1e-3)
    with pytest.raises(DataError, match=r"head: found Series; needed wlam\.Csi"):
        sighted.head("line_of_sight", Series(np.ones((2, 9)), time_step_s=1.0))
    with pytest.raises(ValueError, match=r"model\.heads: found"):
        PredictorConfig(CONFIG.backbone, heads=("line_of_sight",))
