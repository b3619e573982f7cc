"""Estimates between pilots: closed forms, backtest errors and invariances."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.bank.ar_bank import NUM_EXPERTS
from wlam.baselines.bank.smoothers import (
    LOAD,
    SMOOTHERS,
    adaptive_spectrum,
    at_pilots,
    between_pilots,
    covariance,
    fit_smoothers,
    smoothed,
    wiener,
)

N, PILOTS, EVERY, U, V = 2, 16, 4, 4, 3
LENGTH = PILOTS * EVERY
AT = np.arange(EVERY // 2, LENGTH, EVERY)
STEPS = np.arange(LENGTH)
RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


def paths(count=3, spread=0.05):
    """The same delays in all bins, other gains: [n, step, u, v]."""
    delay = RNG.uniform(-spread, spread, (N, count))
    tones = np.exp(2j * np.pi * delay[:, None] * STEPS[:, None])
    gains = complex_normal(N, count, U, V)
    return np.einsum("nlk,nkuv->nluv", tones, gains).astype(np.complex64)


X = paths()


@pytest.fixture(scope="module")
def estimates():
    """All bins by all smoothers: [n, step, bin, forecast], compiled once."""

    @jax.jit
    def run(pilots):
        chosen = jnp.broadcast_to(jnp.arange(U * V)[None], (N, U * V))
        steps = jnp.asarray((STEPS - AT[0]) / EVERY, jnp.float32)
        return smoothed(fit_smoothers(pilots), chosen, steps)

    def in_numpy(x):
        found = vars(run(jnp.asarray(x[:, AT])))
        return SimpleNamespace(**{name: np.asarray(y) for name, y in found.items()})

    return in_numpy


def flat(x):
    return x.reshape(N, LENGTH, U * V)


def error_db(found, truth):
    ratio = (abs(found - truth) ** 2).sum((0, 1, 2)) / (abs(truth) ** 2).sum()
    return 10 * np.log10(ratio)


def test_there_are_as_many_as_in_the_bank_and_the_zero_estimate(estimates):
    assert len(SMOOTHERS) == NUM_EXPERTS
    bank = estimates(X)
    assert bank.forecasts.shape[-1] == len(SMOOTHERS) + 1
    assert not bank.forecasts[..., -1].any()
    np.testing.assert_allclose(bank.backtest_error[..., -1], 1, rtol=1e-3)


def test_few_paths_are_estimated_between_the_pilots(estimates):
    """With errors far below those of a spline, at the edges too."""
    errors = error_db(estimates(X).forecasts, flat(X)[..., None])
    from_pilots = [s.source != "none" for s in SMOOTHERS]
    assert (errors[:-1][from_pilots] < -25).all()


def test_noise_is_reduced(estimates):
    """16 pilots at 10 dB and three paths: most of the noise is removed."""
    noisy = X + np.sqrt(0.1 * np.mean(abs(X) ** 2) / 2) * complex_normal(*X.shape)
    errors = error_db(estimates(noisy).forecasts, flat(X)[..., None])
    kept = {s.signal: e for s, e in zip(SMOOTHERS, errors, strict=False)}
    best = min(e for s, e in zip(SMOOTHERS, errors, strict=False) if s.signal != "all")
    assert best < -16
    assert kept["gate"] < errors[0] - 3  # without the gate noise counts as signal


def test_estimates_follow_a_shift_in_delay_a_phase_and_a_unit(estimates):
    """Any shift that the pilots resolve: the band follows the mean."""
    rotation = 0.5 * np.exp(2j * np.pi * (0.1 * STEPS + 0.3))[None, :, None, None]
    found = estimates((X * rotation).astype(np.complex64)).forecasts
    expected = (
        estimates(X).forecasts * flat(np.broadcast_to(rotation, X.shape))[..., None]
    )
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)


def test_zero_bins_and_channels_stay_zero_and_finite(estimates):
    for x in (0 * X, np.where(np.arange(V) == 1, 0, X)):
        bank = estimates(x)
        for part in (bank.forecasts, bank.backtest_error, bank.unexplained):
            assert np.isfinite(part).all()
        is_zero = ~flat(x).any((0, 1))
        assert not bank.forecasts[:, :, is_zero].any()


def test_leave_one_out_errors_are_those_without_the_pilot():
    """The closed form, against one filter for each pilot that is left out."""
    pilots = jnp.asarray(X[:1, AT, :1, :1])
    spectrum = jnp.asarray(RNG.exponential(size=(1, 1, 1, 4 * PILOTS)), jnp.float32)
    noise = jnp.full((1, 1, 1), 0.3)
    error = jax.jit(wiener)(pilots, spectrum, noise)[2]
    basis = at_pilots(PILOTS).astype(complex)
    matrix = (basis * np.asarray(spectrum[0, 0, 0])) @ basis.conj().T
    y, errors = np.asarray(pilots)[0, :, 0, 0], []
    for i in range(PILOTS):
        rest = np.delete(np.arange(PILOTS), i)
        inner = matrix[np.ix_(rest, rest)] + 0.3 * np.eye(PILOTS - 1)
        errors.append(y[i] - matrix[i, rest] @ np.linalg.solve(inner, y[rest]))
    np.testing.assert_allclose(error[0, 0, 0], np.mean(np.abs(errors) ** 2), rtol=1e-3)


def test_the_covariance_is_that_of_independent_tones():
    spectrum = RNG.exponential(size=(1, 1, 1, 4 * PILOTS)).astype(np.float32)
    basis = at_pilots(PILOTS).astype(complex)
    expected = (basis * spectrum[0, 0, 0]) @ basis.conj().T + 0.3 * np.eye(PILOTS)
    matrix = jax.jit(covariance)(jnp.asarray(spectrum), jnp.full((1, 1, 1), 0.3))
    np.testing.assert_allclose(matrix[0, 0, 0], expected, rtol=1e-4, atol=1e-4)


def test_the_spectrum_of_one_tone_is_one_peak_of_its_power():
    """And of the tone in hardly any noise what it is in double precision."""
    basis = at_pilots(PILOTS).astype(complex)
    noise = RNG.normal(size=(3, PILOTS)) + 1j * RNG.normal(size=(3, PILOTS))
    series = 2 * basis[:, 40] + np.array([0, 1e-3, 1e-2])[:, None] * noise
    pilots = jnp.asarray(series[..., None, None], jnp.complex64)
    found = jax.jit(lambda y: adaptive_spectrum(y, None, None, 6))(pilots)[:, 0, 0]
    assert found[0].argmax() == 40
    np.testing.assert_allclose(found[0, [40, 39, 41]], [4, 0, 0], rtol=1e-3, atol=1e-6)
    for one, spectrum in zip(series, found, strict=True):
        expected = abs(one @ basis.conj() / PILOTS) ** 2
        for _ in range(6):
            load = LOAD * expected.sum() * np.eye(PILOTS)
            inverse = np.linalg.inv((basis * expected) @ basis.conj().T + load)
            gain = np.einsum("pg,pq,qg->g", basis.conj(), inverse, basis).real
            expected = abs(basis.conj().T @ inverse @ one / gain) ** 2
        np.testing.assert_allclose(spectrum, expected, rtol=1e-2, atol=1e-4)


def test_the_baseline_is_better_than_the_nearest_pilot():
    flat_pilots = X[:, AT].reshape(N, PILOTS, U * V)
    for weighted in (True, False):
        found = between_pilots(flat_pilots, AT, LENGTH, (U, V), weighted)
        assert error_db(found[..., None], flat(X)[..., None]) < -25
