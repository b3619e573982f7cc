"""Trackers at irregular times: lines, angles, and invariance to gaps."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.baselines.forecast import hold
from wlam.baselines.sweeps import bearing_tracker, line_tracker, peaks
from wlam.baselines.sweeps.bearings import ACCELERATION, NOISE, RATE
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain

BEAMS, STEP_S = 64, 0.02
TIME = np.arange(60)
SEEN = TIME % 5 == 2
SEEN[[12, 37]] = False


def sweeps(angle, seen=SEEN):
    """A single path at the angles [n, time], NaN where no sweep is made."""
    gain = array_gain(jnp.sin(jnp.asarray(angle)), beam_directions(BEAMS), BEAMS)
    return jnp.where(jnp.asarray(seen)[..., None], 10 * jnp.log10(gain + 1e-2), jnp.nan)


ANGLES = np.stack([-0.5 + 0.4 * TIME * STEP_S, 0.3 - 0.8 * TIME * STEP_S])
INTERVAL = jnp.full(2, STEP_S)


def places(angle):
    return (np.sin(angle) + 1) * BEAMS / 2 - 0.5


def test_a_constant_rate_is_followed():
    shown = sweeps(ANGLES[:, :50], SEEN[:50])
    wanted = places(ANGLES[:, 50:])
    for found in (
        bearing_tracker(shown, 10, INTERVAL, acceleration=0.05),
        line_tracker(shown, 10),
    ):
        assert abs(np.argmax(found, axis=2) - wanted).max() < 1.2
    held = abs(np.argmax(hold(shown, 10), axis=2) - wanted).max()
    assert held > 4


def test_the_filter_is_the_textbook_one():
    """Against matrices in double precision, its slope taken at the predicted angle."""
    noise, acceleration = NOISE, ACCELERATION
    shown = sweeps(ANGLES)
    sine = 2 * (np.asarray(peaks(jnp.nan_to_num(shown))) + 0.5) / BEAMS - 1
    move = np.array([[1, STEP_S], [0, 1]])
    push = np.outer([STEP_S**2 / 2, STEP_S], [STEP_S**2 / 2, STEP_S])
    for row in range(2):
        state, cov = np.zeros(2), np.diag([np.pi**2, RATE**2])
        for t in TIME:
            state, cov = move @ state, move @ cov @ move.T + acceleration**2 * push
            if not SEEN[t]:
                continue
            first = cov[0, 0] > 1
            at = np.arcsin(sine[row, t]) if first else state[0]
            slope = np.array([np.cos(at), 0])
            gain = cov @ slope / (slope @ cov @ slope + (2 * noise / BEAMS) ** 2)
            state = state + gain * (
                sine[row, t] - np.sin(at) + slope[0] * (at - state[0])
            )
            cov = cov - np.outer(gain, slope @ cov)
        last = int(np.flatnonzero(SEEN)[-1])
        # The state at the last sweep, moved on.
        ahead = STEP_S * (len(TIME) + 4 - last)
        back = state - np.array([STEP_S * (TIME[-1] - last) * state[1], 0])
        wanted = places(back[0] + ahead * back[1])
        found = bearing_tracker(shown[row][None], 5, INTERVAL[:1])
        assert int(np.argmax(found[0, -1])) == round(float(wanted))


@pytest.mark.parametrize("name", ["line", "bearing"])
def test_static_users_stay_and_empty_steps_have_no_influence(name):
    def track(shown):
        if name == "line":
            return line_tracker(shown, 4)
        return bearing_tracker(shown, 4, INTERVAL)

    still = sweeps(np.broadcast_to([[0.2], [-0.7]], (2, 60)))
    np.testing.assert_allclose(track(still), hold(still, 4), atol=1e-4)
    # Steps before the first sweep tell nothing.
    moving = sweeps(ANGLES)
    padded = jnp.concatenate([jnp.full((2, 15, BEAMS), jnp.nan), moving], axis=1)
    np.testing.assert_array_equal(
        np.argmax(track(padded), axis=2), np.argmax(track(moving), axis=2)
    )


def test_one_sweep_is_held():
    only = sweeps(ANGLES, TIME == 30)
    for found in (line_tracker(only, 3), bearing_tracker(only, 3, INTERVAL)):
        np.testing.assert_array_equal(
            np.argmax(found, axis=2), np.argmax(hold(only, 3), axis=2)
        )
