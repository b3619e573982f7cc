"""A line for each predictor: values, or paired differences to one of them."""

import numpy as np
import pytest

from wlam.evaluation.evaluator import Result
from wlam.evaluation.table import ABSENT, predictor_table, text
from wlam.metrics import Statistic

GROUPS = np.repeat(np.arange(12), 6)


def result(name, values, metric="rate"):
    """Means of values [predictor][sample]."""
    statistics = {
        who: {metric: Statistic(x, np.ones_like(x), higher_is_better=True)}
        for who, x in values.items()
    }
    return Result(name, "", metric, statistics, GROUPS, models=("mine", "other"))


@pytest.fixture(scope="module")
def hard():
    """Samples that are hard for everybody, group by group."""
    rng = np.random.default_rng(0)
    return (rng.normal(scale=5, size=(12, 1)) + rng.normal(size=(12, 6))).ravel()


def test_baselines_come_first_and_then_models(hard):
    found = result("one", {"mine": hard, "RZF": hard - 1, "other": hard})
    table = predictor_table([found])
    assert table.header == ["predictor", "rate"]
    assert [row[0] for row in table.rows] == ["RZF", "mine", "other"]
    assert len(text(table).splitlines()) == 5


def test_differences_are_paired(hard):
    """What makes a group hard for both has no part in their difference."""
    found = result("one", {"RZF": hard - 1, "mine": hard + 0.5, "other": hard})
    table = predictor_table([found], against="other")
    assert table.header == ["less other", "rate"]
    assert table.rows == [
        ["RZF", "-1 [-1, -1]"],
        ["mine", "+0.5 [+0.5, +0.5]"],
    ]


def test_several_cases_are_columns_and_what_is_not_there_is_a_dot(hard):
    cases = [
        result("one", {"RZF": hard, "mine": hard}),
        result("two", {"mine": hard, "other": hard}, "other rate"),
    ]
    table = predictor_table(cases)
    assert table.header == ["predictor", "one: rate", "two: other rate"]
    assert [[x == ABSENT for x in row[1:]] for row in table.rows] == [
        [False, True],
        [False, False],
        [True, False],
    ]
    with pytest.raises(ValueError, match="against: found 'zero'; needed one of RZF"):
        predictor_table(cases, against="zero")
