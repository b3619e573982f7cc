"""The figures that a released model is to reach, computed from the scores.

A goal is a measurement with bounds. Where what it needs is not there, it says so, and
keeps its row.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.leaderboard import sionna
from benchmarks.leaderboard.simulated import TASKS, case_name, noise_name
from wlam.bootstrap import Pair, difference, interval
from wlam.evaluation.scores import Scores, pooled
from wlam.metrics import Statistic

Board = Mapping[str, Scores]
"""The cases that were judged, by name."""
NMSE, COVER = "NMSE dB", "cover 90 %"
ZERO_SHOT = ("D17", "D18", "D19")
ABLATED = tuple(
    f"{name}_{axis}" for name in ZERO_SHOT for axis in ("time", "frequency")
)
"""Cases that ablations are judged on."""
WIENER = "Wiener (Doppler known)"
JAKES = tuple(
    f"jakes_{cycles:g}_{snr_db}dB_h{h}"
    for cycles in (0.02, 0.05, 0.1)
    for snr_db in (10, 20)
    for h in (1, 4)
)
UOMO_SD_RIDGE = (
    45_498.0  # RMSE of the ridge that was fitted to that set's training part
)


class NotThere(Exception):
    """Why a goal cannot be measured."""


@dataclass(frozen=True)
class Measured:
    """A figure with its 95 % bootstrap interval, and what it is made of."""

    value: float
    low: float
    high: float
    note: str = ""


Measure = Callable[[Board, str, str | None], Measured]  # board, model, WiFo peer


@dataclass(frozen=True)
class Goal:
    """A figure to reach."""

    what: str
    measure: Measure
    at_least: float = -math.inf
    at_most: float = math.inf
    clear: bool = False  # the whole interval must be on the right side of 0

    @property
    def needed(self) -> str:
        if math.isfinite(self.at_least) and math.isfinite(self.at_most):
            text = f"{self.at_least:g} to {self.at_most:g}"
        elif math.isfinite(self.at_most):
            text = f"at most {self.at_most:,g}"
        elif math.isfinite(self.at_least):
            text = f"at least {self.at_least:,g}"
        else:
            text = "no figure set"
        return text + (", interval clear of 0" if self.clear else "")


@dataclass(frozen=True)
class Row:
    """A goal and what became of it."""

    what: str
    needed: str
    found: Measured | None
    verdict: str  # met by ..., missed by ..., or why there is no figure


def check(goal: Goal, board: Board, model: str, peer: str | None = None) -> Row:
    """Measures a goal for one model.

    Args:
        goal: what is to be reached.
        board: the scores of all cases that are there.
        model: its name in the scores.
        peer: the WiFo peer's name; None: there is none.
    """
    try:
        found = goal.measure(board, model, peer)
    except NotThere as reason:
        return Row(goal.what, goal.needed, None, str(reason))
    return Row(goal.what, goal.needed, found, judged(goal, found))


def judged(goal: Goal, found: Measured) -> str:
    """In words: met or missed, and by how much."""
    if math.isnan(found.value):
        return "missed: not a number"
    if goal.needed == "no figure set":
        return goal.needed
    # Positive: inside; the nearer bound counts.
    room = min(found.value - goal.at_least, goal.at_most - found.value)
    if room < 0:
        return f"missed by {_short(-room)}"
    if goal.clear and not (found.high < 0 or found.low > 0):
        return "missed: interval not clear of 0"
    return f"met by {_short(room)}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def statistic(board: Board, case: str, predictor: str, metric: str) -> Statistic:
    """One predictor's score.

    Raises:
        NotThere: no such case, predictor or metric.
    """
    if case not in board:
        raise NotThere(f"not there: {case}")
    found = board[case].statistics.get(predictor, {}).get(metric)
    if found is None:
        raise NotThere(f"not there: {metric} of {predictor} on {case}")
    return found


def mean_difference(
    cases: Sequence[str], baseline: str | None, metric: str = NMSE
) -> Measure:
    """Mean over cases of the model's dB minus those of a floor; None: the peer's."""

    def measure(board: Board, model: str, peer: str | None) -> Measured:
        other = peer if baseline is None else baseline
        if other is None:
            raise NotThere("not there: no peer given")
        pairs = [
            Pair(
                statistic(board, case, model, metric),
                statistic(board, case, other, metric),
                board[case].groups,
            )
            for case in cases
        ]
        found = difference(pairs)
        worst = max(pair.ours.value - pair.other.value for pair in pairs)
        note = f"{len(cases)} cases against {other}, worst {worst:+.2f}"
        return Measured(found.value, found.low, found.high, note)

    return measure


def worst_difference(cases: Sequence[str], baseline: str, metric: str) -> Measure:
    """The model's dB minus those of a floor, in the case where that is largest."""

    def measure(board: Board, model: str, peer: str | None) -> Measured:
        pairs = {
            case: Pair(
                statistic(board, case, model, metric),
                statistic(board, case, baseline, metric),
                board[case].groups,
            )
            for case in cases
        }
        case = max(pairs, key=lambda c: pairs[c].ours.value - pairs[c].other.value)
        found, pair = difference([pairs[case]]), pairs[case]
        note = f"{case}: {pair.ours.value:.1f} against {pair.other.value:.1f}"
        note += f", worst of {len(cases)}"
        return Measured(found.value, found.low, found.high, note)

    return measure


def value(case: str, metric: str) -> Measure:
    """A metric of one case."""

    def measure(board: Board, model: str, peer: str | None) -> Measured:
        found = statistic(board, case, model, metric)
        return Measured(found.value, *interval(found, board[case].groups), note=case)

    return measure


def above_best(case: str, metric: str) -> Measure:
    """How far the model is above the best training-free predictor."""

    def measure(board: Board, model: str, peer: str | None) -> Measured:
        ours = statistic(board, case, model, metric)
        scores = board[case]
        pick = max if scores.higher_is_better(metric) else min
        best = pick(scores.baselines, key=lambda f: scores.statistics[f][metric].value)
        other = scores.statistics[best][metric]
        found = difference([Pair(ours, other, scores.groups)])
        note = f"{ours.value:.3f} against {other.value:.3f}, {best}"
        return Measured(found.value, found.low, found.high, note)

    return measure


def coverage(cases: Sequence[str]) -> Measure:
    """Share of targets in the model's 90 % intervals, over all of the cases."""

    def measure(board: Board, model: str, peer: str | None) -> Measured:
        there = [
            board[case]
            for case in cases
            if case in board and COVER in board[case].statistics.get(model, {})
        ]
        if not there:
            raise NotThere("not there yet: the model gives no intervals")
        scores = pooled(there)
        found = scores.statistics[model][COVER]
        note = f"{len(there)} cases"
        return Measured(found.value, *interval(found, scores.groups), note=note)

    return measure


def not_yet(reason: str) -> Measure:
    """What no model does yet."""

    def measure(board: Board, model: str, peer: str | None) -> Measured:
        raise NotThere(f"not there yet: {reason}")

    return measure


def sionna_cases(task: str, snr_db: float | None, nlos: bool) -> list[str]:
    """Names of the settings without a line of sight, or of all others."""
    return [
        case_name(setting, task, snr_db)
        for setting in sionna.SETTINGS
        if setting.is_nlos == nlos
    ]


def _sionna_goals() -> list[Goal]:
    goals = []
    for task, baseline, nlos_bounds in (
        ("csi_time", "AR(8)", {20.0: -1.5, None: -1.0}),
        ("csi_frequency", "AR(12)", {20.0: -2.0, None: -2.0}),
    ):
        for snr_db, bound in nlos_bounds.items():
            context, horizon = TASKS[task]
            what = f"{task} {context}→{horizon}, Sionna, {noise_name(snr_db)}"
            for nlos in (True, False) if task == "csi_time" else (True,):
                kind = "without a line of sight" if nlos else "LoS and CDL"
                cases = sionna_cases(task, snr_db, nlos)
                goals.append(
                    Goal(
                        f"{what}, {kind}: dB to {baseline}",
                        mean_difference(cases, "AR"),
                        at_most=bound if nlos else 0.0,
                    )
                )
    return goals


GOALS: tuple[Goal, ...] = (
    *_sionna_goals(),
    *(
        Goal(
            f"{axis}, D17 to D19: dB to the WiFo peer",
            mean_difference([f"{name}_{axis}" for name in ZERO_SHOT], None),
            at_most=-0.5,
            clear=True,
        )
        for axis in ("time", "frequency")
    ),
    Goal(
        "trained without time: dB to it in time, D17 to D19",
        mean_difference([f"{name}_time" for name in ZERO_SHOT], "without_time"),
        at_most=-3.0,
    ),
    Goal(
        "trained on four scenarios and carriers: dB to it, D17 to D19",
        mean_difference(
            ABLATED,
            "four_settings",
        ),
        at_most=-2.0,
    ),
    Goal(
        "Jakes rows: dB to order-16 Wiener, which knows the Doppler shift",
        worst_difference(JAKES, WIENER, "NMSE pooled dB"),
        at_most=1.0,
    ),
    Goal(
        "speeds above those of training: dB to the same",
        mean_difference(["fast"], WIENER),
        at_most=1.5,
    ),
    Goal("Milan 144→6: MASE", value("milan_10min", "MASE"), at_most=0.62),
    Goal("Milan 432→144: MASE", value("milan_day_ahead", "MASE"), at_most=0.9),
    Goal(
        "UoMo SD 48→16: RMSE, 1.15 x its ridge",
        value("uomo_sd", "RMSE"),
        at_most=1.15 * UOMO_SD_RIDGE,
    ),
    Goal("UoMo NJ 48→16: RMSE", value("uomo_nj", "RMSE"), at_most=1267.0),
    *(
        Goal(
            f"DeepSense, {h} ahead: ±1 beam above the best tracker",
            above_best(f"deepsense_h{h}", "±1 beam"),
            at_least=0.05,
        )
        for h in (1, 3, 5)
    ),
    *(
        Goal(f"{of}, 16→64 beams of a sweep: top-1", value(case, "top-1"), at_least=0.6)
        for of, case in (
            ("DeepSense", "deepsense_scan_4"),
            ("generated", "beam_scan_4"),
        )
    ),
    Goal("antennas 8→32: dB to AR(4)", mean_difference(["antennas"], "AR")),
    *(
        Goal(
            f"pilots on every 4th of 64 subcarriers, {snr} dB: dB to {baseline}",
            mean_difference([f"pilots_4_{snr}dB"], baseline),
        )
        for snr in (10, 20)
        for baseline in ("spline", "IAA")
    ),
    Goal("position along streets, 32→8: MAE in m", value("position_0.5s", "MAE")),
    Goal("UCC RSRP 32→8: MAE in dB", value("ucc_rsrp", "MAE"), at_most=3.25),
    Goal(
        "90 % intervals on D17 to D19: share covered",
        coverage(ABLATED),
        at_least=0.87,
        at_most=0.93,
    ),
)
"""In the order of the page."""
