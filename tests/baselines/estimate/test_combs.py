"""Blocks from combs: paths between pilots and between snapshots."""

import numpy as np
import pytest

from wlam.baselines.estimate.combs import (
    by_delay_spectrum,
    by_doppler_spectrum,
    doppler_atoms,
)

N, T, K, A = 2, 8, 16, 4
AT = np.arange(1, K, 2)
MATRIX = np.fft.fft(np.eye(A), norm="ortho").astype(np.complex64)
NOISE = np.full(N, 1e-3, np.float32)


def path(delay, cycles, angle):
    """One path [n, t, k, a], rotating by some cycles a snapshot."""
    t, k, a = np.ogrid[:T, :K, :A]
    phase = cycles * t - delay * k / K + angle * a / A
    return np.broadcast_to(np.exp(2j * np.pi * phase), (N, T, K, A))


def noisy(x, variance, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, *x.shape)) * np.sqrt(variance / 2)
    return (x + noise[0] + 1j * noise[1]).astype(np.complex64)


def error(found, x):
    return (abs(found - x) ** 2).mean()


def test_a_path_is_estimated_between_its_pilots():
    x = path(2.3, 0.0, 1)
    pilots = noisy(x[:, :, AT], 1e-3)
    found = by_delay_spectrum(pilots, AT, K, MATRIX, NOISE)
    assert error(found, x) < 1e-3


@pytest.mark.parametrize("cycles", [0.0, 0.03, -0.04])
def test_a_path_is_estimated_in_snapshots_without_pilots(cycles):
    """The error of a line between these grows with the rotation."""
    x = path(2.0, cycles, 1)
    at = np.array([1, 4, 6])
    found = by_doppler_spectrum(noisy(x[:, at], 1e-3), at, T, MATRIX, NOISE)
    assert found.shape == x.shape
    assert error(found, x) < 2e-3


def test_snapshots_of_a_static_user_average_their_noise():
    """Eight snapshots of the same channel: little more than an eighth of the noise."""
    x = path(2.0, 0.0, 1)
    variance = 0.1 * 0.2  # what delay spectra are taken to leave of 0.1
    seen = noisy(x, variance)
    every = np.arange(T)
    known = np.full(N, 0.1, np.float32)
    found = by_doppler_spectrum(seen, every, T, MATRIX, known)
    assert error(found, x) < 2 / 8 * error(seen, x)


def test_one_snapshot_is_held():
    x = noisy(path(2.0, 0.1, 1)[:, :1], 0.1)
    found = by_doppler_spectrum(x, np.array([3]), T, MATRIX, NOISE)
    np.testing.assert_array_equal(found, np.repeat(x, T, axis=1))


def test_doppler_atoms_have_no_aliases():
    for every in (1, 3):
        atoms = doppler_atoms(12, every)
        np.testing.assert_allclose((abs(atoms) ** 2).sum(0), 1, rtol=1e-5)
        turn = np.angle(atoms[1] / atoms[0]) / (2 * np.pi)
        assert abs(turn).max() <= 0.5 / every + 1e-6
        assert abs(turn).min() < 1e-6
        assert len(set(turn.round(5))) == 48 // every


@pytest.mark.parametrize("noise", [NOISE, None])
def test_a_zero_antenna_stays_zero_and_has_no_influence(noise):
    """The beams of the others do not change, with known or unknown noise."""
    x = path(2.3, 0.0, 1).astype(np.complex64)
    apart = np.eye(A, dtype=np.complex64)
    others = by_delay_spectrum(x[:, :, AT], AT, K, apart, noise)
    some = x[:, :, AT] * np.array([1, 1, 1, 0])
    found = by_delay_spectrum(some, AT, K, apart, noise)
    np.testing.assert_array_equal(found[..., :3], others[..., :3])
    np.testing.assert_array_equal(found[..., 3], 0)


@pytest.mark.parametrize("unit", [2.0**-60, 2.0**40, 2.0**66])
@pytest.mark.parametrize("known", [True, False])
def test_units_of_pilots_cause_no_rounding(unit, known):
    pilots = noisy(path(2.3, 0.0, 1)[:, :, AT], 1e-3)
    noise = NOISE.astype(np.float64) if known else None
    found = by_delay_spectrum(pilots, AT, K, MATRIX, noise)
    noise = None if noise is None else unit**2 * noise
    moved = by_delay_spectrum(pilots * np.float32(unit), AT, K, MATRIX, noise)
    np.testing.assert_array_equal(moved / np.float32(unit), found)
