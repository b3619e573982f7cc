"""Estimates between pilots: closed forms, records, and what none may depend on."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.bank.ar_bank import MEMBERS
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
    """All bins by all smoothers: [n, step, bin, option], compiled once."""

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


def test_there_are_as_many_as_in_the_bank_and_silence(estimates):
    assert len(SMOOTHERS) == MEMBERS
    options = estimates(X)
    assert options.forecasts.shape[-1] == len(SMOOTHERS) + 1
    assert not options.forecasts[..., -1].any()
    np.testing.assert_allclose(options.missed[..., -1], 1, rtol=1e-3)


def test_few_paths_are_found_between_the_pilots(estimates):
    """Far below what a spline leaves, at the edges too."""
    errors = error_db(estimates(X).forecasts, flat(X)[..., None])
    from_pilots = [s.source != "none" for s in SMOOTHERS]
    assert (errors[:-1][from_pilots] < -25).all()


def test_noise_is_held_back(estimates):
    """16 pilots of 10 dB and three paths: far less noise is left than was there."""
    noisy = X + np.sqrt(0.1 * np.mean(abs(X) ** 2) / 2) * complex_normal(*X.shape)
    errors = error_db(estimates(noisy).forecasts, flat(X)[..., None])
    kept = {s.signal: e for s, e in zip(SMOOTHERS, errors, strict=False)}
    best = min(e for s, e in zip(SMOOTHERS, errors, strict=False) if s.signal != "all")
    assert best < -16
    assert kept["gate"] < errors[0] - 3  # what takes noise for signal leaves it there


def test_a_shift_in_delay_a_phase_and_a_unit_come_back(estimates):
    """Any shift that pilots can tell: the band follows the mean."""
    turn = 0.5 * np.exp(2j * np.pi * (0.1 * STEPS + 0.3))[None, :, None, None]
    found = estimates((X * turn).astype(np.complex64)).forecasts
    expected = estimates(X).forecasts * flat(np.broadcast_to(turn, X.shape))[..., None]
    assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)


def test_silent_bins_and_channels_stay_silent_and_finite(estimates):
    for x in (0 * X, np.where(np.arange(V) == 1, 0, X)):
        options = estimates(x)
        for part in (options.forecasts, options.missed, options.unexplained):
            assert np.isfinite(part).all()
        silent = ~flat(x).any((0, 1))
        assert not options.forecasts[:, :, silent].any()


def test_a_missed_pilot_is_estimated_from_the_others_alone():
    """The closed form, against one filter for each pilot that is left out."""
    pilots = jnp.asarray(X[:1, AT, :1, :1])
    spectrum = jnp.asarray(RNG.exponential(size=(1, 1, 1, 4 * PILOTS)), jnp.float32)
    noise = jnp.full((1, 1, 1), 0.3)
    missed = jax.jit(wiener)(pilots, spectrum, noise)[2]
    basis = at_pilots(PILOTS).astype(complex)
    matrix = (basis * np.asarray(spectrum[0, 0, 0])) @ basis.conj().T
    y, errors = np.asarray(pilots)[0, :, 0, 0], []
    for i in range(PILOTS):
        rest = np.delete(np.arange(PILOTS), i)
        inner = matrix[np.ix_(rest, rest)] + 0.3 * np.eye(PILOTS - 1)
        errors.append(y[i] - matrix[i, rest] @ np.linalg.solve(inner, y[rest]))
    np.testing.assert_allclose(missed[0, 0, 0], np.mean(np.abs(errors) ** 2), rtol=1e-3)


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


def test_the_floor_is_better_than_the_nearest_pilot():
    flat_pilots = X[:, AT].reshape(N, PILOTS, U * V)
    for by_record in (True, False):
        found = between_pilots(flat_pilots, AT, LENGTH, (U, V), by_record)
        assert error_db(found[..., None], flat(X)[..., None]) < -25
