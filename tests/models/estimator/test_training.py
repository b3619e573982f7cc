"""An estimator from its config to eval.py: trained, released, loaded, judged."""

import json
import runpy

import jax
import numpy as np
import pytest

import wlam
from wlam import hub
from wlam.config import Config
from wlam.models.estimator.network import EstimatorConfig
from wlam.nn.denoisers.spectral import SpectralConfig
from wlam.phy.channels.kronecker import KroneckerConfig, generate
from wlam.tasks.mixture import DataSource
from wlam.training.checkpoint import CheckpointConfig
from wlam.training.optimisers import OptimizerConfig

SOURCE = KroneckerConfig(num_rx=8, num_tx=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An estimator after a few steps, which is some better than at first."""
    folder = tmp_path_factory.mktemp("estimator") / "run"
    config = Config(
        run=str(folder),
        mixture={"mimo": DataSource("csi_estimate", SOURCE, 1.0, rows_per_sample=1)},
        evaluation={},
        model=EstimatorConfig(SpectralConfig(width=8, blocks=1)),
        steps=30,
        rows=16,
        steps_per_dispatch=15,
        validate_every=0,
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=5),
        checkpoint=CheckpointConfig(every_steps=30),
    )
    train = runpy.run_path("train.py")["train"]
    assert train(config) == 0
    return folder


def test_it_learns(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    first, last = (json.loads(lines[i])["loss"] for i in (0, -1))
    assert last < first


def test_a_released_one_says_what_the_run_says(run, tmp_path):
    hub.release(run, tmp_path / "mine")
    with np.load(tmp_path / "mine" / hub.GOLDEN) as archive:
        golden = dict(archive)
    assert set(golden) == {"estimate", "blind_estimate"}
    again = wlam.load(run).golden()
    for name in golden:
        np.testing.assert_allclose(again[name], golden[name], atol=1e-5)


def test_it_is_judged_beside_the_floors_on_your_own_file(run, program, tmp_path):
    rng = np.random.default_rng(0)
    wide = KroneckerConfig(num_rx=8, num_tx=16)
    data = jax.jit(lambda key: generate(key, wide, 3))(jax.random.key(5))
    clean = np.asarray(data.clean)
    noise = rng.normal(size=(2, *clean.shape)) / np.sqrt(20)
    path = tmp_path / "mine.npz"
    about = {"time_step_s": 1e-3, "subcarrier_spacing_hz": 15e3, "carrier_hz": 3e9}
    csi = (clean + noise[0] + 1j * noise[1]).astype(np.complex64)
    np.savez(path, csi=csi, clean=clean, noise_variance=0.1, **about)
    asked = ("eval.py", run, "--data", path, "--task", "csi_estimate")
    out, results = tmp_path / "out.npz", tmp_path / "out.jsonl"
    program(*asked, "--json", results, "--predictions", out)
    assert np.load(out)["prediction"].shape == clean.shape
    records = [json.loads(line) for line in results.read_text().splitlines()]
    found = {
        r["predictor"]: r["value"] for r in records if r["metric"] == "NMSE pooled dB"
    }
    name = wlam.load(run).card.name
    assert {name, "interpolation", "spline", "sparse Bayes"} <= set(found)
    # Everything is a pilot: a line through all of them is the observation.
    power = (abs(clean) ** 2).mean()
    assert found["interpolation"] == pytest.approx(10 * np.log10(0.1 / power), abs=0.4)
    assert found[name] < found["interpolation"]
    done = program(*asked, "--context", 3, code=2)
    assert "--context, --horizon: found 3" in done.stderr
    other = ("--task", "csi_frequency", "--context", 8, "--horizon", 8)
    done = program("eval.py", run, "--data", path, *other, code=2)
    assert "the model cannot predict" in done.stderr
