"""A new task is one file: nothing of wlam is edited, and nothing is registered."""

import importlib
import json
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from wlam.data.generators import GENERATORS, generate
from wlam.evaluation.judge import judge
from wlam.serialise import from_json, to_json
from wlam.tasks import TASKS, layout_of, task_of
from wlam.tasks.mixture import DataSource
from wlam.types import DataError

TOY = '''
"""The next values of a wave, of a task and a generator of one's own."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from wlam import metrics
from wlam.config import Config
from wlam.data.files import SERIES
from wlam.evaluation.forecast import Forecast
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.tasks.mixture import DataSource
from wlam.tasks.task import Task
from wlam.tasks.windows import Sequences
from wlam.types import TIME, Series


@dataclass(frozen=True)
class Wave:
    """Sines of random phase."""

    period: float = 12.0

    def generate(self, key, samples):
        phase = jax.random.uniform(key, (samples, 1, 1), maxval=2 * jnp.pi)
        steps = jnp.arange(48)[None, :, None]
        step_s = jnp.ones(samples, jnp.float32)
        return Series(jnp.sin(phase + 2 * jnp.pi / self.period * steps), step_s)


@dataclass(frozen=True)
class Half(Task):
    """The next values, at every `every`-th step."""

    every: int = 2

    name = "half"
    container = asks = Series
    layout, window = SERIES, (12, 4)
    headline = "worst"
    informed = frozenset({"the truth"})

    def sequences(self, data):
        values = data.series[:, :: self.every]
        return Sequences(values, values, self.every * data.time_step_s, TIME)

    def question(self, windows):
        return Series(windows.context, windows.interval)

    def values(self, answer):
        return np.asarray(answer.series)

    def baselines(self, data, windows):
        return {
            "repeat last": lambda x, horizon: np.repeat(x[:, -1:], horizon, axis=1),
            "the truth": lambda x, horizon: windows.target,
        }

    def scores(self, forecast, data, windows):
        error = abs(forecast - windows.target).max((1, 2))
        return {"worst": metrics.Statistic(error, np.ones(len(error)))}

    def user_arrays(self, forecast, data, windows):
        return {"prediction": forecast}


half = Forecast(Half(), Wave(10.0), context=12, horizon=4, samples=6)
config = Config(
    run="unused",
    mixture={"half": DataSource(Half(), Wave(), size=1.0, rows_per_sample=1)},
    evaluation={"half": half},
    model=PredictorConfig(TransformerConfig(width=8, layers=1, heads=2), patch=4),
    steps=2,
    rows=4,
    steps_per_dispatch=1,
    validate_every=0,
)
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The user's file, as a module that is imported."""
    (tmp_path / "my_toy.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("my_toy")
    del sys.modules["my_toy"]


def test_it_is_trained_and_evaluated_with_nothing_registered(toy):
    assert toy.Wave not in GENERATORS
    assert "half" not in TASKS
    learner = toy.config.learner.build(toy.config)
    state, advance = learner.init(), jax.jit(learner.advance)
    for _ in range(2):
        state, metrics = advance(state)
        assert np.isfinite(metrics["loss/half"]).all()
    assert int(state["step"]) == 2
    model = network_of(toy.config, state, learner).model()
    ((name, result, skipped),) = judge(toy.config.evaluation, [model])
    assert (name, skipped) == ("half", [])
    assert result.headline == "worst"
    assert result.question == "12→4"
    assert np.isfinite(result.figure("worst", model.card.name).value)
    # The baseline that has the answer is shown, and is not to be beaten.
    assert result.figure("worst", "the truth").value == 0
    assert result.best_baseline("worst") == "repeat last"
    assert result.pictures().keys() == {"an example", "worst over the horizon"}


def network_of(config, state, learner):
    network = config.model.build(nnx.Rngs(0))
    nnx.update(network, learner.params(state))
    return network


def test_its_config_is_json_and_back_where_the_module_is_imported(toy):
    written = json.dumps(to_json(toy.config))
    found = from_json(json.loads(written))
    assert found == toy.config
    assert isinstance(found.mixture["half"].task, toy.Half)
    # Options of a task are fields, and are written down.
    other = DataSource(toy.Half(every=3), toy.Wave(), size=1.0)
    assert from_json(json.loads(json.dumps(to_json(other)))) == other
    assert other.task != toy.Half()


def test_its_config_is_refused_in_one_line_where_it_was_not(toy, monkeypatch):
    written = json.loads(json.dumps(to_json(toy.config)))
    monkeypatch.delitem(sys.modules, "my_toy")
    with pytest.raises(ValueError, match="of module 'my_toy'; needed one of") as error:
        from_json(written)
    assert "\n" not in str(error.value)
    assert "my_toy" not in sys.modules  # nothing is imported for a config's sake
    monkeypatch.setitem(sys.modules, "my_toy", toy)  # for the end of the fixture


def test_a_generator_is_a_dataclass_with_a_method(toy):
    key = jax.random.key(0)
    found = generate(key, toy.Wave(), 3)
    np.testing.assert_array_equal(found.series, toy.Wave().generate(key, 3).series)

    class Bare:
        def generate(self, key, samples):
            return None

    for source in (Bare(), toy.Half(), toy.Wave):
        with pytest.raises(ValueError, match=r"source: found .* with a method"):
            generate(key, source, 3)


def test_every_task_of_wlam_owns_what_files_need():
    assert [name for name, task in TASKS.items() if not task.layout] == ["precode"]
    for name, task in TASKS.items():
        assert task_of(task) is task
        if task.layout is None:
            with pytest.raises(DataError, match="task: found 'precode'"):
                layout_of(task)
            continue
        assert task.layout.data is task.container, name
        assert len(task.window) == 2, name
