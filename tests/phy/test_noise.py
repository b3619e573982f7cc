"""Random words, uniform and normal numbers, and noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import threefry_2x32
from scipy import stats

from wlam.ops.phasor import cis
from wlam.phy import noise
from wlam.phy.noise import unit_interval

KEY = jax.random.key(0)
random_words = jax.jit(noise.random_words, static_argnums=1)
complex_normal = jax.jit(noise.complex_normal, static_argnums=1)
awgn = jax.jit(noise.awgn, static_argnums=3)


def test_the_words_are_those_of_jax_threefry():
    key = jax.random.bits(KEY, (2,))
    counters = np.concatenate([np.arange(12), np.zeros(12)]).astype(np.uint32)
    want = np.asarray(threefry_2x32(key, jnp.asarray(counters)))
    left, right = map(np.asarray, random_words(KEY, (3, 4)))
    np.testing.assert_array_equal(left.ravel(), want[:12])
    np.testing.assert_array_equal(right.ravel(), want[12:])


def test_unit_interval_leaves_out_zero_and_includes_one():
    ends = unit_interval(jnp.array([0, 2**32 - 1], jnp.uint32))
    assert 0 < ends[0] < 1e-9
    assert ends[1] == 1


def test_cis_is_the_complex_exponential():
    cycles = np.linspace(-3, 300, 10001, dtype=np.float32)
    want = np.exp(2j * np.pi * cycles.astype(np.float64))
    assert np.abs(cis(jnp.asarray(cycles)) - want).max() < 1e-6


def test_complex_normal_is_circular_gaussian():
    samples = np.asarray(complex_normal(KEY, (20, 1000))).ravel()
    parts = np.sqrt(2) * np.stack([samples.real, samples.imag])
    for part in parts:
        assert stats.kstest(part, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(parts)[0, 1]) < 4 / np.sqrt(20000)
    assert abs(np.mean(np.abs(samples) ** 2) - 1) < 4 / np.sqrt(20000)
    # Neighbours and the two parts of neighbours are independent.
    assert abs(np.mean(samples[1:] * samples[:-1].conj())) < 4 / np.sqrt(20000)


def test_equal_keys_give_equal_noise_and_others_other():
    keys = KEY, KEY, jax.random.key(1)
    first, again, other = (np.asarray(complex_normal(key, (100,))) for key in keys)
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)


@pytest.mark.parametrize("snr_db", [-10.0, 20.0])
def test_awgn_has_the_stated_power_for_every_sample(snr_db):
    powers = np.array([1.0, 100.0], np.float32).reshape(2, 1, 1)
    signal = np.sqrt(powers) * np.asarray(complex_normal(KEY, (2, 100, 100)))
    added = np.asarray(awgn(jax.random.key(1), signal, snr_db, (1, 2))) - signal
    measured = np.mean(np.abs(added) ** 2, axis=(1, 2))
    want = np.mean(np.abs(signal) ** 2, axis=(1, 2)) * 10 ** (-snr_db / 10)
    np.testing.assert_allclose(measured, want, rtol=5 / np.sqrt(10000))
    parts = np.stack([np.real(added), np.imag(added)]).var(axis=(2, 3))
    np.testing.assert_allclose(parts, np.stack([want, want]) / 2, rtol=0.1)


def test_awgn_has_a_ratio_for_every_sample_and_works_under_vmap():
    signal = np.ones((2, 5000), np.complex64)
    snr_db = np.array([0.0, 30.0], np.float32)
    together = awgn(KEY, signal, snr_db[:, None], 1)
    apart = jax.jit(jax.vmap(awgn))(jax.random.split(KEY), signal, snr_db)
    for noisy in (together, apart):
        power = np.mean(np.abs(noisy - signal) ** 2, axis=1)
        np.testing.assert_allclose(power, [1, 1e-3], rtol=0.08)


def test_awgn_of_zero_is_zero():
    silence = np.zeros((4,), np.complex64)
    np.testing.assert_array_equal(awgn(KEY, silence, 0.0), silence)
