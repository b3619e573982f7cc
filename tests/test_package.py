"""The package as a whole: loading, releasing, the notebook, what is never imported."""

import gc
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import wlam
from wlam import hub

ROOT = Path(__file__).parents[1]


def test_load_and_predict(trained_run):
    model = wlam.load(trained_run)
    hours = np.arange(72)
    context = 100 + 30 * np.sin(2 * np.pi * hours / 24)
    series = wlam.Series(context, time_step_s=3600.0)
    forecast = model.predict(series, horizon=12).series
    assert forecast.shape == (12,)
    assert np.isfinite(forecast).all()


def test_a_released_model_gives_its_golden_output(trained_run, tmp_path):
    folder = tmp_path / "model"
    hub.release(trained_run, folder)
    again = wlam.load(folder).golden()
    with np.load(folder / hub.GOLDEN) as golden:
        np.testing.assert_array_equal(again["forecast"], golden["forecast"])
    here = str(tmp_path).encode()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not any(here in path.read_bytes() for path in files)
    assert str(trained_run).encode() not in (folder / hub.CONFIG).read_bytes()
    with pytest.raises(ValueError, match="is not overwritten"):
        hub.release(trained_run, folder)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damaged_models_are_named(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(hub.RELEASED / "wlam_estimator", folder)
    largest = max((folder / hub.WEIGHTS).rglob("*"), key=lambda x: x.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])
    with pytest.raises(ValueError, match="weights is incomplete or of another model"):
        wlam.load(folder)
    # Reads that Orbax leaves behind find its event loop closed, and what they say of
    # it would fail any later test.
    time.sleep(0.5)
    gc.collect()
    (folder / hub.CONFIG).write_text('{"step": 1, "config": {"_": "os:system"}}')
    with pytest.raises(ValueError, match=r"config\.json cannot be used"):
        wlam.load(folder)


LARGEST = "wlam_little"


def released(*patterns: str) -> list[Path]:
    files = (hub.RELEASED.glob(f"{pattern}/config.json") for pattern in patterns)
    return sorted(file.parent for found in files for file in found)


@pytest.mark.parametrize(
    "folder",
    [
        *(path for path in released("*") if path.name != LARGEST),
        # The largest, which runs what wlam_tiny does, and those of the benchmark page.
        *(
            pytest.param(path, marks=pytest.mark.slow)
            for path in released(LARGEST, "*/*", "*/*/*")
        ),
    ],
    ids=lambda folder: str(folder.relative_to(hub.RELEASED)),
)
def test_every_released_model_gives_its_golden_output(folder):
    with np.load(folder / hub.GOLDEN) as archive:
        golden = dict(archive)
    again = wlam.load(folder.relative_to(hub.RELEASED)).golden()
    assert again.keys() == golden.keys()
    for name, expected in golden.items():
        size = abs(expected).max()
        np.testing.assert_allclose(again[name], expected, rtol=1e-3, atol=1e-3 * size)


def test_models_are_found_by_name_and_by_folder(tmp_path):
    assert hub.model_folder("wlam_tiny") == hub.RELEASED / "wlam_tiny"
    assert hub.model_folder(tmp_path) == tmp_path


def test_a_model_that_is_nowhere_is_named():
    with pytest.raises(ValueError, match="model: no folder wlam_huge"):
        wlam.load("wlam_huge")


def test_tensorflow_is_never_imported():
    code = (
        "import sys, wlam.hub, wlam.evaluation.cases, wlam.evaluation.report, "
        "wlam.training.log, tensorflow_datasets\n"
        "assert 'tensorflow' not in sys.modules, 'tensorflow was imported'\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("wlam", "jax numpy matplotlib tensorflow_datasets orbax scipy h5py wlam.hub"),
        ("wlam.Csi", "flax matplotlib tensorflow_datasets orbax scipy h5py wlam.hub"),
        ("wlam.panel", "flax matplotlib tensorflow_datasets orbax h5py wlam.hub"),
        ("wlam.read", "flax matplotlib tensorflow_datasets orbax h5py wlam.hub"),
        ("wlam.load", "matplotlib tensorflow_datasets grain h5py tensorboardX"),
    ],
)
def test_a_name_imports_what_it_needs_and_no_more(statement, absent):
    code = f"import sys, wlam; {statement}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    assert not {*absent.split()} & {*done.stdout.split()}


def test_every_public_name_is_there():
    for name in wlam._HOMES:
        assert name in dir(wlam)
        assert getattr(wlam, name).__name__ == name
    with pytest.raises(AttributeError, match="'wlam' has no attribute 'lode'"):
        wlam.lode  # noqa: B018


def test_released_models_are_listed_by_name():
    assert {"wlam_little", "wlam_tiny", "wlam_generator"} <= {*wlam.released()}
    assert "peers" not in wlam.released()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the kernel's own
def test_the_notebook_runs(trained_run, program_environment, monkeypatch):
    for name, value in program_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WLAM_MODEL", str(trained_run))
    monkeypatch.delenv("MPLBACKEND")  # so that pictures are shown
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "notebooks")}}
    )
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the kernel's own
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("estimation", ("unknown: NMSE", "half of the entries: NMSE")),
        ("beam_tracking", ("±1 beam", "entropy in bits")),
    ],
)
def test_notebooks_of_released_models_run(
    name, expected, program_environment, monkeypatch
):
    for key, value in program_environment.items():
        monkeypatch.setenv(key, value)
    path = ROOT / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, timeout=600, resources=folder).execute()
    outputs = [x for cell in notebook.cells for x in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    for text in expected:
        assert text in printed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the kernel's own
@pytest.mark.parametrize("name", ["zero_shot", "attention", "adapt"])
def test_notebooks_of_whole_channels_run(
    name, tmp_path, program_environment, monkeypatch
):
    for key, value in program_environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("WLAM_MODEL", str(tmp_path / "run"))
    monkeypatch.setenv("WLAM_STEPS", "10")
    monkeypatch.setenv("WLAM_SAMPLES", "10")
    command = [sys.executable, "train.py", "configs/quickstart.py"]
    command += ["--run", tmp_path / "run", "--steps", "10"]
    command += ["--model.backbone.width", "16", "--model.backbone.layers", "1"]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT)
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    folder = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(notebook, timeout=600, resources=folder).execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    expected = {"zero_shot": "NMSE", "attention": "1 layers", "adapt": "adapted"}
    assert expected[name] in printed
