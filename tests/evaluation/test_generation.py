"""Measures of likeness: closed forms, and what they must not see."""

import numpy as np
import pytest

from wlam.evaluation import generation as of

U, V = 8, 4


def white(seed, n, power=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, n, U, V)) * np.sqrt(power / 2)
    return (x[0] + 1j * x[1]).astype(np.complex64)


def in_bin(u, v, n=6, seed=0):
    """Channels of one path, in one bin, of power 1 and random phase."""
    phase = np.random.default_rng(seed).uniform(size=n)
    x = np.zeros((n, U, V), np.complex64)
    x[:, u, v] = np.sqrt(U * V) * np.exp(2j * np.pi * phase)
    return np.fft.ifft2(x, norm="ortho").astype(np.complex64)


def test_the_covariance_is_that_of_white_channels():
    found = of.covariance(white(0, 40_000))
    np.testing.assert_allclose(found, np.eye(U * V), atol=0.03)
    assert of.covariance_error(white(0, 10), white(0, 10)) == 0
    # Twice the power: the difference is as large as what it should be.
    x = white(1, 50)
    assert of.covariance_error(np.sqrt(2) * x, x) == pytest.approx(1, rel=1e-5)


def test_spectra_say_where_a_path_is():
    delay, angle = of.spectra(in_bin(3, 2))
    np.testing.assert_allclose(delay, np.eye(U)[3], atol=1e-6)
    np.testing.assert_allclose(angle, np.eye(V)[2], atol=1e-6)


def test_the_divergence_of_two_coins():
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    wanted = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert of.divergence(q, p) == pytest.approx(wanted, rel=1e-6)
    assert of.divergence(p, p) == 0
    # What is never drawn costs much, and is no infinity.
    assert 5 < of.divergence(np.array([1.0, 0.0]), p) < 20


def test_the_discrepancy_is_zero_for_the_same_kind_alone():
    one, again, other = white(0, 300), white(1, 300), white(2, 300, power=4.0)
    assert abs(of.mmd(again, one)) < 5e-3
    assert of.mmd(other, one) > 0.1
    # It does not see phases.
    turned = again * np.exp(0.7j)
    assert of.mmd(turned, one) == pytest.approx(of.mmd(again, one), abs=1e-6)


def test_few_numbers_hold_few_paths():
    both = np.concatenate([in_bin(1, 1), in_bin(5, 2, seed=1)])
    assert of.compressed_db(both, both, 2) < -50
    # Axes of one path know nothing of the other, which has half of the power.
    alone = in_bin(1, 1, n=12)
    assert of.compressed_db(alone, both, 1) == pytest.approx(-3.01, abs=0.01)
    # Of white channels any axis holds its share.
    found = of.compressed_db(white(0, 4000), white(1, 4000), U * V // 2)
    assert found == pytest.approx(-3.01, abs=0.05)


def test_linear_estimates_are_those_of_scalars():
    """White channels: W is 1 / (1 + s), and the error s / (1 + s)."""
    x = white(0, 40_000)
    wanted = 10 * np.log10(0.1 / 1.1)
    assert of.estimated_db(x, x, 10.0) == pytest.approx(wanted, abs=0.01)
    # Under a covariance of nothing the estimate is zero.
    assert of.estimated_db(1e-6 * x, x, 10.0) == pytest.approx(0, abs=1e-6)


def test_kinds_are_told_apart_and_spreads_are_of_the_features():
    kinds = [in_bin(1, 1, 40) + white(0, 40, 0.01), white(1, 40), white(2, 40, 9.0)]
    judge = of.Judge(kinds)
    fresh = [in_bin(1, 1, 20, 5) + white(6, 20, 0.01), white(7, 20), white(8, 20, 9.0)]
    for i, x in enumerate(fresh):
        assert (judge.kind(x) == i).mean() > 0.9
    assert of.spread(np.repeat(white(0, 1), 5, 0)) == pytest.approx(0, abs=1e-6)
    assert of.spread(white(0, 50)) > 10
