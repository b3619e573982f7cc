"""What every test runs under: exact shapes, no silent rank promotion, a warm cache."""

import contextlib
import gc
import io
import os
import runpy
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
import pytest
from jaxtyping import install_import_hook

pytest_plugins = ("tests.made_up_scores",)

# Shapes and dtypes in signatures are checked at run time, but only under pytest.
hook = install_import_hook(["wlam", "benchmarks"], "beartype.beartype")
hook.__enter__()

jax.config.update("jax_numpy_rank_promotion", "raise")
# Tracing makes objects by the million, and looking through all of them for cycles as
# often as by default takes a tenth of the time.
gc.set_threshold(50_000, 20, 20)
# Compilation dominates test time, so it is kept from one run to the next.
CACHE = str(Path(__file__).parent / ".jax_cache")
jax.config.update("jax_compilation_cache_dir", CACHE)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {
    "JAX_COMPILATION_CACHE_DIR": CACHE,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "PYTHONUNBUFFERED": "1",
    "WLAM_DATA_DIR": str(ROOT / "none"),  # evaluations of generated data only
    "WLAM_PREPARED_DIR": str(ROOT / "none"),
}
CONFIG = """
from wlam.config import CheckpointConfig, Config, OptimizerConfig
from wlam.evaluation.cases import Case
from wlam.tasks.mixture import DataSource
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.simulate.traffic import TrafficConfig

config = Config(
    run="unset",
    mixture={
        "traffic": DataSource(
            task="traffic",
            source=TrafficConfig(num_times=32),
            size=1.0,
            rows_per_sample=1,
        )
    },
    evaluation={
        "traffic_2h": Case(
            task="traffic",
            source=TrafficConfig(num_times=64, time_steps_s=(7200.0,)),
            context=24,
            horizon=8,
            samples=8,
        )
    },
    model=PredictorConfig(TransformerConfig(width=8, layers=1, heads=2), patch=8),
    steps=320,
    rows=4,
    steps_per_dispatch=4,
    validate_every=0,  # a program more to compile
    optimizer=OptimizerConfig(warmup_steps=8),
    checkpoint=CheckpointConfig(every_steps=20),
)
"""


def pytest_collection_modifyitems(items):
    """One worker trains the run while the other has enough else to do.

    Of the files that use it the first comes at the very beginning, the rest halfway.
    """
    paths = list(dict.fromkeys(item.path for item in items))
    users = {item.path for item in items if "trained_run" in item.fixturenames}
    first = [path for path in paths if path in users]
    others = [path for path in paths if path not in users]
    half = len(others) // 2
    order = first[:1] + others[:half] + first[1:] + others[half:]
    items.sort(key=lambda item: order.index(item.path))


@pytest.fixture(scope="session")
def program_environment():
    """Environment of the programs that tests start."""
    return ENVIRONMENT


@dataclass
class Done:
    """What a program left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def program():
    """Runs eval.py as its command line does, but in this warm process."""

    def run(script, *arguments, code=0):
        out, err, returned = io.StringIO(), io.StringIO(), 0
        argv = [script, *map(str, arguments)]
        with (
            mock.patch.object(sys, "argv", argv),
            mock.patch.dict(os.environ, ENVIRONMENT),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                runpy.run_path(str(ROOT / script), run_name="__main__")
            except SystemExit as stop:
                returned = stop.code or 0
        done = Done(returned, out.getvalue(), err.getvalue())
        assert done.returncode == code, done.stderr[-2000:]
        return done

    return run


@pytest.fixture(scope="session")
def start_training(tmp_path_factory):
    """Starts the tiny experiment in the background: (run, overrides) -> process."""
    path = tmp_path_factory.mktemp("config") / "tiny.py"
    path.write_text(CONFIG)

    def start(run, *overrides):
        command = [sys.executable, "train.py", path, "--run", run, *overrides]
        return subprocess.Popen(
            list(map(str, command)),
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def trained_run(start_training, tmp_path_factory):
    """The folder of the tiny experiment, run once and never interrupted."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    run, outcome = shared / "runs" / "tiny", shared / "runs" / "outcome.txt"
    try:
        run.parent.mkdir()  # by the worker that asks first
    except FileExistsError:
        while not outcome.exists():
            time.sleep(0.1)
    else:
        result = "the training did not end"
        try:
            process = start_training(run, "--validate-every", "160")
            _, err = process.communicate(timeout=300)
            result = "" if process.returncode == 0 else err[-2000:] or "it failed"
        finally:  # or the other worker would wait for ever
            outcome.with_suffix(".part").write_text(result)
            outcome.with_suffix(".part").rename(outcome)
    assert not outcome.read_text(), outcome.read_text()
    return run
