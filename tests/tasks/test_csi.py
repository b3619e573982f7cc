"""Floors of csi_time that use what the labels tell, and channels along an array."""

import dataclasses

import numpy as np
from einops import rearrange

from wlam import baselines
from wlam.phy.arrays import ula
from wlam.phy.transforms import to_bins
from wlam.tasks import TASKS
from wlam.tasks.windows import cut_windows
from wlam.types import ANTENNA, TIME, Antennas, Csi

CONTEXT, HORIZON, SAMPLES = 6, 3, 4
RNG = np.random.default_rng(0)
RE, IM = RNG.normal(size=(2, SAMPLES, 9, 4, 2)).astype(np.float32)
ONES = np.ones(SAMPLES, np.float32)
DATA = Csi(
    csi=RE + 1j * IM,
    time_step_s=np.array([1e-3, 2e-3, 1e-3, 1e-3], np.float32),
    subcarrier_spacing_hz=15e3 * ONES,
    carrier_hz=3e9 * ONES,
    antennas=Antennas(ula(2), np.zeros(2, np.int32)),
    labels={
        "max_doppler_hz": np.array([20, 20, 40, 10], np.float32),
        "snr_db": np.array([10, 0, 20, 30], np.float32),
    },
)
INFORMED = ("Wiener (Doppler known)", "Kalman (Doppler known)")


def case(data):
    task = TASKS["csi_time"]
    windows = cut_windows(task.sequences(data), CONTEXT, HORIZON, sliding=False)
    return windows, task.baselines(data, windows)


def in_bins(steps):
    """Of snapshots [window, step, (subcarrier antenna)], the bins of them."""
    channels = rearrange(steps, "n t (k a) -> n t k a", k=4)
    bins = to_bins(channels, TIME, DATA.antennas)
    return rearrange(bins, "n t u v -> n t (u v)")


def test_every_window_has_its_own_doppler_and_noise():
    windows, named = case(DATA)
    cycles = np.array([0.02, 0.04, 0.04, 0.01], np.float32)
    context = in_bins(windows.context)
    ratio = baselines.noise_to_signal(context, DATA.labels["snr_db"])
    known = [baselines.wiener, baselines.kalman]
    for name, baseline in zip(INFORMED, known, strict=True):
        forecast = in_bins(named[name](windows.context, HORIZON))
        expected = baseline(context, HORIZON, cycles, ratio)
        np.testing.assert_allclose(forecast, expected, atol=1e-5)


def test_without_labels_nothing_is_known():
    _, named = case(DATA)
    assert named.keys() >= {*INFORMED}
    for missing in DATA.labels:
        labels = {k: v for k, v in DATA.labels.items() if k != missing}
        _, fewer = case(dataclasses.replace(DATA, labels=labels))
        assert fewer.keys() == named.keys() - {*INFORMED}


def test_a_plane_wave_is_a_tone_along_the_line_of_antennas():
    """From sine .3, half wavelengths apart: .15 cycles an antenna, in any order."""
    order = np.array([3, 0, 4, 1, 5, 2])
    wave = np.exp(2j * np.pi * 0.15 * order).astype(np.complex64)
    gains = np.ones((1, 4, 2, 1), np.complex64) + np.arange(2)[None, None, :, None]
    data = dataclasses.replace(
        DATA,
        csi=gains * wave,
        time_step_s=ONES[:1],
        antennas=Antennas(ula(6)[order], np.zeros(6, np.int32)),
    )
    sequences = TASKS["csi_antenna"].sequences(data)
    steps = rearrange(np.asarray(sequences.values), "n l (t k) -> n l t k", t=4)
    bins = to_bins(steps, ANTENNA, sequences.antennas)
    values = rearrange(bins, "n l t k -> n l (t k)")
    turn = values[:, 1:, :2] / values[:, :-1, :2]  # bins of no Doppler shift
    np.testing.assert_allclose(turn, np.exp(2j * np.pi * 0.15), atol=1e-5)
    np.testing.assert_allclose(values[:, :, 2:], 0, atol=1e-6)
    np.testing.assert_allclose(sequences.interval, 0.5, atol=1e-6)
    assert sequences.grid == (4, 2)
