"""Tables of results: short ones for a terminal, wide ones with every baseline."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wlam.bootstrap import Pair, difference
from wlam.evaluation.evaluator import MODEL, Figure, Result

BASELINES = (
    "zero",
    "repeat last",
    "context mean",
    "constant slope",
    "AR",
    "AR per bin",
    "AR local",
    "PAD",
    "AR bank",
    "seasonal naive",
    "seasonal AR",
    "interpolation",
    "spline",
    "matched path",
    "IAA",
    "smoother bank",
    "sparse Bayes",
    "Wiener bands",
    "linear tracker",
    "Kalman tracker",
    "EKF",
    "Wiener (Doppler known)",
    "Kalman (Doppler known)",
)
"""The order of columns; baselines that are not here follow by name."""
ABSENT = "·"
WIDTH = 100
"""Columns of a terminal."""
LONGEST, SHORTEST = 24, 8
"""Characters that a name may have in a short table, and those that it always has."""
WORDS = frozenset({"case", "question", "metric", "best baseline"})
UNTITLED = frozenset({"question", "its value"})
"""Columns of a short table that are words, and those without a header."""
OPTIONAL = ("95 %", "its value", "question")
"""Columns that are left out where a short table is too wide, in this order."""


class Table(NamedTuple):
    """Header, cells, and which columns are words; the others are numbers."""

    header: list[str]
    rows: list[list[str]]
    words: frozenset[int]


def number(value: float) -> str:
    """Three significant digits or so; thousands without decimals."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def span(low: float, high: float) -> str:
    """An interval."""
    return f"{number(low)} … {number(high)}"


def gain(result: Result, metric: str, model: str = MODEL) -> str:
    """By how much the model is better than the best baseline, with its interval.

    Below zero it is worse. Absent where no baseline has the metric.
    """
    found = result.gain(metric, model)
    if found is None:
        return ABSENT
    return f"{found.value:+.3g} [{found.low:+.2g}, {found.high:+.2g}]"


def short_table(results: Sequence[Result], models: Sequence[str] = (MODEL,)) -> Table:
    """A line for each case: the headline of every model, and the best baseline.

    One model has its interval and its gain over that baseline; several have a column
    each, and the best of them its gain. What makes it wider than `WIDTH` is left out,
    the least important column first; names that are still too long are cut.
    """
    columns = _short_columns(results, models, LONGEST)
    for most in range(LONGEST, SHORTEST - 1, -1):
        columns = _short_columns(results, models, most)
        for name in OPTIONAL:
            if _width(columns) > WIDTH:
                columns.pop(name, None)
        if _width(columns) <= WIDTH:
            break
    else:
        del columns["metric"]
    header = [name if name not in UNTITLED else "" for name in columns]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return Table(
        header, rows, frozenset(i for i, n in enumerate(columns) if n in WORDS)
    )


def _short_columns(
    results: Sequence[Result], models: Sequence[str], most: int
) -> dict[str, list[str]]:
    """Name of a column -> cells; names of at most so many characters."""
    alone = len(models) == 1
    last = "gain [95 %]" if alone else "gain of the best [95 %]"
    shown = [_cut(name, most) for name in models]
    if len({*shown}) < len(shown) or {*shown} & {*WORDS, *UNTITLED}:
        shown = [_cut(f"{i} {name}", most) for i, name in enumerate(models, 1)]
    names = ["case", "question", "metric", *shown, *(["95 %"] if alone else [])]
    columns: dict[str, list[str]] = {
        name: [] for name in [*names, "best baseline", "its value", last]
    }
    for result in results:
        metric = result.headline
        values = {name: result.figure(metric, name) for name in models}
        there = {name: value for name, value in values.items() if value is not None}
        best = result.best_baseline(metric)
        baseline = None if best is None else result.figure(metric, best)
        columns["case"].append(_cut(result.name, most))
        columns["question"].append(result.question)
        columns["metric"].append(metric)
        for column, value in zip(shown, values.values(), strict=True):
            columns[column].append(ABSENT if value is None else number(value.value))
        if alone:
            spans = [span(v.low, v.high) for v in there.values()]
            columns["95 %"].append(spans[0] if spans else ABSENT)
        columns["best baseline"].append(best or ABSENT)
        columns["its value"].append(
            ABSENT if baseline is None else number(baseline.value)
        )
        columns[last].append(_gain_of_best(result, metric, there))
    return columns


def _gain_of_best(result: Result, metric: str, values: Mapping[str, Figure]) -> str:
    if not values:
        return ABSENT
    statistics = result.statistics
    higher = next(statistics[name][metric].higher_is_better for name in values)
    pick = max if higher else min
    return gain(result, metric, pick(values, key=lambda name: values[name].value))


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    """Of a line of `text`."""
    each = [
        max(len(name) * (name not in UNTITLED), *map(len, cells), 0)
        for name, cells in columns.items()
    ]
    return sum(each) + 3 * len(each) + 1


def _cut(name: str, most: int) -> str:
    """A name of at most so many characters, its end kept where names differ."""
    if len(name) <= most:
        return name
    return f"{name[: (most - 1) // 2]}…{name[-(most - 1 - (most - 1) // 2) :]}"


def wide_table(results: Sequence[Result], models: Sequence[str] = (MODEL,)) -> Table:
    """A line for each case and metric: the models beside every baseline."""
    used = {name for result in results for name in result.statistics} - {*models}
    known = [name for name in BASELINES if name in used]
    names = [*known, *sorted(used - {*known})]
    header = ["case", "", "metric", *models, "95 %", *names, "best", "windows"]
    rows = []
    for result in results:
        for i, metric in enumerate(result.metrics):
            figures = [result.figure(metric, name) for name in models]
            first = next((figure for figure in figures if figure is not None), None)
            others = [result.figure(metric, name) for name in names]
            best = result.best_baseline(metric) or ABSENT
            best = models[0] if result.model_wins(metric, models[0]) else best
            rows.append(
                [
                    result.name if i == 0 else "",
                    result.question if i == 0 else "",
                    metric,
                    *(ABSENT if f is None else number(f.value) for f in figures),
                    ABSENT if first is None else span(first.low, first.high),
                    *(ABSENT if f is None else number(f.value) for f in others),
                    best,
                    str(len(result.groups)) if i == 0 else "",
                ]
            )
    return Table(header, rows, frozenset({0, 1, 2, len(header) - 2}))


def text(table: Table) -> str:
    """A table in Markdown, aligned so that it reads well in a terminal too."""
    columns = zip(table.header, *table.rows, strict=True)
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            c.ljust(w) if i in table.words else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = [
        "-" * w if i in table.words else "-" * max(w - 1, 0) + ":"
        for i, w in enumerate(widths)
    ]
    return "\n".join([line(table.header), line(rule), *map(line, table.rows)])


def predictor_table(
    results: Sequence[Result], every: bool = False, against: str | None = None
) -> Table:
    """A line for each predictor, a column for each case, with 95 % intervals.

    Args:
        results: baselines first, then models, in the order of the first that has them.
        every: a column for every metric; else for the headlines alone.
        against: a predictor, of which the cells are what others have more, or less, in
            a paired bootstrap over the same samples; None: the values themselves.

    Raises:
        ValueError: no result has the predictor.
    """
    used = dict.fromkeys(name for result in results for name in result.statistics)
    listed = dict.fromkeys(name for result in results for name in result.models)
    models = [name for name in listed if name in used]
    names = [*(name for name in used if name not in models), *models]
    if against is not None and against not in used:
        raise ValueError(f"against: found {against!r}; needed one of {', '.join(used)}")
    columns = [
        (result, metric)
        for result in results
        for metric in (result.metrics if every else [result.headline])
    ]
    several = len(results) > 1
    header = [
        f"{result.name}: {metric}" if several else metric for result, metric in columns
    ]
    rows = [
        [name, *(_cell(result, metric, name, against) for result, metric in columns)]
        for name in names
        if name != against
    ]
    title = "predictor" if against is None else f"less {against}"
    return Table([title, *header], rows, frozenset({0}))


def _cell(result: Result, metric: str, name: str, against: str | None) -> str:
    """A value, or its difference to that of another predictor, with its interval."""
    if against is None:
        figure = result.figure(metric, name)
        if figure is None:
            return ABSENT
        bounds = f"{number(figure.low)}, {number(figure.high)}"
        return f"{number(figure.value)} [{bounds}]"
    pair = [result.statistics.get(who, {}).get(metric) for who in (name, against)]
    ours, theirs = pair
    if ours is None or theirs is None:
        return ABSENT
    found = difference([Pair(ours, theirs, result.groups)])
    return f"{found.value:+.3g} [{found.low:+.3g}, {found.high:+.3g}]"
