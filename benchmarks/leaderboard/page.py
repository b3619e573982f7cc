"""The benchmark page, in Markdown and as HTML that needs no file beside it.

Both are the same blocks of text and tables; the HTML has a column for every floor and
pictures. Every number is computed from `Scores`; what is not there is a row that says
so.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from matplotlib.figure import Figure

from benchmarks.leaderboard.benchmark import (
    GENERATED,
    MEASURED,
    RAYTRACED,
    SIMULATED,
    SIONNA,
    Judged,
    Model,
    Results,
)
from benchmarks.leaderboard.document import Block, as_html, as_markdown
from benchmarks.leaderboard.goals import GOALS, Row, check
from benchmarks.leaderboard.simulated import TASKS
from benchmarks.leaderboard.strata import all_strata, best_floors, by_snr, strata
from wlam.bootstrap import Pair, difference, interval
from wlam.evaluation.scores import Scores, pooled
from wlam.evaluation.table import ABSENT, BASELINES, number

NONE_YET = "no model given"
COLOURS = {"met": "win", "missed": "lose"}
INTRO = """\
Printed by `make benchmark`; nothing here is typed. Every model is frozen and was
trained on generated data alone; every predictor sees the same windows. Targets are
noise-free where the generator knows them; `NMSE noisy dB` is against the noisy channel.
Numbers in brackets are 95 % bootstrap intervals over samples, or over groups of windows
that depend on each other; of differences they are paired. *Best floor* is the best
training-free predictor that knows what a model knows ([evaluation.md](evaluation.md)).
Peers with a network for each task are judged on its task alone, and on no simulator's
channels, which they take row by row. Lower is better, except for top-1, top-3, ±1 beam
and power ratio."""


def blocks(results: Results, every_floor: bool) -> Iterator[Block]:
    """The page from top to bottom.

    Args:
        results: what it shows.
        every_floor: a column for each floor, and pictures; else the best floor alone.
    """
    facts = [_fact(model) for model in (*results.models, *results.peers)]
    yield Block("Benchmark", 1, [INTRO, *(facts or [f"Model: {NONE_YET}."])])
    yield from goal_blocks(results)
    yield set_block(results)
    for section in (GENERATED, *SIMULATED, MEASURED):
        mine = [j for j in results.judged if j.entry.section == section]
        shown = judged_in(results.shown, [j.scores for j in mine if j.scores])
        header, rows = result_rows(mine, shown, every_floor)
        picture = _picture(mine, shown) if every_floor else None
        about = [ABOUT[section]]
        yield Block(f"{section} sets", 2, about, header, rows, picture=picture)
    yield from strata_blocks(results)
    yield seed_block(results)
    yield Block("Not there", 2, ["\n".join(f"- {x}" for x in missing(results))])


ABOUT = {
    GENERATED: "Presets of WiFo (D17 to D19) and HeterCSI (H1 to H12) from our own "
    "generator: arrays, grids, carriers and intervals that training has not seen. "
    "Antennas 9 to 32 of a line from the first eight (`antennas`), all subcarriers "
    "from pilots on every fourth or eighth (`pilots_4_10dB`), single antennas in "
    "Jakes fading, channels faster than any of training (`fast`), positions along "
    "streets, all beams of a sweep from every fourth or eighth (`beam_scan_4`), and "
    "RSRP of generated drives (`kpi_1s`) on carriers and in networks that it has not.",
    SIONNA: "Channels that another simulator makes "
    "(`python -m benchmarks.leaderboard.sionna_channels`), clean and at 20 dB.",
    RAYTRACED: "Users outdoors in four cities, at 5 and 40 km/h, traced by Sionna RT "
    "(`python -m benchmarks.leaderboard.raytraced_channels`), clean and at 20 dB.",
    MEASURED: "Measurements ([data sets](../datasets/README.md)). In `deepsense_h3` "
    "and `deepsense_h5` the last step of the horizon is scored alone; in "
    "`deepsense_scan_4` and `_8` every fourth or eighth beam of a single sweep is "
    "known, and the strongest is the strongest as measured.",
}


def _fact(model: Model) -> str:
    """One line about a model."""
    tasks = "" if model.tasks is None else f" for {', '.join(model.tasks)}"
    return (
        f"`{model.name}`{tasks}: {model.parameters:,} parameters, step {model.step:,}, "
        f"files {model.fingerprint[:12]}."
    )


def goal_blocks(results: Results) -> Iterator[Block]:
    """The figures to reach, a table for each model."""
    header = ["figure", "needed", "found", "95 %", "verdict", "of"]
    if not results.models:
        rows = [[g.what, g.needed, ABSENT, ABSENT, NONE_YET, ""] for g in GOALS]
        yield Block("Figures to reach", 2, (), header, rows)
    for model in results.models:
        peer = results.peer_of(model)
        name = None if peer is None else peer.name
        rows = [check(goal, results.board, model.name, name) for goal in GOALS]
        title, cells = f"Figures to reach: {model.name}", [_goal_cells(r) for r in rows]
        kinds = [COLOURS.get(row.verdict.split()[0], "") for row in rows]
        yield Block(title, 2, [tally(rows)], header, cells, kinds)


def tally(rows: Sequence[Row]) -> str:
    """How many figures are met, missed and cannot be told; others have no bound."""
    starts = ("met", "missed", "not there")
    counts = [sum(row.verdict.startswith(start) for row in rows) for start in starts]
    return ", ".join(f"{n} {of}" for n, of in zip(counts, starts, strict=True)) + "."


def _goal_cells(row: Row) -> list[str]:
    if row.found is None:
        return [row.what, row.needed, ABSENT, ABSENT, row.verdict, ""]
    found = row.found
    spread = f"{number(found.low)} … {number(found.high)}"
    return [
        row.what, row.needed, number(found.value), spread, row.verdict, found.note
    ]  # fmt: skip


def set_block(results: Results) -> Block:
    """Mean differences in dB to the best floor of every set of channels."""
    sets = results.sets()
    there = [results.board[name] for names in sets.values() for name in names]
    shown = judged_in(results.shown, there)
    header = ["set", "cases", "best floor", "dB", *shown]
    rows = []
    for title, names in sets.items():
        if not names:
            rows.append([title, "0", "not there", ABSENT, *[ABSENT] * len(shown)])
            continue
        cases = [results.board[name] for name in names]
        best, level = _best_of_set(cases)
        cells = [_to_floor(cases, predictor, best) for predictor in shown]
        rows.append([title, str(len(names)), best, number(level), *cells])
    text = (
        "Mean over cases of the dB of the floor that has the lowest mean, and what "
        "each model has less (negative: better). Jakes rows are left out, here and in "
        "the strata: the ratio of an error to a single fading target has no mean."
    )
    return Block("Channels, in a few lines", 2, [text], header, rows)


def judged_in(models: Sequence[str], cases: Sequence[Scores]) -> list[str]:
    """Models with a score in any of the cases; all of them where there is no case."""
    found = {name for case in cases for name in case.statistics}
    return [name for name in models if name in found or not cases]


def _best_of_set(cases: Sequence[Scores]) -> tuple[str, float]:
    """The floor with the lowest mean of dB over cases, and that mean."""
    means = {
        baseline: float(
            np.mean([c.statistics[baseline][c.headline].value for c in cases])
        )
        for baseline in cases[0].baselines
        if all(baseline in c.statistics for c in cases)
    }
    best = min(means, key=lambda baseline: means[baseline])
    return best, means[best]


def _to_floor(cases: Sequence[Scores], predictor: str, baseline: str) -> str:
    """A mean difference with its interval, or that it is not there."""
    pairs = [
        Pair(
            case.statistics[predictor][case.headline],
            case.statistics[baseline][case.headline],
            case.groups,
        )
        for case in cases
        if predictor in case.statistics
    ]
    if len(pairs) < len(cases):
        return ABSENT
    found = difference(pairs)
    return f"{found.value:+.2f} [{found.low:+.2f} … {found.high:+.2f}]"


def result_rows(
    judged: Sequence[Judged], models: Sequence[str], every_floor: bool
) -> tuple[list[str], list[list[str]]]:
    """Header and a row for each case and metric; what is not there has one row."""
    used = {p for j in judged if j.scores for p in j.scores.statistics}
    baselines = [f for f in BASELINES if f in used] if every_floor else []
    header = [
        "case",
        "L→H",
        "metric",
        *models,
        "best floor",
        "its value",
        *baselines,
        "windows",
    ]
    rows = []
    for item in judged:
        scores, name, question = item.scores, item.entry.name, item.entry.question
        if scores is None:
            blank = [""] * (len(header) - 3)
            rows.append([name, question, f"not there: {item.missing}", *blank])
            continue
        for i, metric in enumerate(scores.metrics):
            best = best_in(scores, metric)
            rows.append(
                [
                    name if i == 0 else "",
                    question if i == 0 else "",
                    metric,
                    *(_cell(scores, model, metric) for model in models),
                    ABSENT if best is None else best,
                    ABSENT if best is None else _cell(scores, best, metric),
                    *(_value(scores, baseline, metric) for baseline in baselines),
                    f"{len(scores.groups):,}" if i == 0 else "",
                ]
            )
    return header, rows


def best_in(scores: Scores, metric: str) -> str | None:
    """The floor that is hardest to beat; None where floors have no such metric."""
    pick = max if scores.higher_is_better(metric) else min
    values = {
        baseline: scores.statistics[baseline][metric].value
        for baseline in scores.baselines
        if metric in scores.statistics[baseline]
    }
    known = [baseline for baseline, value in values.items() if not math.isnan(value)]
    return pick(known, key=values.__getitem__, default=None)


def _value(scores: Scores, predictor: str, metric: str) -> str:
    found = scores.statistics.get(predictor, {}).get(metric)
    return ABSENT if found is None else number(found.value)


def _cell(scores: Scores, predictor: str, metric: str) -> str:
    """A value with its interval."""
    found = scores.statistics.get(predictor, {}).get(metric)
    if found is None:
        return ABSENT
    low, high = interval(found, scores.groups)
    return f"{number(found.value)} [{number(low)} … {number(high)}]"


def strata_blocks(results: Results) -> Iterator[Block]:
    """The sets of channels by speed, SNR, line of sight, horizon and size."""
    sizes = results.models[0].sizes if results.models else {}
    text = [
        "NMSE dB of all windows of a set together. "
        + (
            f"Sizes are those that {results.models[0].name} was trained on."
            if results.models
            else ""
        )
    ]
    yield Block("Strata", 2, text)
    for title, names in results.sets().items():
        if not names:
            yield Block(title, 3, ["Not there."])
            continue
        scores = pooled([results.board[name] for name in names])
        models = [m for m in results.shown if m in scores.statistics]
        shown = [*models, *best_floors(scores)]
        found = list(all_strata(scores, shown, sizes.get(title.split(", ")[1], {})))
        yield Block(title, 3, (), *_strata_table(found, shown))
    for section, task in product(SIMULATED, TASKS):
        names = results.names_of(section, task)
        if names:
            scores = pooled([results.board[name] for name in names])
            models = [m for m in results.shown if m in scores.statistics]
            shown = [*models, *best_floors(scores)]
            found = strata(scores, "SNR", by_snr(scores), shown)
            title = f"{section}, {task}, by SNR"
            yield Block(title, 3, (), *_strata_table(found, shown))


def _strata_table(found: Sequence, shown: Sequence[str]) -> tuple:
    rows = [
        [
            s.by if i == 0 or found[i - 1].by != s.by else "",
            s.name,
            *(
                f"{number(c.value)} [{number(c.low)} … {number(c.high)}]"
                for c in (s.cells[name] for name in shown)
            ),
            f"{s.windows:,}",
        ]
        for i, s in enumerate(found)
    ]
    return ["by", "stratum", *shown, "windows"], rows


def seed_block(results: Results) -> Block:
    """How far training seeds lie apart: the headline of every set and measured case."""
    names = [model.name for model in results.seeds]
    if len(names) < 2:
        text = f"Runs of other training seeds: {len(names)} given, needed two or more."
        return Block("Training seeds", 2, [text])
    groups = {title: cases for title, cases in results.sets().items() if cases}
    for item in results.judged:
        if item.entry.section == MEASURED and item.scores is not None:
            groups[item.entry.name] = [item.entry.name]
    rows = []
    for title, cases in groups.items():
        scores = [results.board[case] for case in cases]
        metric = scores[0].headline
        if not all(name in s.statistics for name in names for s in scores):
            rows.append([title, metric, *[ABSENT] * (len(names) + 2)])
            continue
        means = [
            float(np.mean([s.statistics[name][metric].value for s in scores]))
            for name in names
        ]
        spread = float(np.std(means, ddof=1))
        cells = [number(x) for x in (*means, float(np.mean(means)), spread)]
        rows.append([title, metric, *cells])
    text = (
        "Means over the cases of a set; the spread is the sample's standard deviation."
    )
    header = ["set", "metric", *names, "mean", "spread"]
    return Block("Training seeds", 2, [text], header, rows)


def missing(results: Results) -> list[str]:
    """A line for everything that was not there; what lacks for one reason is in one."""
    sizes = Counter(item.entry.section for item in results.judged)
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in results.judged:
        if item.scores is None:
            about = item.entry.section, item.missing
            reasons.setdefault(about, []).append(item.entry.name)
    lines = []
    for (section, reason), names in reasons.items():
        whole = len(names) == sizes[section]
        what = f"{section} sets" if whole else ", ".join(names)
        lines.append(f"{what}: {reason}")
    unjudged: dict[tuple[str, str], list[str]] = {}
    for item in results.judged:
        for model_and_reason in item.failed:
            unjudged.setdefault(model_and_reason, []).append(item.entry.name)
    for (model, reason), names in unjudged.items():
        lines.append(f"{model} on {', '.join(names)}: {reason}")
    lines += results.absent
    if not results.wifo:
        lines.append("no peer with wifo in its name was given")
    return lines


def _picture(judged: Sequence[Judged], models: Sequence[str]) -> Figure | None:
    """Model minus best floor in the headline of channels, case by case."""
    cases = [j for j in judged if j.scores is not None and j.entry.task in TASKS]
    found = [(j.entry.name, j.scores) for j in cases if j.scores is not None]
    if not found or not models:
        return None
    figure = Figure(figsize=(11, 1.5 + 0.18 * len(found)), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(found))
    for model in models:
        gaps = []
        for _, scores in found:
            best = best_in(scores, scores.headline)
            ours = scores.statistics.get(model, {}).get(scores.headline)
            gap = np.nan
            if best is not None and ours is not None:
                gap = ours.value - scores.statistics[best][scores.headline].value
            gaps.append(gap)
        if np.isfinite(gaps).any():
            axis.plot(gaps, places, "o", markersize=4, label=model)
    axis.axvline(0, color="black", linewidth=1)
    axis.set_yticks(places, [name for name, _ in found], fontsize=7)
    axis.set(xlabel="NMSE in dB to the best floor (left: better)")
    axis.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=len(models))
    return figure


def markdown(results: Results) -> str:
    """The page for docs/."""
    return as_markdown(blocks(results, every_floor=False))


def html_page(results: Results) -> str:
    """The page as one file, with every floor and pictures."""
    return as_html("wlam benchmark", blocks(results, every_floor=True))
