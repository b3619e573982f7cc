"""One case, judged: the model and every floor on the same windows, with intervals."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wlam.bootstrap import interval
from wlam.metrics import Statistic, coverage
from wlam.tasks import TASKS
from wlam.tasks.estimate import estimated
from wlam.tasks.windows import Windows, cut_windows
from wlam.types import AXES, ArrayShape

MODEL = "wlam"
"""Name of the model among the predictors."""
INFORMED = frozenset({"Wiener (Doppler known)", "Kalman (Doppler known)"})
"""Floors that are told labels which the model is not; shown, but not to be beaten."""
COVERAGE = 0.9
"""Of the intervals that are judged, where the model has intervals."""
COVERED, COVERED_CHANNELS = 32, 8
"""Windows that are judged by coverage, spread evenly over all: beyond a patch rows are
sampled, and shares need few. Of whole channels, with their thousands of bins, fewer."""
HIGHER_IS_BETTER = frozenset({"top-1", "top-3", "±1 beam", "power ratio", "SE ratio"})


@runtime_checkable
class Predicts(Protocol):
    """What is judged: `wlam.models.predictor` or whatever forecasts alike."""

    def predict(
        self,
        context: np.ndarray,
        interval: np.ndarray,
        horizon: int,
        axis: str,
        joint: bool,
        grid: tuple[int, int] | None,
        array_shape: ArrayShape,
    ) -> np.ndarray: ...


@runtime_checkable
class Estimates(Protocol):
    """What estimates channels from pilots, such as `wlam.models.estimator`."""

    def estimate(
        self,
        observed: np.ndarray,
        noise_variance: np.ndarray | None,
        subcarrier_spacing_hz: np.ndarray,
        antenna_positions: np.ndarray,
        antenna_polarisation: np.ndarray,
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class EvalCase:
    """Data and the question asked of it."""

    name: str
    task: str
    data: Any  # one of wlam.types, numpy arrays
    context: int
    horizon: int
    stride: int | None = None  # between windows; the horizon if None
    tail: float = 0.2  # share of each series that targets lie in
    about: str = ""  # one line: what the data are, licence, assumptions
    skip: int = 0  # first steps of the horizon, which are forecast but not scored


@dataclass(frozen=True)
class Result:
    """One number: how one predictor does in one metric of one case."""

    case: str
    task: str
    metric: str
    predictor: str
    value: float
    low: float  # 95 % bootstrap interval
    high: float
    windows: int
    left_out: int  # windows that do not count, such as targets without energy
    context: int
    horizon: int

    def record(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """Everything that a table and a report need about one case."""

    case: EvalCase
    windows: Windows  # with the target steps that are scored
    forecasts: dict[str, np.ndarray] = field(repr=False)  # predictor -> [window, H, C]
    results: list[Result]
    # predictor -> metric -> what the result and its interval are made of
    statistics: dict[str, dict[str, Statistic]] = field(repr=False)

    def value(self, metric: str, predictor: str) -> Result | None:
        for r in self.results:
            if (r.metric, r.predictor) == (metric, predictor):
                return r
        return None

    @property
    def metrics(self) -> list[str]:
        return list(dict.fromkeys(r.metric for r in self.results))

    def best_baseline(self, metric: str) -> Result | None:
        """The floor that is hardest to beat, of those that know what the model does.

        None where floors do not have the metric, as for the coverage of intervals.
        """
        others = {MODEL} | INFORMED
        baselines = [
            r
            for r in self.results
            if r.metric == metric
            and r.predictor not in others
            and not math.isnan(r.value)  # which would be less than nothing
        ]
        pick = max if metric in HIGHER_IS_BETTER else min
        return pick(baselines, key=lambda r: r.value, default=None)

    def model_wins(self, metric: str) -> bool | None:
        """Whether the model's value is better than every floor's; None without one."""
        model, baseline = self.value(metric, MODEL), self.best_baseline(metric)
        assert model is not None
        if baseline is None:
            return None
        if metric in HIGHER_IS_BETTER:
            return model.value > baseline.value
        return model.value < baseline.value

    def score_slice(
        self, predictor: str, keep: np.ndarray, steps: slice = slice(None)
    ) -> dict[str, Statistic]:
        """Metrics on some windows and target steps only, for curves."""
        cut = self.windows.subset(keep).steps(steps)
        forecast = self.forecasts[predictor][keep][:, steps]
        return TASKS[self.case.task].scores(forecast, self.case.data, cut)


def judge(
    case: EvalCase, model: Predicts | Estimates | None, baselines: bool = True
) -> Verdict:
    """Forecasts a case with the model and with its floors, and scores all alike.

    Args:
        case: the data and the question.
        model: what is judged; None judges the floors alone.
        floors: False judges the model alone.

    Raises:
        DataError: context and horizon do not fit into the data.
    """
    task = TASKS[case.task]
    sequences = task.sequences(case.data)
    windows = cut_windows(
        sequences, case.context, case.horizon, case.stride, case.tail, task.sliding
    )
    forecasts = {}
    if model is not None:
        forecasts[MODEL] = forecast(model, windows)
    for name, baseline in (
        task.baselines(case.data, windows).items() if baselines else ()
    ):
        forecasts[name] = np.asarray(baseline(windows.context, case.horizon))
    scored = windows.steps(slice(case.skip, None))
    forecasts = {name: x[:, case.skip :] for name, x in forecasts.items()}
    results, statistics = [], {}
    for predictor, found in forecasts.items():
        scores = task.scores(found, case.data, scored)
        completes = windows.every > 1 or windows.pilots is not None
        has_intervals = getattr(model, "has_intervals", False) and not completes
        if predictor == MODEL and has_intervals:
            scores[f"cover {100 * COVERAGE:.0f} %"] = covered(model, windows, case.skip)
        statistics[predictor] = scores
        for metric, statistic in scores.items():
            low, high = interval(statistic, windows.groups)
            results.append(
                Result(
                    case=case.name,
                    task=case.task,
                    metric=metric,
                    predictor=predictor,
                    value=statistic.value,
                    low=low,
                    high=high,
                    windows=len(windows.source),
                    left_out=statistic.left_out,
                    context=case.context,
                    horizon=case.horizon,
                )
            )
    return Verdict(case, scored, forecasts, results, statistics)


def forecast(model: Any, windows: Windows) -> np.ndarray:
    """What the model says of the windows' targets."""
    if windows.pilots is not None:
        return estimated(model, windows)
    if windows.every > 1 and windows.grid is None:
        return model.complete(windows.context, windows.interval)[:, None]
    if windows.every > 1:
        axis = AXES[windows.axis]
        return model.complete(windows.context, windows.interval, axis, windows.grid)
    return model.predict(
        windows.context,
        windows.interval,
        windows.horizon,
        AXES[windows.axis],
        windows.joint,
        windows.grid,
        windows.array_shape,
    )


def covered(model: Any, windows: Windows, skip: int) -> Statistic:
    """Share of the targets within the model's intervals, see `COVERED`.

    In the units that the model forecasts (bins of a channel, dB of a beam), all steps
    but the first `skip`, and all channels alike.
    """
    n = len(windows.source)
    most = COVERED if windows.grid is None else COVERED_CHANNELS
    chosen = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
    some = windows.subset(chosen)
    low, high = model.predict_interval(
        some.context,
        some.interval,
        windows.horizon,
        AXES[windows.axis],
        windows.joint,
        windows.grid,
        COVERAGE,
    )
    statistic = coverage(*(x[:, skip:] for x in (low, high, some.target)))
    share, count = np.zeros(n), np.zeros(n)
    share[chosen], count[chosen] = statistic.numerator, statistic.denominator
    return Statistic(share, count)
