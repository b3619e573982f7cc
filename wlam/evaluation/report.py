"""A page of HTML that needs no other file: a summary, and every case with pictures."""

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wlam.bootstrap import Difference
from wlam.evaluation.evaluator import MODEL, Figure, Result
from wlam.evaluation.table import ABSENT, number
from wlam.types import DataError

if TYPE_CHECKING:
    import matplotlib.figure

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 1.5em auto;
       padding: 0 1em; color: #1f2328; background: #fff }
h1 { font-size: 1.6em; margin: 0 0 .3em } h2 { font-size: 1.25em; margin: 2em 0 .3em }
table { border-collapse: collapse; font-size: 14px; margin: 1em 0;
        font-variant-numeric: tabular-nums }
td, th { padding: 4px 10px; text-align: right; border-bottom: 1px solid #e2e5e9;
         vertical-align: top }
th { color: #57606a; font-weight: 600; border-bottom: 2px solid #d0d5db }
td:first-child, th:first-child { text-align: left }
img { max-width: 100%; height: auto } .about { color: #57606a }
"""
REPORT_STYLE = """
.wide { overflow-x: auto } .facts { color: #57606a; padding-left: 1.2em }
td.text, th.text { text-align: left } td { white-space: nowrap }
td small { color: #57606a; display: block }
td a { color: inherit } td b small { font-weight: 400 }
.pictures { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start }
figure { margin: 0; flex: 1 1 340px; max-width: 760px }
figcaption { color: #57606a; font-size: 14px }
summary { cursor: pointer; color: #0b5cad; margin: .6em 0 }
.tag { border-radius: 9px; padding: 1px 8px }
.win { background: #dff3e4; color: #14532d }
.lose { background: #fde7df; color: #7c2d12 }
.even { background: #eceef1; color: #3d444d }
@media (max-width: 640px) { body { font-size: 15px; margin: 1em auto }
  td, th { padding: 4px 5px } table { font-size: 12px } }
"""
VERDICTS = {"win": "better", "lose": "worse", "even": "no clear difference"}
"""Class of a verdict on the page, and what it says."""
LEGEND = (
    "Numbers in small print are 95 % bootstrap intervals over samples, or over groups "
    "of samples that depend on each other. The gain is that of the model over the best "
    "baseline on the same samples, in the unit of the metric; above zero the model is "
    "better. It is green where all of its interval is above zero, red where all of it "
    "is below, and else grey."
)


@dataclass(frozen=True)
class Comparison:
    """A model beside the best of the baselines, in the headline metric of a result."""

    result: Result
    model: str
    ours: Figure
    baseline: str | None  # None where no baseline has the metric
    theirs: Figure | None
    gain: Difference | None  # above zero: the model is better

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`; empty where there is nothing to compare with."""
        if self.gain is None or math.isnan(self.gain.value):
            return ""
        if self.gain.low > 0:
            return "win"
        return "lose" if self.gain.high < 0 else "even"


def compare(result: Result, models: Sequence[str] = (MODEL,)) -> list[Comparison]:
    """Each model that has the headline metric, beside the best baseline.

    Args:
        result: of one case.
        models: names of those predictors that are no baselines.
    """
    metric = result.headline
    alone = replace(result, informed=result.informed | frozenset(models))
    baseline = alone.best_baseline(metric)
    theirs = None if baseline is None else result.figure(metric, baseline)
    found = []
    for model in models:
        ours = result.figure(metric, model)
        if ours is None:
            continue
        gain = None if baseline is None else result.gain(metric, model, baseline)
        found.append(Comparison(result, model, ours, baseline, theirs, gain))
    return found


def html_report(
    title: str,
    facts: Sequence[str],
    results: Sequence[Result],
    skipped: Sequence[str],
    models: tuple[str, ...] = (MODEL,),
) -> str:
    """The whole page, which needs no file beside it.

    Args:
        title: heading.
        facts: lines about the models and their cost.
        results: one for each case, in the order of the page.
        skipped: lines that say which data were not there.
        models: names of those predictors that are no baselines; the summary has a row
            for each in every case.

    Raises:
        DataError: two results of one name and question.
    """
    names = [(result.name, result.question) for result in results]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"results: found {twice} twice; needed each case once")
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in [*facts, *skipped])
    sections = "".join(_section(i, r, models) for i, r in enumerate(results))
    heading = html.escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{heading}</title><style>{STYLE}{REPORT_STYLE}</style></head><body>"
        f'<h1>{heading}</h1><ul class="facts">{lines}</ul>'
        f"{_summary(results, models)}"
        f'<p class="about">{html.escape(LEGEND)}</p>{sections}</body></html>\n'
    )


def embed(figure: "matplotlib.figure.Figure", alt: str = "plots") -> str:
    """The figure as an <img> that needs no file beside the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def _summary(results: Sequence[Result], models: tuple[str, ...]) -> str:
    """One row for each case and model."""
    several = len(models) > 1
    head = ["case", "model", "value"] if several else ["case", *models]
    rows = []
    for i, result in enumerate(results):
        asked = html.escape(f"{result.question}, {result.headline}")
        link = f"<a href=#case-{i}>{html.escape(result.name)}</a>"
        for k, found in enumerate(compare(result, models)):
            cells = ["" if k else f"{link}<small>{asked}</small>"]
            cells += [html.escape(found.model)] if several else []
            numbers = _with_interval(found.ours), _gain(found), _baseline(found)
            rows.append([*cells, *numbers])
    texts = {0, 1} if several else {0}
    return _table([*head, "gain", "best baseline"], rows, texts)


def _section(index: int, result: Result, models: tuple[str, ...]) -> str:
    """One case: what it is, its pictures, and all of its numbers on demand."""
    pictures = "".join(
        f"<figure>{embed(figure, title)}<figcaption>{html.escape(title)}</figcaption>"
        "</figure>"
        for title, figure in result.pictures().items()
    )
    samples = f"{len(result.groups):,} samples"
    return (
        f'<section id="case-{index}"><h2>{html.escape(result.name)} '
        f"<small>{html.escape(result.question)}</small></h2>"
        f'<p class="about">{html.escape(result.about)}</p>'
        f'<div class="pictures">{pictures}</div>'
        f"<details><summary>All metrics and baselines ({samples})</summary>"
        f"{_all_numbers(result, models)}</details></section>"
    )


def _all_numbers(result: Result, models: tuple[str, ...]) -> str:
    """A row for each predictor, models first; the best of each metric is bold."""
    order = [name for name in models if name in result.statistics]
    order += [name for name in result.statistics if name not in models]
    best = {metric: _best(result, metric) for metric in result.metrics}
    rows = []
    for name in order:
        note = " (informed)" if name in result.informed else ""
        cells = [html.escape(name + note)]
        for metric in result.metrics:
            figure = result.figure(metric, name)
            text = ABSENT if figure is None else _with_interval(figure)
            cells.append(f"<b>{text}</b>" if name == best[metric] else text)
        rows.append(cells)
    return _table(["predictor", *result.metrics], rows, {0})


def _best(result: Result, metric: str) -> str | None:
    """The predictor whose value is best; None where only one has the metric."""
    found = {
        name: metrics[metric]
        for name, metrics in result.statistics.items()
        if metric in metrics and not math.isnan(metrics[metric].value)
    }
    if len(found) < 2:
        return None
    higher = next(iter(found.values())).higher_is_better
    return (max if higher else min)(found, key=lambda name: found[name].value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: set[int]) -> str:
    """Cells are HTML already; columns in `texts` stand to the left."""

    def row(tag: str, cells: Sequence[str]) -> str:
        found = (
            f'<{tag} class="text">{cell}</{tag}>'
            if i in texts
            else f"<{tag}>{cell}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(found)}</tr>"

    lines = [row("th", [html.escape(cell) for cell in head])]
    lines += [row("td", cells) for cells in rows]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _with_interval(figure: Figure) -> str:
    low, high = number(figure.low), number(figure.high)
    return f"{number(figure.value)} <small>{low} … {high}</small>"


def _baseline(found: Comparison) -> str:
    if found.baseline is None or found.theirs is None:
        return ABSENT
    return f"{html.escape(found.baseline)}<small>{number(found.theirs.value)}</small>"


def _gain(found: Comparison) -> str:
    if found.gain is None:
        return ABSENT
    low, high = number(found.gain.low), number(found.gain.high)
    text = f"{'+' if found.gain.value > 0 else ''}{number(found.gain.value)}"
    if found.verdict:
        says = VERDICTS[found.verdict]
        text = f'<span class="tag {found.verdict}" title="{says}">{text}</span>'
    return f"{text} <small>{low} … {high}</small>"
