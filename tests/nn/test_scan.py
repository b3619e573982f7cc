"""The way in of sparse sweeps, before training and whatever the weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.data.tensors import Beams
from wlam.nn.forecast import Forecaster
from wlam.nn.predictor import ModelConfig
from wlam.nn.scan import ScanConfig, match
from wlam.nn.transformer import TransformerConfig
from wlam.phy.beams import array_gain
from wlam.phy.codebooks import beam_directions
from wlam.tasks import TASKS
from wlam.tasks.sequences import Scans, cut_windows
from wlam.training.scans import scan_loss

BEAMS, EVERY, SWEEPS = 32, 4, 3
SINES = np.linspace(-0.9, 0.9, 8, dtype=np.float32)
# Single paths, a little further in every sweep, 40 dB over the floor.
PLACES = SINES[:, None] + 0.01 * np.arange(6, dtype=np.float32)[None]
GAIN = array_gain(jnp.asarray(PLACES), beam_directions(BEAMS), BEAMS)
SWEPT = np.asarray(10 * jnp.log10(GAIN / BEAMS + 1e-4) - 70, np.float32)
TRUE = jnp.asarray(SWEPT)
DATA = Beams(SWEPT, np.full(8, 0.1, np.float32))
CONFIG = ModelConfig(
    TransformerConfig(width=16, layers=1, heads=2), scan=ScanConfig(SWEEPS)
)


@pytest.fixture(scope="module")
def fresh():
    return CONFIG.build(nnx.Rngs(0))


@pytest.fixture(scope="module")
def moved():
    """Weights of a head that has learned something."""
    model = CONFIG.build(nnx.Rngs(0))
    for layer in (model.scan.head.w2, model.scan.head.w3):
        noise = jax.random.normal(jax.random.key(1), layer.kernel[...].shape)
        layer.kernel[...] = 0.3 * noise
    return Forecaster(model)


@pytest.fixture(scope="module")
def windows():
    return cut_windows(TASKS["beam_scan_4"].sequences(DATA), 5, 1)


def predict(model, context):
    return model.predict(context, 0.1, 1, joint=True)


def test_a_window_shows_every_fourth_beam_and_wants_all(windows):
    seen = np.isfinite(windows.context)
    assert (seen == (np.arange(BEAMS) % EVERY == 0)).all()
    np.testing.assert_array_equal(windows.target[:, 0], SWEPT[:, 5])


def test_an_untrained_model_matches_a_single_path(fresh, windows):
    forecast = predict(Forecaster(fresh), windows.context)
    shown = jnp.arange(0, BEAMS, EVERY)
    expected = match(jnp.asarray(SWEPT[:, 4]), shown)
    strong = np.asarray(expected) > np.asarray(expected).max(1, keepdims=True) - 20
    np.testing.assert_allclose(forecast[:, 0][strong], expected[strong], atol=1e-3)
    # To one beam, where a path lies between two or moves on.
    off = forecast[:, 0].argmax(1) - SWEPT[:, 4].argmax(1)
    assert abs(off).max() <= 1


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


def test_a_horizon_repeats_the_next_sweep(moved, windows):
    once = predict(moved, windows.context)
    thrice = moved.predict(windows.context, 0.1, 3, joint=True)
    np.testing.assert_array_equal(thrice, np.repeat(once, 3, axis=1))


def test_what_cannot_be_told_is_refused(moved, windows, fresh):
    other = windows.context.copy()
    other[0] = np.roll(other[0], 1, axis=-1)
    with pytest.raises(ValueError, match="context: the last sweeps of samples were"):
        predict(moved, other)
    without = ModelConfig(CONFIG.backbone).build(nnx.Rngs(0))
    with pytest.raises(ValueError, match="context: a channel has no finite sample"):
        predict(Forecaster(without), windows.context)
    scans = Scans(TRUE, TRUE, EVERY)
    with pytest.raises(ValueError, match=r"model\.scan: found None"):
        scan_loss(without, scans, jax.random.key(0))
    short = Scans(TRUE[:, :SWEEPS], TRUE[:, :SWEEPS], EVERY)
    with pytest.raises(ValueError, match="source: sweeps of 3 times and 32 beams"):
        scan_loss(fresh, short, jax.random.key(0))


def test_the_loss_is_lower_for_what_is_nearer(fresh):
    """The sweep as it will be, against sweeps of another track."""
    loss = jax.jit(lambda scans, key: scan_loss(fresh, scans, key)[0])
    true = loss(Scans(TRUE, TRUE, EVERY), jax.random.key(0))
    false = loss(Scans(TRUE, TRUE[::-1], EVERY), jax.random.key(0))
    assert np.isfinite(true)
    assert true < 0.5 * false
