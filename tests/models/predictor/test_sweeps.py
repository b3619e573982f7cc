"""The way in of sweeps, before training and whatever the weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.predictor import sweeps as scan
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweep_loss import draw_measured, sweep_loss
from wlam.models.predictor.sweeps import OPTIONS, SweepTokenizerConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain
from wlam.tasks import TASKS
from wlam.tasks.windows import cut_windows
from wlam.types import DataError, SweepBatch, Sweeps

BEAMS, EVERY, SWEEPS, AHEAD = 32, 4, 4, 2
SINES = np.linspace(-0.9, 0.9, 8, dtype=np.float32)
# Single paths, a little further in every sweep, 40 dB over the floor.
PLACES = SINES[:, None] + 0.01 * np.arange(8, dtype=np.float32)[None]
GAIN = array_gain(jnp.asarray(PLACES), beam_directions(BEAMS), BEAMS)
SWEPT = np.asarray(10 * jnp.log10(GAIN / BEAMS + 1e-4) - 70, np.float32)
TRUE, STEP = jnp.asarray(SWEPT), jnp.full(8, 0.1)
DATA = Sweeps(SWEPT, np.full(8, 0.1, np.float32))
CONFIG = PredictorConfig(
    TransformerConfig(width=16, layers=1, heads=2),
    sweeps=SweepTokenizerConfig(SWEEPS, AHEAD),
)
options = jax.jit(scan.options, static_argnames="ahead")


@pytest.fixture(scope="module")
def fresh():
    return CONFIG.build(nnx.Rngs(0))


@pytest.fixture(scope="module")
def moved():
    """Weights of a head that has learned something."""
    model = CONFIG.build(nnx.Rngs(0))
    for layer in (model.sweeps.head.w2, model.sweeps.head.w3):
        noise = jax.random.normal(jax.random.key(1), layer.kernel[...].shape)
        layer.kernel[...] = 0.3 * noise
    return PredictorAPI(model)


@pytest.fixture(scope="module")
def windows():
    return cut_windows(TASKS["beam_scan_4"].sequences(DATA), 5, 1, tail=0.1)


def predict(model, context, horizon=1):
    return model.predict(Sweeps(context, time_step_s=0.1), horizon).rsrp_db


def interval(model, context, horizon=1, **about):
    asked = Sweeps(context, time_step_s=0.1)
    return [x.rsrp_db for x in model.predict_interval(asked, horizon, **about)]


def sample(model, context, horizon=1, **about):
    asked = Sweeps(context, time_step_s=0.1)
    return np.stack([x.rsrp_db for x in model.sample(asked, horizon, **about)])


def complete(model, context):
    """The last sweep in full."""
    return model.complete(Sweeps(context, time_step_s=0.1)).rsrp_db[..., -1, :]


def test_a_window_shows_every_fourth_beam_and_wants_all_of_its_last_sweep(windows):
    seen = np.isfinite(windows.context)
    assert (seen == (np.arange(BEAMS) % EVERY == EVERY // 2)).all()
    np.testing.assert_array_equal(windows.context[seen], SWEPT[:, 3:][seen])
    np.testing.assert_array_equal(windows.target[:, 0], SWEPT[:, 7])


def test_an_untrained_model_says_the_mean_of_the_options(fresh):
    context = SWEPT[:, :SWEEPS]
    found = predict(PredictorAPI(fresh), context, AHEAD)
    top = context.max((1, 2), keepdims=True)
    shown = jnp.asarray(context - top)
    said = options(shown, jnp.ones(context.shape, bool), AHEAD)
    expected = np.maximum(said.forecasts, -60.0).mean(-1) + top
    np.testing.assert_allclose(found, expected[:, 1:], atol=1e-3)
    assert said.forecasts.shape[-1] == OPTIONS


def test_options_follow_the_path():
    """On single paths that move evenly, as they are and one sweep on, to a beam."""
    measured = jnp.ones((8, SWEEPS, BEAMS), bool)
    said = options(TRUE[:, :SWEEPS], measured, 1)
    for step in (0, 1):
        truth = SWEPT[:, SWEEPS - 1 + step].argmax(1)
        best = np.argmax(said.forecasts[:, step], axis=1)
        # The last sweep as it is is late by one step, and wrong arrays are wrong.
        assert abs(best[:, 1:4] - truth[:, None]).max() <= 1
    assert (said.unexplained[:, 0] < said.unexplained[:, 1:].min(1)).all()


def test_missing_beams_are_told_by_the_paths():
    measured = jnp.broadcast_to(jnp.arange(BEAMS) % EVERY == 1, (8, SWEEPS, BEAMS))
    said = options(jnp.where(measured, TRUE[:, :SWEEPS], 0.0), measured, 1)
    best = np.argmax(said.forecasts[:, 0, :, 3], axis=1)
    assert abs(best - SWEPT[:, SWEEPS - 1].argmax(1)).max() <= 1


def test_the_unit_of_power_does_not_matter(moved, windows):
    forecast = predict(moved, windows.context)
    np.testing.assert_allclose(
        predict(moved, windows.context + 33), forecast + 33, atol=1e-3
    )
    assert abs(forecast - predict(moved, windows.context[:, ::-1])).max() > 0.1


def test_sweeps_before_those_that_a_token_knows_do_not_matter(moved, windows):
    short = windows.context[:, -SWEEPS:]
    np.testing.assert_array_equal(
        predict(moved, short), predict(moved, windows.context)
    )


def test_what_was_not_measured_does_not_matter(moved):
    """Beams, and whole sweeps: as if those before did not exist."""
    context = SWEPT[:, :SWEEPS].copy()
    context[:, 0] = np.nan
    np.testing.assert_allclose(
        predict(moved, context), predict(moved, context[:, 1:]), atol=1e-3
    )
    context[:, -1] = np.nan
    assert np.isfinite(predict(moved, context)).all()


def test_a_model_completes_the_sweep_that_it_continues(moved, windows):
    whole = complete(moved, windows.context)
    assert whole.shape == (8, BEAMS)
    np.testing.assert_allclose(complete(moved, windows.context[0]), whole[0], atol=1e-3)
    assert abs(whole - predict(moved, windows.context)[:, 0]).max() > 0.1


@pytest.mark.slow
def test_long_horizons_go_on_from_forecasts(moved):
    context = SWEPT[:, :SWEEPS]
    near, far = (predict(moved, context, h) for h in (AHEAD, 2 * AHEAD))
    np.testing.assert_allclose(far[:, :AHEAD], near, atol=1e-3)
    again = predict(moved, np.concatenate([context, near], axis=1), AHEAD)
    np.testing.assert_allclose(far[:, AHEAD:], again, atol=1e-3)
    low, high = interval(moved, context, 2 * AHEAD)
    np.testing.assert_allclose((low + high) / 2, far, atol=1e-3)
    assert ((high - low)[:, AHEAD:] > 0).all()


def test_draws_have_the_spread_of_the_interval(moved):
    context = SWEPT[:1, :SWEEPS]
    draws = sample(moved, context, samples=400)
    low, high = interval(moved, context, coverage=0.6827)
    np.testing.assert_allclose(draws.std(0), (high - low) / 2, rtol=0.15)
    np.testing.assert_array_equal(draws, sample(moved, context, samples=400))


def test_features_have_no_unit(moved):
    features = moved.embed(Sweeps(SWEPT[:, :SWEEPS], 0.1))
    assert features.shape == (8, 16)
    np.testing.assert_allclose(
        moved.embed(Sweeps(SWEPT[:, :SWEEPS] - 20, 0.1)), features, atol=1e-3
    )


def test_what_cannot_be_told_is_refused(moved, windows, fresh):
    nothing = windows.context.copy()
    nothing[1, -SWEEPS:] = np.nan
    with pytest.raises(
        DataError, match="mask: found no beam measured in the last 4 swe"
    ):
        predict(moved, nothing)
    with pytest.raises(DataError, match="mask: sample 0 has nothing measured"):
        predict(moved, np.full_like(nothing, np.nan))
    with pytest.raises(DataError, match=r"rsrp_db: found shape \(32,\)"):
        complete(moved, SWEPT[0, 0])
    without = PredictorConfig(CONFIG.backbone).build(nnx.Rngs(0))
    with pytest.raises(
        DataError, match="mask: found a channel of sample 0 without any"
    ):
        predict(PredictorAPI(without), windows.context)
    with pytest.raises(DataError, match="complete: found Sweeps; needed one of"):
        complete(PredictorAPI(without), windows.context)
    scans = SweepBatch(TRUE, TRUE, STEP, SWEEPS)
    with pytest.raises(ValueError, match=r"model\.sweeps: found None"):
        sweep_loss(without, scans, jax.random.key(0))
    with pytest.raises(ValueError, match="source: 8 sweeps, 4 of them given"):
        sweep_loss(fresh, scans, jax.random.key(0))


def test_the_loss_is_lower_for_what_is_nearer(fresh):
    """The sweeps as they will be, against those of another track."""
    loss = jax.jit(lambda scans, key: sweep_loss(fresh, scans, key)[0])
    some = TRUE[:, : SWEEPS + AHEAD]
    true = loss(SweepBatch(some, some, STEP, SWEEPS), jax.random.key(0))
    false = loss(SweepBatch(some, some[::-1], STEP, SWEEPS), jax.random.key(0))
    assert np.isfinite(true)
    assert true < 0.5 * false


def test_training_shows_all_beams_or_every_nth_of_the_last_sweeps():
    measured = np.asarray(draw_measured(jax.random.key(0), (4000, SWEEPS, BEAMS)))
    known = measured.any(2)
    assert known[:, -1].all()
    assert (np.diff(known.astype(int), axis=1) >= 0).all()
    np.testing.assert_allclose(known.mean(0), (1 + np.arange(4)) / 4, atol=0.03)
    shown = measured[:, -1]
    assert (measured == known[..., None] & shown[:, None]).all()
    share = shown.mean(1)
    for of_beams, expected in (
        (1, 0.5),
        (1 / 2, 1 / 6),
        (1 / 4, 1 / 6),
        (1 / 8, 1 / 6),
    ):
        np.testing.assert_allclose((share == of_beams).mean(), expected, atol=0.03)
