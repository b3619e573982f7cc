"""What evaluators share: means, and curves for pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wlam.evaluation.evaluator import MODEL, Result
from wlam.metrics import Statistic

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def mean_of(
    values: np.ndarray, counts: np.ndarray | None = None, higher: bool = False
) -> Statistic:
    """The mean of values [sample], of those that count.

    Args:
        values: one for each sample.
        counts: bool [sample]; None: all count.
        higher: whether more is better.
    """
    values = np.asarray(values, np.float64)
    kept = np.ones(len(values)) if counts is None else np.asarray(counts, np.float64)
    return Statistic(np.where(kept > 0, values, 0.0), kept, higher_is_better=higher)


def curves(
    result: Result,
    metrics: Sequence[str],
    places: Sequence[float],
    along: str,
    unit: str,
) -> "Figure":
    """Each predictor over what its metrics differ in, with 95 % intervals.

    Args:
        result: of an evaluator.
        metrics: names of its metrics, in the order of `places`.
        places: where each metric is along the horizontal axis.
        along, unit: names of both axes.
    """
    from matplotlib.figure import Figure  # a picture is drawn only when it is asked for

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in result.statistics:
        found = [result.figure(metric, name) for metric in metrics]
        shown = [(x, f) for x, f in zip(places, found, strict=True) if f is not None]
        if not shown:
            continue
        x = np.array([place for place, _ in shown])
        value, low, high = (
            np.array([getattr(f, part) for _, f in shown])
            for part in ("value", "low", "high")
        )
        known = name in result.informed
        (line,) = axes.plot(
            x,
            value,
            "--" if known else "-",
            marker="o",
            markersize=3,
            linewidth=2.5 if name == MODEL else 1,
            label=name,
        )
        axes.fill_between(x, low, high, alpha=0.15, color=line.get_color())
    axes.set(xlabel=along, ylabel=unit, title=result.name)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return figure
