"""Results: who is the best, who wins, and several models on the same samples."""

import numpy as np
import pytest

from wlam.bootstrap import Pair, difference
from wlam.evaluation.evaluator import MODEL, Result
from wlam.evaluation.table import gain, short_table, text
from wlam.metrics import Statistic
from wlam.tasks import TASKS

GROUPS = np.repeat(np.arange(6), 2)


def result_of(levels, higher=False, groups=GROUPS, **more):
    """A result whose predictors have these means, and the same samples."""
    shape = np.random.default_rng(0).uniform(0.5, 1.5, size=len(groups))
    shape /= shape.mean()
    ones = np.ones(len(groups))
    statistics = {
        name: {"score": Statistic(level * shape, ones, higher_is_better=higher)}
        for name, level in levels.items()
    }
    return Result("case", "16→8", "score", statistics, groups, **more)


LEVELS = {MODEL: 2.0, "repeat last": 3.0, "AR": 2.5, "Kalman (Doppler known)": 1.0}


def test_the_best_baseline_knows_what_the_model_does():
    informed = TASKS["csi_time"].informed
    assert "Kalman (Doppler known)" in informed
    found = result_of(LEVELS, informed=informed)
    assert found.best_baseline("score") == "AR"
    assert found.model_wins("score")
    # It is shown all the same, and would be the best if it were not informed.
    shown = {record["predictor"] for record in found.records()}
    assert "Kalman (Doppler known)" in shown
    assert result_of(LEVELS).best_baseline("score") == "Kalman (Doppler known)"
    assert not result_of(LEVELS).model_wins("score")


def test_winning_has_the_direction_of_the_metric():
    levels = {MODEL: 2.0, "repeat last": 3.0, "AR": 1.0}
    low, high = result_of(levels), result_of(levels, higher=True)
    assert low.best_baseline("score") == "AR"
    assert high.best_baseline("score") == "repeat last"
    assert not low.model_wins("score")
    assert not high.model_wins("score")
    levels[MODEL] = 4.0
    assert result_of(levels, higher=True).model_wins("score")
    levels[MODEL] = 0.5
    assert result_of(levels).model_wins("score")
    # A draw is no win, in neither direction.
    levels[MODEL] = 1.0
    assert not result_of(levels).model_wins("score")


def test_models_stand_beside_each_other_and_are_no_baselines_of_each_other():
    first = result_of({MODEL: 2.0, "AR": 3.0}).renamed("a")
    second = result_of({MODEL: 1.0}).renamed("b")
    both = first.beside([second])
    assert both.models == ("a", "b")
    assert list(both.statistics) == ["a", "AR", "b"]
    assert both.best_baseline("score") == "AR"
    assert both.model_wins("score", "b")
    assert both.figure("score", "a").value == pytest.approx(2)
    assert {r["predictor"] for r in both.records()} == {"a", "AR", "b"}


@pytest.mark.parametrize("groups", [GROUPS[:10], GROUPS + 1])
def test_results_of_other_samples_are_refused(groups):
    first, second = result_of({MODEL: 2.0}), result_of({MODEL: 2.0}, groups=groups)
    with pytest.raises(ValueError, match="needed the same samples") as error:
        first.beside([second])
    assert "\n" not in str(error.value)


def test_the_gain_is_a_paired_bootstrap():
    """Both vary alike over samples, so that their difference hardly does."""
    found = result_of({MODEL: 2.0, "AR": 2.5})
    ours, theirs = (found.statistics[name]["score"] for name in (MODEL, "AR"))
    paired = difference([Pair(theirs, ours, GROUPS)])
    shown = gain(found, "score")
    assert shown == f"{paired.value:+.3g} [{paired.low:+.2g}, {paired.high:+.2g}]"
    assert paired.value == pytest.approx(0.5)
    apart = found.figure("score", MODEL), found.figure("score", "AR")
    assert paired.high - paired.low < 0.5 * sum(f.high - f.low for f in apart)


NAMES = ("csi_time_unseen_speed", "csi_frequency_unseen", "beam_unseen", "traffic_2h")


@pytest.mark.parametrize(
    "models",
    [
        (MODEL,),
        ("wlam_quickstart", "wlam_tiny", "wlam_little"),
        ("runs/an experiment of mine", "wlam_array_estimator", "wlam_beam_tracker"),
    ],
)
def test_a_short_table_fits_a_terminal(models):
    results = []
    for name, level in zip(NAMES, (0.03, 0.5, -12.4, 4321.0), strict=True):
        levels = {m: level * (1 + i) for i, m in enumerate(models)}
        levels |= {"smoother bank": level * 1.1, "seasonal naive": level * 1.2}
        found = result_of(levels, models=models)
        results.append(Result(**{**vars_of(found), "name": name}))
    table = short_table(results, models)
    lines = text(table).splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= 100
    for result, row in zip(results, table.rows, strict=True):
        assert "score" in row
        assert len(models) > 1 or result.name in row
        assert row[-1] == gain(result, "score", best_of(result, models))
        assert result.best_baseline("score") in row


def best_of(result, models):
    return min(models, key=lambda name: result.figure("score", name).value)


def vars_of(result):
    names = ("question", "headline", "statistics", "groups", "models")
    return {name: getattr(result, name) for name in names}


@pytest.mark.parametrize("higher", [False, True])
def test_a_gain_is_above_zero_where_the_model_is_better(higher):
    levels = {MODEL: 2.0, "AR": 2.5, "repeat last": 1.5}
    found = result_of(levels, higher=higher)
    for baseline, sign in (("AR", 1), ("repeat last", -1)):
        difference = found.gain("score", baseline=baseline)
        sign = -sign if higher else sign
        assert difference.value == pytest.approx(0.5 * sign)
        assert difference.low * sign > 0
        assert difference.high * sign > 0
    best = -0.5  # to the baseline that is best is lost, whichever way is better
    assert found.gain("score").value == pytest.approx(best)
    assert gain(found, "score").startswith("-0.5 [-")
    assert found.gain("score", baseline="nobody") is None


def test_a_short_table_that_fits_has_all_columns():
    found = result_of({MODEL: 2.0, "AR": 2.5})
    header, (row,), _ = short_table([found])
    columns = ["case", "", "metric", MODEL, "95 %", "best baseline", "", "gain [95 %]"]
    assert header == columns
    assert row[1] == "16→8"
    assert row[3:7:3] == ["2.00", "2.50"]


def test_a_table_of_long_names_and_numbers_is_cut():
    models = tuple(f"runs/{i} of many experiments of mine" for i in range(3))
    levels = {m: 1.234e-5 * (1 + i) for i, m in enumerate(models)}
    levels["Kalman tracker"] = 3.456e-5
    found = result_of(levels, models=models)
    found = Result(**{**vars_of(found), "name": "a case of a very long name " * 3})
    table = short_table([found], models)
    assert len(text(table).splitlines()[0]) <= 100
    assert len({*table.header}) == len(table.header)  # models can be told apart
