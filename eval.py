"""Judges a model beside every training-free floor.

With a run or a model alone: the evaluation cases of its config, and the measured sets
that are found. With --cases: those of another config, such as the benchmark. With
--data, --task, --context and --horizon: your own data, see docs/data_formats.md.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from wlam import plot
from wlam.config import load_config
from wlam.data.files import write_npz_atomic, write_text_atomic
from wlam.evaluation import cases
from wlam.evaluation.evaluator import Result
from wlam.evaluation.judge import INFORMED, MODEL, Verdict, judge
from wlam.evaluation.report import html_report
from wlam.evaluation.table import text_table
from wlam.hub import load_with_config, model_folder
from wlam.models.deq_estimator.network import CombinedEstimator
from wlam.models.generator.network import ChannelGenerator
from wlam.tasks import TASKS
from wlam.training.checkpoint import latest_config
from wlam.types import DataError


@dataclass(frozen=True, kw_only=True)
class Options(cases.OwnData):
    """What to judge, on what, and where the results go."""

    # A run's folder, a released model's or its name.
    model: Annotated[str, tyro.conf.Positional]
    # A config file, or a run, whose evaluation cases are judged instead of the model's.
    cases: str | None = None
    # JSON lines; without --data, evaluation.jsonl in the model's folder.
    json: str | None = None
    # HTML report; without --data, report.html in the model's folder.
    report: str | None = None
    # An .npz of the model's forecasts of your --data.
    predictions: str | None = None


def main(options: Options) -> None:
    """Runs the evaluation; nothing is written before all of it has worked."""
    results, report = options.json, options.report
    if options.predictions and not options.data:
        raise DataError("--predictions: given without --data, which it needs")
    if options.cases and options.data:
        raise DataError("--cases: given with --data; needed one of the two")
    for path in filter(None, (results, report, options.predictions)):
        if not Path(path).absolute().parent.is_dir():
            raise DataError(f"output: {path} lies in no folder that exists")
    model, config, step = load_with_config(options.model)
    if isinstance(model, CombinedEstimator):
        raise DataError(
            f"MODEL: {options.model} sees channels through its own combiner only; "
            "benchmarks/hybrid_estimation.py judges it"
        )
    if isinstance(model, ChannelGenerator):
        raise DataError(
            f"MODEL: {options.model} draws channels and answers no question about any; "
            "benchmarks/generation.py judges it"
        )
    if options.cases:
        config = latest_config(options.cases) or load_config(options.cases, [])
    facts = [f"{options.model}: {model.num_parameters:,} parameters, step {step:,}"]
    if options.data:
        case, notes = cases.file_case(options)
        if why := cases.unfit(case, model):
            raise DataError(f"--task: {case.task}: {why}")
        todo, skipped = [case], []
        facts += notes
    else:
        measured, skipped = ([], []) if options.cases else cases.measured_cases()
        todo, unfit = cases.fitting(
            cases.generated_cases(config.evaluation) + measured, model
        )
        skipped += unfit
        suffix = f"_{Path(options.cases).stem}" if options.cases else ""
        folder = model_folder(options.model)
        results = results or f"{folder}/evaluation{suffix}.jsonl"
        report = report or f"{folder}/report{suffix}.html"

    verdicts = []
    for case in todo:
        print(f"{case.name} …", file=sys.stderr, flush=True)
        verdicts.append(judge(case, model))
    print(*facts, text_table(verdicts), *skipped, sep="\n")

    if results:
        lines = (json.dumps(r.record()) for v in verdicts for r in v.results)
        write_text_atomic(results, "\n".join(lines) + "\n")
    if report:
        found = [result_of(verdict) for verdict in verdicts]
        write_text_atomic(report, html_report("wlam", facts, found, skipped))
        print(f"report: {report}")
    if options.predictions:
        (v,) = verdicts
        ours = v.forecasts[MODEL]
        arrays = TASKS[v.case.task].user_arrays(ours, v.case.data, v.windows)
        write_npz_atomic(options.predictions, **arrays)


def result_of(verdict: Verdict) -> Result:
    """What the report shows of a verdict."""
    case, labels = verdict.case, verdict.windows.labels
    headline = TASKS[case.task].headline
    groups, horizon = verdict.windows.groups, verdict.windows.horizon
    steps = np.unique(np.linspace(0, horizon - 1, min(horizon, 8)).astype(int))
    beside = ("repeat last", "AR", "PAD", "seasonal AR", "Kalman tracker")
    drawn = [name for name in (MODEL, *beside) if name in verdict.statistics]
    values = {name: verdict.statistics[name][headline] for name in drawn}

    def pictures() -> dict[str, Any]:
        over = {
            name: [
                verdict.score_slice(name, np.arange(len(groups)), slice(s, s + 1))[
                    headline
                ]
                for s in steps
            ]
            for name in drawn
        }
        x = case.skip + steps + 1
        found = {
            f"{headline} over the horizon": plot.curve(x, over, groups, ylabel=headline)
        }
        for name, label in (("speed_kmh", "speed (km/h)"), ("snr_db", "SNR (dB)")):
            if len(np.unique(labels.get(name, 0))) > 1:
                found[f"{headline} over {label}"] = plot.metric_over(
                    labels[name], values, groups, label, headline
                )
        return found

    question = f"{case.context}→{case.horizon}"
    statistics = verdict.statistics
    return Result(
        case.name,
        question,
        headline,
        statistics,
        groups,
        case.about,
        INFORMED,
        pictures,
    )


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (DataError, ValueError, OSError) as error:
        print(f"eval.py: {error}", file=sys.stderr)
        sys.exit(2)
