"""Files of other simulators' channels become cases; what does not fit is named."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.leaderboard.benchmark import simulated_entries
from benchmarks.leaderboard.simulated import file_of
from benchmarks.leaderboard.sionna import CHANNELS, Setting
from wlam.data.files import write_npz_atomic
from wlam.evaluation.cases import add_noise
from wlam.tasks.estimate import NOISE
from wlam.types import DataError

SETTING = Setting("UMi", "NLOS", 28.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sionna")
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(2, 3, 24, 64, 2)).astype(np.float32)
    arrays = {
        "csi": parts[0] + 1j * parts[1],
        "time_step_s": np.float32(1e-3),
        "subcarrier_spacing_hz": np.float32(180e3),
        "carrier_hz": np.float32(28e9),
        "speed_kmh": np.array([3, 50, 120], np.float32),
        "los": np.zeros(3, np.int32),
    }
    write_npz_atomic(folder / file_of(SETTING), **arrays)
    return folder


def test_noise_is_that_of_what_was_measured(folder):
    clean = CHANNELS.case(SETTING, "csi_time", None, folder).data
    seen = np.arange(24) % 3 == 1
    holes = np.where(seen[None, :, None, None], clean.csi, np.complex64(np.nan))
    noisy = add_noise(replace(clean, csi=holes), 10.0)
    np.testing.assert_array_equal(np.isnan(noisy.csi), np.isnan(holes))
    error = abs(noisy.csi - holes)[:, seen] ** 2
    power = (abs(holes[:, seen]) ** 2).mean((1, 2, 3))
    ratio = 10 * np.log10(error.mean((1, 2, 3)) / power)
    np.testing.assert_allclose(ratio, -10, atol=0.5)
    np.testing.assert_allclose(noisy.labels[NOISE], power / 10, rtol=1e-5)


def test_channels_of_a_file_with_and_without_noise(folder):
    make = partial(CHANNELS.case, SETTING, "csi_time", folder=folder)
    noisy, clean = make(20.0), make(None)
    assert noisy.name == "csi_time UMi NLOS 28 GHz 20 dB"
    assert clean.name == "csi_time UMi NLOS 28 GHz clean"
    assert "24 snapshots x 64 subcarriers x 2 antennas" in clean.about
    np.testing.assert_array_equal(noisy.data.clean, clean.data.csi)
    error = noisy.data.csi - clean.data.csi
    ratio = (abs(error) ** 2).mean() / (abs(clean.data.csi) ** 2).mean()
    assert 10 * np.log10(ratio) == pytest.approx(-20, abs=0.3)
    assert noisy.data.labels["snr_db"].tolist() == [20] * 3
    assert np.isinf(clean.data.labels["snr_db"]).all()
    assert clean.data.labels["speed_kmh"].tolist() == [3, 50, 120]
    entries = {e.name: e for e in simulated_entries(CHANNELS, folder)}
    assert entries[noisy.name].question == "16→8"
    assert entries["csi_time CDL-A 3.5 GHz clean"].missing.startswith("no CDL-A_3.5")


def test_files_that_are_not_there_or_do_not_fit_are_named(folder, tmp_path):
    with pytest.raises(DataError, match=r"UMi_NLOS_28_GHz.npz: found none"):
        CHANNELS.read(SETTING, tmp_path)
    with np.load(folder / file_of(SETTING)) as file:
        arrays = {**file, "los": np.zeros(2, np.int32)}
    write_npz_atomic(tmp_path / file_of(SETTING), **arrays)
    with pytest.raises(DataError, match="los: found shape"):
        CHANNELS.read(SETTING, tmp_path)


def test_the_folder_is_the_one_that_the_environment_names(monkeypatch):
    monkeypatch.delenv("WLAM_SIONNA_DIR", raising=False)
    assert str(CHANNELS.root()) == "data/sionna_csi"
    monkeypatch.setenv("WLAM_SIONNA_DIR", "elsewhere")
    assert str(CHANNELS.root()) == "elsewhere"
