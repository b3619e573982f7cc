"""Learners: the contract with train.py, and steps as functions of the state."""

import json
import runpy
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.config import Config
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.tasks.mixture import DataSource
from wlam.training import signals
from wlam.training.checkpoint import check_same
from wlam.training.learners.base import Learner, LearnerConfig
from wlam.training.learners.supervised import Supervised

ROOT = Path(__file__).parents[3]
TRAFFIC = DataSource("traffic", TrafficConfig(num_times=16), 1.0, 1)
CONFIG = Config(
    run="",
    mixture={"t": TRAFFIC},
    evaluation={},
    model=PredictorConfig(
        TransformerConfig(width=8, layers=1, heads=2), patch=8, baselines=False
    ),
    steps=8,
    rows=4,
    steps_per_dispatch=4,
)


@pytest.fixture(scope="module")
def learned():
    """The compiled functions of a learner and its first state."""
    learner = CONFIG.learner.build(CONFIG)
    return jax.jit(learner.advance), jax.jit(learner.validate), learner.init()


def test_the_state_keeps_its_shapes_and_counts_its_steps(learned):
    advance, _, first = learned
    after, metrics = advance(first)
    assert jax.tree.structure(after) == jax.tree.structure(first)
    assert int(after["step"]) == 4
    assert metrics["loss"].shape == metrics["loss/t"].shape == (4,)
    assert (np.asarray(metrics["loss"]) > 0).all()
    shapes = jax.eval_shape(CONFIG.learner.build(CONFIG).init)
    alike = jax.tree.map(
        lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), *((shapes, after))
    )
    assert all(jax.tree.leaves(alike))


def test_two_dispatches_of_two_steps_equal_one_of_four(learned):
    advance, _, first = learned
    whole, metrics = advance(first)
    halves = replace(CONFIG, steps_per_dispatch=2)
    step = jax.jit(halves.learner.build(halves).advance)
    state, early = step(first)
    state, late = step(state)
    jax.tree.map(np.testing.assert_array_equal, state, whole)
    both = np.concatenate([early["loss"], late["loss"]])
    np.testing.assert_array_equal(both, metrics["loss"])


def test_validation_keeps_the_state_and_has_separate_data(learned):
    advance, validate, first = learned
    found = validate(first)
    assert found.keys() == {"validation", "validation/t"}
    assert float(found["validation"]) == float(validate(first)["validation"])
    assert float(found["validation"]) != float(advance(first)[1]["loss"][0])


def test_another_learner_is_another_run(tmp_path):
    other = replace(CONFIG, learner=Halving())
    with pytest.raises(ValueError, match=r"learner\._: .*Halving here but .*Supervise"):
        check_same(CONFIG, other, tmp_path)
    assert CONFIG.learner == Supervised()


@dataclass(frozen=True)
class Halving(LearnerConfig):
    """Halves a number at every step."""

    def build(self, config):
        return HalvingLearner(config)


class HalvingLearner(Learner):
    def __init__(self, config):
        self.config = config

    def init(self, start=None):
        return {"params": {"x": jnp.ones(1)}, "step": jnp.zeros((), jnp.int32)}

    def advance(self, state):
        def step(state, _):
            x = state["params"]["x"] / 2
            return {"params": {"x": x}, "step": state["step"] + 1}, {"loss": x[0]}

        return jax.lax.scan(step, state, length=self.config.steps_per_dispatch)

    def validate(self, state):
        return {"validation": 10 * state["params"]["x"][0]}

    def validations(self):
        return ((self.config.validate_every, self.validate),)

    def params(self, state):
        return state["params"]


def test_the_training_program_runs_any_learner(tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "set_mesh", lambda _: None)  # would stay for other tests
    monkeypatch.setattr(signals.signal, "signal", lambda *_: None)
    run = tmp_path / "run"
    config = replace(CONFIG, run=str(run), learner=Halving(), validate_every=4)
    assert runpy.run_path(str(ROOT / "train.py"))["train"](config) == 0
    lines = [json.loads(x) for x in (run / "metrics.jsonl").read_text().splitlines()]
    expected = {4: 0.46875 / 2, 8: 0.46875 / 2 / 16}  # means of four halvings
    assert {x["step"]: x["loss"] for x in lines if "loss" in x} == expected
    found = {x["step"]: x["validation"] for x in lines if "validation" in x}
    assert found == {4: 10 / 16, 8: 10 / 256}
    assert (run / "checkpoints" / "8").is_dir()


def test_an_average_of_the_parameters_is_validated(learned):
    _, validate, _ = learned
    optimizer = replace(CONFIG.optimizer, learning_rate=0.1, warmup_steps=0, ema=0.5)
    config = replace(CONFIG, optimizer=optimizer)
    learner = config.learner.build(config)
    state, _ = jax.jit(learner.advance)(learner.init())
    found = jax.jit(learner.validate)(state)["validation"]
    average, last = (
        validate({**state, "optimizer": learned[2]["optimizer"], "params": params})
        for params in (learner.params(state), state["params"])
    )
    np.testing.assert_allclose(found, average["validation"], rtol=1e-6)
    assert abs(found - last["validation"]) > 1e-3
