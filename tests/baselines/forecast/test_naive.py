"""Forecasts without a fit, on signals whose future is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam import baselines

L, H, C = 24, 6, 3  # one shape, so that the tests share what they compile
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(4, L, C)).astype(np.float32)


def test_naive_forecasts():
    assert not baselines.zero(NOISE, H).any()
    assert baselines.zero(1j * NOISE, H).dtype == jnp.complex64
    assert (baselines.repeat_last(NOISE, H) == NOISE[:, -1:]).all()
    np.testing.assert_allclose(
        baselines.context_mean(NOISE, H),
        np.repeat(NOISE.mean(1, keepdims=True), H, 1),
        atol=1e-6,
    )


def test_a_constant_slope_is_exact_on_lines_and_repeats_a_single_value():
    line = NOISE[:, :1] + NOISE[:, 1:2] * np.arange(L + H)[None, :, None]
    forecast = baselines.constant_slope(line[:, :L], H)
    np.testing.assert_allclose(forecast, line[:, L:], atol=1e-4)
    forecast = baselines.constant_slope(line[:, :1], H)
    np.testing.assert_array_equal(forecast, baselines.repeat_last(line[:, :1], H))


@pytest.mark.parametrize("period", [4, 7, L])
def test_seasonal_naive_is_exact_on_periodic_series(period):
    pattern = RNG.normal(size=(4, period, C)).astype(np.float32)
    signal = np.tile(pattern, (1, L, 1))[:, : L + H]
    forecast = baselines.seasonal_naive(signal[:, :L], H, period)
    np.testing.assert_array_equal(forecast, signal[:, L:])


def test_seasonal_naive_without_a_whole_period_repeats_the_last_value():
    forecast = baselines.seasonal_naive(NOISE, H, L + 1)
    np.testing.assert_array_equal(forecast, baselines.repeat_last(NOISE, H))
    with pytest.raises(ValueError, match="period: found 0"):
        baselines.seasonal_naive(NOISE, H, 0)
