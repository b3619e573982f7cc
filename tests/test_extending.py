"""The six examples of docs/extending.md, as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from wlam.config import read_config
from wlam.evaluation.judge import judge
from wlam.serialise import from_json, to_json

ROOT = Path(__file__).parents[1]
KINDS = ("backbone", "task", "evaluator", "estimator", "dataset", "learner")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every block of the page that begins with the name of a file, as that file."""
    folder = tmp_path_factory.mktemp("mine")
    page = (ROOT / "docs" / "extending.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, block[:40]
        (folder / name[1]).write_text(block)
    yield folder
    mine = {path.stem for path in folder.glob("*.py")}
    sys.path[:] = [path for path in sys.path if path != str(folder)]
    for name in mine & sys.modules.keys():
        del sys.modules[name]


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_trains_is_saved_and_is_judged(folder, kind):
    config = read_config(str(folder / f"with_{kind}.py"))
    assert from_json(to_json(config)) == config
    learner = config.learner.build(config)
    state = jax.jit(learner.init)()
    after, metrics = jax.jit(learner.advance)(state)
    assert np.isfinite(metrics["loss"]).all()
    moved = jax.tree.map(
        lambda a, b: np.any(a != b), learner.params(state), learner.params(after)
    )
    assert any(jax.tree.leaves(moved))
    network = nnx.merge(learner.graph, learner.params(after))
    ((name, result, skipped),) = judge(config.evaluation, [network.model()])
    assert not skipped
    assert len(result.statistics) > 1  # the model and baselines
    for metric in result.metrics:
        figure = result.figure(metric, result.models[0])
        assert figure is None or np.isfinite(figure.value), (name, metric)


def test_the_backbone_streams_what_a_call_gives(folder):
    config = read_config(str(folder / "with_backbone.py")).model.backbone
    backbone = config.build(nnx.Rngs(0), np.dtype("float32"))
    tokens = jax.random.normal(jax.random.key(0), (2, 5, 16))
    visible = np.array([[True] * 5, [True, False, True, True, False]])
    state, out = backbone.start(2, 5), []
    for i in range(5):
        state, now = backbone.step(state, tokens[:, i], visible[:, i])
        out.append(now)
    whole = backbone(tokens, visible)
    np.testing.assert_allclose(np.stack(out, 1), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_example_runs_by_the_two_commands(
    folder, kind, tmp_path, program_environment
):
    config, run = folder / f"with_{kind}.py", tmp_path / "run"
    for command in (
        ["train.py", config, "--run", run],
        ["eval.py", run, "--cases", config, "--json", tmp_path / "out.jsonl"],
    ):
        command = [sys.executable, *map(str, command)]
        subprocess.run(command, check=True, cwd=ROOT, env=program_environment)
    assert (tmp_path / "out.jsonl").read_text()
