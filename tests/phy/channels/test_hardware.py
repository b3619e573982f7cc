"""Receiver impairments: phase, timing and gain common to a packet."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from wlam.phy.arrays import ula
from wlam.phy.channels.hardware import HardwareConfig, receive
from wlam.types import Antennas, Csi

RE, IM, RE2, IM2 = np.random.default_rng(0).normal(size=(4, 3, 6, 8, 2))
LEVEL = 10 ** np.linspace(-2, 1, 6)[None, :, None, None]
CHANNELS = Csi(
    csi=np.complex64(LEVEL * (RE + 1j * IM)),
    time_step_s=np.full(3, 1e-3, np.float32),
    subcarrier_spacing_hz=np.full(3, 312.5e3, np.float32),
    carrier_hz=np.full(3, 2.4e9, np.float32),
    antennas=Antennas(ula(2), np.zeros(2, np.int32)),
    clean=np.complex64(LEVEL * (RE2 + 1j * IM2)),
)
ALL = HardwareConfig(None, timing_s=(5e-8, 1e-7), agc_step_db=(2.0, 4.0))


def seen(config):
    make = jax.jit(partial(receive, config=config))
    return make(jax.random.key(1), CHANNELS)


def test_antennas_and_subcarriers_of_a_packet_share_phase_timing_and_gain():
    """The impairment is a factor: one for all antennas, a tone over subcarriers."""
    found = seen(ALL)
    factor = found.csi / CHANNELS.csi
    np.testing.assert_allclose(factor[..., 1], factor[..., 0], rtol=1e-4)
    np.testing.assert_allclose(found.clean / CHANNELS.clean, factor, rtol=1e-4)
    turns = factor[:, :, 1:, 0] / factor[:, :, :-1, 0]
    np.testing.assert_allclose(
        turns, np.broadcast_to(turns[..., :1], turns.shape), rtol=1e-3
    )
    np.testing.assert_allclose(abs(turns), 1, rtol=1e-4)
    assert np.angle(factor[0, :, 3, 0]).std() > 0.5  # packets differ


def test_gain_control_sets_the_power_to_one_within_half_a_step():
    fixed = replace(ALL, agc_step_db=(3.0, 3.0))
    power_db = 10 * np.log10((abs(seen(fixed).csi) ** 2).mean((2, 3)))
    assert abs(power_db).max() <= 1.5 + 1e-3
    gain_db = 20 * np.log10(abs(seen(fixed).csi / CHANNELS.csi))
    np.testing.assert_allclose(gain_db / 3, np.round(gain_db / 3), atol=1e-3)


def test_magnitudes_and_conjugate_products_have_no_phase_and_no_timing():
    """Without gain control they are those of the channel itself."""
    quiet = replace(ALL, agc_step_db=(0.0, 0.0))
    found = seen(replace(quiet, view="magnitude")).csi
    np.testing.assert_allclose(found, abs(CHANNELS.csi), rtol=1e-4)
    found = seen(replace(quiet, view="conjugate")).csi
    expected = CHANNELS.csi * CHANNELS.csi[..., :1].conj()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_perfect_receiver_changes_nothing():
    found = seen(HardwareConfig(None, packet_phase=False))
    np.testing.assert_allclose(found.csi, CHANNELS.csi, rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timing_s": (-1e-9, 0.0)}, "timing_s: found"),
        ({"agc_step_db": (3.0, 1.0)}, "agc_step_db: found"),
    ],
)
def test_impossible_receivers_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        HardwareConfig(None, **wrong)
