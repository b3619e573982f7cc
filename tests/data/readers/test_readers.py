"""One function reads every format, and a radio is checked when it is made."""

import numpy as np
import pytest
import scipy.io

from wlam.data.readers import FORMATS, Radio, read
from wlam.phy.arrays import ula

VALUES = np.arange(120.0).reshape(2, 3, 4, 5) + 1j
TABLE = np.array([0, 1e-7, -80, 0, 90, 0, 90, 1.0])[:, None]


def test_every_format_is_read_by_its_name(tmp_path, save73):
    radio = Radio(0.01, 15e3, 3.5e9, ula(5))
    path = tmp_path / "file"
    save73(path, H=VALUES)
    data, notes = read(path, "wifo", radio, stop=1)
    np.testing.assert_array_equal(data.csi, VALUES[:1])
    assert notes == ["antenna_polarisation: assumed the same for all antennas"]
    save73(path, H=VALUES[None])
    np.testing.assert_array_equal(read(path, "llm4cp", radio)[0].csi, VALUES)
    scipy.io.savemat(
        tmp_path / "f.mat", {"channels": np.array([[{"p": TABLE}, 0]])[:, :1]}
    )
    data, _ = read(tmp_path / "f.mat", "deepmimo", radio, num_subcarriers=2)
    assert data.csi.shape == (1, 1, 2, 5)
    a, tau = np.ones((1, 1, 1, 1, 5, 1, 3), complex), np.zeros((1, 1, 1, 1))
    np.savez(tmp_path / "f.npz", a=a, tau=tau)
    data, _ = read(tmp_path / "f.npz", "sionna", radio, num_subcarriers=2)
    np.testing.assert_array_equal(data.csi, np.ones((1, 3, 2, 5)))


def test_unknown_formats_are_named(tmp_path, radio, problem):
    message = problem(read, tmp_path, "h5", radio)
    assert message == "format: 'h5', must be one of wifo, llm4cp, deepmimo, sionna"


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_names_files_of_the_others(
    tmp_path, radio, save73, problem, format
):
    options = {"num_subcarriers": 2} if format in ("deepmimo", "sionna") else {}
    radio = Radio(0.01, 15e3, 3.5e9, ula(5))
    save73(tmp_path / "7.mat", H=VALUES)
    scipy.io.savemat(tmp_path / "5.mat", {"H": VALUES})
    np.savez(tmp_path / "a.npz", H=VALUES)
    for name in ("7.mat", "5.mat", "a.npz"):
        if format == "wifo" and name == "7.mat":
            continue
        message = problem(read, tmp_path / name, format, radio, **options)
        assert str(tmp_path / name) in message


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 1e60, 1e-60])
def test_radios_have_positive_numbers(problem, value):
    for name in ("time_step_s", "subcarrier_spacing_hz", "carrier_hz"):
        numbers = {"time_step_s": 1.0, "subcarrier_spacing_hz": 1.0, "carrier_hz": 1.0}
        message = problem(Radio, **(numbers | {name: float(value)}))
        assert message == f"{name}: is {float(value)}, must be finite and positive"
