"""MATLAB v7.3: axes have MATLAB's order, and invalid files are named."""

import h5py
import numpy as np
import pytest

from wlam.data.readers import matlab73
from wlam.data.readers.matlab73 import opened

AXES = ("row", "column", "page")
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(5, 4, 3)) + 1j * RNG.normal(size=(5, 4, 3))
SINGLE = np.dtype([("real", "<f4"), ("imag", "<f4")])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set.mat"


def read(path, name=None, axes=AXES, max_bytes=2**20, start=0, stop=None):
    with opened(path, name, axes, max_bytes) as array:
        return array.read(start, array.shape[0] if stop is None else stop)


def change(path, name="H"):
    """The dataset of a good file, to be made bad."""
    file = h5py.File(path, "r+")
    return file, file[name]


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("dtype", [SINGLE, ">f4", "<f8"])
def test_axes_have_the_order_of_matlab(path, save73, dtype, compression):
    compound = (
        np.dtype([("real", dtype), ("imag", dtype)]) if dtype != SINGLE else dtype
    )
    save73(path, compound, H=VALUES, t=np.arange(3.0), compression=compression)
    found = read(path)
    assert found.dtype == np.complex64
    np.testing.assert_array_equal(found, VALUES.astype(np.complex64))


def test_slabs_and_slices_equal_the_whole(path, save73, monkeypatch):
    save73(path, H=VALUES, chunks=(1, 2, 2))
    whole = read(path)
    for size in (1, 700):  # one page, two
        monkeypatch.setattr(matlab73, "SLAB_BYTES", size)
        np.testing.assert_array_equal(read(path), whole)
        np.testing.assert_array_equal(read(path, start=1, stop=4), whole[1:4])


def test_a_last_axis_of_length_one_is_restored(path, save73):
    save73(path, H=VALUES[..., 0])
    np.testing.assert_array_equal(read(path), VALUES[..., :1].astype(np.complex64))
    save73(path, H=VALUES)
    assert read(path, axes=("row", "...")).shape == (5, 4, 3)


def test_the_array_must_be_unambiguous(path, save73, problem):
    save73(path, H=VALUES, G=VALUES, t=np.arange(3.0))
    message = problem(read, path)
    assert message.startswith("name: 2 complex arrays, the file holds G (complex), H")
    assert "#refs#" not in message
    assert "is missing, must be one of" in problem(read, path, "F")
    assert "t: is float64, must be a complex array" in problem(read, path, "t")
    assert "is missing" in problem(read, path, "#refs#")
    np.testing.assert_array_equal(read(path, "G"), read(path, "H"))


def test_shapes_are_checked(path, save73, problem):
    save73(path, H=VALUES)
    assert "has shape [5, 4, 3], must be [x]" in problem(read, path, axes=("x",))
    four = ("a", "b", "c", "d", "e")
    assert "must be [a, b, c, d, e]" in problem(read, path, axes=four)
    assert "at most max_bytes = 99" in problem(read, path, max_bytes=99)
    save73(path, H=VALUES[:0])
    assert "must not be empty" in problem(read, path)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_nan_is_named(path, save73, problem, value, monkeypatch):
    monkeypatch.setattr(matlab73, "SLAB_BYTES", 1)
    values = VALUES.copy()
    values[3, 1, 2] = 1j * value
    save73(path, H=values)
    for start in (0, 2):
        message = problem(read, path, start=start)
        assert "H: has NaN or infinite values, such as at [3, 1, 2]" in message
    assert read(path, stop=3).shape == (3, 4, 3)


def test_other_ranges_are_named(path, save73, problem):
    for scale in (1e60, 1e-60):
        save73(path, H=scale * VALUES)
        assert "beyond the range of complex64" in problem(read, path)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ([("real", "<i2"), ("imag", "<i2")], "a complex of int16 and int16"),
        ([("real", "<f4"), ("imag", "<f8")], "a complex of float"),
        ([("real", "<f4"), ("imag", "<f4"), ("x", "<f4")], "must be a complex array"),
        ([("real", "<f4", (2,)), ("imag", "<f4", (2,))], "a complex of ('<f4', (2,))"),
        (h5py.string_dtype(), "is object"),
        (h5py.ref_dtype, "is object"),
        (h5py.vlen_dtype(np.float32), "is object"),
    ],
)
def test_other_kinds_of_numbers_are_named(path, problem, dtype, expected):
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("H", (5, 4, 3), np.dtype(dtype))
        dataset.attrs["MATLAB_class"] = np.bytes_("double")
    message = problem(read, path, "H")
    assert message.startswith("H: is ")
    assert expected in message


def test_links_out_of_the_file_are_not_followed(path, tmp_path, save73, problem):
    other = tmp_path / "other.mat"
    save73(other, H=VALUES)
    save73(path, G=VALUES)
    with h5py.File(path, "r+") as file:
        file["far"] = h5py.ExternalLink(str(other), "/H")
        file["near"] = h5py.SoftLink("/G")
        file["through"] = h5py.SoftLink("/far")
        file.create_group("group")["H"] = file["G"]
    assert "far: is a link to another file" in problem(read, path, "far")
    assert "near: is a soft link" in problem(read, path, "near")
    assert "through: is a soft link" in problem(read, path, "through")
    assert "group: is not an array" in problem(read, path, "group")
    assert "group/H: is missing" in problem(read, path, "group/H")
    assert read(path).shape == VALUES.shape


def test_data_in_other_files_are_not_read(path, tmp_path, problem):
    raw = tmp_path / "secret"
    raw.write_bytes(bytes(960))
    dtype = np.dtype([("real", "<f8"), ("imag", "<f8")])
    with h5py.File(path, "w") as file:
        external = [(str(raw), 0, 960)]
        file.create_dataset("H", (3, 4, 5), dtype, external=external)
        layout = h5py.VirtualLayout((3, 4, 5), dtype)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "H", (3, 4, 5))
        file.create_virtual_dataset("V", layout)
        for name in "HV":
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    for name in "HV":
        assert "lies in another file" in problem(read, path, name)


def test_declared_sizes_must_be_stored(path, save73, problem):
    dtype = np.dtype([("real", "<f8"), ("imag", "<f8")])
    with h5py.File(path, "w") as file:
        options = {"chunks": (1, 1, 1024)}
        huge = file.create_dataset("H", (2**20, 2**20, 2**10), dtype, **options)
        chunk = file.create_dataset(
            "C", (8, 1, 2**17), dtype, chunks=(1, 1, 2**17), compression="gzip"
        )
        chunk[...] = np.zeros((8, 1, 2**17), dtype)
        for dataset in (huge, chunk):
            dataset.attrs["MATLAB_class"] = np.bytes_("double")
    assert "bytes [1024, 1048576, 1048576] and holds 0" in problem(read, path, "H")
    assert "C chunk: [1, 1, 131072] takes" in problem(read, path, "C")


def test_files_not_by_matlab_are_named(path, problem):
    dtype = np.dtype([("real", "<f8"), ("imag", "<f8")])
    with h5py.File(path, "w") as file:
        file.create_dataset("H", (3, 4, 5), dtype)
    assert "H: has no MATLAB_class" in problem(read, path)


def test_other_files_are_named(path, tmp_path, save73, problem):
    assert "does not exist" in problem(read, path)
    assert "is a folder" in problem(read, tmp_path)
    assert "path: cannot be read" in problem(read, tmp_path / "a\0b")
    for content, expected in (
        (b"", "is empty"),
        (b"MATLAB 5.0 MAT-file", "is a MATLAB v5 file, must be a MATLAB v7.3"),
        (b"PK\3\4", "is a zip archive"),
        (b"\x80\x04.", "is something else"),
        (b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 4, "cannot be read as HDF5"),
    ):
        path.write_bytes(content)
        assert expected in problem(read, path)


def test_cut_and_damaged_files_are_named_or_read_whole(path, save73, problem):
    save73(path, H=VALUES, chunks=(3, 4, 1), compression="gzip")
    content = path.read_bytes()
    for length in range(8, len(content), 501):
        path.write_bytes(content[:length])
        assert problem(read, path, "H")
    chunk = content.rindex(b"\x78\x5e")  # zlib
    path.write_bytes(content[: chunk + 9] + b"????" + content[chunk + 13 :])
    assert "H: cannot be read" in problem(read, path)
