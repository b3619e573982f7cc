"""LLM4CP's layout: speeds and users become samples, antenna axes become antennas."""

import numpy as np
import pytest

from wlam.data.readers import llm4cp

SHAPE = (
    2,
    3,
    4,
    5,
    2,
    3,
    2,
)  # speed, user, time, subcarrier, vertical, horizontal, pol


def place(*index):
    """A value that encodes its indices."""
    return np.ravel_multi_index(index, SHAPE) + 1j


VALUES = np.arange(np.prod(SHAPE)).reshape(SHAPE) + 1j


@pytest.fixture
def path(tmp_path, save73):
    path = tmp_path / "H_U_his_train.mat"
    save73(path, H_U_his_train=VALUES)
    return path


def test_every_value_is_at_its_indices(path, radio):
    data, notes = llm4cp.read(path, radio, name="H_U_his_train")
    assert data.csi.shape == (6, 4, 5, 12)
    assert len(data.time_step_s) == 6
    for speed, user, time, subcarrier, row, column, pol in np.ndindex(SHAPE):
        (sample,) = np.flatnonzero(
            (data.labels["first"] == speed) & (data.labels["second"] == user)
        )
        found = data.csi[sample, time, subcarrier, (row * 3 + column) * 2 + pol]
        assert found == place(speed, user, time, subcarrier, row, column, pol)
    assert len(notes) == 2


def test_one_axis_of_antennas_is_enough(tmp_path, radio, save73, problem):
    path = tmp_path / "H_D_pre.mat"
    values = VALUES[..., 0, 0]
    save73(path, H_D_pre=values)
    data, _ = llm4cp.read(path, radio)
    np.testing.assert_array_equal(data.csi, values.reshape(6, 4, 5, 2))
    save73(path, H_D_pre=values[..., 0])
    message = problem(llm4cp.read, path, radio)
    assert "H_D_pre: has shape [2, 3, 4, 5], must be [first, second, time" in message


def test_bad_files_are_named(path, radio, save73, problem):
    assert "at most max_bytes = 9" in problem(llm4cp.read, path, radio, max_bytes=9)
    assert "is missing" in problem(llm4cp.read, path, radio, name="H_U_pre")
    save73(path, H_U_pre=VALUES * np.nan)
    assert "NaN or infinite" in problem(llm4cp.read, path, radio)
    path.write_bytes(path.read_bytes()[:3000])
    assert "path: cannot be read as HDF5" in problem(llm4cp.read, path, radio)
