"""Channels of many users: their power, their memory, and active users."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.phy.channels.tr38901.config import PanelConfig
from wlam.simulate import downlink
from wlam.simulate.downlink import DownlinkConfig

CONFIG = DownlinkConfig(users=2)
CONFIG = replace(
    CONFIG,
    tracks=replace(CONFIG.tracks, num_times=48, base=PanelConfig(1, 16)),
)


draw = jax.jit(lambda key: downlink.tracks(key, CONFIG))


@pytest.fixture(scope="module")
def channels():
    return np.stack([draw(jax.random.key(i)) for i in range(40)])


def test_mean_power_is_one(channels):
    """Of a user over his drops; a drop of few rays deviates from it."""
    assert channels.shape == (40, 48, 2, 2, 16)
    power = (abs(channels) ** 2).mean((1, 3, 4))
    assert power.mean() == pytest.approx(1, abs=5 * power.std() / np.sqrt(power.size))
    assert not np.allclose(channels[:, :, 0], channels[:, :, 1])


def test_directions_persist_and_phases_do_not(channels):
    """At 1 to 10 m/s neighbours, 10 ms apart, share their beams, not their phases."""
    now, after = channels[:, :-1], channels[:, 1:]
    inner = abs((now.conj() * after).sum((-2, -1)))
    lengths = [np.linalg.norm(x, axis=(-2, -1)) for x in (now, after)]
    phases = inner / lengths[0] / lengths[1]
    power = abs(np.fft.fft(channels)) ** 2
    power = power.sum(-2)
    power /= power.sum(-1, keepdims=True)
    beams = np.sqrt(power[:, 1:] * power[:, :-1]).sum(-1)
    assert beams.mean() > 0.8
    assert phases.mean() < 0.8
    assert beams.mean() > phases.mean() + 0.1


def test_same_key_same_bits():
    np.testing.assert_array_equal(draw(jax.random.key(3)), draw(jax.random.key(3)))


def test_white_channels_are_white():
    h = np.asarray(downlink.rayleigh(jax.random.key(0), 500, 2, 2, 8))
    flat = h.reshape(500, -1)
    covariance = flat.conj().T @ flat / 500
    np.testing.assert_allclose(covariance, np.eye(32), atol=5.5 / np.sqrt(500))


def test_users_come_and_go_and_one_stays():
    there = np.asarray(downlink.activity(jax.random.key(0), 20000, 4, 0.3, 10.0))
    assert there.any(1).all()
    # But for the first, who stands in for nobody: 0.3 + 0.7^4.
    wanted = [0.3 + 0.7**4, 0.3, 0.3, 0.3]
    np.testing.assert_allclose(there.mean(0), wanted, atol=0.05)
    changes = (there[1:, 1] != there[:-1, 1]).mean()
    # Twice the share times the rate of leaving, (1 - e^(-1/10)) 0.7 of those there.
    assert changes == pytest.approx(2 * 0.3 * 0.7 * (1 - np.exp(-0.1)), rel=0.15)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"users": 0}, "users: found 0"),
        ({"clusters": 1}, "clusters: found 1"),
        (
            {"tracks": replace(CONFIG.tracks, time_steps_s=(0.01, 0.02))},
            "tracks.time_steps_s: found",
        ),
    ],
)
def test_impossible_configs_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        DownlinkConfig(**given)
