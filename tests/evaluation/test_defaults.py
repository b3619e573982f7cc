"""What a model is asked by default follows from what it can do."""

import numpy as np
import pytest

from wlam.evaluation.defaults import COMBINED, ESTIMATION, default_evaluation
from wlam.evaluation.evaluator import Evaluator
from wlam.models.base import Model
from wlam.serialise import from_json, to_json
from wlam.types import Csi, Sweeps


class Bare(Model):
    """A model without a network."""

    def __init__(self):
        pass


class Draws(Bare):
    def draw(self, number, condition=None):
        return np.zeros(number)


class Precodes(Bare):
    def precode(self, channels, error_variance):
        return channels


class Estimates(Bare):
    accepts = frozenset({Csi})

    def estimate(self, question, noise_variance=None):
        return question


class Combines(Estimates):
    accepts = frozenset()  # observations of an array are no channels
    receiver = "its own"


class Tracks(Bare):
    accepts = frozenset({Sweeps})

    def predict(self, question, horizon, axis="time"):
        return question


class Forecasts(Estimates):
    accepts = frozenset({Csi, Sweeps})

    def predict(self, question, horizon, axis="time"):
        return question

    def complete(self, question, axis="frequency"):
        return question


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Draws(), {"drawn", "drawn_8_shortcuts"}),
        (Precodes(), {"tracks", "white"}),
        (Estimates(), set(ESTIMATION)),
        (Combines(), set(COMBINED)),
        (
            Tracks(),
            {f"tracks_{x}mps" for x in (5, 10, 15, 20)}
            | {"tracks_10mps_irregular", "tracks_10mps_nlos"},
        ),
        (Forecasts(), set()),  # the cases of its config, or the benchmark
        (Bare(), set()),
    ],
)
def test_verbs_choose_the_evaluators(model, names):
    found = default_evaluation(model)
    assert set(found) == names
    for evaluator in found.values():
        assert isinstance(evaluator, Evaluator)
        assert evaluator.why_not(model) == ""


def test_evaluators_are_written_into_configs():
    for model in (Draws(), Precodes(), Estimates(), Combines(), Tracks()):
        found = default_evaluation(model)
        assert from_json(to_json(found)) == found
