"""Scores and a model made up for the tests of the benchmark."""

from dataclasses import replace

import numpy as np
import pytest

from wlam.evaluation.scores import LABELS, Scores
from wlam.metrics import Statistic, decibel
from wlam.models.base import Card, Model
from wlam.types import AXES, Csi, Series, Sweeps

SHARES = ("top-1", "top-3", "±1 beam")
VALUES = {Csi: "csi", Sweeps: "rsrp_db", Series: "series"}


@pytest.fixture(scope="session")
def in_db():
    """Makes scores whose NMSE is exactly the given dB, but varies over windows."""

    def make(levels, windows=12, seed=0, **labels):
        ratio = np.random.default_rng(seed).exponential(size=windows)
        ratio /= ratio.mean()
        ones = np.ones(windows)
        statistics = {
            name: {"NMSE dB": Statistic(10 ** (level / 10) * ratio, ones, decibel)}
            for name, level in levels.items()
        }
        unknown = {name: np.full(windows, np.nan) for name in LABELS}
        groups = np.arange(windows)
        return Scores("NMSE dB", groups, unknown | labels, statistics)

    return make


@pytest.fixture(scope="session")
def of_values():
    """Makes scores whose metrics have the given values: predictor -> metric -> it."""

    def make(values, headline="MAE", windows=12):
        statistics = {
            predictor: {
                metric: Statistic(
                    np.full(windows, value),
                    np.ones(windows),
                    higher_is_better=metric in SHARES,
                )
                for metric, value in metrics.items()
            }
            for predictor, metrics in values.items()
        }
        labels = {name: np.full(windows, np.nan) for name in LABELS}
        return Scores(headline, np.arange(windows), labels, statistics)

    return make


class Hold(Model):
    """Repeats the last value, times a factor; counts how often it is asked."""

    accepts = frozenset({Csi, Sweeps, Series})
    num_parameters = 0

    def __init__(self, factor=1.0, name="hold"):
        self.card, self.factor, self.calls = Card(name), factor, 0

    def predict(self, question, horizon, axis="time"):
        self.calls += 1
        field = VALUES[type(question)]
        at = 1 + AXES.index(axis)
        last = np.take(getattr(question, field), [-1], axis=at)
        values = np.repeat(self.factor * last, horizon, axis=at)
        return replace(question, **{field: values})


@pytest.fixture
def hold():
    """The class of that forecaster."""
    return Hold
