"""Whole runs in separate processes: killed, stopped, resumed, diverged."""

import json
import os
import random
import runpy
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from wlam.hub import state_shapes
from wlam.training.checkpoint import load_params
from wlam.training.signals import StopRequest

ROOT = Path(__file__).parents[2]


def finish(process, code=0):
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err[-2000:]
    return out, err


def progress(run):
    """The last step of the metrics file."""
    path = run / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1])["step"] if lines else 0


def wait_for(run, step, process):
    while progress(run) < step and process.poll() is None:
        time.sleep(0.01)


def params_of(run):
    params, _, step = load_params(run, state_shapes)
    return jax.tree.leaves(params), step


def same_bits(run, other):
    (a, step), (b, other_step) = params_of(run), params_of(other)
    assert step == other_step == 320
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def killed_and_resumed(start_training, run, moments):
    metrics = run / "metrics.jsonl"
    for moment in moments:
        before = metrics.stat().st_mtime_ns if metrics.exists() else 0
        process = start_training(run)
        # A resumed run first removes metrics after its checkpoint.
        while process.poll() is None and (
            not metrics.exists() or metrics.stat().st_mtime_ns == before
        ):
            time.sleep(0.01)
        wait_for(run, moment, process)
        time.sleep(random.random() * 0.05)  # also in the middle of a save
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out, _ = finish(start_training(run))
    assert "resuming" in out


def test_killed_run_resumes_to_the_same_bits(start_training, trained_run, tmp_path):
    killed_and_resumed(start_training, tmp_path / "run", [100])
    same_bits(trained_run, tmp_path / "run")
    for run in (trained_run, tmp_path / "run"):
        lines = (run / "metrics.jsonl").read_text().splitlines()
        steps = [
            json.loads(line)["step"] for line in lines if "loss" in json.loads(line)
        ]
        assert steps == list(range(4, 321, 4))  # nothing twice, nothing lost


@pytest.mark.slow
def test_killed_at_20_random_moments_resumes_to_the_same_bits(
    start_training, trained_run, tmp_path
):
    moments = sorted(random.Random(0).randrange(320) for _ in range(20))
    killed_and_resumed(start_training, tmp_path / "run", moments)
    same_bits(trained_run, tmp_path / "run")


@pytest.mark.slow
def test_sigterm_saves_and_exits(start_training, tmp_path):
    run = tmp_path / "run"
    process = start_training(run)
    wait_for(run, 60, process)
    process.send_signal(signal.SIGTERM)
    out, _ = finish(process, code=128 + signal.SIGTERM)
    _, step = params_of(run)
    assert f"stopped by SIGTERM at step {step}, saved" in out
    assert 60 <= step < 320


@pytest.mark.slow  # a process more; the killed run resumes in the fast tests
def test_a_run_stopped_by_sigterm_resumes_to_the_same_bits(
    start_training, trained_run, tmp_path
):
    run = tmp_path / "run"
    process = start_training(run)
    wait_for(run, 60, process)
    process.send_signal(signal.SIGTERM)
    finish(process, code=128 + signal.SIGTERM)
    finish(start_training(run))
    same_bits(trained_run, run)


def test_a_stop_request_has_its_signal_and_exit_code():
    before = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)}
    stop = StopRequest()
    assert not stop
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop
    assert (stop.signal, stop.exit_code) == (signal.SIGTERM, 143)
    # A second one is not caught.
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    for number, handler in before.items():
        signal.signal(number, handler)


def test_metrics_that_are_not_finite_name_step_task_and_last_good_checkpoint():
    check_finite = runpy.run_path(str(ROOT / "train.py"))["check_finite"]
    metrics = {
        "loss": np.array([1.0, np.nan, np.nan]),
        "loss/beam": np.array([1.0, 1.0, 1.0]),
        "loss/traffic": np.array([1.0, np.inf, 1.0]),
    }
    check_finite(7, {"loss": np.ones(3)}, "step 6")
    with pytest.raises(FloatingPointError) as error:
        check_finite(7, metrics, "step 6")
    expected = "step 8: loss/traffic not finite; the last good checkpoint is step 6"
    assert str(error.value).startswith(expected)


@pytest.mark.slow
def test_a_diverged_run_names_step_task_and_last_good_checkpoint(
    start_training, tmp_path
):
    run = tmp_path / "run"
    arguments = ("--optimizer.learning-rate", "1e30", "--optimizer.clip-norm", "1e30")
    _, err = finish(start_training(run, *arguments), code=2)
    message = err.strip().splitlines()[-1]
    assert message.startswith("train.py: step ")
    assert "loss/traffic" in message
    assert "last good checkpoint" in message


@pytest.mark.slow
def test_another_config_is_named(start_training, trained_run):
    _, err = finish(start_training(trained_run, "--rows", "8"), code=2)
    assert err.strip().splitlines()[-1].startswith("train.py: rows: 8 here but 4 in ")
