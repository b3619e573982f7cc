"""What an evaluator is: a config value that asks a model and its baselines.

`Config.evaluation` holds evaluators by name; `eval.py` runs each and shows what it
found. To add one, write a frozen dataclass that inherits from `Evaluator`. It may live
in a file of your own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from wlam.bootstrap import Difference, Pair, difference, interval
from wlam.metrics import Statistic
from wlam.models.base import Model

MODEL = "wlam"
"""Name of the model among the predictors of a result."""


@dataclass(frozen=True)
class Figure:
    """One number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    left_out: int  # samples that say nothing, such as targets without energy


@dataclass(frozen=True)
class Result:
    """What an evaluator found: the model and its baselines on the same samples."""

    name: str  # of the case
    question: str  # what was asked, such as "16→8"
    headline: str  # the metric that summaries show
    # predictor -> metric -> statistic over the samples; the model's is under MODEL
    statistics: Mapping[str, Mapping[str, Statistic]] = field(repr=False)
    groups: np.ndarray = field(repr=False)  # [sample], drawn together by the bootstrap
    about: str = ""  # what the data are, their licence, what was assumed
    # Baselines that know what the model does not; shown, but not to be beaten.
    informed: frozenset[str] = frozenset()
    # Names of the models among the predictors.
    models: tuple[str, ...] = (MODEL,)
    # Draws pictures for the report when it is asked: title -> a matplotlib figure.
    pictures: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    # All that the evaluator wants to keep, such as forecasts.
    detail: Any = field(default=None, repr=False)

    @property
    def metrics(self) -> list[str]:
        """Names, in order."""
        found = (name for metrics in self.statistics.values() for name in metrics)
        return list(dict.fromkeys(found))

    @cached_property
    def _figures(self) -> dict[tuple[str, str], Figure]:
        return {}

    def figure(self, metric: str, predictor: str) -> Figure | None:
        """One number; None where the predictor does not have the metric."""
        statistic = self.statistics.get(predictor, {}).get(metric)
        if statistic is None:
            return None
        if (metric, predictor) not in self._figures:
            low, high = interval(statistic, self.groups)
            self._figures[metric, predictor] = Figure(
                statistic.value, low, high, statistic.left_out
            )
        return self._figures[metric, predictor]

    def best_baseline(self, metric: str) -> str | None:
        """The baseline that is hardest to beat, of those that know what the model does.

        None where baselines do not have the metric, as for the coverage of intervals.
        """
        values = {
            name: metrics[metric]
            for name, metrics in self.statistics.items()
            if name not in self.models
            and name not in self.informed
            and metric in metrics
        }
        values = {k: v for k, v in values.items() if not math.isnan(v.value)}
        if not values:
            return None
        higher = next(iter(values.values())).higher_is_better
        pick = max if higher else min
        return pick(values, key=lambda name: values[name].value)

    def model_wins(self, metric: str, model: str = MODEL) -> bool | None:
        """Whether a model's value is better than every baseline's; None without one."""
        ours = self.statistics.get(model, {}).get(metric)
        best = self.best_baseline(metric)
        if ours is None or best is None:
            return None
        theirs = self.statistics[best][metric]
        return (
            ours.value > theirs.value
            if ours.higher_is_better
            else (ours.value < theirs.value)
        )

    def gain(
        self, metric: str, model: str = MODEL, baseline: str | None = None
    ) -> Difference | None:
        """By how much a model is better than a baseline, by a paired bootstrap.

        Above zero the model is better, of errors as of rates.

        Args:
            metric: in whose unit the gain is.
            model: one of `models`.
            baseline: None takes the best one.

        Returns:
            The gain with its 95 % interval; None where one of both lacks the metric.
        """
        baseline = baseline or self.best_baseline(metric)
        ours = self.statistics.get(model, {}).get(metric)
        theirs = self.statistics.get(baseline or "", {}).get(metric)
        if ours is None or theirs is None:
            return None
        pair = (ours, theirs) if ours.higher_is_better else (theirs, ours)
        return difference([Pair(*pair, self.groups)])

    def beside(self, others: "Sequence[Result]") -> "Result":
        """One result of the predictors of several, on the same samples.

        Raises:
            ValueError: the others are of other samples.
        """
        statistics, models = dict(self.statistics), list(self.models)
        for other in others:
            if not np.array_equal(other.groups, self.groups):
                raise ValueError(
                    f"result: found {len(other.groups)} samples of {other.name} beside "
                    f"{len(self.groups)}; needed the same samples"
                )
            statistics |= other.statistics
            models += other.models
        there = tuple(dict.fromkeys(m for m in models if m in statistics))
        return replace(self, statistics=statistics, models=there)

    def renamed(self, name: str) -> "Result":
        """The same with the model under another name."""
        found = {name if k == MODEL else k: v for k, v in self.statistics.items()}
        return replace(self, statistics=found, models=(name,))

    def records(self) -> list[dict[str, Any]]:
        """A flat dict for each number, for JSON lines."""
        found = []
        for predictor, metrics in self.statistics.items():
            for metric in metrics:
                figure = self.figure(metric, predictor)
                assert figure is not None
                found.append(
                    {
                        "case": self.name,
                        "question": self.question,
                        "metric": metric,
                        "predictor": predictor,
                        "value": figure.value,
                        "low": figure.low,
                        "high": figure.high,
                        "windows": len(self.groups),
                        "left_out": figure.left_out,
                    }
                )
        return found


@dataclass(frozen=True)
class Evaluator:
    """Base of everything that judges a model."""

    def why_not(self, model: Model) -> str:
        """Why the model cannot be judged by this; empty if it can."""
        raise NotImplementedError

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """Asks the model, and its baselines, and scores all alike.

        Args:
            name: of the case.
            model: None judges the baselines alone.
            baselines: False judges the model alone.

        Raises:
            DataError: the question does not fit the data.
        """
        raise NotImplementedError
