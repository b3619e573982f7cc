"""Beam trackers against beams that move as they assume."""

import jax
import numpy as np
import pytest

from wlam import baselines
from wlam.baselines.sweeps import trackers

peaks = jax.jit(trackers.peaks)
constant_velocity = jax.jit(trackers.constant_velocity, static_argnums=(1, 2))


def beam_profile(index, beams=32):
    """A parabola around the best beam, dBm: [..., beam]."""
    distance = np.arange(beams) - np.asarray(index)[..., None]
    return (-60 - 0.5 * distance**2).astype(np.float32)


@pytest.mark.parametrize("speed", [-2, 0, 1])
def test_tracker_follows_a_beam_that_moves_steadily(speed):
    index = 12 + speed * (np.arange(8 + 5) - 8)
    track = beam_profile(np.stack([index, index + 1]))
    forecast = np.asarray(baselines.linear_beam_tracker(track[:, :8], 5))
    np.testing.assert_array_equal(forecast.argmax(-1), track[:, 8:].argmax(-1))
    inner = slice(4, 28)  # what has not come in from beyond the codebook
    np.testing.assert_allclose(forecast[:, :2, inner], track[:, 8:10, inner], atol=1e-4)


def test_tracker_uses_the_last_eight_sweeps_only():
    index = np.concatenate([np.full(8, 30), np.arange(8)])
    forecast = baselines.linear_beam_tracker(beam_profile(index)[None], 5)
    np.testing.assert_array_equal(forecast.argmax(-1)[0], np.arange(8, 13))


def test_tracker_stays_on_the_codebook_and_its_best_beam_is_unique():
    # Runs off the right end, off the left end, and back in from an edge that was best.
    index = np.stack([np.arange(8) + 24, 7 - np.arange(8), np.zeros(8)])
    index[2, -1] = 0
    index[2, 3:7] = 4, 6, 8, 10
    forecast = np.asarray(baselines.linear_beam_tracker(beam_profile(index), 5))
    np.testing.assert_array_equal(forecast[0].argmax(-1), 31)
    np.testing.assert_array_equal(forecast[1].argmax(-1), 0)
    np.testing.assert_array_equal(forecast[2].argmax(-1), [1, 2, 3, 4, 5])


def test_tracker_repeats_a_single_sweep():
    context = beam_profile(np.array([[5], [9]]))
    forecast = baselines.linear_beam_tracker(context, 3)
    np.testing.assert_array_equal(forecast, np.repeat(context, 3, axis=1))


def test_peaks_lie_between_the_beams():
    position = np.array([[0.3, 4.5, 7.0, 15.4, 30.7]])
    np.testing.assert_allclose(
        peaks(beam_profile(position)), [[0, 4.5, 7, 15.4, 31]], atol=1e-4
    )
    assert not np.any(peaks(np.zeros((1, 5, 32), np.float32)))


def test_the_filter_settles_at_the_alpha_beta_gains():
    """Kalata, IEEE Trans. Aerosp. Electron. Syst. 20(2), 1984: closed forms in the
    ratio of the two standard deviations, here 0.5.
    """
    ratio = 0.5
    r = (4 + ratio - np.sqrt(8 * ratio + ratio**2)) / 4
    alpha = 1 - r**2
    beta = 2 * (2 - alpha) - 4 * np.sqrt(1 - alpha)
    measured = np.zeros((1, 40), np.float32)
    measured[0, -1] = 1
    position, velocity = constant_velocity(measured, 2.0, 2.0 * ratio)
    np.testing.assert_allclose(position, alpha, rtol=1e-4)
    np.testing.assert_allclose(velocity, beta, rtol=1e-4)


def test_kalman_tracker_follows_a_beam_that_moves_steadily():
    position = 6.2 + 0.45 * np.arange(40 + 5)
    forecast = baselines.kalman_beam_tracker(beam_profile(position[None, :40]), 5)
    np.testing.assert_array_equal(forecast.argmax(-1)[0], np.round(position[40:]))
    assert forecast.shape == (1, 5, 32)


def test_kalman_tracker_stays_on_the_codebook_and_repeats_a_single_sweep():
    index = np.stack([np.arange(8) + 24, 7 - np.arange(8)])
    forecast = np.asarray(baselines.kalman_beam_tracker(beam_profile(index), 5))
    np.testing.assert_array_equal(forecast.argmax(-1), [[31] * 5, [0] * 5])
    one = beam_profile(np.array([[5], [9]]))
    forecast = baselines.kalman_beam_tracker(one, 3)
    np.testing.assert_array_equal(forecast, np.repeat(one, 3, axis=1))


def test_the_filter_predicts_through_unknown_positions():
    """At constant velocity, gaps have no influence, nor have the values in them."""
    position = (3.0 + 0.7 * np.arange(12, dtype=np.float32))[None]
    known = np.isin(np.arange(12), (2, 3, 5, 6, 9))[None]
    shown = np.where(known, position, np.float32(99.0))
    last, velocity = constant_velocity(shown, 1e-3, 1e-3, known)
    np.testing.assert_allclose(velocity, 0.7, atol=1e-2)
    np.testing.assert_allclose(last, position[:, -1], atol=1e-2)
    begun = constant_velocity(shown[:, 2:], 1e-3, 1e-3, known[:, 2:])
    np.testing.assert_allclose([last, velocity], begun, rtol=1e-5)


def test_sweeps_move_by_fractions_of_beams():
    sweep = beam_profile(np.array([10.0]))
    shift = np.array([[0.0, 3.0, 0.5, -40.0]], np.float32)
    moved = np.asarray(jax.jit(baselines.moved_sweep)(sweep, shift))[0]
    np.testing.assert_array_equal(moved[0], sweep[0])
    np.testing.assert_array_equal(moved[1, 3:], sweep[0, :-3])
    np.testing.assert_array_equal(moved[1, :3], sweep[0, 0])
    middle = (sweep[0, 1:] + sweep[0, :-1]) / 2
    np.testing.assert_allclose(moved[2, 1:], middle, rtol=1e-6)
    np.testing.assert_array_equal(moved[3], sweep[0, -1])
