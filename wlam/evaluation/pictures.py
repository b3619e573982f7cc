"""Pictures of a result: an example, and the headline over what makes it hard.

The example is a window whose score is the median one, of the predictor that is shown
first; curves have the 95 % bootstrap intervals of `wlam.bootstrap`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wlam import plot
from wlam.evaluation.forecast import Judged
from wlam.metrics import Statistic
from wlam.plot import style
from wlam.tasks import task_of
from wlam.tasks.windows import Windows
from wlam.types import AXES, Sweeps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = {"speed_kmh": "speed (km/h)", "snr_db": "SNR (dB)"}
"""Labels over which the headline is drawn, and what the axis says."""
POINTS = 16
"""Steps of the horizon at which the headline is drawn, at most."""
LINES = 5
"""Predictors of a curve: the first, and the best of the others."""


def pictures_of(judged: Judged) -> "dict[str, Figure]":
    """Title -> figure, of a case of windows.

    Steps that are completed or estimated have no horizon, and no picture over it.
    Labels that all windows share, or that data do not have, have none either.
    """
    found: dict[str, Any] = {"an example": example(judged)}
    task = task_of(judged.case.task)
    scores = {name: _headline(judged, name) for name in shown(judged)}
    groups, windows = _groups(judged), judged.windows
    if windows.horizon > 1 and not _completes(windows):
        found[f"{task.headline} over the horizon"] = over_horizon(judged)
    for label, axis in LABELS.items():
        values = windows.labels.get(label)
        if values is None or np.ndim(values) != 1:
            continue
        values = np.asarray(values, np.float64)
        if len(np.unique(values[np.isfinite(values)])) > 1:
            title = f"{task.headline} over {axis.partition(' ')[0]}"
            drawn = plot.metric_over(values, scores, groups, axis, task.headline)
            found[title] = _figure(drawn)
    return found


def shown(judged: Judged) -> list[str]:
    """Names of the predictors of curves: the first, which is the model, and the best.

    Of predictors whose headline is NaN none is the best.
    """
    first, *others = judged.forecasts
    scores = {name: _headline(judged, name) for name in others}
    scores = {name: s for name, s in scores.items() if not np.isnan(s.value)}
    best = sorted(
        scores,
        key=lambda name: scores[name].value,
        reverse=any(s.higher_is_better for s in scores.values()),
    )
    return [first, *best[: LINES - 1]]


def example(judged: Judged) -> "Figure":
    """The window of the median score: what was known, the answer, and what came."""
    windows, task = judged.windows, task_of(judged.case.task)
    name = next(iter(judged.forecasts))
    at = np.array([_median_window(_headline(judged, name))])
    one, found = windows.subset(at), judged.forecasts[name][at]
    if _completes(windows):
        return _completed(one, found)
    question = task.question(one)
    # What follows is laid out as the question is.
    after = [replace(one, context=steps) for steps in (found, one.target)]
    answer, truth = map(task.question, after)
    if isinstance(question, Sweeps):
        return _figure(plot.sweeps(question, answer, truth))
    axis = AXES[windows.axis]
    return _figure(plot.forecast(question, answer, truth=truth, axis=axis))


def over_horizon(judged: Judged) -> "Figure":
    """The headline at steps of the horizon, counted from the last that was known."""
    task, windows = task_of(judged.case.task), judged.windows
    everyone = np.arange(len(windows.source))
    places = np.linspace(0, windows.horizon - 1, min(windows.horizon, POINTS))
    steps = np.unique(places.round().astype(int))
    statistics = {
        name: [
            judged.score_slice(name, everyone, slice(s, s + 1))[task.headline]
            for s in steps
        ]
        for name in shown(judged)
    }
    places = steps + 1 + judged.case.skip
    return _figure(
        plot.curve(places, statistics, _groups(judged), ylabel=task.headline)
    )


def _completed(one: Windows, found: np.ndarray) -> "Figure":
    """All steps, or beams, of one window, of which some were known.

    Of channels the element of the most power along subcarriers, of sweeps the last.
    """
    if one.grid is None:
        known, ours, truth = one.context[0, -1], found[0, -1], one.target[0, -1]
        drawn, panels = style.panels(None)
        parts, label = [("RSRP (dB)", np.real)], "beam"
    else:
        at = int((abs(np.nan_to_num(one.context[0])) ** 2).sum(0).argmax())
        known, ours, truth = (x[0, :, at] for x in (one.context, found, one.target))
        drawn, panels = style.panels(None, 2, size=(7.0, 2.4), sharex=True)
        parts = [("real part", np.real), ("imaginary part", np.imag)]
        label = "subcarrier"
    place, seen = np.arange(len(known)), np.isfinite(known)
    for panel, (name, part) in zip(panels, parts, strict=True):
        style.dress(panel)
        panel.plot(place, part(truth), color=style.TRUTH, linewidth=1.8, label="truth")
        panel.plot(place, part(ours), color=style.COLOURS[0], label="answer")
        dots = {"color": style.KNOWN, "marker": "o", "markersize": 4, "linestyle": ""}
        panel.plot(place[seen], part(known[seen]), label="known", **dots)
        panel.set_ylabel(name)
    panels[-1].set_xlabel(label)
    style.legend_above(panels[0])
    return drawn


def _median_window(statistic: Statistic) -> int:
    """The window of the median score, among those that have one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = statistic.numerator / statistic.denominator
    finite = np.isfinite(each)
    order = np.argsort(np.where(finite, each, np.inf), kind="stable")
    return int(order[max(int(finite.sum()) - 1, 0) // 2])


def _headline(judged: Judged, predictor: str) -> Statistic:
    everyone = np.arange(len(judged.windows.source))
    headline = task_of(judged.case.task).headline
    return judged.score_slice(predictor, everyone)[headline]


def _groups(judged: Judged) -> np.ndarray:
    return np.asarray(judged.windows.groups)


def _completes(windows: Windows) -> bool:
    return windows.every > 1 or windows.pilots is not None


def _figure(drawn: Any) -> "Figure":
    """What `wlam.plot` returns where it is given no axes."""
    return drawn
