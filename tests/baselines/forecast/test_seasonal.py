"""Seasonal autoregression against periodic series and an independent fit."""

import numpy as np
import pytest

from wlam import baselines

L, H, C, PERIOD, ORDER = 48, 9, 2, 7, 3
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(64, L, C)).astype(np.float32)


def test_a_periodic_series_is_continued_exactly():
    pattern = 50 + RNG.normal(size=(64, PERIOD, C))
    signal = np.tile(pattern, (1, 9, 1))[:, : L + H].astype(np.float32)
    forecast = baselines.seasonal_ar(signal[:, :L], H, PERIOD, order=ORDER, ridge=1e-6)
    np.testing.assert_allclose(forecast, signal[:, L:], atol=0.01)


def test_the_fit_is_penalised_least_squares_on_the_seasonal_lags():
    ridge, lags = 3e-2, (1, 2, 3, PERIOD - 1, PERIOD, PERIOD + 1)
    mean = NOISE.mean(1, keepdims=True)
    expected = np.zeros((64, H, C))
    for n, c in np.ndindex(64, C):
        x = (NOISE - mean)[n, :, c].astype(np.float64)
        start = PERIOD + 1
        rows = np.stack([x[start - lag : L - lag] for lag in lags], axis=1)
        load = np.sqrt(ridge * (rows**2).sum() / len(lags))
        weights = np.linalg.lstsq(
            np.concatenate([rows, load * np.eye(len(lags))]),
            np.concatenate([x[start:], np.zeros(len(lags))]),
        )[0]
        for _ in range(H):  # past one period, where it rests on its own forecasts
            x = np.append(x, [x[-lag] for lag in lags] @ weights)
        expected[n, :, c] = x[L:]
    forecast = baselines.seasonal_ar(NOISE, H, PERIOD, order=ORDER)
    np.testing.assert_allclose(forecast, expected + mean, atol=1e-4)


def test_a_noisy_season_is_forecast_better_than_by_either_part():
    """Season and first-order noise: neither yesterday nor the last steps suffice."""
    season = 2 * np.sin(2 * np.pi * np.arange(L + H) / PERIOD)[:, None]
    noise = RNG.normal(size=(64, L + H, C))
    for t in range(1, L + H):
        noise[:, t] += 0.8 * noise[:, t - 1]
    signal = (season + noise).astype(np.float32)
    context, future = signal[:, :L], signal[:, L : L + 3]

    def error(forecast):
        return np.mean((np.asarray(forecast)[:, :3] - future) ** 2)

    ours = error(baselines.seasonal_ar(context, H, PERIOD, order=ORDER))
    assert ours < 0.8 * error(baselines.seasonal_naive(context, H, PERIOD))
    assert ours < 0.8 * error(
        baselines.ar_per_channel(context, H, order=ORDER, center=True)
    )


@pytest.mark.parametrize("period", [2, L, L + 5])
def test_without_room_for_a_season_it_is_a_plain_autoregression(period):
    np.testing.assert_array_equal(
        baselines.seasonal_ar(NOISE, H, period, order=ORDER, ridge=1e-2),
        baselines.ar_per_channel(NOISE, H, order=ORDER, ridge=1e-2, center=True),
    )


def test_constants_are_continued_and_periods_must_be_positive():
    constant = np.full((64, L, C), 7.0, np.float32)
    assert (baselines.seasonal_ar(constant, H, PERIOD, order=ORDER) == 7).all()
    with pytest.raises(ValueError, match="period: found 0"):
        baselines.seasonal_ar(NOISE, H, 0)
