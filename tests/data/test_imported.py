"""Third-party files become prepared folders, for any number of shards."""

import h5py
import numpy as np
import pytest
import scipy.io

from wlam.data.builders import find_config, prepare, prepared_dir, read_csi
from wlam.data.imported import DeepMimoConfig, WifoConfig
from wlam.data.readers import deepmimo
from wlam.phy.arrays import upa
from wlam.phy.channels.tr38901.presets import PRESETS
from wlam.types import DataError

SHAPE = 5, 3, 4, 2  # sample, time, subcarrier, antenna


def save73(path, values):
    """As MATLAB -v7.3 writes a complex array: columns first, (real, imag) compounds."""
    pairs = np.empty(values.T.shape, [("real", "<f8"), ("imag", "<f8")])
    pairs["real"], pairs["imag"] = values.T.real, values.T.imag
    with h5py.File(path, "w", userblock_size=512) as file:
        dataset = file.create_dataset("X_val", data=pairs)
        dataset.attrs["MATLAB_class"] = np.bytes_("double")


@pytest.fixture(scope="module")
def values():
    x = np.random.default_rng(0).normal(size=(2, *SHAPE))
    return (x[0] + 1j * x[1]).astype(np.complex64)


@pytest.fixture(scope="module")
def manual(values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    save73(folder / "X_train.mat", values)
    save73(folder / "X_test.mat", values[:2])
    return folder


def wifo(name="tiny", **changes):
    fields = {"array": (2, 1), "num_subcarriers": 4, "num_times": 3} | changes
    return WifoConfig(name=name, **fields)


@pytest.mark.parametrize("shards", [1, 3])
def test_wifo_files_become_splits(manual, values, tmp_path, shards):
    folder = prepare("wifo_mat", manual, tmp_path, config=wifo(), shards=shards)
    found = read_csi(folder, "train")
    assert len(list(folder.glob("*train*"))) == shards
    np.testing.assert_array_equal(found.csi, values)
    np.testing.assert_array_equal(found.labels["index"], np.arange(5))
    np.testing.assert_array_equal(found.antennas.positions, upa(2, 1))
    np.testing.assert_array_equal(found.time_step_s, np.full(5, 5e-4, np.float32))
    assert found.clean is None
    np.testing.assert_array_equal(read_csi(folder, "test").csi, values[:2])
    with pytest.raises(DataError, match="no 'validation'"):
        read_csi(folder, "validation")


def test_wifo_axes_in_another_order(values, tmp_path):
    save73(tmp_path / "X_train.mat", values.swapaxes(2, 3))
    axes = ("sample", "time", "antenna", "subcarrier")
    folder = prepare("wifo_mat", tmp_path, tmp_path / "data", config=wifo(axes=axes))
    np.testing.assert_array_equal(read_csi(folder, "train").csi, values)


def test_wifo_sets_have_their_grid():
    found = find_config("wifo_mat", "D18")
    assert found.shapes().csi.shape[1:] == (24, 64, 16)
    assert found.carrier_hz == PRESETS["D18"].carriers_hz[0] == 6.7e9


PATH = np.array([30.0, 2e-7, -80.0, 11.0, 80.0, 40.0, 70.0, 1.0])[:, None]


def save_users(path, *tables, **extra):
    cells = np.empty((1, len(tables)), object)
    for user, table in enumerate(tables):
        cells[0, user] = {"p": table}
    scipy.io.savemat(path, {"channels": cells, **extra})


def test_deepmimo_files_in_the_order_of_their_users(tmp_path):
    blocked = np.zeros((8, 0))
    later = PATH * np.array([2, 1, 1, 1, 1, 1, 1, 0])[:, None]
    place = np.array([[1.0, 2.0, 3.0]])
    save_users(tmp_path / "BS1_UE_0-1.mat", blocked, PATH)
    save_users(tmp_path / "BS1_UE_10-10.mat", later, rx_locs=place)
    save_users(tmp_path / "BS1_UE_2-2.mat", PATH)
    config = DeepMimoConfig(name="tiny", array=(2, 2), num_subcarriers=3)
    folder = prepare("deepmimo", tmp_path, tmp_path / "data", config=config)
    found = read_csi(folder, "train")
    assert found.csi.shape == (3, 1, 3, 4)
    assert found.labels["file"].tolist() == [0, 1, 2]
    assert found.labels["user"].tolist() == [1, 0, 0]
    assert found.labels["los"].tolist() == [1, 1, 0]
    assert found.labels["y_m"][2] == 2.0
    assert np.isnan(found.labels["y_m"][:2]).all()
    options = {"num_subcarriers": 3}
    for sample, file in enumerate(["0-1", "2-2", "10-10"]):
        path = tmp_path / f"BS1_UE_{file}.mat"
        expected, _ = deepmimo.read(path, config.radio(), **options)
        np.testing.assert_array_equal(found.csi[sample], expected.csi[0])
    # The later user's only path has twice the phase: 30 degrees more.
    turn = found.csi[2] / found.csi[1]
    np.testing.assert_allclose(turn, np.full_like(turn, np.exp(1j * np.pi / 6)), 1e-4)


def test_errors_have_the_need(manual, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "X_other.mat").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "X_train.mat").write_bytes(b"no HDF5 at all")
    data = tmp_path / "data"

    def run(folder, **changes):
        prepare("wifo_mat", folder, data, config=wifo("bad", **changes))

    for pattern, call in [
        ("manual_dir: .* is empty", lambda: run(tmp_path / "empty")),
        ("holds none of X_test.mat, X_train.mat", lambda: run(tmp_path / "else")),
        ("MATLAB v7.3", lambda: run(tmp_path / "broken")),
        (
            r"X_val: has shape \[5, 3, 4, 2\] .*, must be \['any', 3, 8, 2\]",
            lambda: run(manual, num_subcarriers=8),
        ),
        ("carrier_hz: is 0", lambda: wifo(carrier_hz=0.0)),
    ]:
        with pytest.raises(DataError, match=pattern) as error:
            call()
        assert "\n" not in str(error.value)
        with pytest.raises(DataError, match="no prepared"):
            prepared_dir("wifo_mat", data, "bad")
