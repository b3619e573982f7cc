"""What the released tracker has learned, on streets that it has not seen.

The tests of arXiv 2405.00365's setting: the beam of now, a user who stands still, doubt
that grows with time, and time stamps that matter.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import wlam
from wlam.data.generators import generate
from wlam.phy.channels.tr38901.config import PanelConfig
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain
from wlam.simulate.sweeps import SweepConfig

BEAMS, STEP_S, TRACKS = 64, 0.025, 64
MADE = np.array([0, 3, 4, 10, 12, 19, 20, 26, 32, 34])
STREET = SweepConfig(
    kind="street",
    num_times=40,
    time_steps_s=(STEP_S,),
    speeds_kmh=(54.0, 54.0),
    distances_m=(10.0, 60.0),
    block_m=40.0,
    state="los",
    base=PanelConfig(1, BEAMS, element="38.901"),
    num_beams=(1, BEAMS),
    noise_db=(0.05, 0.5),
)


@pytest.fixture(scope="module")
def tracker():
    return wlam.load("wlam_beam_tracker")


@pytest.fixture(scope="module")
def tracks():
    draw = jax.jit(generate, static_argnums=(1, 2))
    return jax.tree.map(np.asarray, draw(jax.random.key(123), STREET, TRACKS))


def asked(tracker, sweeps, made, ahead_s):
    """Log-probabilities at times after the last sweep, [track, time, beam]."""
    seen = np.isin(np.arange(sweeps.shape[1]), made)
    ahead = np.broadcast_to(np.float32(ahead_s), (len(sweeps), len(ahead_s)))
    return np.asarray(
        jax.jit(tracker.network)(
            np.where(seen[:, None], sweeps, 0).astype(np.float32),
            np.broadcast_to(seen, sweeps.shape[:2]),
            np.full(len(sweeps), STEP_S, np.float32),
            np.full(ahead.shape, -1),
            ahead,
        )
    )


def test_at_once_it_is_the_beam_of_now(tracker, tracks):
    found = asked(tracker, tracks.rsrp_db, MADE, [0.0])[:, 0].argmax(1)
    assert (found == tracks.clean[:, MADE[-1]].argmax(1)).mean() > 0.9


def test_doubt_grows_with_time(tracker, tracks):
    said = asked(tracker, tracks.rsrp_db, MADE, [0.0, 0.05, 0.1, 0.2])
    entropy = -(np.exp(said) * said).sum(2).mean(0)
    assert (np.diff(entropy) > 0).all()


def test_the_times_of_sweeps_matter(tracker, tracks):
    """The same sweeps with the gaps between them in another order."""
    gaps = np.diff(MADE)
    other = MADE[0] + np.concatenate([[0], np.cumsum(gaps[::-1])])
    moved = np.zeros_like(tracks.rsrp_db)
    moved[:, other] = tracks.rsrp_db[:, MADE]
    wanted = tracks.clean[:, MADE[-1] + 4].argmax(1)
    right = asked(tracker, tracks.rsrp_db, MADE, [0.1])[:, 0]
    wrong = asked(tracker, moved, other, [0.1])[:, 0]
    likelihood = [x[np.arange(TRACKS), wanted].mean() for x in (right, wrong)]
    assert likelihood[0] > likelihood[1] + 0.02
    assert (right.argmax(1) == wanted).mean() > (wrong.argmax(1) == wanted).mean()


def test_a_user_who_stands_still_keeps_his_beam(tracker):
    """A single path at any angle, 15 dB over the noise floor, measured to 0.5 dB."""
    rng = np.random.default_rng(0)
    place = np.arange(2, BEAMS - 2) + rng.uniform(-0.4, 0.4, BEAMS - 4)
    sine = jnp.asarray((2 * (place + 0.5) / BEAMS - 1).astype(np.float32))
    gain = np.asarray(array_gain(sine, beam_directions(BEAMS), BEAMS))
    gain = gain / gain.max(1, keepdims=True)
    power = -70 + 10 * np.log10(gain + 10**-1.5)
    sweeps = power[:, None] + 0.5 * rng.normal(size=(len(place), 40, BEAMS))
    found = asked(tracker, sweeps, MADE, [0.0, 0.05, 0.1]).argmax(2)
    np.testing.assert_array_equal(found, np.stack(3 * [gain.argmax(1)], axis=1))
