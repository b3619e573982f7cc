"""The table: a line for each case and metric, the model beside every floor."""

import math
from collections.abc import Sequence

from wlam.evaluation.judge import INFORMED, MODEL, Verdict

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
    *sorted(INFORMED, reverse=True),
)
"""Columns, in this order; a floor that a task does not have is a dot."""
ABSENT = "·"


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


def rows_of(verdicts: Sequence[Verdict]) -> tuple[list[str], list[list[str]]]:
    """Header and cells; only the floors that occur get a column."""
    used = {r.predictor for v in verdicts for r in v.results}
    baselines = [f for f in BASELINES if f in used]
    header = ["case", "L→H", "metric", MODEL, "95 %", *baselines, "best", "windows"]
    rows = []
    for verdict in verdicts:
        for i, metric in enumerate(verdict.metrics):
            model = verdict.value(metric, MODEL)
            assert model is not None
            cells = [verdict.value(metric, baseline) for baseline in baselines]
            baseline = verdict.best_baseline(metric)
            best = ABSENT if baseline is None else baseline.predictor
            best = MODEL if verdict.model_wins(metric) else best
            rows.append(
                [
                    verdict.case.name if i == 0 else "",
                    f"{verdict.case.context}→{verdict.case.horizon}" if i == 0 else "",
                    metric,
                    number(model.value),
                    f"{number(model.low)} … {number(model.high)}",
                    *(ABSENT if c is None else number(c.value) for c in cells),
                    best,
                    str(model.windows) if i == 0 else "",
                ]
            )
    return header, rows


def text_table(verdicts: Sequence[Verdict]) -> str:
    """The table in Markdown, aligned so that it reads well in a terminal too."""
    header, rows = rows_of(verdicts)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    left = {0, 2, len(header) - 2}  # words; everything else is a number

    def line(cells: list[str]) -> str:
        padded = (
            c.ljust(w) if i in left else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])
