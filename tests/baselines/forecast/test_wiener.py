"""The Wiener predictor against the closed form of its error."""

import jax.numpy as jnp
import numpy as np
from scipy.linalg import toeplitz
from scipy.special import j0

from wlam import baselines

ORDER, H = 16, 4
# f_D dt, SNR in dB: error in dB of the order-16 predictor and of the last value, one
# and four steps ahead; the target is free of noise.
TABLE = {
    (0.02, 10): (-14.5, -9.7, -10.8, -6.5),
    (0.02, 20): (-22.1, -17.5, -17.0, -8.7),
    (0.05, 10): (-11.5, -8.3, -5.8, -0.9),
    (0.05, 20): (-18.9, -12.3, -10.3, -1.4),
    (0.1, 10): (-8.8, -5.3, -2.2, 3.4),
    (0.1, 20): (-15.3, -6.9, -4.5, 3.3),
}
CASES = np.array(list(TABLE), np.float32)
DOPPLER, RHO = CASES[:, 0], 10 ** (-CASES[:, 1] / 10)
# A channel for each step of the context, which alone is 1: forecasts are the weights.
IMPULSES = np.broadcast_to(np.eye(ORDER, dtype=np.float32), (6, ORDER, ORDER))
RATIO = np.repeat(RHO[:, None], ORDER, axis=1)


def error_db(weights, doppler, rho, step):
    """E |h - w y|^2 in dB for unit power, the newest step last."""
    length = len(weights)
    covariance = toeplitz(j0(2 * np.pi * doppler * np.arange(length)))
    covariance += rho * np.eye(length)
    cross = j0(2 * np.pi * doppler * (step + np.arange(length)[::-1]))
    return 10 * np.log10(1 - 2 * weights @ cross + weights @ covariance @ weights)


def test_error_is_that_of_the_reference_table():
    weights = np.asarray(baselines.wiener(IMPULSES, H, DOPPLER, RATIO, order=ORDER))
    last = np.asarray(baselines.repeat_last(IMPULSES, H))
    for i, reference in enumerate(TABLE.values()):
        found = [
            error_db(forecast[i, step - 1].astype(np.float64), *case, step)
            for step in (1, H)
            for case in [(float(DOPPLER[i]), float(RHO[i]))]
            for forecast in (weights, last)
        ]
        np.testing.assert_allclose(found, reference, atol=0.06)


def test_weights_solve_the_normal_equations():
    weights = np.asarray(baselines.wiener(IMPULSES, H, DOPPLER, RATIO, order=ORDER))
    for i in range(6):
        lags = np.arange(ORDER + H)
        r = j0(2 * np.pi * DOPPLER[i].astype(np.float64) * lags)
        covariance = toeplitz(r[:ORDER]) + RHO[i] * np.eye(ORDER)
        cross = np.stack([r[h : h + ORDER][::-1] for h in range(1, H + 1)])
        expected = np.linalg.solve(covariance, cross.T).T
        # An impulse of 1 bounds its forecast at 2.
        np.testing.assert_allclose(weights[i], np.clip(expected, -2, 2), atol=1e-3)


def test_without_noise_slow_fading_is_continued():
    """Waves from all directions, each a tone within the Doppler shift."""
    time = np.arange(ORDER + H)
    angle = np.linspace(0, np.pi, 40)
    phase = np.random.default_rng(0).uniform(size=(6, 1, ORDER, 40))
    turns = 0.02 * time[:, None, None] * np.cos(angle)
    signal = np.exp(2j * np.pi * (turns + phase)).mean(-1).astype(np.complex64)
    slow = np.full(6, 0.02, np.float32)
    for rho, limit in [(0.0, 0.02), (1e-6, 0.02)]:
        ratio = np.full((6, ORDER), rho, np.float32)
        forecast = baselines.wiener(signal[:, :ORDER], H, slow, ratio, order=ORDER)
        future = signal[:, ORDER:]
        error = np.linalg.norm(forecast - future) / np.linalg.norm(future)
        assert error < limit


def test_channels_without_signal_and_short_contexts():
    assert not baselines.wiener(
        IMPULSES, H, DOPPLER, np.full_like(RATIO, np.inf), order=ORDER
    ).any()
    still, one = np.zeros(6, np.float32), IMPULSES[:, :1] + 1
    ratio = np.full((6, ORDER), 0.25, np.float32)
    forecast = baselines.wiener(jnp.asarray(one), H, still, ratio, order=ORDER)
    np.testing.assert_allclose(forecast, np.repeat(one, H, 1) / 1.25, rtol=1e-5)
