"""Intervals, draws and features of rows, through the public interface."""

from statistics import NormalDist

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.predictor.api import PATHS, PredictorAPI
from wlam.models.predictor.network import Predictor, PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.nn.quantiles import score

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 60, 2)).astype(np.float32)
Z = (X[..., 0] + 1j * X[..., 1]).astype(np.complex64)
P = 4  # samples of a patch


@pytest.fixture(scope="module")
def bounds(forecaster):
    return forecaster.predict_interval(X, 1e-3, P)


def test_bounds_lie_around_the_forecast_and_widen_with_the_coverage(forecaster, bounds):
    low, high = bounds
    forecast = forecaster.predict(X, 1e-3, P)
    assert low.shape == high.shape == forecast.shape
    assert low.dtype == high.dtype == np.float32
    assert np.all(low < forecast)
    assert np.all(forecast < high)
    inner = forecaster.predict_interval(X, 1e-3, P, coverage=0.5)
    assert np.all(low < inner[0])
    assert np.all(inner[1] < high)


def test_scale_and_shift_equivariance(forecaster, bounds):
    for a, b in ((1e-7, 0.0), (3.0, -5.0)):
        moved = forecaster.predict_interval(a * X.astype(np.float64) + b, 1e-3, P)
        for found, expected in zip(moved, bounds, strict=True):
            tolerance = 1e-4 * a * abs(expected).max() + 1e-5 * abs(b)
            np.testing.assert_allclose(
                found, a * expected + b, rtol=1e-4, atol=tolerance
            )


def test_bounds_of_real_and_imaginary_parts(forecaster):
    low, high = forecaster.predict_interval(Z, 1e-3, P)
    forecast = forecaster.predict(Z, 1e-3, P)
    for part in (np.real, np.imag):
        assert np.all(part(low) < part(forecast))
        assert np.all(part(forecast) < part(high))
    turned = (Z.imag + 1j * Z.real).astype(np.complex64)
    again, _ = forecaster.predict_interval(turned, 1e-3, P)
    np.testing.assert_allclose(
        again, low.imag + 1j * low.real, atol=1e-4 * abs(low).max()
    )


def test_draws_fall_into_the_intervals_as_often_as_they_promise(forecaster, bounds):
    drawn = forecaster.sample(X, 1e-3, P, draws=200)
    assert drawn.shape == (200, 3, P, 2)
    inside = (bounds[0] <= drawn) & (drawn <= bounds[1])
    np.testing.assert_allclose(inside.mean(0), 0.9, atol=0.09)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    forecast = forecaster.predict(X, 1e-3, P)
    assert (drawn < forecast).mean() == pytest.approx(0.5, abs=0.04)


@pytest.mark.slow
def test_bounds_beyond_the_first_patch_are_those_of_drawn_paths(forecaster, bounds):
    low, high = forecaster.predict_interval(X, 1e-3, 2 * P)
    np.testing.assert_allclose(low[:, :P], bounds[0], rtol=1e-4, atol=1e-5)
    paths = np.sort(forecaster.sample(X, 1e-3, 2 * P, draws=PATHS)[:, :, P:], axis=0)
    np.testing.assert_allclose(low[:, P:], paths[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(high[:, P:], paths[-2], rtol=1e-4, atol=1e-5)
    other = forecaster.sample(X, 1e-3, 2 * P, draws=PATHS, seed=1)[:, :, P:]
    assert not np.allclose(np.sort(other, axis=0), paths, atol=1e-2)


PHI = 0.5
STEPS = 1 + np.arange(2 * P)
SPREAD = np.sqrt((1 - PHI ** (2 * STEPS)) / (1 - PHI**2))


class KnownAr1(Predictor):
    """Stands in for a trained model: knows x[t+1] = PHI x[t] + w, w of variance 1."""

    def __init__(self):
        self.config = PredictorConfig(TransformerConfig(width=8), patch=P)
        self.horizon, self.channels, self.sweeps = P, None, None

    def distribution(self, rows):
        last = rows.values[:, P - 1 :: P, None]
        forecast = last * jnp.array(PHI ** STEPS[:P], jnp.float32)[None, None]
        scores = np.array([score(level) for level in self.config.quantiles])
        offsets = jnp.array(SPREAD[:P, None] * scores, jnp.float32)[None, None]
        return forecast, jnp.broadcast_to(offsets, (*forecast.shape, len(scores)))


def test_intervals_of_a_known_process_cover_what_they_promise():
    """In the first patch by the normal quantiles, later as errors of paths add up."""
    signs = RNG.choice([-1.0, 1.0], (2, 300, P))  # of power 1, so that units stay
    context = (signs[0] + 1j * signs[1]).astype(np.complex64)
    low, high = PredictorAPI(KnownAr1()).predict_interval(context, 1.0, 2 * P)
    normal = NormalDist()
    for part in (np.real, np.imag):
        mean = part(context)[:, -1:] * PHI**STEPS
        bounds = [(part(x) - mean) / SPREAD for x in (low, high)]
        np.testing.assert_allclose(bounds[1][:, :P], score(0.95), rtol=1e-3)
        np.testing.assert_allclose(bounds[0][:, :P], score(0.05), rtol=1e-3)
        chance = np.vectorize(normal.cdf)(bounds[1]) - np.vectorize(normal.cdf)(
            bounds[0]
        )
        np.testing.assert_allclose(chance.mean(0), 0.9, atol=0.015)


@pytest.fixture(scope="module")
def features(forecaster):
    return forecaster.embed(X, 1e-3)


def test_features_have_no_unit_and_do_not_depend_on_the_company(forecaster, features):
    assert features.shape == (3, 16)
    assert features.dtype == np.float32
    again = forecaster.embed(5 * X[::-1, :, ::-1] - 3, 1e-3)
    np.testing.assert_allclose(again[::-1], features, rtol=1e-3, atol=1e-3)
    assert not np.allclose(features[0], features[1], atol=1e-2)
    other = forecaster.embed(X, 60.0)
    assert not np.allclose(other, features, atol=1e-2)


def test_features_are_finite_for_any_valid_input(forecaster):
    context = X.copy()
    context[0, :, 0] = 7.0
    context[1, :59] = np.nan
    context[2] = 1e-30
    assert np.isfinite(forecaster.embed(context, 1e-3)).all()


@pytest.mark.slow
def test_shapes_follow_the_context(forecaster):
    for context in (X[0, :, 0], X[:, :, 0], X, Z):
        expected = forecaster.predict(context, 1e-3, 3)
        low, high = forecaster.predict_interval(context, 1e-3, 3)
        drawn = forecaster.sample(context, 1e-3, 3, draws=2)
        assert low.shape == high.shape == drawn.shape[1:] == expected.shape
        assert low.dtype == drawn.dtype == expected.dtype
    sweep = forecaster.predict_interval(X, 0.1, 3, joint=True)[0]
    assert sweep.shape == forecaster.sample(X, 0.1, 3, joint=True)[0].shape == (3, 3, 2)
    assert forecaster.embed(Z[0], 1e-3).shape == (1, 16)


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("predict_interval", {"coverage": 0.95}, "coverage: found 0.95; needed at"),
        ("predict_interval", {"coverage": 1.0}, "coverage: found 1.0; needed between"),
        ("predict_interval", {"horizon": 0}, "horizon: found 0"),
        ("sample", {"draws": 0}, "draws: found 0"),
        ("sample", {"interval": -1.0}, "interval: found"),
    ],
)
def test_bad_requests_are_named(forecaster, method, change, message):
    arguments = {"context": X, "interval": 1e-3, "horizon": 2} | change
    with pytest.raises(ValueError, match=message) as error:
        getattr(forecaster, method)(**arguments)
    assert "\n" not in str(error.value)


def test_a_model_without_quantiles_says_so():
    config = PredictorConfig(
        TransformerConfig(width=8, layers=1, heads=2), quantiles=()
    )
    plain = PredictorAPI(config.build(nnx.Rngs(0)))
    assert not plain.has_intervals
    for method in (plain.predict_interval, plain.sample):
        with pytest.raises(ValueError, match="quantiles: found none"):
            method(X, 1e-3, 2)
