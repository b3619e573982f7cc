"""Judges models beside every training-free baseline.

With a run or a released model alone: the evaluation of its config, and the measured
sets that are found. Several models share one table. With --cases: the evaluation of
another config, such as the benchmark. With --data, --task, --context and --horizon:
your own data, see docs/data_formats.md.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wlam.config import read_config
from wlam.data.files import write_npz_atomic, write_text_atomic
from wlam.evaluation import cases, table
from wlam.evaluation.defaults import default_evaluation
from wlam.evaluation.forecast import Given, Judged
from wlam.evaluation.judge import judge
from wlam.evaluation.report import html_report
from wlam.hub import load_with_config, model_folder
from wlam.tasks import task_of
from wlam.training.checkpoint import latest_config
from wlam.types import DataError

FORECASTS = Path(__file__).parent / "configs" / "quickstart.py"
"""Cases of a forecaster whose own config names none."""


@dataclass(frozen=True, kw_only=True)
class Options(cases.OwnData):
    """What to judge, on what, and where the results go."""

    # Runs' folders, released models' or their names.
    models: Annotated[tuple[str, ...], tyro.conf.Positional]
    # A config file, or a run, whose evaluation is run instead of the model's.
    cases: str | None = None
    # Folder of fetched measured sets, see datasets/; WLAM_DATA_DIR if not given.
    measured: str | None = None
    # Show every metric and every baseline; they are always in the JSON and the report.
    wide: bool = False
    # JSON lines; without --data, evaluation.jsonl in the first model's folder.
    json: str | None = None
    # HTML report; without --data, report.html in the first model's folder.
    report: str | None = None
    # An .npz of the model's forecasts of your --data.
    predictions: str | None = None


def main(options: Options) -> None:
    """Runs the evaluation; nothing is written before all of it has worked."""
    check(options)
    loaded = [load_with_config(name) for name in options.models]
    models = [model for model, _, _ in loaded]
    facts = [
        f"{name}: {model.num_parameters:,} parameters, step {step:,}"
        for name, (model, _, step) in zip(options.models, loaded, strict=True)
    ]
    skipped: list[str] = []
    if options.data:
        case, notes = cases.file_case(options)
        evaluators = {case.name: Given(case)}
        facts += notes
        if why := [w for m in models if (w := evaluators[case.name].why_not(m))]:
            raise DataError(f"--task: {case.task}: {why[0]}")
    else:
        evaluators = dict(loaded[0][1].evaluation) or default_evaluation(models[0])
        if not evaluators:  # a forecaster whose config names no cases
            evaluators = dict(read_config(str(FORECASTS)).evaluation)
        if options.cases:
            config = latest_config(options.cases) or read_config(options.cases)
            evaluators = dict(config.evaluation)
        else:
            fetched = options.measured or os.environ.get("WLAM_DATA_DIR")
            prepared = os.environ.get("WLAM_PREPARED_DIR", "data")
            measured, skipped = cases.measured_cases(fetched, prepared)
            evaluators |= {case.name: Given(case) for case in measured}

    # ---- every case, one after the other --------------------------------------------
    results = []
    for name, result, lines in judge(evaluators, models):
        print(f"{name} …", file=sys.stderr, flush=True)
        skipped += lines
        results += [result] if result is not None else []
    names = [model.card.name for model in models]
    make = table.wide_table if options.wide else table.short_table
    print(*facts, table.text(make(results, names)), *skipped, sep="\n")

    # ---- files ----------------------------------------------------------------------
    # Of configs/name.py:part: name_part.
    source = Path(options.cases or "").name.replace(".py", "").replace(":", "_")
    suffix = f"_{source}" if source else ""
    folder = model_folder(options.models[0])
    records, report = options.json, options.report
    if not options.data:
        records = records or f"{folder}/evaluation{suffix}.jsonl"
        report = report or f"{folder}/report{suffix}.html"
    if records:
        lines = (json.dumps(r) for result in results for r in result.records())
        write_text_atomic(records, "\n".join(lines) + "\n")
    if report:
        page = html_report("wlam", facts, results, skipped, tuple(names))
        write_text_atomic(report, page)
        print(f"report: {report}")
    if options.predictions:
        judged = results[0].detail
        assert isinstance(judged, Judged)
        task = task_of(judged.case.task)
        ours = next(iter(judged.forecasts.values()))
        arrays = task.user_arrays(ours, judged.case.data, judged.windows)
        write_npz_atomic(options.predictions, **arrays)


def check(options: Options) -> None:
    """A DataError for options that do not go together."""
    if not options.models:
        raise DataError("MODEL: found none; needed one or more")
    if options.predictions and not options.data:
        raise DataError("--predictions: given without --data, which it needs")
    if options.predictions and len(options.models) > 1:
        raise DataError("--predictions: given for several models; needed one")
    if options.cases and options.data:
        raise DataError("--cases: given with --data; needed one of the two")
    for path in filter(None, (options.json, options.predictions, options.report)):
        if not Path(path).absolute().parent.is_dir():
            raise DataError(f"output: {path} lies in no folder that exists")


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (DataError, ValueError, OSError) as error:
        print(f"eval.py: {error}", file=sys.stderr)
        sys.exit(2)
