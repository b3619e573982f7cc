"""Builders run by path on tiny made-up files; only the written folder is read."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from wlam.data.builders import DATASETS_DIR, load_builder, prepare, prepared_dir, read
from wlam.types import DataError

NAMES = [
    "traffic_milan_5x5",
    "traffic_uomo",
    "csi_csu_wifi",
    "kpi_ucc5g",
    "beam_deepsense_60ghz",
]
CELLS, STEPS = 3, 30


@pytest.fixture
def manual(tmp_path):
    folder = tmp_path / "manual"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.savez(
        folder / "traffic_milan_5x5.npz",
        x=rng.gamma(2.0, size=(STEPS, CELLS)).astype(np.float32),
        step_s=np.int64(600),
    )
    (folder / "traffic_milan_5x5.json").write_text('{"licence_text": "MIT License"}')
    t = np.array([1, 1, 2, 3, 3, 4, 5])
    np.savez(
        folder / "kpi_ucc5g.npz",
        x=rng.normal(size=(7, 11)).astype(np.float32),
        lonlat=np.full((7, 2), -8.123456789012345),
        t=t,
        off=np.array([0, 4, 7]),
        columns=np.array([f"c{i}" for i in range(11)]),
        tag=np.array(["Download/Driving", "Netflix/Static/x"]),
        mode=np.array(["5G"] * 7),
    )
    np.savez(
        folder / "beam_deepsense_60ghz.npz",
        pwr=np.arange(6 * 64, dtype=np.float32).reshape(6, 64),
        ue_loc=np.full((6, 2), 33.420347220000001),
        bs_loc=np.full((6, 2), -111.92915278),
        seq=np.array([1, 1, 2, 1, 1, 1], np.int32),  # the same number in two scenarios
        scenario=np.array([1, 1, 1, 2, 2, 2], np.int8),
    )
    return folder


def test_every_builder_is_complete_and_loads(tmp_path):
    from tensorflow_datasets.core.dataset_metadata import valid_tags

    names = {p.name for p in DATASETS_DIR.iterdir() if p.is_dir()}
    assert names >= set(NAMES)
    for name in names:
        builder = load_builder(name, data_dir=tmp_path)
        assert builder.name == name
        assert "Licence." in builder.info.description
        assert "@" in builder.info.citation
        tags = builder.get_metadata().tags
        assert tags
        assert set(tags) <= set(valid_tags())
        assert not (DATASETS_DIR / name / "__init__.py").exists()
    builder = load_builder("traffic_uomo", data_dir=tmp_path, config="sd")
    assert builder.builder_config.name == "sd"


def test_examples_come_back_exactly_and_in_order(manual, tmp_path):
    folder = prepare("traffic_milan_5x5", manual, tmp_path / "data")
    assert folder == prepared_dir("traffic_milan_5x5", tmp_path / "data")
    examples = read(folder, "train")
    x = np.load(manual / "traffic_milan_5x5.npz")["x"]
    assert [int(e["cell"]) for e in examples] == list(range(CELLS))
    np.testing.assert_array_equal(np.stack([e["traffic"] for e in examples]), x.T)
    assert examples[0]["traffic"].dtype == np.float32
    assert len(read(folder, "train[:1]")) == 1
    assert "MIT License" in (folder / "metadata.json").read_text()


def test_doubles_text_and_ragged_rows_are_kept(manual, tmp_path):
    first, second = read(prepare("kpi_ucc5g", manual, tmp_path / "data"), "train")
    assert first["kpi"].shape == (4, 11)
    assert second["kpi"].shape == (3, 11)
    assert first["lonlat"].dtype == np.float64
    assert (first["lonlat"] == -8.123456789012345).all()
    assert first["tag"] == b"Download/Driving"
    assert first["columns"][:2] == [b"c0", b"c1"]
    np.testing.assert_array_equal(first["t"], [1, 1, 2, 3])


def test_passes_end_where_scenario_or_number_changes(manual, tmp_path):
    folder = prepare("beam_deepsense_60ghz", manual, tmp_path / "data")
    passes = read(folder, "train")
    found = [(int(p["scenario"]), int(p["seq"]), len(p["power"])) for p in passes]
    assert found == [(1, 1, 2), (1, 2, 1), (2, 1, 3)]


def test_a_second_prepare_returns_the_folder(manual, tmp_path):
    folder = prepare("traffic_milan_5x5", manual, tmp_path / "data")
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert prepare("traffic_milan_5x5", tmp_path / "gone", tmp_path / "data") == folder
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


def test_a_killed_prepare_leaves_no_prepared_folder(manual, tmp_path):
    data = tmp_path / "data"
    code = """
import os, sys
from wlam.data import builders

def killed(self, data):
    yield 0, {"cell": 0, "traffic": data["x"][:, 0].copy(), "time_step_s": 1.0}
    os._exit(9)

builder = type(builders.load_builder("traffic_milan_5x5", data_dir=sys.argv[2]))
builder._generate_examples = killed
builders.prepare("traffic_milan_5x5", sys.argv[1], sys.argv[2])
"""
    assert run(code, manual, data).returncode == 9
    assert list((data / "traffic_milan_5x5").iterdir())  # it had begun
    with pytest.raises(DataError, match="no prepared traffic_milan_5x5"):
        prepared_dir("traffic_milan_5x5", data)
    folder = prepare("traffic_milan_5x5", manual, data)
    assert len(read(folder, "train")) == CELLS


def test_reading_is_quiet_and_never_imports_tensorflow(manual, tmp_path):
    code = """
import sys
from wlam.data.builders import prepare, read

folder = prepare("traffic_milan_5x5", sys.argv[1], sys.argv[2])
assert len(read(folder, "train")) == 3
assert "tensorflow" not in sys.modules
assert "traffic_milan_5x5_dataset_builder" not in sys.modules
"""
    done = run(code, manual, tmp_path / "data")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run(code, *arguments):
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_nothing_is_printed_or_logged(manual, tmp_path, capsys, caplog):
    with caplog.at_level(logging.WARNING):
        read(prepare("traffic_milan_5x5", manual, tmp_path / "data"), "train")
    assert capsys.readouterr() == ("", "")
    assert not caplog.records


def test_errors_are_one_line_with_the_need(manual, tmp_path):
    data = tmp_path / "data"
    (manual / "kpi_ucc5g.npz").unlink()
    np.savez(manual / "traffic_milan_5x5.npz", x=np.zeros((2, 2), np.float32))
    sweeps = manual / "beam_deepsense_60ghz.npz"
    sweeps.write_bytes(sweeps.read_bytes()[:1000])  # a download that broke off
    for pattern, call in [
        (
            "60ghz.npz cannot be read; get it again",
            lambda: prepare("beam_deepsense_60ghz", manual, data),
        ),
        (
            "kpi_ucc5g.npz is missing; get it",
            lambda: prepare("kpi_ucc5g", manual, data),
        ),
        ("lacks .*step_s", lambda: prepare("traffic_milan_5x5", manual, data)),
        ("manual_dir", lambda: prepare("traffic_milan_5x5", tmp_path / "no", data)),
        ("no builder for 'nowhere'", lambda: prepare("nowhere", manual, data)),
        ("'nj', 'sd'", lambda: prepare("traffic_uomo", manual, data, config="xx")),
        ("no prepared kpi_ucc5g", lambda: prepared_dir("kpi_ucc5g", data)),
        ("dataset_info.json", lambda: read(data, "train")),
    ]:
        with pytest.raises(DataError, match=pattern) as error:
            call()
        assert "\n" not in str(error.value)


def test_an_unknown_split_names_the_known_ones(manual, tmp_path):
    folder = prepare("traffic_milan_5x5", manual, tmp_path / "data")
    with pytest.raises(DataError, match=r"no 'test'.*\['train'\]"):
        read(folder, "test")
