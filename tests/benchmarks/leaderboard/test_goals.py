"""Figures to reach: what is measured, and what is said of it."""

import numpy as np
import pytest

from benchmarks.leaderboard import goals as of
from benchmarks.leaderboard.goals import GOALS, Goal, Measured, check, judged
from benchmarks.leaderboard.sionna import SETTINGS


def row(goal, board, peer=None):
    return check(goal, board, "mine", peer)


def test_mean_differences_weigh_cases_alike(in_db):
    """Cases of 3 and 1 dB below the floor are 2 dB below it, whatever their windows."""
    board = {
        "a": in_db({"AR": -2.0, "mine": -5.0}, windows=40),
        "b": in_db({"AR": -2.0, "mine": -3.0}, windows=5),
    }
    goal = Goal("both", of.mean_difference(["a", "b"], "AR"), at_most=-1.5)
    found = row(goal, board)
    # A constant factor between the errors: no window says anything else.
    assert (found.found.value, found.found.low, found.found.high) == pytest.approx(
        (-2, -2, -2)
    )
    assert found.verdict == "met by 0.5"
    assert found.found.note == "2 cases against AR, worst -1.00"
    assert row(Goal("", goal.measure, at_most=-3.0), board).verdict == "missed by 1"


def test_the_worst_difference_is_that_of_one_case(in_db):
    board = {
        "a": in_db({"Wiener": -9.0, "mine": -8.5}),
        "b": in_db({"Wiener": -5.0, "mine": -2.0}),
    }
    measure = of.worst_difference(["a", "b"], "Wiener", "NMSE dB")
    found = row(Goal("", measure, at_most=1.0), board)
    assert found.found.value == pytest.approx(3.0)
    assert found.verdict == "missed by 2"
    assert found.found.note == "b: -2.0 against -5.0, worst of 2"


def test_a_missing_case_keeps_the_row(in_db):
    board = {"a": in_db({"AR": -2.0, "mine": -5.0})}
    measure = of.mean_difference(["a", "b"], "AR")
    assert row(Goal("", measure, at_most=0.0), board).verdict == "not there: b"
    found = check(Goal("", of.mean_difference(["a"], "AR")), board, "other")
    assert found.verdict == "not there: NMSE dB of other on a"
    assert found.found is None


def test_without_a_bound_nothing_is_met_or_missed():
    goal = Goal("", of.not_yet(""))
    assert judged(goal, Measured(-1.0, -2.0, 0.0)) == "no figure set"


def test_the_peer_is_named_or_asked_for(in_db):
    board = {"a": in_db({"AR": -2.0, "mine": -5.0, "wifo": -4.0})}
    goal = Goal("", of.mean_difference(["a"], None), at_most=-0.5, clear=True)
    assert row(goal, board).verdict == "not there: no peer given"
    assert row(goal, board, "wifo").verdict == "met by 0.5"


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (-0.7, -1.0, -0.1, "met by 0.2"),
        (-0.7, -1.6, 0.2, "missed: interval not clear of 0"),
        (-0.3, -0.4, -0.2, "missed by 0.2"),
        (np.nan, np.nan, np.nan, "missed: not a number"),
        (-0.7, np.nan, np.nan, "missed: interval not clear of 0"),
    ],
)
def test_met_or_missed(value, low, high, verdict):
    goal = Goal("", of.not_yet(""), at_most=-0.5, clear=True)
    assert judged(goal, Measured(value, low, high)) == verdict


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.9, "met by 0.03"), (0.88, "met by 0.01"), (0.95, "missed by 0.02"),
     (0.8, "missed by 0.07")],
)  # fmt: skip
def test_the_nearer_of_two_bounds_counts(value, verdict):
    goal = Goal("", of.not_yet(""), at_least=0.87, at_most=0.93)
    assert judged(goal, Measured(value, 0.0, 1.0)) == verdict
    assert goal.needed == "0.87 to 0.93"


def test_shares_are_compared_with_the_best_tracker(of_values):
    levels = {"linear tracker": 0.6, "Kalman tracker": 0.7, "repeat last": 0.2}
    known = {"Kalman (Doppler known)": 0.9}  # told what the model is not
    values = {k: {"±1 beam": v} for k, v in {**levels, **known, "mine": 0.76}.items()}
    board = {"deepsense_h1": of_values(values, "top-1")}
    found = row(Goal("", of.above_best("deepsense_h1", "±1 beam"), 0.05), board)
    assert found.found.value == pytest.approx(0.06)
    assert found.verdict == "met by 0.01"
    assert "0.760 against 0.700, Kalman tracker" in found.found.note


def test_coverage_is_of_those_that_give_intervals(of_values):
    values = {"mine": {"MAE": 1.0, of.COVER: 0.9}, "AR": {"MAE": 2.0}}
    board = {
        "D17_time": of_values(values),
        "D18_time": of_values({"mine": {"MAE": 1.0}}),
    }
    goal = Goal("", of.coverage(["D17_time", "D18_time"]), at_least=0.87, at_most=0.93)
    assert row(goal, board).found.value == pytest.approx(0.9)
    assert row(goal, board).found.note == "1 cases"
    assert "gives no intervals" in check(goal, board, "AR").verdict


def test_every_goal_has_a_row_when_nothing_is_there():
    rows = [row(goal, {}) for goal in GOALS]
    assert [r.what for r in rows] == [goal.what for goal in GOALS]
    assert all(r.found is None and "no" in r.verdict for r in rows)
    assert len({r.what for r in rows}) == len(rows)


def test_the_goals_of_the_settings_are_met_by_what_meets_them(in_db):
    """Two dB below AR everywhere meets all four tables of Sionna's channels."""
    names = [
        name
        for task in ("csi_time", "csi_frequency")
        for snr_db in (20.0, None)
        for nlos in (True, False)
        for name in of.sionna_cases(task, snr_db, nlos)
    ]
    assert len(set(names)) == 4 * len(SETTINGS)
    board = {name: in_db({"AR": -10.0, "mine": -12.1}) for name in names}
    verdicts = {g.what: row(g, board).verdict for g in GOALS if "Sionna" in g.what}
    assert len(verdicts) == 6
    assert set(verdicts.values()) == {"met by 0.6", "met by 1.1", "met by 2.1",
                                      "met by 0.1"}  # fmt: skip
