"""A self-contained HTML report: the table, and for every case its plots."""

import base64
import html
import io
from collections.abc import Sequence
from itertools import pairwise

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from wlam.evaluation.judge import MODEL, Verdict
from wlam.evaluation.table import rows_of
from wlam.tasks import TASKS

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto;
       padding: 0 1em; color: #222 }
table { border-collapse: collapse; font-size: 13px; margin: 1em 0 }
td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child, td:nth-child(3), th:nth-child(3) { text-align: left }
td:nth-child(4) { font-weight: bold }
tr.win td:nth-child(4) { background: #e2f4e2 }
tr.lose td:nth-child(4) { background: #fbe9e2 }
img { max-width: 100% } .about { color: #666 } h2 { margin-top: 2em }
"""
# Floors that a plot shows beside the model; more would hide it.
SHOWN = ("repeat last", "AR", "PAD", "seasonal AR", "Kalman tracker")
BINNED = {"speed_kmh": "speed in km/h", "snr_db": "SNR in dB"}
BINS = 5


def curves(verdict: Verdict) -> Figure:
    """Prediction against truth, and the headline metric over horizon, speed and SNR."""
    found = verdict.windows.labels
    labels = [name for name in BINNED if len(np.unique(found.get(name, 0))) > 1]
    figure = Figure(figsize=(4.2 * (2 + len(labels)), 3.2), layout="constrained")
    axes = list(np.ravel(figure.subplots(1, 2 + len(labels))))
    predictors = [MODEL, *(f for f in SHOWN if f in verdict.forecasts)]
    headline = TASKS[verdict.case.task].headline
    everyone = np.arange(len(verdict.windows.source))

    draw_example(axes[0], verdict, predictors)
    horizon, skip = verdict.windows.horizon, verdict.case.skip
    steps = np.unique(np.linspace(0, horizon - 1, min(horizon, 16)).round().astype(int))
    for predictor in predictors:
        scores = [
            verdict.score_slice(predictor, everyone, slice(s, s + 1))[headline].value
            for s in steps
        ]
        axes[1].plot(skip + steps + 1, scores, marker=".", label=predictor)
    axes[1].set(xlabel="horizon in steps", ylabel=headline)
    axes[1].legend(fontsize=8)
    for axis, label in zip(axes[2:], labels, strict=True):
        values = verdict.windows.labels[label]
        edges = np.quantile(values, np.linspace(0, 1, BINS + 1))
        inside = [
            np.flatnonzero((values >= lo) & (values <= hi))
            for lo, hi in pairwise(edges)
        ]
        centres = [float(np.median(values[keep])) for keep in inside]
        for predictor in predictors:
            scores = [
                verdict.score_slice(predictor, keep)[headline].value for keep in inside
            ]
            axis.plot(centres, scores, marker="o", label=predictor)
        axis.set(xlabel=BINNED[label], ylabel=headline)
    return figure


def draw_example(axis, verdict: Verdict, predictors: list[str]) -> None:
    """The strongest channel of the middle window: context, truth and forecasts."""
    windows = verdict.windows
    w = len(windows.source) // 2
    c = int(np.argmax(np.var(windows.target[w], axis=0) + 1e-30))
    context = np.real(windows.context[w, :, c])
    target = np.real(windows.target[w, :, c])
    length, horizon = len(context), len(target)
    past = np.arange(max(0, length - 4 * horizon), length) - length
    axis.plot(past + 1, context[past], color="0.6", label="context")
    future = verdict.case.skip + np.arange(horizon) + 1
    axis.plot(future, target, color="black", linewidth=2, label="truth")
    for predictor in predictors:
        forecast = np.real(verdict.forecasts[predictor][w, :, c])
        axis.plot(future, forecast, marker=".", linewidth=1, label=predictor)
    axis.set(xlabel="step", title=f"window {w}, channel {c}")
    axis.legend(fontsize=7)


def embed(figure: Figure) -> str:
    """The figure as an <img> that needs no file beside the report."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"axes.grid": True, "grid.alpha": 0.3}):
        figure.savefig(buffer, format="png", dpi=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="plots" src="data:image/png;base64,{data}">'


def html_table(verdicts: Sequence[Verdict]) -> str:
    """The table; the model's cell is green where it beats every floor, else red.

    Without colour where floors have no such value.
    """
    header, rows = rows_of(verdicts)
    wins = [v.model_wins(metric) for v in verdicts for metric in v.metrics]
    lines = ["<table><tr>", *(f"<th>{html.escape(h)}</th>" for h in header), "</tr>"]
    for row, win in zip(rows, wins, strict=True):
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        kind = {True: "win", False: "lose", None: ""}[win]
        lines.append(f'<tr class="{kind}">{cells}</tr>')
    return "\n".join([*lines, "</table>"])


def html_report(
    title: str,
    facts: Sequence[str],
    verdicts: Sequence[Verdict],
    skipped: Sequence[str],
) -> str:
    """The whole page.

    Args:
        title: heading.
        facts: lines about the model and its cost.
        verdicts: the cases, in the order of the table.
        skipped: lines that say which data were not there.
    """
    sections = []
    for v in verdicts:
        doc = (TASKS[v.case.task].__doc__ or "").strip().split("\n\n")[0]
        sections.append(
            f"<h2>{html.escape(v.case.name)}</h2><p>{html.escape(doc)}</p>"
            f'<p class="about">{html.escape(v.case.about)}</p>{embed(curves(v))}'
        )
    bullets = "".join(f"<li>{html.escape(line)}</li>" for line in [*facts, *skipped])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}"
        f"</title><style>{STYLE}</style><h1>{html.escape(title)}</h1><ul>{bullets}</ul>"
        "<p>Lower is better, except for top-1, top-3, ±1 beam and power ratio; what "
        "intervals cover should be what they promise. Green: better than every "
        "training-free floor. Intervals in the table: 95 % bootstrap over windows, or "
        f"over groups of dependent windows.</p>{html_table(verdicts)}"
        f"{''.join(sections)}</html>\n"
    )
