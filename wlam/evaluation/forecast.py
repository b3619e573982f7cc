"""Windows of data: a model and all baselines forecast, complete or estimate them.

A `Case` is data and the question asked of it; `evaluate` answers it. `Forecast` is the
evaluator of configs, which generates its data.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from wlam.data.generators import generate
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic, coverage
from wlam.models.base import Model
from wlam.tasks import task_of
from wlam.tasks.estimate import NOISE
from wlam.tasks.own import FileConfig
from wlam.tasks.task import Task
from wlam.tasks.windows import Windows, cut_windows
from wlam.types import AXES

COVERAGE = 0.9
"""Of the intervals that are judged, where the model has intervals."""
COVERED, COVERED_CHANNELS = 32, 8
"""Windows that are judged by coverage, spread evenly over all: beyond a patch series
are sampled, and shares need few. Of whole channels, with
thousands of entries, fewer."""


@dataclass(frozen=True)
class Case:
    """Data and the question asked of it."""

    name: str
    task: str | Task  # a name of wlam.tasks.TASKS, or a task of your own
    data: Any  # one of wlam.types, numpy arrays
    context: int
    horizon: int
    stride: int | None = None  # between windows; the horizon if None
    tail: float = 0.2  # share of each series that targets lie in
    about: str = ""  # one line: what the data are, licence, assumptions
    skip: int = 0  # first steps of the horizon, which are forecast but not scored


@dataclass(frozen=True)
class Judged:
    """What is kept of a case for pictures: the windows, and all forecasts of them."""

    case: Case
    windows: Windows  # with the target steps that are scored
    forecasts: dict[str, np.ndarray]  # predictor -> [window, H, channel]

    def score_slice(
        self, predictor: str, keep: np.ndarray, steps: slice = slice(None)
    ) -> dict[str, Statistic]:
        """Metrics on some windows and target steps only, for curves."""
        cut = self.windows.subset(keep).steps(steps)
        forecast = self.forecasts[predictor][keep][:, steps]
        return task_of(self.case.task).scores(forecast, self.case.data, cut)


@dataclass(frozen=True)
class Forecast(Evaluator):
    """A task on generated data that training has not seen."""

    # A name of wlam.tasks.TASKS, or a task of your own.
    task: str | Task
    # Config of a generator.
    source: Any
    # Steps (or subcarriers) that are given.
    context: int
    # Steps that are forecast.
    horizon: int
    # Steps of the horizon, its first, that are not scored.
    skip: int = 0
    # Generated samples.
    samples: int = 64
    # Share of each series that sliding windows have their targets in.
    tail: float = 0.2
    # Of the evaluation data; training keys come from Config.seed.
    seed: int = 10_000

    def __post_init__(self) -> None:
        task_of(self.task)  # names what is wrong
        if not 0 <= self.skip < self.horizon:
            raise ValueError(
                f"skip: found {self.skip} of {self.horizon} steps; needed fewer"
            )

    def why_not(self, model: Model) -> str:
        return why_not(task_of(self.task), model)

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        return evaluate(self.case(name), model, baselines)

    def case(self, name: str) -> Case:
        """The case, with its data."""
        make = jax.jit(lambda key: generate(key, self.source, self.samples))
        data = jax.tree.map(np.asarray, make(jax.random.key(self.seed)))
        of_file = isinstance(self.source, FileConfig)
        return Case(
            name=name,
            task=self.task,
            data=data,
            context=self.context,
            horizon=self.horizon,
            skip=self.skip,
            tail=self.tail,
            about=f"{'file' if of_file else 'generated'}: {self.source}",
        )


@dataclass(frozen=True)
class Given(Evaluator):
    """A case whose data are there already: a measured set, or a user's file."""

    case: Case

    def why_not(self, model: Model) -> str:
        return why_not(task_of(self.case.task), model)

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        return evaluate(replace(self.case, name=name), model, baselines)


def why_not(task: Task, model: Model) -> str:
    """Why a model cannot be asked a task's question; empty if it can."""
    if not model.can(task.verb):
        return f"the model cannot {task.verb}"
    if task.verb == "complete" and task.asks not in model.completes:
        return f"the model completes no wlam.{task.asks.__name__}"
    return model.why_not(task.asks)


def evaluate(case: Case, model: Model | None, baselines: bool = True) -> Result:
    """Asks a case of the model and of its baselines, and scores all alike.

    Args:
        case: the data and the question.
        model: what is judged; None judges the baselines alone.
        baselines: False judges the model alone.

    Raises:
        DataError: context and horizon do not fit into the data, or the model cannot
            answer the question.
    """
    task = task_of(case.task)
    sequences = task.sequences(case.data)
    windows = cut_windows(
        sequences, case.context, case.horizon, case.stride, case.tail, task.sliding
    )
    forecasts = {}
    if model is not None:
        forecasts[MODEL] = asked(model, task, windows)
    for name, each in task.baselines(case.data, windows).items() if baselines else ():
        forecasts[name] = np.asarray(each(windows.context, case.horizon))
    scored = windows.steps(slice(case.skip, None))
    forecasts = {name: x[:, case.skip :] for name, x in forecasts.items()}
    statistics = {
        name: dict(task.scores(x, case.data, scored)) for name, x in forecasts.items()
    }
    completes = windows.every > 1 or windows.pilots is not None
    if model is not None and not completes and model.can("predict_interval"):
        covered = interval_coverage(model, task, windows, case.skip)
        statistics[MODEL][f"cover {100 * COVERAGE:.0f} %"] = covered
    judged = Judged(case, scored, forecasts)
    return Result(
        name=case.name,
        question=f"{case.context}→{case.horizon}",
        headline=task.headline,
        statistics=statistics,
        groups=windows.groups,
        about=case.about,
        informed=task.informed,
        pictures=partial(_pictures, judged),
        detail=judged,
    )


def _pictures(judged: Judged) -> dict[str, Any]:
    # Here, since pictures need matplotlib and results do not.
    from wlam.evaluation.pictures import pictures_of

    return pictures_of(judged)


def asked(model: Model, task: Task, windows: Windows) -> np.ndarray:
    """What a model answers to windows, as [window, H, channel]."""
    question = task.question(windows)
    if task.verb == "estimate":
        variance = windows.labels.get(NOISE)
        return task.values(model.estimate(question, noise_variance=variance))
    if task.verb == "complete":
        return task.values(model.complete(question, AXES[windows.axis]))
    answer = model.predict(question, windows.horizon, AXES[windows.axis])
    return task.values(answer)


def interval_coverage(
    model: Model, task: Task, windows: Windows, skip: int
) -> Statistic:
    """Share of the targets within the model's intervals, see `COVERED`.

    On the axes of the question, all steps but the first `skip`, all channels alike.
    """
    n = len(windows.source)
    most = COVERED if windows.grid is None else COVERED_CHANNELS
    chosen = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))
    some = windows.subset(chosen)
    low, high = model.predict_interval(
        task.question(some), windows.horizon, AXES[windows.axis], COVERAGE
    )
    low, high = (task.values(x)[:, skip:] for x in (low, high))
    statistic = coverage(low, high, some.target[:, skip:])
    share, count = np.zeros(n), np.zeros(n)
    share[chosen], count[chosen] = statistic.numerator, statistic.denominator
    return Statistic(share, count)
