"""The Kalman predictor against the Wiener filter that it is a recursion for."""

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.special import j0

from wlam import baselines
from wlam.baselines.forecast.kalman import LOAD

L, H, ORDER = 32, 4, 16
DOPPLER = np.array([0.02, 0.05, 0.1], np.float32)
RHO = np.array([0.01, 0.1, 0.01], np.float32)
# A channel for each step of the context, which alone is 1: forecasts are the weights.
IMPULSES = np.broadcast_to(np.eye(L, dtype=np.float32), (3, L, L))
RATIO = np.repeat(RHO[:, None], L, axis=1)


@pytest.fixture(scope="module")
def weights():
    """[case, H, L]"""
    forecast = baselines.kalman(IMPULSES, H, DOPPLER, RATIO, order=ORDER)
    return np.asarray(forecast, np.float64)


def wiener_weights(correlation, rho):
    covariance = toeplitz(correlation[:L]) + rho * np.eye(L)
    cross = np.stack([correlation[h : h + L][::-1] for h in range(1, H + 1)])
    return np.linalg.solve(covariance, cross.T).T


def model_correlation(doppler, order):
    """Correlation of the AR(p) model: that of Jakes up to lag p, then its recursion."""
    r = j0(2 * np.pi * float(doppler) * np.arange(order + 1))
    r[0] += LOAD
    coefficients = np.linalg.solve(toeplitz(r[:order]), r[1:])
    for _ in range(L + H - order):
        r = np.append(r, r[-order:][::-1] @ coefficients)
    return r


def test_it_is_the_wiener_filter_of_its_model(weights):
    for i in range(3):
        expected = wiener_weights(model_correlation(DOPPLER[i], ORDER), RHO[i])
        np.testing.assert_allclose(weights[i], expected, atol=5e-3)


def test_its_error_on_fading_is_close_to_the_minimum(weights):
    """Steady state: both use 32 steps, of which the model has 16 lags."""
    for i in range(3):
        r = j0(2 * np.pi * float(DOPPLER[i]) * np.arange(L + H))
        covariance = toeplitz(r[:L]) + RHO[i] * np.eye(L)
        for step, ours, best in zip(
            range(1, H + 1), weights[i], wiener_weights(r, RHO[i]), strict=True
        ):
            cross = r[step : step + L][::-1]
            error, least = (
                10 * np.log10(1 - 2 * w @ cross + w @ covariance @ w)
                for w in (ours, best)
            )
            assert least - 1e-3 < error < least + 0.3


def test_first_order_has_the_closed_form_gain():
    """The steady state of the scalar Riccati equation, and powers of the model."""
    forecast = np.asarray(baselines.kalman(IMPULSES, H, DOPPLER, RATIO, order=1))
    phi = j0(2 * np.pi * DOPPLER.astype(np.float64)) / (1 + LOAD)
    innovation = (1 + LOAD) * (1 - phi**2)
    # P = phi^2 P rho / (P + rho) + q
    half = (innovation - RHO * (1 - phi**2)) / 2
    variance = half + np.sqrt(half**2 + innovation * RHO)
    gain = variance / (variance + RHO)
    newest = phi[:, None] ** np.arange(1, H + 1) * gain[:, None]
    np.testing.assert_allclose(forecast[..., -1], newest, rtol=1e-4)
    before = newest * (phi * (1 - gain))[:, None]
    np.testing.assert_allclose(forecast[..., -2], before, rtol=1e-4)


def test_channels_without_signal_or_without_noise():
    for ratio, still in [(np.inf, 0.0), (0.0, 1.0)]:
        forecast = np.asarray(
            baselines.kalman(
                np.ones_like(IMPULSES),
                H,
                np.zeros(3, np.float32),
                np.full_like(RATIO, ratio),
                order=ORDER,
            )
        )
        np.testing.assert_allclose(forecast, still, atol=2e-3)
