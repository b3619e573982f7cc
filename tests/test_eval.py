"""eval.py as a user runs it: his own files, every bad input, tables and reports."""

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
RNG = np.random.default_rng(0)
CSI = (RNG.normal(size=(2, 12, 8, 4)) + 1j * RNG.normal(size=(2, 12, 8, 4))).astype(
    np.complex64
)
SCALARS = {"time_step_s": 1e-3, "subcarrier_spacing_hz": 15e3, "carrier_hz": 3e9}
FILES = {
    "csi_time": {"csi": CSI, **SCALARS},
    "csi_frequency": {"csi": CSI, **SCALARS},
    "beam": {"rsrp_db": RNG.normal(size=(3, 12, 6)).astype(np.float32)},
    "traffic": {"traffic": RNG.uniform(size=(3, 60)).astype(np.float32)},
    "series": {"series": RNG.normal(size=(3, 12, 2)).astype(np.float32)},
}
SHAPES = {
    "csi_time": {"prediction": (2, 3, 8, 4)},
    "csi_frequency": {"prediction": (2, 12, 3, 4)},
    "beam": {"prediction": (3, 3, 6), "track": (3,), "start": (3,)},
    "traffic": {"prediction": (12, 3), "series": (12,), "start": (12,)},
    "series": {"prediction": (3, 3, 2), "sample": (3,), "start": (3,)},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for task, arrays in FILES.items():
        np.savez(folder / f"{task}.npz", **{"time_step_s": 600.0, **arrays})
    return folder


def own_data(files, task, *more):
    window = ("--context", 5, "--horizon", 3)
    return ("--data", files / f"{task}.npz", "--task", task, *window, *more)


CASES = """
from wlam.evaluation.forecast import Forecast
from wlam.config import Config
from wlam.simulate.traffic import TrafficConfig

source = TrafficConfig(num_times=64)
daily = Forecast("traffic", source, context=24, horizon=8, samples=8)
config = Config(run="unused", mixture={}, evaluation={"daily": daily})
"""


def test_the_cases_of_another_config(program, trained_run, files, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CASES)
    several = tmp_path / "all.py"
    several.write_text(CASES + 'configs = {"part": config}\n')
    for name, which in (("mine", path), ("all_part", f"{several}:part")):
        program("eval.py", trained_run, "--cases", which)
        lines = (trained_run / f"evaluation_{name}.jsonl").read_text().splitlines()
        assert {json.loads(line)["case"] for line in lines} == {"daily"}
        assert (trained_run / f"report_{name}.html").exists()
    both = ("--cases", path, *own_data(files, "beam"))
    done = program("eval.py", trained_run, *both, code=2)
    assert "--cases: given with --data" in done.stderr


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(
            task, marks=pytest.mark.slow if task in ("csi_frequency", "series") else ()
        )
        for task in sorted(FILES)
    ],
)
def test_own_data_in_own_units(program, trained_run, files, tmp_path, task):
    out, results = tmp_path / "p.npz", tmp_path / "r.jsonl"
    done = program(
        "eval.py", trained_run,
        *own_data(files, task, "--predictions", out, "--json", results),
    )  # fmt: skip
    arrays = dict(np.load(out))
    assert {name: x.shape for name, x in arrays.items()} == SHAPES[task]
    kind = np.complex64 if task.startswith("csi") else np.float32
    assert arrays["prediction"].dtype == kind
    records = [json.loads(line) for line in results.read_text().splitlines()]
    assert {"tiny", "repeat last"} <= {record["predictor"] for record in records}
    assert "| best baseline |" in re.sub(r" +", " ", done.stdout)
    if task.startswith("csi"):
        assert "half-wavelength" in done.stdout


def test_the_floor_that_eval_prints_is_the_one_that_others_compute(
    program, trained_run, files, tmp_path
):
    results = tmp_path / "r.jsonl"
    program("eval.py", trained_run, *own_data(files, "csi_time", "--json", results))
    records = [json.loads(line) for line in results.read_text().splitlines()]
    found = {(r["predictor"], r["metric"]): r["value"] for r in records}
    error = abs(CSI[:, 5:8] - CSI[:, 4:5]) ** 2  # repeat the last, in the user's domain
    power = abs(CSI[:, 5:8]) ** 2
    ratio = error.sum((1, 2, 3)) / power.sum((1, 2, 3))
    nmse = 10 * np.log10(ratio.mean())
    assert found["repeat last", "NMSE dB"] == pytest.approx(nmse, abs=1e-3)
    pooled = 10 * np.log10(error.sum() / power.sum())
    assert found["repeat last", "NMSE pooled dB"] == pytest.approx(pooled, abs=1e-3)
    assert found["zero", "NMSE dB"] == pytest.approx(0, abs=1e-6)


BAD = [
    (("--task", "beams"), "task"),
    (("--context", "99"), "context"),
    (("--horizon", "0"), "horizon"),
    (("--snr-db", "nan"), "--snr-db"),
    (("--tail", "0"), "tail"),
    (("--data", "none.npz"), "none.npz"),
    (("--report", "no/such/folder/r.html"), "no/such/folder"),
]


@pytest.mark.parametrize(("arguments", "field"), BAD)
def test_bad_options_are_one_line_and_write_nothing(
    program, trained_run, files, tmp_path, arguments, field
):
    task = "traffic" if "--tail" in arguments else "csi_time"
    outputs = ("--json", tmp_path / "r.jsonl", "--predictions", tmp_path / "p.npz")
    given = own_data(files, task, *outputs, *arguments)
    done = program("eval.py", trained_run, *given, code=2)
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("eval.py: ")
    assert field in lines[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_example_of_the_documents(program, trained_run, tmp_path, monkeypatch):
    text = (ROOT / "docs" / "data_formats.md").read_text()
    (python,) = re.findall(r"```python\n(.*?)```", text, re.S)
    shell = re.findall(r"```sh\n(.*?)```", text, re.S)[0]
    monkeypatch.chdir(tmp_path)
    exec(python, {})
    words = shell.replace("\\\n", " ").split()
    assert words[:3] == ["python", "eval.py", "runs/quickstart"]
    here = {f: str(tmp_path / f) for f in words if re.search(r"\.(npz|jsonl)$", f)}
    program("eval.py", trained_run, *(here.get(word, word) for word in words[3:]))
    forecasts = np.load(tmp_path / "my_forecasts.npz")["prediction"]
    assert forecasts.shape == (4, 4, 16, 8)
    assert (tmp_path / "my_results.jsonl").read_text().count("\n") > 4


@pytest.mark.parametrize(
    ("extra", "code"),
    [(("--context", 99), 2), pytest.param((), 0, marks=pytest.mark.slow)],
)
def test_as_a_process_of_its_own(trained_run, files, program_environment, extra, code):
    """Nothing but the table on standard output, and 2 for bad input."""
    command = [sys.executable, "eval.py", trained_run, *own_data(files, "beam")]
    done = subprocess.run(
        list(map(str, [*command, *extra])),
        cwd=ROOT,
        env=program_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert ("| metric" in done.stdout) == (code == 0)


def test_options_that_need_each_other(program, trained_run, files):
    done = program("eval.py", trained_run, "--data", files / "beam.npz", code=2)
    assert "--task, --context, --horizon: missing" in done.stderr
    done = program("eval.py", files / "nowhere", code=2)
    assert "model: no folder" in done.stderr
    done = program("eval.py", files, code=2)
    assert "neither checkpoints/" in done.stderr
    done = program("eval.py", trained_run, "--predictions", "p.npz", code=2)
    assert "--predictions: given without --data" in done.stderr


def test_noise_on_the_context_leaves_the_target_clean(
    program, trained_run, files, tmp_path
):
    values = []
    for snr in ("-10", "60"):
        results = tmp_path / f"{snr}.jsonl"
        given = own_data(files, "csi_time", "--snr-db", snr, "--json", results)
        program("eval.py", trained_run, *given)
        records = [json.loads(line) for line in results.read_text().splitlines()]
        values.append(
            next(
                r["value"]
                for r in records
                if (r["predictor"], r["metric"]) == ("repeat last", "NMSE dB")
            )
        )
    # White channel of power 1: the last one is wrong by 1 + 1, at -10 dB by 10 more.
    assert values[0] == pytest.approx(10 * np.log10(12), abs=1)
    assert values[1] == pytest.approx(10 * np.log10(2), abs=1)


def test_a_run_is_judged_with_its_cases_and_a_report(program, trained_run):
    done = program("eval.py", trained_run)
    assert "traffic_2h" in done.stdout
    assert "skipped milan_10min" in done.stdout
    records = (trained_run / "evaluation.jsonl").read_text().splitlines()
    assert {json.loads(r)["predictor"] for r in records} >= {"tiny", "seasonal naive"}
    report = (trained_run / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 2  # an example, and a curve
    assert not re.search(r'(src|href)="(?!data:|#)', report)  # nothing from elsewhere


def test_two_models_share_one_table_and_one_report(
    program, trained_run, files, tmp_path
):
    """Every baseline is in the JSON and the report, and in the wide table alone."""
    other = tmp_path / "another"
    shutil.copytree(trained_run, other)
    path = tmp_path / "mine.py"
    path.write_text(CASES)
    results, report = tmp_path / "r.jsonl", tmp_path / "r.html"
    outputs = ("--cases", path, "--json", results, "--report", report)
    short = program("eval.py", trained_run, other, *outputs).stdout
    lines = [line for line in short.splitlines() if line.startswith("|")]
    assert len(lines) == 3  # a header, a rule and the one case
    assert {len(line) for line in lines} <= set(range(101))
    header = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert [header.count(name) for name in ("tiny", "another")] == [1, 1]
    assert "seasonal naive" not in header
    records = [json.loads(line) for line in results.read_text().splitlines()]
    named = {record["predictor"] for record in records}
    baselines = {"zero", "repeat last", "context mean", "AR", "seasonal naive"}
    assert named > {"tiny", "another"} | baselines
    values = {
        name: [r["value"] for r in records if r["predictor"] == name]
        for name in ("tiny", "another")
    }
    assert values["tiny"] == values["another"]  # the same weights
    page = report.read_text()
    assert page.count("<html") == 1
    for name in named:
        assert html.escape(name) in page
    wide = program("eval.py", trained_run, other, *outputs, "--wide").stdout
    (header,) = (line for line in wide.splitlines() if line.startswith("| case"))
    for name in named:
        assert f" {name} |" in header
    given = ("--predictions", tmp_path / "p.npz", *own_data(files, "traffic"))
    done = program("eval.py", trained_run, other, *given, code=2)
    assert "--predictions: given for several models; needed one" in done.stderr
