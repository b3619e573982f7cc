"""WiFo's layout: whole, in slices and as a stream, with any order of axes."""

import numpy as np
import pytest

from wlam.data.readers import Radio, wifo
from wlam.phy.arrays import ula, upa
from wlam.types import Csi

RNG = np.random.default_rng(0)
SHAPE = (7, 3, 4, 2)
VALUES = (RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE)).astype(np.complex64)


@pytest.fixture
def path(tmp_path, save73):
    path = tmp_path / "X_train.mat"
    save73(path, X_train=VALUES)
    return path


def test_a_file_is_a_tensor(path, radio):
    data, notes = wifo.read(path, radio)
    assert isinstance(data, Csi)
    np.testing.assert_array_equal(data.csi, VALUES)
    assert data.csi.flags.c_contiguous
    np.testing.assert_array_equal(data.time_step_s, np.full(7, 5e-4, np.float32))
    np.testing.assert_array_equal(data.subcarrier_spacing_hz, np.full(7, 180e3))
    np.testing.assert_array_equal(data.carrier_hz, np.full(7, 2.4e9, np.float32))
    np.testing.assert_array_equal(data.antennas.positions, ula(2))
    np.testing.assert_array_equal(data.antennas.polarisation, [0, 0])
    np.testing.assert_array_equal(data.labels["index"], np.arange(7))
    assert [note.split(":")[0] for note in notes] == [
        "antenna_positions",
        "antenna_polarisation",
    ]


@pytest.mark.parametrize("samples", [1, 3, 7, 100])
def test_a_stream_equals_the_whole(path, radio, samples):
    pieces = list(wifo.stream(path, radio, samples=samples))
    assert [len(piece.csi) for piece in pieces[:-1]] == [samples] * (len(pieces) - 1)
    csi = np.concatenate([piece.csi for piece in pieces])
    np.testing.assert_array_equal(csi, VALUES)
    index = np.concatenate([piece.labels["index"] for piece in pieces])
    np.testing.assert_array_equal(index, np.arange(7))
    assert all(len(piece.carrier_hz) == len(piece.csi) for piece in pieces)


def test_a_stream_needs_memory_for_a_slice_only(path, radio, problem):
    sample = VALUES[0].nbytes
    pieces = list(wifo.stream(path, radio, samples=2, max_bytes=2 * sample))
    np.testing.assert_array_equal(pieces[-1].csi, VALUES[6:])
    assert "at most max_bytes" in problem(wifo.read, path, radio, max_bytes=6 * sample)


def test_slices(path, radio, problem):
    data, _ = wifo.read(path, radio, start=2, stop=5)
    np.testing.assert_array_equal(data.csi, VALUES[2:5])
    np.testing.assert_array_equal(data.labels["index"], [2, 3, 4])
    for start, stop in ((5, 5), (-1, 3), (0, 8)):
        message = problem(wifo.read, path, radio, start=start, stop=stop)
        assert message.startswith(f"samples: start {start}, stop {stop}, must be 0 <=")
    stream = wifo.stream(path, radio, samples=0)
    assert "samples: is 0, must be at least 1" in problem(next, stream)


def test_antennas_before_subcarriers(tmp_path, radio, save73, problem):
    path = tmp_path / "swapped.mat"
    save73(path, X_val=VALUES.swapaxes(2, 3))
    axes = ("sample", "time", "antenna", "subcarrier")
    data, _ = wifo.read(path, radio, axes=axes)
    np.testing.assert_array_equal(data.csi, VALUES)
    message = problem(wifo.read, path, radio, axes=axes[1:] + axes[:1])
    assert message.startswith("axes: are time, antenna, subcarrier, sample, must be")


def test_one_antenna_is_restored_and_noted(tmp_path, radio, save73):
    path = tmp_path / "one.mat"
    save73(path, X_val=VALUES[..., 0])
    data, notes = wifo.read(path, radio)
    np.testing.assert_array_equal(data.csi, VALUES[..., :1])
    assert notes[-1] == "X_val: has 3 axes, assumed one antenna"


def test_a_stream_stops_at_a_bad_value(tmp_path, radio, save73, problem):
    path = tmp_path / "nan.mat"
    save73(path, X_val=np.where(np.arange(7)[:, None, None, None] == 4, np.nan, VALUES))
    stream = wifo.stream(path, radio, samples=3)
    np.testing.assert_array_equal(next(stream).csi, VALUES[:3])
    assert problem(next, stream).startswith(
        "X_val: has NaN or infinite values, such as at [4, 0, 0, 0]"
    )


def test_a_geometry_that_is_given_is_kept_and_must_fit(path, radio, problem):
    given = Radio(5e-4, 180e3, 2.4e9, ula(2, 0.7), np.array([0, 1]))
    data, notes = wifo.read(path, given)
    np.testing.assert_array_equal(data.antennas.positions, ula(2, 0.7))
    np.testing.assert_array_equal(data.antennas.polarisation, [0, 1])
    assert notes == []
    for positions, polarisation, expected in (
        (upa(2, 2), None, "antenna_positions: is float32 [4, 3], must be float32 [2"),
        (ula(2) * np.nan, None, "antenna_positions: has 6 NaN"),
        (ula(2) + 1j, None, "antenna_positions: is complex"),
        (np.full((2, 3), 1e99), None, "antenna_positions: holds values beyond"),
        (None, np.zeros(3, int), "antenna_polarisation: is int64 [3], must be int32"),
        (None, np.array([0, 2**40]), "antenna_polarisation: holds values beyond"),
    ):
        bad = Radio(5e-4, 180e3, 2.4e9, positions, polarisation)
        assert expected in problem(wifo.read, path, bad)
