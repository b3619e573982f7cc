"""A metric over the horizon, over SNR, over speed: with what chance does to it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from wlam.bootstrap import interval
from wlam.metrics import Statistic, nmse_mean_db
from wlam.ops.checks import shown
from wlam.plot import arrays, style
from wlam.types import AXES, FREQUENCY, Csi, DataError

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

BINS = 5
"""Of samples by a label of many values; a label of so few values is not binned."""
BARS = 8
"""Points up to which intervals are bars; more are a band."""
LABELS = {"snr_db": "SNR (dB)", "speed_kmh": "speed (km/h)"}
Groups = Shaped[np.ndarray, " n"]


def curve(
    x: Any,
    statistics: Mapping[str, Sequence[Statistic]],
    groups: Groups | Sequence[Groups] | None = None,
    xlabel: str = "horizon (steps)",
    ylabel: str = "NMSE (dB)",
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws a metric of several predictors with its 95 % bootstrap intervals.

    Args:
        x: [point], where the metric was taken.
        statistics: predictor -> a statistic for each point.
        groups: [sample], samples that are drawn together, see `wlam.bootstrap`; a list
            has those of each point.
        xlabel, ylabel: what the axes say, units included.
        ax: where to draw; None: a new figure.

    Returns:
        `ax` where it is given, else the figure.

    Raises:
        DataError: nothing to draw, points and statistics of different numbers, or
            groups of another length.
    """
    places = np.asarray(x, np.float64)
    if places.ndim != 1 or not statistics:
        found = f"x of shape {places.shape} and {len(statistics)} predictors"
        raise DataError(f"statistics: found {found}; needed one axis and a predictor")
    each = (
        [groups] * len(places)
        if groups is None or isinstance(groups, np.ndarray)
        else list(groups)
    )
    lines = {}
    for name, found in statistics.items():
        if len(found) != len(places) or len(each) != len(places):
            raise DataError(
                f"statistics: found {len(found)} of {name} and {len(each)} sets of "
                f"groups; needed {len(places)}, one for each x"
            )
        try:
            bounds = [interval(s, g) for s, g in zip(found, each, strict=True)]
        except ValueError as error:
            raise DataError(f"{error}") from None
        rows = [(s.value, *b) for s, b in zip(found, bounds, strict=True)]
        lines[name] = _finite(np.array(rows).T)
    if not any(np.isfinite(line[0]).any() for line in lines.values()):
        raise DataError("statistics: found no finite value; needed one to draw")
    drawn, (panel,) = style.panels(ax, size=(5.6, 3.6))
    style.dress(panel)
    for i, (name, (value, low, high)) in enumerate(lines.items()):
        colour = style.COLOURS[i % len(style.COLOURS)]
        marker = style.MARKERS[i % len(style.MARKERS)]
        _line(panel, places, value, low, high, name, colour, marker)
    panel.set(xlabel=xlabel, ylabel=ylabel)
    style.legend_above(panel, columns=3)
    return drawn


def nmse_over_horizon(
    answers: Mapping[str, Csi],
    truth: Csi,
    axis: str = "time",
    groups: Groups | None = None,
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws the NMSE of every step of forecasts (`wlam.metrics.nmse_mean_db`).

    Args:
        answers: predictor -> forecast.
        truth: what came. Scored against its `clean` where that is known, and only
            where its mask says that it was measured.
        axis: what the steps run along, one of `AXES`.
        groups, ax: see `curve`.

    Raises:
        DataError: see `curve`; or a forecast of another shape than the truth.
    """
    number = arrays.axis_number(axis, Csi)
    pairs = _pairs(answers, truth)
    at = -1 if number == len(AXES) - 1 else number + 1
    statistics = {
        name: [
            nmse_mean_db(ours, wanted)
            for ours, wanted in zip(
                np.moveaxis(prediction, at, 0), np.moveaxis(target, at, 0), strict=True
            )
        ]
        for name, (prediction, target) in pairs.items()
    }
    count = len(next(iter(statistics.values())))
    field = arrays.SPACINGS[number]
    spacings = getattr(truth, field, None) if field else None
    same = spacings is not None and len(np.unique(np.ravel(spacings))) == 1
    step, label = 1.0, "horizon (antennas)" if field is None else "horizon (steps)"
    spacing = style.one_of(spacings, 0) if same else None
    if spacing is not None:
        units = style.FREQUENCY_UNITS if number == FREQUENCY else style.TIME_UNITS
        size, unit = style.unit_for(count * spacing, units)
        step, label = spacing / size, f"horizon ({unit})"
    x = (np.arange(count) + 1) * step
    return curve(x, statistics, groups, label, "NMSE (dB)", ax)


def nmse_over(
    values: Any,
    answers: Mapping[str, Csi],
    truth: Csi,
    groups: Groups | None = None,
    xlabel: str = "",
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws NMSE over what tells samples apart, such as their SNR or speed.

    Args:
        values: [sample]; or the name of a label of the truth, "snr_db" for example.
        answers, truth: see `nmse_over_horizon`.
        groups, ax: see `curve`.
        xlabel: what the values are, with their unit; known for common labels.

    Raises:
        DataError: see `metric_over`; or the truth has no such label.
    """
    if isinstance(values, str):
        if values not in truth.labels:
            has = ", ".join(truth.labels) or "no labels"
            raise DataError(f"values: found {shown(values)}; needed one of {has}")
        xlabel, values = xlabel or LABELS.get(values, values), truth.labels[values]
    statistics = {
        name: nmse_mean_db(*pair) for name, pair in _pairs(answers, truth).items()
    }
    return metric_over(values, statistics, groups, xlabel, "NMSE (dB)", ax)


def metric_over(
    values: Any,
    statistics: Mapping[str, Statistic],
    groups: Groups | None = None,
    xlabel: str = "",
    ylabel: str = "NMSE (dB)",
    ax: "matplotlib.axes.Axes | None" = None,
) -> "matplotlib.figure.Figure | matplotlib.axes.Axes":
    """Draws any metric over what tells samples apart.

    Up to five different values are points of their own; more are put into five bins of
    as many samples, drawn at the median of each.

    Args:
        values: [sample], real; samples of NaN are left out.
        statistics: predictor -> its statistic over the samples.
        groups: [sample], see `curve`.
        xlabel, ylabel: what the axes say, units included.
        ax: where to draw; None: a new figure.

    Raises:
        DataError: values of another number than samples, or none of them finite.
    """
    found = np.asarray(values, np.float64)
    for name, statistic in statistics.items():
        if found.shape != statistic.numerator.shape:
            raise DataError(
                f"values: found shape {found.shape}; needed "
                f"{statistic.numerator.shape}, one for each sample of {name}"
            )
    places, members = _bins(found)
    cut = {
        name: [
            replace(s, numerator=s.numerator[m], denominator=s.denominator[m])
            for m in members
        ]
        for name, s in statistics.items()
    }
    each = None if groups is None else [np.asarray(groups)[m] for m in members]
    return curve(places, cut, each, xlabel, ylabel, ax)


def _bins(values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Where the points are, and the indices of their samples."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise DataError("values: found none that is finite; needed one")
    different = np.unique(finite)
    if len(different) <= BINS:
        return different, [np.flatnonzero(values == v) for v in different]
    inner = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1]))
    which = np.where(np.isfinite(values), np.digitize(values, inner), -1)
    members = [np.flatnonzero(which == i) for i in range(len(inner) + 1)]
    members = [m for m in members if len(m)]
    return np.array([np.median(values[m]) for m in members]), members


def _line(
    ax: "matplotlib.axes.Axes",
    x: np.ndarray,
    value: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    label: str,
    colour: str,
    marker: str,
) -> None:
    """A line with its intervals: bars where there are few points, else a band."""
    bars = len(x) <= BARS
    if not bars:
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    ax.errorbar(
        x,
        value,
        yerr=np.abs(np.stack([value - low, high - value])) if bars else None,
        color=colour,
        marker=marker,
        markersize=4.5,
        linewidth=1.6,
        elinewidth=1.0,
        capsize=2.5,
        label=label,
    )


def _pairs(
    answers: Mapping[str, Csi], truth: Csi
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Predictor -> (forecast, what it is scored against), zero where neither counts."""
    if not answers:
        raise DataError("answers: found none; needed one at least")
    measured = np.isfinite(arrays.samples_of("truth", truth))
    if truth.clean is None:
        target = arrays.samples_of("truth", truth)
    else:
        target = np.asarray(truth.clean).reshape(measured.shape)
    found = {}
    for name, answer in answers.items():
        values = arrays.samples_of(f"answers[{name!r}]", answer)
        if values.shape != target.shape:
            raise DataError(
                f"answers[{name!r}]: found shape {values.shape}; needed that of the "
                f"truth, {target.shape}"
            )
        found[name] = np.where(measured, values, 0), np.where(measured, target, 0)
    return found


def _finite(rows: np.ndarray) -> np.ndarray:
    """Value, low and high [3, point]; without bounds the value alone, no spread."""
    value, low, high = np.where(np.isfinite(rows), rows, np.nan)
    low, high = (
        np.where(np.isnan(low), value, low),
        np.where(np.isnan(high), value, high),
    )
    return np.stack([value, low, high])
