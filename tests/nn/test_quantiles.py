"""Quantiles against closed forms: order, pinball loss, normal law, correlation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wlam.models.predictor.network import PredictorConfig
from wlam.nn.quantiles import draw_scores, offsets_of, pinball, quantile, score

LEVELS = (0.05, 0.25, 0.75, 0.95)
UNEVEN = (0.1, 0.2, 0.4, 0.9)
SCORES = np.array([score(level) for level in LEVELS], np.float32)


@pytest.mark.parametrize("levels", [LEVELS, UNEVEN, (0.1, 0.9)])
def test_quantiles_never_cross(levels):
    gaps = 10 * jax.random.normal(jax.random.key(0), (1000, len(levels)))
    offsets = np.asarray(offsets_of(gaps, levels))
    assert np.all(np.diff(offsets, axis=-1) >= 0)
    below = sum(level < 0.5 for level in levels)
    assert np.all(offsets[:, :below] <= 0)
    assert np.all(offsets[:, below:] >= 0)
    assert np.ptp(offsets, axis=0).min() > 1  # every gap moves


@pytest.mark.parametrize(
    "levels", [(0.2, 0.1, 0.9), (0.1, 0.5, 0.9), (0.1,), (0.0, 1.0)]
)
def test_bad_levels_are_named(levels):
    with pytest.raises(ValueError, match="quantiles: found") as error:
        PredictorConfig(quantiles=levels)
    assert "\n" not in str(error.value)


def test_scores_are_those_of_the_normal_distribution():
    expected = [-1.644854, -0.674490, 0.674490, 1.644854]
    np.testing.assert_allclose(SCORES, expected, rtol=1e-6)


@pytest.mark.parametrize("levels", [LEVELS, UNEVEN])
def test_a_normal_law_has_its_quantiles_at_all_scores(levels):
    """Between levels, and beyond them where only samples lie."""
    spread = jnp.array([0.5, 3.0])
    scores = np.array([score(level) for level in levels], np.float32)
    offsets = spread[:, None] * scores[None]
    for z in (-3.0, -1.0, 0.0, 0.3, 1.2, 4.0):
        found = quantile(offsets, jnp.full(2, z), levels)
        np.testing.assert_allclose(found, spread * z, rtol=1e-5, atol=1e-6)


def test_a_skewed_law_is_linear_in_the_score_between_its_levels():
    offsets = jnp.tile(jnp.array([[-2.0, -1.5, 0.5, 4.0]]), (5, 1))
    half = (SCORES[0] + SCORES[1]) / 2
    scores = jnp.array([*SCORES, half])
    found = quantile(offsets, scores, LEVELS)
    np.testing.assert_allclose(found, [-2.0, -1.5, 0.5, 4.0, -1.75], rtol=1e-5)


def test_training_finds_the_quantiles_of_a_sample():
    """Exponential: the quantile of level p is -ln(1 - p); the forecast is its mean."""
    x = jax.random.exponential(jax.random.key(0), (4096,))
    adam = optax.adam(0.05)

    def loss(gaps):
        offsets = jnp.broadcast_to(offsets_of(gaps, LEVELS)[None], (len(x), 4))
        return pinball(offsets, x - 1, LEVELS).mean()

    def step(_, carry):
        gaps, state = carry
        updates, state = adam.update(jax.grad(loss)(gaps), state)
        return gaps + updates, state

    @jax.jit
    def train(gaps):
        return jax.lax.fori_loop(0, 500, step, (gaps, adam.init(gaps)))[0]

    found = 1 + offsets_of(train(jnp.zeros(4)), LEVELS)
    np.testing.assert_allclose(found, np.quantile(x, LEVELS), atol=0.03)
    np.testing.assert_allclose(found, -np.log(1 - np.array(LEVELS)), atol=0.1)


def draws_of(spread):
    """[sample, step] scores for forecasts whose quantiles have this spread."""
    offsets = spread[None, :, None] * SCORES[None, None]
    offsets = np.tile(offsets, (20_000, 1, 1)).astype(np.float32)
    return np.asarray(jax.jit(draw_scores)(jax.random.key(1), offsets))


def test_errors_of_an_ar1_process_have_its_correlation():
    phi, k = 0.8, 1 + np.arange(16)
    spread = np.sqrt((1 - phi ** (2 * k)) / (1 - phi**2))
    scores = draws_of(spread)
    apart = abs(k[:, None] - k[None])
    near = np.minimum(k[:, None], k[None]) - 1  # the earlier of two steps
    late = np.maximum(k[:, None], k[None]) - 1
    expected = phi**apart * spread[near] / spread[late]
    np.testing.assert_allclose(np.corrcoef(scores.T), expected, atol=0.03)
    np.testing.assert_allclose(scores.std(0), 1, atol=0.02)


def test_errors_of_equal_spread_are_independent():
    found = np.corrcoef(draws_of(np.ones(16)).T)
    np.testing.assert_allclose(found, np.eye(16), atol=0.03)
