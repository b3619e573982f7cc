"""A user's .npz: valid arrays are unchanged, invalid ones are named in one line."""

import io
import os
import zipfile

import numpy as np
import pytest

from wlam.data.files import check_window, read_npz, write_npz_atomic, write_text_atomic
from wlam.tasks import TASKS, task_of
from wlam.types import Csi, DataError, Series, Sweeps, Traffic

RNG = np.random.default_rng(0)
LAYOUTS = {name: task.layout for name, task in TASKS.items() if task.layout}


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


CSI = {
    "csi": normal(2, 5, 4, 3) + 1j * normal(2, 5, 4, 3),
    "time_step_s": 0.005,
    "subcarrier_spacing_hz": 15e3,
    "carrier_hz": np.array([3.5e9]),
    "antenna_positions": normal(3, 3),
    "antenna_polarisation": np.array([0, 1, 0], np.int32),
}
BEAM = {"rsrp_db": normal(2, 6, 8), "time_step_s": np.float32(0.1)}
TRAFFIC = {"traffic": normal(2, 9), "time_step_s": np.int64(600)}
SERIES = {"series": normal(2, 7, 3), "time_step_s": 1}
GOOD = {
    "csi_time": (CSI, Csi, 5),
    "csi_frequency": (CSI, Csi, 4),
    "beam": (BEAM, Sweeps, 6),
    "traffic": (TRAFFIC, Traffic, 9),
    "series": (SERIES, Series, 7),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.npz"


def problem(call, *arguments):
    """The message of the DataError that `call` raises; it must be one line."""
    with pytest.raises(DataError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def of(data, name):
    """The field of a tensor that an array of its file became."""
    home = data.antennas if name.startswith("antenna_") else data
    return getattr(home, name.removeprefix("antenna_"))


def with_changed(arrays, **changes):
    """Changes by name; None takes the array out."""
    merged = {**arrays, **changes}
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize("task", GOOD)
def test_valid_files_are_read_exactly_and_without_notes(path, task):
    arrays, container, _ = GOOD[task]
    write_npz_atomic(path, **arrays)
    data, notes = read_npz(path, LAYOUTS[task])
    assert isinstance(data, container)
    assert notes == []
    for name, values in arrays.items():
        field = of(data, name)
        if np.ndim(values) > 1 or name == "antenna_polarisation":
            np.testing.assert_array_equal(field, values)
            assert field.dtype == values.dtype
        else:
            assert field.dtype == np.float32
            np.testing.assert_array_equal(field, np.full(2, values, np.float32))


def test_an_assumed_array_geometry_is_noted(path):
    arrays = with_changed(CSI, antenna_positions=None, antenna_polarisation=None)
    write_npz_atomic(path, **arrays)
    data, notes = read_npz(path, LAYOUTS["csi_time"])
    np.testing.assert_array_equal(
        data.antennas.positions, [[0, 0, 0], [0, 0.5, 0], [0, 1, 0]]
    )
    assert data.antennas.polarisation.tolist() == [0, 0, 0]
    assert len(notes) == 2
    assert "half-wavelength" in notes[0]


@pytest.mark.parametrize(
    ("task", "change"),
    [
        ("csi_time", {"csi": CSI["csi"].astype(np.complex128)}),
        ("csi_time", {"antenna_positions": np.arange(9).reshape(3, 3)}),
        ("csi_time", {"antenna_polarisation": np.array([0, 1, 0], np.uint8)}),
        ("beam", {"rsrp_db": BEAM["rsrp_db"].astype(np.float64)}),
        ("traffic", {"traffic": np.arange(18).reshape(2, 9)}),
        ("series", {"series": SERIES["series"].astype(">f4")}),
    ],
)
def test_other_precisions_are_converted_and_noted(path, task, change):
    arrays = GOOD[task][0]
    write_npz_atomic(path, **with_changed(arrays, **change))
    data, notes = read_npz(path, LAYOUTS[task])
    ((name, values),) = change.items()
    field = of(data, name)
    np.testing.assert_array_equal(field, values)
    assert field.dtype in (np.complex64, np.float32, np.int32)
    assert field.dtype.isnative
    assert len(notes) == 1
    assert notes[0].startswith(f"{name}: converted from {values.dtype}")


def test_unused_names_are_noted(path):
    write_npz_atomic(path, **TRAFFIC, antenna_position=np.zeros(3), **{"a\nb": 1})
    assert read_npz(path, LAYOUTS["traffic"])[1] == ["ignored: a\\nb, antenna_position"]


@pytest.mark.parametrize(
    "shown",
    [
        {"pilots": [3, 1]},
        {"mask": np.tile(np.arange(4) % 2 == 1, (5, 1))},
        {"mask": np.tile((np.arange(4) % 2 == 1)[:, None], (5, 1, 3))},
    ],
)
def test_pilots_have_three_forms(path, shown):
    more = {"noise_variance": [0.1, 0.2], "clean": CSI["csi"].astype(np.complex64)}
    write_npz_atomic(path, **CSI, **shown, **more)
    data, _ = read_npz(path, LAYOUTS["csi_estimate"])
    assert data.pilots.shape == (5, 4, 3)
    assert data.pilots[:, 1::2].all()
    assert not data.pilots[:, ::2].any()
    np.testing.assert_allclose(data.labels["noise_variance"], [0.1, 0.2])
    np.testing.assert_array_equal(data.clean, CSI["csi"])


def test_missing_noise_variance_and_clean_are_noted(path):
    write_npz_atomic(path, **CSI)
    data, notes = read_npz(path, LAYOUTS["csi_estimate"])
    assert data.pilots.all()
    assert data.clean is None
    given = [note.partition(":")[0] for note in notes]
    assert {"pilots", "clean", "noise_variance"} <= set(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"pilots": [1, 1]}, "pilots: holds [1, 1], must be different subcarriers"),
        ({"pilots": [4]}, "pilots: holds [4], must be different subcarriers, 0 to 3"),
        ({"pilots": [0.5]}, "pilots: is float64, must be int32 [pilot]"),
        ({"pilots": [1], "mask": np.ones((5, 4), bool)}, "pilots, mask: are both"),
        ({"mask": np.zeros((5, 4), bool)}, "mask: has no pilot"),
        ({"mask": np.ones((5, 4), int)}, "mask: is int64"),
        ({"mask": np.ones(4, bool)}, "mask: is bool of shape [4], must be bool [time"),
        ({"noise_variance": 0.0}, "noise_variance: is 0.0, must be finite and positiv"),
        ({"noise_variance": np.inf}, "noise_variance: is inf"),
        ({"noise_variance": [1, -1.0]}, "noise_variance: holds -1.0, must be positive"),
        ({"noise_variance": np.ones(3)}, "noise_variance: has shape [3], must be [2]"),
        ({"noise_variance": [1, np.nan]}, "noise_variance: has 1 NaN"),
        ({"clean": CSI["csi"].real}, "clean: is float32, must be complex64"),
    ],
)
def test_bad_pilots_are_named(path, given, expected):
    write_npz_atomic(path, **CSI, **given)
    assert problem(read_npz, path, LAYOUTS["csi_estimate"]).startswith(expected)


TIMES = np.array([1, 0, 1, 1, 0], bool)


@pytest.mark.parametrize("given", [TIMES, np.stack([TIMES, ~TIMES])])
def test_missing_snapshots_are_hidden(path, given):
    write_npz_atomic(path, **CSI, measured=given)
    data, _ = read_npz(path, LAYOUTS["csi_irregular"])
    seen = np.broadcast_to(given, (2, 5))
    np.testing.assert_array_equal(np.isfinite(data.csi).all((2, 3)), seen)
    np.testing.assert_array_equal(data.csi[seen], CSI["csi"][seen])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "measured: is missing, must be bool [time] or [sample, time]"),
        ({"measured": np.ones(5)}, "measured: is float64 of shape [5], must be bool"),
        ({"measured": np.ones(4, bool)}, "measured: is bool of shape [4], must be"),
        (
            {"measured": np.stack([TIMES, TIMES & False])},
            "measured: has none in sample 1, must have one or more",
        ),
    ],
)
def test_bad_measurements_are_named(path, given, expected):
    write_npz_atomic(path, **CSI, **given)
    assert problem(read_npz, path, LAYOUTS["csi_irregular"]).startswith(expected)


def test_missing_sweeps_are_hidden(path):
    seen = np.array([[1, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 1]], bool)
    write_npz_atomic(path, **BEAM, measured=seen)
    data, _ = read_npz(path, LAYOUTS["beam_irregular"])
    np.testing.assert_array_equal(np.isfinite(data.rsrp_db).all(2), seen)
    np.testing.assert_array_equal(data.rsrp_db[seen], BEAM["rsrp_db"][seen])
    check_window(LAYOUTS["beam_irregular"], data, 4, 1)
    found = problem(check_window, LAYOUTS["beam_irregular"], data, 3, 1)
    assert found.startswith("measured: sample 1 has none in 3 steps, must have one")


NAN = BEAM["rsrp_db"].copy()
NAN[1, 2, 3], NAN[1, 5, 0] = np.nan, np.inf

BAD = {
    "real csi": ("csi_time", {"csi": CSI["csi"].real}, "is float32, must be complex64"),
    "csi of rank 3": ("csi_time", {"csi": CSI["csi"][0]}, "shape [5, 4, 3], must be"),
    "csi of strings": ("csi_time", {"csi": np.array(["1+1j"])}, "is <U4"),
    "no csi": ("csi_frequency", {"csi": None, "a": 1}, "is missing, must be complex64"),
    "no spacing": ("csi_time", {"subcarrier_spacing_hz": None}, "is missing"),
    "no samples": ("csi_time", {"csi": CSI["csi"][:0]}, "sample must not be empty"),
    "2 positions": ("csi_time", {"antenna_positions": normal(2, 3)}, "be [3, 3]"),
    "flat": ("csi_time", {"antenna_positions": normal(3, 2)}, "be [3, 3]"),
    "lost": ("csi_time", {"antenna_positions": np.full((3, 3), np.nan)}, "has 9"),
    "real polarisation": ("csi_time", {"antenna_polarisation": normal(3)}, "int32"),
    "2 kinds": ("csi_time", {"antenna_polarisation": np.zeros(2, int)}, "[3]"),
    "large kinds": ("csi_time", {"antenna_polarisation": np.full(3, 2**40)}, "range"),
    "carrier 0": ("csi_time", {"carrier_hz": 0.0}, "is 0.0, must be"),
    "carrier 3": ("csi_time", {"carrier_hz": np.ones(2)}, "shape [2], must"),
    "step < 0": ("beam", {"time_step_s": -1}, "is -1.0"),
    "step nan": ("beam", {"time_step_s": np.nan}, "is nan"),
    "step tiny": ("beam", {"time_step_s": 1e-60}, "is 1e-60"),
    "step huge": ("beam", {"time_step_s": 1e60}, "is 1e+60"),
    "step true": ("beam", {"time_step_s": True}, "is bool"),
    "step text": ("beam", {"time_step_s": "0.1"}, "is <U3"),
    "nan": ("beam", {"rsrp_db": NAN}, "2 NaN or infinite values"),
    "first nan": ("beam", {"rsrp_db": NAN}, "the first at [1, 2, 3]"),
    "too large": ("beam", {"rsrp_db": np.full((1, 2, 2), 1e99)}, "range of float32"),
    "too small": ("beam", {"rsrp_db": np.full((1, 2, 2), 1e-99)}, "beyond the range"),
    "no beams": ("beam", {"rsrp_db": normal(2, 3, 0)}, "beam must not be empty"),
    "complex traffic": ("traffic", {"traffic": 1j * normal(2, 9)}, "is complex64"),
    "traffic of bool": ("traffic", {"traffic": np.ones((2, 9), bool)}, "is bool"),
    "one series": ("traffic", {"traffic": normal(9)}, "must be float32 [series"),
    "dates": ("traffic", {"traffic": np.zeros((2, 9), "M8[s]")}, "is datetime64[s]"),
    "records": ("series", {"series": np.zeros((1, 2, 3), "f4,f4")}, "must be float32"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_named(path, case):
    task, change, expected = BAD[case]
    np.savez(path, **with_changed(GOOD[task][0], **change))
    message = problem(read_npz, path, LAYOUTS[task])
    assert message.startswith(f"{next(iter(change))}: ")
    assert expected in message
    assert str(path) in message


def test_pickles_are_never_loaded(path):
    objects = np.empty((2, 9), object)
    np.savez(path, **with_changed(TRAFFIC, traffic=objects))
    assert problem(read_npz, path, LAYOUTS["traffic"]).startswith(
        "traffic: holds Python objects"
    )
    with pytest.raises(DataError, match="traffic: holds Python objects"):
        write_npz_atomic(path, traffic=objects)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


WHOLE = zipped(traffic=npy(TRAFFIC["traffic"]), time_step_s=npy(np.array(600.0)))
BODY = WHOLE.index(npy(TRAFFIC["traffic"])[-16:])
HUGE = npy(TRAFFIC["traffic"]).replace(b"(2, 9), }        ", b"(2, 9999999999), }")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "path: .* is empty"),
        (b"time,load\n1,2\n", "path: .* is something else"),
        (npy(TRAFFIC["traffic"]), r"path: .* is one unnamed array \(.npy\)"),
        (WHOLE[: len(WHOLE) // 2], "path: .* cannot be read as .npz"),
        (WHOLE[:BODY] + b"?" + WHOLE[BODY + 1 :], "traffic: cannot be read"),
        (zipped(), "traffic: is missing, .* holds nothing"),
        (zipped(traffic=b"not an array"), "traffic: is not a numpy array"),
        (zipped(traffic=npy(TRAFFIC["traffic"])[:-9]), "traffic: cannot be read"),
        (zipped(traffic=HUGE), "traffic: cannot be read"),
        (zipped(**{f"x{i}": b"" for i in range(99)}), "x0, x1, .* and 91 more"),
    ],
)
def test_broken_files_are_named(path, content, expected):
    path.write_bytes(content)
    message = problem(read_npz, path, LAYOUTS["traffic"])
    with pytest.raises(DataError, match=expected):
        raise DataError(message)


def test_paths_that_hold_no_file_are_named(path, tmp_path):
    assert "does not exist" in problem(read_npz, path, LAYOUTS["beam"])
    assert "is a folder" in problem(read_npz, tmp_path, LAYOUTS["beam"])
    assert "path: " in problem(read_npz, tmp_path / "a\0b", LAYOUTS["beam"])
    assert "path: " in problem(read_npz, tmp_path / "two\nlines", LAYOUTS["beam"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(path):
    write_npz_atomic(path, **BEAM)
    path.chmod(0)
    assert "cannot be read as .npz" in problem(read_npz, path, LAYOUTS["beam"])


def test_unknown_tasks_are_named(path):
    message = problem(task_of, "csi")
    assert message.startswith("task: found 'csi'; needed one of csi_time, csi_")


@pytest.mark.parametrize("task", GOOD)
def test_windows_must_fit(path, task):
    arrays, _, length = GOOD[task]
    write_npz_atomic(path, **arrays)
    data, _ = read_npz(path, LAYOUTS[task])
    check_window(LAYOUTS[task], data, length - 1, 1)
    message = problem(check_window, LAYOUTS[task], data, length - 1, 2)
    assert message.startswith(f"context + horizon: {length - 1} + 2, ")
    assert f"at most {length}" in message
    assert "context: 0" in problem(check_window, LAYOUTS[task], data, 0, 2)
    assert "horizon: -1" in problem(check_window, LAYOUTS[task], data, 2, -1)
    other = "beam" if task != "beam" else "series"
    assert problem(check_window, LAYOUTS[other], data, 2, 1) == (
        f"data: found {type(data).__name__}; needed {LAYOUTS[other].data.__name__}"
    )


def test_written_files_are_complete_or_absent(path, monkeypatch):
    write_text_atomic(path, "first")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text_atomic(path, "second")
    monkeypatch.undo()
    assert path.read_text() == "first"
    write_text_atomic(path, "zweite Größe")
    assert path.read_text(encoding="utf-8") == "zweite Größe"
    assert os.listdir(path.parent) == [path.name]
