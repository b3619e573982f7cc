"""Diffusion after an equaliser: posterior means of QPSK and of Gaussians."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import linear
from wlam.diffusion.equalised import (
    denoise_equalised,
    equalise,
    equalised_loss,
    first_step,
)
from wlam.phy.noise import complex_normal

KEYS = jax.random.split(jax.random.key(0), 4)
SCHEDULE = linear(200, 1e-4, 0.08)
N = 20_000
GAIN = complex_normal(KEYS[0], (N, 1))
QPSK = (
    jax.random.rademacher(KEYS[1], (N, 1)) + 1j * jax.random.rademacher(KEYS[2], (N, 1))
) / np.sqrt(2)


def decibel(error):
    return 10 * np.log10(float((abs(error) ** 2).mean()))


def received(data, step):
    """Through the channel at the SNR of a step: (received, noise variance)."""
    variance = float(1 / SCHEDULE.snr[step])
    noise = np.sqrt(variance) * complex_normal(KEYS[3], data.shape)
    return GAIN * data + noise, variance


def rates_of(step, size, variance):
    """Factors of the symbol and of noise of variance 1."""
    about = equalise(0j * size, 1 * size + 0j, variance)
    signal = SCHEDULE.signal[step][:, None]
    return jnp.sqrt(signal) * about.signal, jnp.sqrt(1 - signal) * about.noise


def qpsk(x, step, size, variance):
    """The mean of QPSK symbols given x, part by part."""
    a, b = rates_of(step, size, variance)
    slope = np.sqrt(2) * a / b**2
    return (jnp.tanh(slope * x.real) + 1j * jnp.tanh(slope * x.imag)) / np.sqrt(2)


def gaussian(x, step, size, variance):
    a, b = rates_of(step, size, variance)
    return a * x / (a**2 + b**2)


def through(source, data, step, nfe=1):
    y, variance = received(data, step)
    known = equalise(y, GAIN, variance)
    predict = partial(source, variance=variance)
    found = denoise_equalised(predict, SCHEDULE, known, GAIN, step, nfe)
    return known, found, y, variance


def test_the_equaliser_has_the_error_of_a_linear_estimate():
    y, variance = received(QPSK, 60)
    known = equalise(y, GAIN, variance)
    expected = variance / (abs(GAIN) ** 2 + variance)
    np.testing.assert_allclose(known.signal, 1 - expected, atol=1e-6)
    error = (abs(known.symbols - QPSK) ** 2).mean()
    np.testing.assert_allclose(error, expected.mean(), rtol=0.03)


def test_one_evaluation_is_the_soft_mean_of_a_demapper():
    _, found, y, variance = through(qpsk, QPSK, 60, nfe=1)
    soft = np.sqrt(2) / variance * np.asarray(GAIN.conj() * y)
    expected = (np.tanh(soft.real) + 1j * np.tanh(soft.imag)) / np.sqrt(2)
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("step", [20, 60, 140])
def test_one_evaluation_is_never_worse_than_the_equaliser(step):
    known, found, _, variance = through(qpsk, QPSK, step)
    before, after = decibel(known.symbols - QPSK), decibel(found - QPSK)
    print(f"{-10 * np.log10(variance):.1f} dB: {before:.2f} -> {after:.2f} dB")
    assert after < before
    if step == 20:  # 10.9 dB
        assert after < before - 1


def test_a_chain_of_evaluations_makes_hard_decisions():
    """It ends at points of the constellation, as a demapper without soft outputs."""
    _, found, y, _ = through(qpsk, QPSK, 60, nfe=60)
    hard = GAIN.conj() * y
    hard = (jnp.sign(hard.real) + 1j * jnp.sign(hard.imag)) / np.sqrt(2)
    near = abs(found - hard) < 0.2
    assert near.mean() > 0.85
    _, mean, _, variance = through(qpsk, QPSK, 60)
    chain, one = decibel(found - QPSK), decibel(mean - QPSK)
    print(
        f"{-10 * np.log10(variance):.1f} dB: chain {chain:.2f}, one call {one:.2f} dB"
    )
    assert chain > one + 1


def test_a_gaussian_source_gains_nothing_over_the_equaliser():
    data = complex_normal(KEYS[1], (N, 1))
    known, found, _, _ = through(gaussian, data, 60, nfe=7)
    gain_db = decibel(known.symbols - data) - decibel(found - data)
    assert abs(gain_db) < 0.01
    np.testing.assert_allclose(found, known.symbols, atol=1e-3)


def test_symbols_without_a_channel_are_zero():
    gain = GAIN.at[0].set(0)
    known = equalise(gain * QPSK, gain, 0.1)
    found = denoise_equalised(
        partial(qpsk, variance=0.1), SCHEDULE, known, gain, 60, nfe=3
    )
    assert found[0, 0] == 0
    assert np.isfinite(found).all()


def test_the_loss_is_least_for_the_posterior_mean():
    losses = [
        equalised_loss(
            lambda x, step, size, share=share: share * qpsk(x, step, size, 0.1),
            SCHEDULE,
            QPSK,
            GAIN,
            0.1,
            KEYS[3],
        )
        for share in (0.9, 1.0, 1.1)
    ]
    assert losses[1] < min(losses[0], losses[2])


def test_the_first_step_has_the_channels_snr():
    for step in (1, 60, 200):
        assert first_step(SCHEDULE, float(1 / SCHEDULE.snr[step])) == step
    ten_db = first_step(SCHEDULE, 0.1)
    assert first_step(SCHEDULE, 1.0, least_snr_db=10.0) == ten_db


@pytest.mark.parametrize("variance", [0.0, -1.0, np.inf, np.nan])
def test_a_variance_is_positive_and_finite(variance):
    with pytest.raises(ValueError, match="noise_variance: found"):
        equalise(QPSK, GAIN, variance)
