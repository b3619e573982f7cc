"""MATLAB v5: files of scipy are read exactly, and invalid ones are named."""

import struct

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from wlam.data.readers.matlab5 import load

RNG = np.random.default_rng(0)
CELLS = np.empty((1, 3), object)
CELLS[0, 0] = {"p": RNG.normal(size=(8, 2)), "loc": np.array([1.0, 2.0, 3.0])}
CELLS[0, 1] = {"p": np.zeros((8, 0)), "loc": np.zeros(3)}
CELLS[0, 2] = {"p": np.arange(8, dtype=np.int16)[:, None], "loc": np.zeros(3)}
PLACES = RNG.normal(size=(3, 5))
LIMIT = 2**20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "BS1_UE_0-3.mat"


@pytest.fixture
def save(path):
    def write(**variables):
        scipy.io.savemat(path, variables)

    return write


@pytest.mark.parametrize("compressed", [False, True])
def test_written_variables_are_read_back(path, compressed):
    variables = {"version": "v3", "channels": CELLS, "rx_locs": PLACES, "z": 1j}
    scipy.io.savemat(path, variables, do_compression=compressed)
    found = load(path, ("channels", "rx_locs"), LIMIT)
    assert set(found) == {"channels", "rx_locs"}
    np.testing.assert_array_equal(found["rx_locs"], PLACES)
    for (record,), written in zip(found["channels"], CELLS[0], strict=True):
        assert record["p"].dtype == written["p"].dtype
        np.testing.assert_array_equal(record["p"], written["p"])
        np.testing.assert_array_equal(record["loc"].ravel(), written["loc"])


@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i1", "u2", "i4", "u8"])
def test_numbers_are_read_back(path, save, dtype):
    values = RNG.integers(0, 99, (2, 3, 4)).astype(dtype)
    if dtype == "c16":
        values = values * (1 - 2j)
    save(x=values, y="text")
    found = load(path, ("x", "y"), LIMIT)
    np.testing.assert_array_equal(found["x"], values)
    assert found["x"].dtype == values.dtype
    assert found["y"] == "text"


def test_structure_arrays_are_read_in_order(path, save):
    records = np.zeros((1, 3), [("a", object), ("b", object)])
    for index in range(3):
        records[0, index] = (np.array([[index]]), "text")
    save(records=records)
    found = load(path, ("records",), LIMIT)["records"]
    assert [record["a"].item() for record in found] == [0, 1, 2]
    assert [record["b"] for record in found] == ["text"] * 3


@pytest.mark.parametrize(("order", "mark"), [("<", b"IM"), (">", b"MI")])
def test_small_types_in_both_byte_orders(path, order, mark):
    """Integral doubles, as MATLAB writes them: in bytes, put into the tag."""
    matrix = struct.pack(f"{order}4I", 6, 8, 6, 0)  # flags: a double
    matrix += struct.pack(f"{order}2I2i", 5, 8, 1, 3)  # dimensions
    matrix += struct.pack(f"{order}I4s", 1 << 16 | 1, b"x")  # name
    matrix += struct.pack(f"{order}I4s", 3 << 16 | 2, bytes([7, 8, 250]))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", 0x100)
    path.write_bytes(
        header + mark + struct.pack(f"{order}2I", 14, len(matrix)) + matrix
    )
    found = load(path, ("x",), LIMIT)["x"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[7, 8, 250]])


def test_other_variables_may_be_anything(path, save):
    save(noise=scipy.sparse.eye_array(3).tocsc(), text="abc", rx_locs=PLACES)
    np.testing.assert_array_equal(load(path, ("rx_locs",), LIMIT)["rx_locs"], PLACES)


def test_missing_and_unfit_variables_are_named(path, save, problem):
    save(rx_locs=PLACES, s=scipy.sparse.eye_array(3).tocsc())
    message = problem(load, path, ("channels",), LIMIT)
    assert message.startswith("channels: is missing, the file holds rx_locs, s")
    assert "a matrix of class 5" in problem(load, path, ("s",), LIMIT)


def test_depth_is_limited(path, save, problem):
    nested = np.ones((1, 1))
    for _ in range(40):
        outer = np.empty((1, 1), object)
        outer[0, 0] = nested
        nested = outer
    save(channels=nested)
    assert "nests deeper than 4" in problem(load, path, ("channels",), LIMIT)


def test_sizes_are_limited(path, problem):
    scipy.io.savemat(path, {"rx_locs": np.zeros((512, 512))}, do_compression=True)
    assert path.stat().st_size < 10_000
    message = problem(load, path, ("rx_locs",), LIMIT)
    assert "unpacks to more than max_bytes" in message
    assert "larger than max_bytes" in problem(load, path, ("rx_locs",), 500)
    found = load(path, ("rx_locs",), 8 * LIMIT)["rx_locs"]
    assert found.shape == (512, 512)


def test_declared_shapes_must_be_stored(path, save, problem):
    save(channels=CELLS)
    content = path.read_bytes()
    dims = struct.pack("<4I", 5, 8, 1, 3)
    assert content.count(dims) >= 1
    for rows, columns in ((2**31 - 1, 2**31 - 1), (2**30, 1), (-1, 3)):
        huge = struct.pack("<2I2i", 5, 8, rows, columns)
        path.write_bytes(content.replace(dims, huge, 1))
        message = problem(load, path, ("channels",), LIMIT)
        assert f"declares [{rows}, {columns}]" in message
    for count in (2, 4):
        path.write_bytes(content.replace(dims, struct.pack("<4I", 5, 8, 1, count), 1))
        assert "path: " in problem(load, path, ("channels",), LIMIT)


def test_a_name_twice_is_named(path, save, problem):
    save(rx_locs=PLACES)
    content = path.read_bytes()
    path.write_bytes(content + content[128:])
    assert "holds 'rx_locs' twice" in problem(load, path, ("rx_locs",), LIMIT)


def test_other_files_are_named(path, tmp_path, problem):
    def check(content):
        path.write_bytes(content)
        return problem(load, path, ("channels",), LIMIT)

    assert "does not exist" in problem(load, path, ("channels",), LIMIT)
    assert "is a folder" in problem(load, tmp_path, ("channels",), LIMIT)
    assert "is empty" in check(b"")
    hdf5 = b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n"
    assert "is an HDF5 (MATLAB v7.3) file, must be a MATLAB v5" in check(hdf5)
    assert "something else" in check(b"\x80\x04." + bytes(200))
    assert "unknown version" in check(b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\2IM")
    assert "unknown version" in check(b"MATLAB 5.0 MAT-file")
    assert "is missing, the file holds nothing" in check(
        b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_cut_files_are_named(path, problem, compressed):
    scipy.io.savemat(path, {"channels": CELLS}, do_compression=compressed)
    content = path.read_bytes()
    for length in range(1, len(content), 13):
        path.write_bytes(content[:length])
        assert problem(load, path, ("channels",), LIMIT)


def test_damaged_files_are_named_or_read(path, save, problem):
    save(channels=CELLS, rx_locs=PLACES)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    refused = 0
    for _ in range(300):
        damaged = content.copy()
        places = RNG.integers(124, len(content), 3)
        damaged[places] = RNG.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            load(path, ("channels", "rx_locs"), LIMIT)
        except ValueError:
            problem(load, path, ("channels", "rx_locs"), LIMIT)
            refused += 1
    assert refused > 50
