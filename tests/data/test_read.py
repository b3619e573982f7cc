"""Files and folders become inputs of models; invalid ones are named in one line."""

import pickle
from dataclasses import dataclass
from typing import Any

import h5py
import jax
import numpy as np
import pytest
import scipy.io

import wlam
from wlam.data import generators
from wlam.data.builders import prepare
from wlam.data.generated import GeneratedConfig
from wlam.phy.arrays import panel, ula
from wlam.types import Csi, DataError, Series, Sweeps, Traffic

N, T, K, A = 3, 5, 4, 2
RADIO = {"time_step_s": 5e-4, "subcarrier_spacing_hz": 30e3, "carrier_hz": 3.5e9}
rng = np.random.default_rng(0)
DRAWN = rng.normal(size=(2, N, T, K, A)).astype(np.float32)
H = DRAWN[0] + 1j * DRAWN[1]


def refused(match: str):
    return pytest.raises(DataError, match=rf"^{match}[^\n]*$")


def saved(path, **changes: Any):
    arrays = {"csi": H, **RADIO} | changes
    np.savez(path, **{name: x for name, x in arrays.items() if x is not None})
    return path


def test_an_npz_of_channels(tmp_path):
    antennas = panel(1, A, spacing=0.7)
    path = saved(
        tmp_path / "a.npz",
        csi=H.astype(np.complex128),
        antenna_positions=antennas.positions,
        antenna_polarisation=np.int8([0, 1]),
        clean=2 * H,
        noise_variance=0.1,
        pilots=[0, 2],
        comment=np.zeros(3),
    )
    data, notes = wlam.read(path, notes=True)
    assert isinstance(data, Csi)
    np.testing.assert_array_equal(data.csi, H)
    np.testing.assert_array_equal(data.clean, 2 * H)
    assert data.mask is None
    np.testing.assert_array_equal(data.carrier_hz, np.full(N, 3.5e9, np.float32))
    np.testing.assert_array_equal(data.antennas.positions, antennas.positions)
    np.testing.assert_array_equal(data.antennas.polarisation, [0, 1])
    np.testing.assert_array_equal(
        data.labels["noise_variance"], np.full(N, 0.1, np.float32)
    )
    assert data.pilots.shape == (T, K, A)
    assert data.pilots[:, ::2].all()
    assert not data.pilots[:, 1::2].any()
    assert notes == [
        "ignored: comment",
        "csi: converted from complex128 to complex64",
    ]


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("rsrp_db", Sweeps, (N, T, 6)),
        ("rsrp_db", Sweeps, (T, 6)),
        ("traffic", Traffic, (N, T)),
        ("series", Series, (N, T, 2)),
        ("series", Series, (T,)),
    ],
)
def test_the_array_sets_the_type(tmp_path, name, kind, shape):
    x = rng.normal(size=shape).astype(np.float32)
    np.savez(tmp_path / "a.npz", **{name: x}, time_step_s=60.0)
    data = wlam.read(tmp_path / "a.npz")
    assert type(data) is kind
    np.testing.assert_array_equal(getattr(data, name), x)
    alone = len(shape) == 1 or (kind is Sweeps and len(shape) == 2)
    assert np.shape(data.time_step_s) == (() if alone else (N,))


def gaps() -> np.ndarray:
    seen = np.ones((N, T, K, A), bool)
    seen[0, 3] = False
    seen[1, 0, 0, 0] = False
    return seen


@pytest.mark.parametrize("how", ["nan", "mask", "both"])
def test_nan_and_mask_are_equivalent(tmp_path, how):
    seen = gaps()
    h = np.where(seen, H, np.nan if how != "mask" else 7)
    path = saved(tmp_path / "a.npz", csi=h, mask=None if how == "nan" else seen)
    data, notes = wlam.read(path, notes=True)
    np.testing.assert_array_equal(data.mask, seen)
    np.testing.assert_array_equal(data.csi, np.where(seen, H, 0))
    assert f"mask: {K * A + 1} values are missing (7.5 %)" in notes


@pytest.mark.parametrize("shape", [(T,), (N, T)])
def test_measured_snapshots_become_a_mask(tmp_path, shape):
    measured = np.ones(shape, bool)
    measured[..., 2] = False
    path = saved(tmp_path / "a.npz", measured=measured)
    mask = wlam.read(path).mask
    assert not mask[:, 2].any()
    assert mask.sum() == N * (T - 1) * K * A


def test_a_mask_of_times_and_subcarriers_holds_for_all_antennas(tmp_path):
    mask = np.ones((T, K), bool)
    mask[1, 2] = False
    found = wlam.read(saved(tmp_path / "a.npz", mask=mask)).mask
    np.testing.assert_array_equal(
        found, np.broadcast_to(mask[None, ..., None], (N, T, K, A))
    )


def test_arguments_fill_in_what_a_file_lacks(tmp_path):
    path = saved(tmp_path / "a.npz", time_step_s=None)
    data, notes = wlam.read(path, notes=True)
    assert data.time_step_s is None
    assert any(note.startswith("time_step_s: not given") for note in notes)
    assert any(note.startswith("antenna_positions: assumed") for note in notes)
    data = wlam.read(path, time_step_s=1e-3, antennas=panel(A, 1))
    np.testing.assert_array_equal(data.time_step_s, np.full(N, 1e-3, np.float32))
    np.testing.assert_array_equal(data.antennas.positions, panel(A, 1).positions)


def test_matlab_5_with_the_names_of_an_npz(tmp_path):
    path = tmp_path / "a.mat"
    mask = gaps()
    scipy.io.savemat(
        path,
        {
            "csi": H,
            **RADIO,
            "mask": mask,
            "antenna_positions": ula(A),
            "antenna_polarisation": [0.0, 1.0],
        },
        do_compression=True,
    )
    data = wlam.read(path)
    np.testing.assert_array_equal(data.csi, np.where(mask, H, 0))
    np.testing.assert_array_equal(data.mask, mask)
    np.testing.assert_array_equal(data.antennas.polarisation, [0, 1])
    np.testing.assert_array_equal(data.time_step_s, np.full(N, 5e-4, np.float32))


def test_the_antenna_axis_that_matlab_drops_is_restored(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"csi": H[..., 0], **RADIO})
    data, notes = wlam.read(tmp_path / "a.mat", notes=True)
    np.testing.assert_array_equal(data.csi, H[..., :1])
    assert "csi: has 3 axes, assumed one antenna" in notes


def save73(path, **arrays):
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, x in arrays.items():
            columns = x.ravel(order="F").reshape(x.shape[::-1])
            stored = columns
            if np.iscomplexobj(x):
                stored = np.empty(columns.shape, [("real", "<f8"), ("imag", "<f8")])
                stored["real"], stored["imag"] = columns.real, columns.imag
            dataset = file.create_dataset(name, data=stored)
            dataset.attrs["MATLAB_class"] = np.bytes_("double")
    return path


def test_the_axes_of_matlab_73_set_the_format(tmp_path):
    data = wlam.read(save73(tmp_path / "wifo.mat", H=H), **RADIO)
    np.testing.assert_array_equal(data.csi, H)
    six = np.stack([H, 2 * H])  # [speed, user, time, subcarrier, antenna]
    data = wlam.read(save73(tmp_path / "llm4cp.mat", H_U_his=six), **RADIO)
    np.testing.assert_array_equal(data.csi, six.reshape(-1, T, K, A))


def test_options_reach_the_reader(tmp_path):
    path = save73(tmp_path / "a.mat", H=H, G=2 * H)
    data = wlam.read(path, format="wifo", name="G", start=1, **RADIO)
    np.testing.assert_array_equal(data.csi, 2 * H[1:])
    with refused(r"options: wifo got an unexpected keyword argument 'nome'"):
        wlam.read(path, format="wifo", nome="G", **RADIO)


def test_arrays_of_sionna_set_the_format(tmp_path):
    a = np.ones((1, 1, 1, 1, A, 1, T), complex)
    np.savez(tmp_path / "a.npz", a=a, tau=np.zeros((1, 1, 1, 1)))
    data = wlam.read(tmp_path / "a.npz", num_subcarriers=K, **RADIO)
    assert data.csi.shape == (1, T, K, A)
    with refused(r"options: sionna missing .* required .*num_subcarriers"):
        wlam.read(tmp_path / "a.npz", **RADIO)


def test_a_folder_of_files_is_joined(tmp_path):
    saved(tmp_path / "b.npz", csi=2 * H[:1])
    saved(tmp_path / "a.npz", csi=np.where(gaps(), H, np.nan), time_step_s=1e-3)
    data, notes = wlam.read(tmp_path, notes=True)
    np.testing.assert_array_equal(data.csi[:N], np.where(gaps(), H, 0))
    np.testing.assert_array_equal(data.csi[N:], 2 * H[:1])
    np.testing.assert_array_equal(data.mask[:N], gaps())
    assert data.mask[N:].all()
    np.testing.assert_array_equal(
        data.time_step_s, np.float32([1e-3, 1e-3, 1e-3, 5e-4])
    )
    np.testing.assert_array_equal(data.labels["file"], [0, 0, 0, 1])
    assert {note.partition(":")[0] for note in notes} == {"a.npz", "b.npz"}


def test_a_folder_of_traffic_stays_traffic(tmp_path):
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", traffic=np.ones((2, T)), time_step_s=60)
    data = wlam.read(tmp_path)
    assert isinstance(data, Traffic)
    assert data.traffic.shape == (4, T)
    assert data.mask is None


def test_files_of_a_folder_must_fit(tmp_path):
    saved(tmp_path / "a.npz")
    saved(tmp_path / "b.npz", csi=H[:, :3])
    with refused(r"path: found Csi \[3, 4, 2\] in b.npz, and Csi \[5, 4, 2\] in a.npz"):
        wlam.read(tmp_path)
    np.savez(tmp_path / "b.npz", series=np.ones((N, T)), time_step_s=1.0)
    with refused(r"path: found Series .* in b.npz, and Csi .* in a.npz; needed equal"):
        wlam.read(tmp_path)


@dataclass(frozen=True)
class Toy:
    """A generator that compiles at once."""


def draw_toy(key, config, count):
    return Traffic(jax.random.normal(key, (count, 4)), jax.numpy.ones(count))


def test_a_prepared_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, Toy, draw_toy)
    splits = {"train": 5, "test": 3}
    config = GeneratedConfig(name="toy", source=Toy(), splits=splits, block=2)
    folder = prepare("traffic_synthetic", None, tmp_path, config=config)
    data = wlam.read(folder, split="test")
    assert isinstance(data, Traffic)
    assert data.traffic.shape == (3, 4)
    with refused(
        r"split: found train, test in .*; needed wlam.read\(path, split=...\)"
    ):
        wlam.read(folder)
    with refused(r"split: toy has no 'dev'; needed is one of"):
        wlam.read(folder, split="dev")


def _text(path):
    path.write_text("time,csi\n")


def _cut(path):
    saved(path.with_suffix(".npz"))
    path.write_bytes(path.with_suffix(".npz").read_bytes()[:500])


def _pickled(path):
    with path.open("wb") as file:
        np.savez(file, csi=np.array([{}], object))


def _a_pickle(path):
    path.write_bytes(pickle.dumps({"csi": H}))


def _unnamed(path):
    with path.open("wb") as file:
        np.save(file, H)


def _others(path):
    with path.open("wb") as file:
        np.savez(file, channel=H)


def _others_of_matlab(path):
    scipy.io.savemat(path, {"channel": H}, appendmat=False)


def _others_of_matlab73(path):
    save73(path, one=H, two=H)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda path: None,
            r"path: does not exist, must be an .npz, a .mat or a folder",
        ),
        (lambda path: path.touch(), r"path: is empty \(0 bytes\)"),
        (lambda path: path.mkdir(), r"path: found nothing in the folder .*; needed"),
        (_text, r"path: found .*file, which is something else; needed an .npz"),
        (_a_pickle, r"path: found .*file, which is something else; needed an .npz"),
        (_unnamed, r"path: found .*file, which is something else; needed an .npz"),
        (_cut, r"path: .*file cannot be read as .npz"),
        (_pickled, r"csi: holds Python objects \(a pickle\), must be an array"),
        (_others, r"path: found no array that is known in .*; needed csi, rsrp_db"),
        (
            _others_of_matlab,
            r"path: found no known layout, the file holds channel .*; needed csi, "
            r"rsrp_db, .* reader of wlam.data.readers",
        ),
        (
            _others_of_matlab73,
            r"name: 2 complex arrays, the file holds one \(complex\), two .* reader of",
        ),
        (
            lambda path: save73(path, H=H),
            r"time_step_s: found none in .* \(wifo\), whose layout lacks it; "
            r"needed wlam.read\(path, time_step_s=...\)",
        ),
    ],
)
def test_invalid_files_are_named_in_one_line(tmp_path, make, match):
    path = tmp_path / "file"
    make(path)
    with refused(match):
        wlam.read(path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"csi": H.real}, r"csi: found float32 .*; needed complex numbers \(.*a.npz\)"),
        ({"csi": np.full(H.shape, np.inf, complex)}, r"csi: found 120 infinite values"),
        ({"csi": np.full(H.shape, np.nan, complex)}, r"mask: sample 0 has nothing"),
        (
            {"mask": np.ones((T, K + 1, A), bool)},
            r"mask: found shape \(5, 5, 2\); needed",
        ),
        ({"measured": np.ones(T + 1, bool)}, r"measured: found bool of shape \(6,\)"),
        ({"measured": np.ones(T)}, r"measured: found float64 of shape \(5,\); needed"),
        ({"time_step_s": 0.0}, r"time_step_s: found .*; needed one positive number"),
        (
            {"pilots": [0, K]},
            r"pilots: found int64 \[0, 4\]; needed subcarriers, 0 to 3",
        ),
        ({"noise_variance": [1.0, 2.0]}, r"noise_variance: found \[1.0, 2.0\]; needed"),
        ({"antenna_positions": ula(A + 1)}, r"csi: found 3 antennas in the geometry"),
        (
            {"antenna_positions": ula(A)[0]},
            r"antennas.positions: found float32 of shape",
        ),
    ],
)
def test_invalid_arrays_are_named_in_one_line(tmp_path, changes, match):
    with refused(match):
        wlam.read(saved(tmp_path / "a.npz", **changes))


def test_unused_options_are_named(tmp_path):
    path = saved(tmp_path / "a.npz")
    with refused(r"format: found 'hdf'; needed one of wifo, llm4cp, deepmimo, sionna"):
        wlam.read(path, format="hdf")
    with refused(r"split: found 'test' for .*; needed a prepared folder"):
        wlam.read(path, split="test")
    with refused(r"num_subcarriers: found an option for .*; needed one of time_step_s"):
        wlam.read(path, num_subcarriers=4)
    with refused(r"format: found wifo for the folder .*; needed a file"):
        wlam.read(tmp_path, format="wifo")
