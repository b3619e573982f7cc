"""The benchmark page: models beside peers and floors on every set that is found.

    python -m benchmarks.leaderboard MODEL... [--peers RUN...] [--seeds RUN...]
        [--ablations RUN...]

Judges every model on the cases of configs/benchmark.py, on Sionna's channels
(`sionna_channels` here makes them), on ray-traced ones
(`raytraced_channels`) and on the measured sets, and writes
docs/benchmark.md, docs/benchmark.html and all numbers as JSON lines; beside a released
model's weights those of the model, metrics.json. What was judged before is not judged
again; kill it and run it again at will.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import tyro

from benchmarks.leaderboard.benchmark import (
    RAYTRACED,
    SIONNA,
    Judged,
    Results,
    all_entries,
    judge_entry,
    open_models,
)
from benchmarks.leaderboard.goals import ABLATED
from benchmarks.leaderboard.page import html_page, markdown
from wlam.bootstrap import interval
from wlam.data.files import write_text_atomic
from wlam.hub import CONFIG
from wlam.types import DataError

# Every compiled program holds memory maps, of which Linux lets a process have 65,530:
# too few for all models on all cases. Some stay, since many cases have equal shapes.
CASES_TO_A_CACHE = 10
CASES = "configs/benchmark.py"


@dataclass(frozen=True)
class Options:
    """What is judged, and where the page goes."""

    # Runs or released models; none: the floors alone.
    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Runs or models of other architectures, or folders of them, one for each task; with
    # wifo in the name they are the peers of the figures to reach, each of the model of
    # its size.
    peers: tuple[str, ...] = ()
    # Runs of one config that differ in their training seed.
    seeds: tuple[str, ...] = ()
    # Runs of configs/ablations.py; judged only where a figure to reach asks for them.
    ablations: tuple[str, ...] = ()
    # The generated cases.
    cases: str = CASES
    # Folder of Sionna's channels; WLAM_SIONNA_DIR or data/sionna_csi if not given.
    sionna: str | None = None
    # Folder of ray-traced channels; WLAM_RAYTRACED_DIR or data/raytraced_csi if not.
    raytraced: str | None = None
    # Folders of measured sets as fetched, and where they are prepared; WLAM_DATA_DIR
    # and WLAM_PREPARED_DIR, or data, if not given.
    measured: str | None = None
    prepared: str | None = None
    # Folder that scores are kept in.
    cache: str = "runs/benchmark/scores"
    # All numbers, as JSON lines.
    json: str = "runs/benchmark/results.jsonl"
    # The pages, NAME.md and NAME.html.
    page: str = "docs/benchmark"


def main(options: Options) -> None:
    """Judges, then writes all files."""
    opened, absent = {}, []
    shown = (*options.models, *options.peers, *options.seeds)
    for path in dict.fromkeys((*shown, *options.ablations)):
        try:
            opened[path] = open_models(path)
        except ValueError as error:
            absent.append(f"{path}: {error}")
    if len({family[0].name for family in opened.values()}) < len(opened):
        raise DataError(f"models: found {[*opened]}; needed folders of different names")
    folders = {SIONNA: options.sionna, RAYTRACED: options.raytraced}
    fetched = options.measured or os.environ.get("WLAM_DATA_DIR")
    prepared = options.prepared or os.environ.get("WLAM_PREPARED_DIR", "data")
    entries = all_entries(options.cases, folders, fetched, prepared)

    def known(paths: tuple[str, ...]) -> list:
        return [m for path in dict.fromkeys(paths) for m in opened.get(path, ())]

    judged = []
    for number, entry in enumerate(entries):
        if number % CASES_TO_A_CACHE == 0:
            jax.clear_caches()
        more = options.ablations if entry.name in ABLATED else ()
        models = known((*shown, *more))
        judged.append(judge_entry(entry, models, Path(options.cache)))
    results = Results(
        judged,
        models=known(options.models),
        peers=known(options.peers),
        seeds=known(options.seeds),
        absent=absent,
    )
    for path in (options.json, options.page):
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
    numbers = [line for item in judged for line in records(item)]
    lines = "\n".join(map(json.dumps, numbers))
    write_text_atomic(options.json, f"{lines}\n")
    write_text_atomic(f"{options.page}.md", markdown(results))
    write_text_atomic(f"{options.page}.html", html_page(results))
    print(f"{options.page}.md, {options.page}.html, {options.json}")
    for model in (model for family in opened.values() for model in family):
        # Released: its figures lie beside its weights, those of the whole benchmark.
        if (model.folder / CONFIG).is_file() and options.cases == CASES:
            mine = (x for x in numbers if x.get("predictor") == model.name)
            own = [x for x in mine if model.judged_on(x["task"], x["section"])]
            text = json.dumps(own, indent=1)
            write_text_atomic(model.folder / "metrics.json", f"{text}\n")


def records(item: Judged) -> list[dict]:
    """One line for each predictor and metric, or one that says what is missing."""
    entry = item.entry
    about = {"case": entry.name, "section": entry.section, "task": entry.task}
    if item.scores is None:
        return [{**about, "missing": item.missing}]
    found = []
    for predictor, metrics in item.scores.statistics.items():
        for metric, statistic in metrics.items():
            low, high = interval(statistic, item.scores.groups)
            numbers = {"value": statistic.value, "low": low, "high": high}
            counts = {"windows": len(item.scores.groups)}
            counts["left_out"] = statistic.left_out
            found.append(
                {**about, "metric": metric, "predictor": predictor, **numbers, **counts}
            )
    return found


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (DataError, ValueError, OSError) as error:
        print(f"leaderboard: {error}", file=sys.stderr)
        sys.exit(2)
