"""Intervals, draws and features of rows, through the public interface."""

from statistics import NormalDist

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.network import Predictor, PredictorConfig
from wlam.models.predictor.row_answers import PATHS
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.nn.quantiles import score
from wlam.types import Csi, DataError, Series, Sweeps

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 60, 2)).astype(np.float32)
Z = (X[..., 0] + 1j * X[..., 1]).astype(np.complex64)
P = 4  # samples of a patch


def of(x, interval=1e-3):
    """Real series as such; complex ones as channels of one subcarrier and antenna."""
    if np.iscomplexobj(x):
        return Csi(x[:, :, None, None], time_step_s=interval)
    return Series(x, time_step_s=interval)


def numbers(answer):
    """The values of an answer, or of several."""
    if isinstance(answer, list | tuple):
        return np.stack([numbers(x) for x in answer])
    return answer.csi[..., 0, 0] if isinstance(answer, Csi) else answer.series


def ask(model, verb, x, *more, interval=1e-3, **about):
    return numbers(getattr(model, verb)(of(x, interval), *more, **about))


@pytest.fixture(scope="module")
def bounds(forecaster):
    return ask(forecaster, "predict_interval", X, P)


def test_bounds_lie_around_the_forecast_and_widen_with_the_coverage(forecaster, bounds):
    low, high = bounds
    forecast = ask(forecaster, "predict", X, P)
    assert low.shape == high.shape == forecast.shape
    assert low.dtype == high.dtype == np.float32
    assert np.all(low < forecast)
    assert np.all(forecast < high)
    inner = ask(forecaster, "predict_interval", X, P, coverage=0.5)
    assert np.all(low < inner[0])
    assert np.all(inner[1] < high)


def test_scale_and_shift_equivariance(forecaster, bounds):
    for a, b in ((1e-7, 0.0), (3.0, -5.0)):
        moved = ask(forecaster, "predict_interval", a * X.astype(np.float64) + b, P)
        for found, expected in zip(moved, bounds, strict=True):
            tolerance = 1e-4 * a * abs(expected).max() + 1e-5 * abs(b)
            np.testing.assert_allclose(
                found, a * expected + b, rtol=1e-4, atol=tolerance
            )


def test_bounds_of_real_and_imaginary_parts(forecaster):
    low, high = ask(forecaster, "predict_interval", Z, P)
    forecast = ask(forecaster, "predict", Z, P)
    for part in (np.real, np.imag):
        assert np.all(part(low) < part(forecast))
        assert np.all(part(forecast) < part(high))
    turned = (Z.imag + 1j * Z.real).astype(np.complex64)
    again, _ = ask(forecaster, "predict_interval", turned, P)
    np.testing.assert_allclose(
        again, low.imag + 1j * low.real, atol=1e-4 * abs(low).max()
    )


def test_draws_fall_into_the_intervals_as_often_as_they_promise(forecaster, bounds):
    drawn = ask(forecaster, "sample", X, P, samples=200)
    assert drawn.shape == (200, 3, P, 2)
    inside = (bounds[0] <= drawn) & (drawn <= bounds[1])
    np.testing.assert_allclose(inside.mean(0), 0.9, atol=0.09)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    forecast = ask(forecaster, "predict", X, P)
    assert (drawn < forecast).mean() == pytest.approx(0.5, abs=0.04)


@pytest.mark.slow
def test_bounds_beyond_the_first_patch_are_those_of_drawn_paths(forecaster, bounds):
    low, high = ask(forecaster, "predict_interval", X, 2 * P)
    np.testing.assert_allclose(low[:, :P], bounds[0], rtol=1e-4, atol=1e-5)
    paths = np.sort(
        ask(forecaster, "sample", X, 2 * P, samples=PATHS)[:, :, P:], axis=0
    )
    np.testing.assert_allclose(low[:, P:], paths[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(high[:, P:], paths[-2], rtol=1e-4, atol=1e-5)
    other = ask(forecaster, "sample", X, 2 * P, samples=PATHS, seed=1)[:, :, P:]
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
    low, high = ask(
        PredictorAPI(KnownAr1()), "predict_interval", context, 2 * P, interval=1.0
    )
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
    return forecaster.embed(of(X))


def test_features_have_no_unit_and_do_not_depend_on_the_company(forecaster, features):
    assert features.shape == (3, 16)
    assert features.dtype == np.float32
    again = forecaster.embed(of(5 * X[::-1, :, ::-1] - 3))
    np.testing.assert_allclose(again[::-1], features, rtol=1e-3, atol=1e-3)
    assert not np.allclose(features[0], features[1], atol=1e-2)
    other = forecaster.embed(of(X, 60.0))
    assert not np.allclose(other, features, atol=1e-2)


def test_features_are_finite_for_any_valid_input(forecaster):
    context = X.copy()
    context[0, :, 0] = 7.0
    context[1, :59] = np.nan
    context[2] = 1e-30
    assert np.isfinite(forecaster.embed(of(context))).all()


@pytest.mark.slow
def test_shapes_follow_the_context(forecaster):
    for context in (X[0, :, 0], X[:, :, 0], X, Z):
        expected = ask(forecaster, "predict", context, 3)
        low, high = ask(forecaster, "predict_interval", context, 3)
        drawn = ask(forecaster, "sample", context, 3, samples=2)
        assert low.shape == high.shape == drawn.shape[1:] == expected.shape
        assert low.dtype == drawn.dtype == expected.dtype
    sweeps = Sweeps(X, time_step_s=0.1)
    low, _ = forecaster.predict_interval(sweeps, 3)
    (drawn,) = forecaster.sample(sweeps, 3, samples=1)
    assert low.rsrp_db.shape == drawn.rsrp_db.shape == (3, 3, 2)
    assert forecaster.embed(of(Z[:1])).shape == (1, 16)


@pytest.mark.parametrize(
    ("method", "change", "message"),
    [
        ("predict_interval", {"coverage": 0.95}, "coverage: found 0.95; needed at"),
        ("predict_interval", {"coverage": 1.0}, "coverage: found 1.0; needed between"),
        ("predict_interval", {"horizon": 0}, "horizon: found 0"),
        ("sample", {"samples": 0}, "samples: found 0"),
        ("sample", {"question": Series(X, -1.0)}, "time_step_s: found"),
    ],
)
def test_bad_requests_are_named(forecaster, method, change, message):
    arguments = {"question": of(X), "horizon": 2} | change
    with pytest.raises(ValueError, match=message) as error:
        getattr(forecaster, method)(**arguments)
    assert "\n" not in str(error.value)


def test_a_model_without_quantiles_says_so():
    config = PredictorConfig(
        TransformerConfig(width=8, layers=1, heads=2), quantiles=()
    )
    plain = PredictorAPI(config.build(nnx.Rngs(0)))
    for verb in ("predict_interval", "sample"):
        assert not plain.can(verb)
        with pytest.raises(DataError, match="quantiles: found none"):
            getattr(plain, verb)(of(X), 2)
