"""The wheel works in any folder, offline, and the checkout is not needed."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USE = """
import numpy as np, wlam
model = wlam.load("wlam_little")
t = np.arange(72)
load = wlam.Traffic(100 + 30 * np.sin(t / 4), time_step_s=3600.0)
forecast = model.predict(load, horizon=12)
assert isinstance(forecast, wlam.Traffic)
assert forecast.traffic.shape == (12,)
assert np.isfinite(forecast.traffic).all()
from wlam.data import builders
try:
    builders.prepare("csi_cdl", data_dir="data")
except wlam.DataError as error:
    print(error)
print(wlam.__file__)
print(*wlam.released())
"""


def run(*command: str | Path, **options) -> str:
    found = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, **options
    )
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout


@pytest.mark.slow
def test_the_wheel_carries_the_released_models(tmp_path):
    build = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path)
    run(sys.executable, *build, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert 10e6 < wheel.stat().st_size < 20e6
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[2] for name in names if "/released/" in name}
    kept = {path.parent.name for path in ROOT.glob("models/wlam_*/config.json")}
    assert folders == kept
    assert {name.split("/")[0] for name in names} == {
        "wlam",
        wheel.name.split("-py3")[0] + ".dist-info",
    }

    home = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install)
    # The packages of this environment, without its editable wlam.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    outside = {name: x for name, x in os.environ.items() if name != "PYTHONPATH"}
    printed = run(python, "-c", USE, cwd=empty, env=outside)
    refused, where, released = printed.splitlines()
    assert refused.startswith("datasets_dir: found no ")
    assert "needed is datasets_dir, the datasets folder" in refused
    assert Path(where).is_relative_to(site)
    assert set(released.split()) == kept
