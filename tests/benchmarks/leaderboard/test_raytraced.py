"""Ray-traced channels are made once, setting by setting, and can be judged."""

import numpy as np

from benchmarks.leaderboard.raytraced import CHANNELS, SETTINGS
from benchmarks.leaderboard.simulated import file_of
from wlam.data import raytraced as tracer
from wlam.types import DataError

PROGRAM = "benchmarks/leaderboard/raytraced_channels.py"
LAST = SETTINGS[-1]


def test_every_city_has_both_carriers_and_both_speeds():
    assert len({file_of(setting) for setting in SETTINGS}) == len(SETTINGS)
    assert file_of(LAST) == "san_francisco_3.5_GHz_5_kmh.npz"
    for scene in tracer.SCENES:
        mine = [setting for setting in SETTINGS if setting.scene == scene]
        assert {setting.ghz for setting in mine} == {2.6, 3.5}
        assert {setting.speed_kmh for setting in mine} == {5.0, 40.0}


def trace(source, position_m, velocity_mps):
    """One path to everybody, along x, but none to the first user."""
    count, antennas = len(position_m), len(source.positions())
    shift_hz = velocity_mps[:, 0] / 3e8 * source.carrier_hz
    turns = np.outer(shift_hz, np.arange(source.num_times)) * source.time_step_s
    channel = 1e-4 * np.exp(2j * np.pi * turns)[:, :, None, None]
    channel = np.tile(channel, (1, 1, source.num_subcarriers, antennas))
    channel[0] = 0
    return channel.astype(np.complex64), np.arange(count) % 2 == 1


def test_settings_that_are_not_there_are_made_and_judged(
    program, monkeypatch, tmp_path
):
    """The program is stopped and started again: what was whole stays as it is."""
    monkeypatch.setattr(tracer, "trace", trace)
    monkeypatch.setattr(tracer, "_ground_height", lambda s, xy, n: np.zeros(len(xy)))
    for setting in SETTINGS[:-1]:
        (tmp_path / file_of(setting)).write_text("whole")
    done = program(PROGRAM, tmp_path)
    assert done.stdout.count("\n") == 1
    assert f"{file_of(LAST)}: 32 channels" in done.stdout
    kept = {path.name for path in tmp_path.iterdir() if path.stat().st_size == 5}
    assert kept == {file_of(setting) for setting in SETTINGS[:-1]}
    assert program(PROGRAM, tmp_path).stdout == ""

    case = CHANNELS.case(LAST, "csi_frequency", 20.0, tmp_path)
    assert case.name == "csi_frequency san_francisco 3.5 GHz 5 km/h 20 dB"
    clean, labels = case.data.clean, case.data.labels
    assert clean.shape == (32, 24, 64, 16)
    assert case.data.antennas.positions.shape == (16, 3)
    np.testing.assert_allclose(np.abs(clean), np.ones(clean.shape), rtol=1e-5)
    np.testing.assert_allclose(labels["speed_kmh"], np.full(32, 5.0), rtol=1e-6)
    assert set(labels["los"]) == {0, 1}
    # 5 km/h and 3.5 GHz: 16 Hz at the most, of which 5 ms are a twelfth of a turn.
    turn = np.angle(clean[:, 1, 0, 0] / clean[:, 0, 0, 0]) / (2 * np.pi)
    assert 0.06 < np.abs(turn).max() < 0.0813


def test_without_a_tracer_one_line_says_so_and_nothing_is_left(
    program, monkeypatch, tmp_path
):
    def none():
        raise DataError("sionna.rt: cannot be imported")

    monkeypatch.setattr(tracer, "_sionna", none)
    done = program(PROGRAM, tmp_path / "none", code=2)
    assert done.stderr == "raytraced_channels.py: sionna.rt: cannot be imported\n"
    assert not (tmp_path / "none").exists()
