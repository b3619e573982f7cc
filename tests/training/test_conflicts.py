"""Cosines of gradients: closed forms, and the figures that a run logs."""

import json
import runpy
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.adapt.lora import AdaptConfig
from wlam.config import Config
from wlam.data.generators import GENERATORS
from wlam.models.base import Network, NetworkConfig
from wlam.tasks import TASKS
from wlam.tasks.mixture import DataSource
from wlam.tasks.task import Task
from wlam.tasks.windows import Sequences
from wlam.training import signals
from wlam.training.conflicts import conflicts, gradient_cosines
from wlam.training.learners import supervised
from wlam.types import TIME

ROOT = Path(__file__).parents[2]
PARAMS = {"a": jnp.zeros(2), "b": {"c": jnp.zeros((1, 2))}}


def quadratics(*targets):
    """Losses |p - t|^2 / 2, whose gradients at 0 are -t."""
    targets = np.float32(targets)

    def losses(params):
        p = jnp.concatenate([params["a"], params["b"]["c"][0]])
        return ((p[None] - targets) ** 2).sum(1) / 2

    return losses


def test_cosines_of_quadratic_losses_are_those_of_their_targets():
    t = np.random.default_rng(0).normal(size=(4, 4))
    t[1], t[2] = 3 * t[0], -2 * t[0]
    found = jax.jit(lambda p: gradient_cosines(quadratics(*t), p))(PARAMS)
    unit = t / np.linalg.norm(t, axis=1, keepdims=True)
    np.testing.assert_allclose(found, unit @ unit.T, atol=1e-6)
    np.testing.assert_allclose(found[0, :3], [1, 1, -1], atol=1e-6)


def test_a_loss_without_a_gradient_agrees_with_none():
    found = gradient_cosines(quadratics([1, 0, 0, 0], [0, 0, 0, 0]), PARAMS)
    np.testing.assert_array_equal(found, [[1, 0], [0, 0]])


def test_the_share_of_pairs_that_conflict():
    """Axes x, y and -x - y: of three pairs two conflict. The total is their sum."""
    x, y = np.eye(4)[:2]
    names = ("x", "y", "both")
    losses = quadratics(x + 0.5 * y, x, y, -x - y)
    found = jax.jit(lambda p: conflicts(losses, p, names))(PARAMS)
    assert found["conflict"] == pytest.approx(2 / 3)
    root = np.sqrt(1.25)
    expected = (1 / root, 0.5 / root, -1.5 / root / np.sqrt(2))
    for name, cosine in zip(names, expected, strict=True):
        assert found[f"conflict/{name}"] == pytest.approx(cosine, abs=1e-6)
    alone = conflicts(quadratics(x, x), PARAMS, ["x"])
    assert {name: float(v) for name, v in alone.items()} == {
        "conflict": 0,
        "conflict/x": 1,
    }


class Given(Task):
    """A task for a generator whose data are sequences."""

    name = "given"
    container = Sequences

    def sequences(self, data):
        return data


@dataclass(frozen=True)
class Constant:
    """The same two samples always."""

    values: tuple[float, float]


def constant(_, config, samples):
    x = jnp.tile(jnp.array(config.values)[None, :, None], (samples, 1, 1))
    return Sequences(x, x, jnp.ones(samples), TIME)


@dataclass(frozen=True)
class QuadraticConfig(NetworkConfig):
    """A network of four numbers."""

    def build(self, rngs):
        return Quadratic(rngs)


class Quadratic(Network):
    """|head - x|^2 / 2 and a slope in a trunk that is the same for all x."""

    def __init__(self, rngs):
        self.head = nnx.Param(jnp.zeros(2))
        self.trunk = nnx.Param(jnp.zeros(2))

    def loss(self, part, key):
        miss = self.head[...][None] - part.values[:, 0]
        return (miss**2).sum(1).mean() / 2 + 100 * self.trunk[...].sum()


@pytest.fixture
def config(monkeypatch, tmp_path):
    monkeypatch.setitem(GENERATORS, Constant, constant)
    monkeypatch.setitem(TASKS, "given", Given())
    targets = {"one": (1.0, 0.0), "same": (1.0, 0.0), "against": (-1.0, 0.0)}
    return Config(
        run=str(tmp_path / "run"),
        mixture={n: DataSource("given", Constant(x), 1.0) for n, x in targets.items()},
        evaluation={},
        model=QuadraticConfig(),
        steps=4,
        rows=3,
        steps_per_dispatch=2,
        validate_every=0,
    )


def compared(config):
    learner = config.learner.build(config)
    return jax.device_get(jax.jit(learner.conflicts)(learner.init()))


def test_equal_sources_agree_and_opposite_ones_conflict(config):
    """Of trained parameters alone: the trunk has the larger gradient, equal for all."""
    heads = replace(config, init="a model", adapt=AdaptConfig("head"))
    found = compared(heads)
    expected = {
        "conflict": 2 / 3,
        "conflict/one": 1,
        "conflict/same": 1,
        "conflict/against": -1,
    }
    assert {name: float(x) for name, x in found.items()} == pytest.approx(expected)
    everything = compared(config)
    assert everything["conflict"] == 0
    assert everything["conflict/against"] > 0.99


def logged(config, monkeypatch):
    """The metrics of train.py, with the validations."""
    monkeypatch.setattr(jax, "set_mesh", lambda _: None)  # would stay for other tests
    monkeypatch.setattr(signals.signal, "signal", lambda *_: None)
    assert runpy.run_path(str(ROOT / "train.py"))["train"](config) == 0
    lines = (Path(config.run) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_run_logs_conflicts_on_request(config, monkeypatch):
    lines = logged(replace(config, conflicts_every=2), monkeypatch)
    steps = [line["step"] for line in lines if "conflict" in line]
    assert steps == [2, 4]
    cosines = (f"conflict/{name}" for name in config.mixture)
    names = frozenset({"step", "conflict", *cosines})
    assert {frozenset(line) for line in lines if "conflict" in line} == {names}


def test_by_default_a_run_compiles_no_conflicts(config, monkeypatch):
    def refuse(*_):
        raise AssertionError("conflicts were traced")

    monkeypatch.setattr(supervised, "conflicts", refuse)
    lines = logged(config, monkeypatch)
    assert [line["step"] for line in lines] == [2, 4]
    assert not any("conflict" in line for line in lines)
