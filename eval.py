"""Judges a model against every training-free floor.

python eval.py RUN_OR_MODEL
    the evaluation cases of its config and the measured sets that are here
python eval.py RUN_OR_MODEL --data FILE --task TASK --context L --horizon H
    your own data; see docs/data_formats.md
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wlam.data.files import write_npz_atomic, write_text_atomic
from wlam.data.tensors import DataError
from wlam.evaluation import cases
from wlam.evaluation.judge import MODEL, Verdict, judge
from wlam.evaluation.report import html_report
from wlam.evaluation.table import text_table
from wlam.hub import load_with_config
from wlam.tasks import TASKS


@dataclass(frozen=True)
class Options:
    """What to judge, on what, and where the results go."""

    # A run's folder or a released model's.
    model: Annotated[str, tyro.conf.Positional]
    # An .npz file of your own.
    data: str | None = None
    # csi_time, csi_frequency, beam, traffic or series.
    task: str | None = None
    # Steps (subcarriers for csi_frequency) that the model sees.
    context: int | None = None
    # Steps to forecast.
    horizon: int | None = None
    # Steps between two windows (traffic, beam, series); the horizon if not given.
    stride: int | None = None
    # Share of each series, at its end, that targets lie in (traffic, beam, series).
    tail: float = 0.2
    # Adds noise to the context at this SNR (csi tasks); targets stay as they are.
    snr_db: float | None = None
    # JSON lines; evaluation.jsonl in the model's folder if no --data is given.
    json: str | None = None
    # HTML report; report.html in the model's folder if no --data is given.
    report: str | None = None
    # An .npz of the model's forecasts of your --data.
    predictions: str | None = None


def main(options: Options) -> None:
    """Runs the evaluation; nothing is written before all of it has worked."""
    model, config, step = load_with_config(options.model)
    count = f"{model.num_parameters:,} parameters, step {step:,}"
    facts, skipped = [f"{options.model}: {count}"], []
    if options.data is None:
        todo = cases.generated_cases(config)
        measured, skipped = cases.measured_cases(Path("data"))
        todo += measured
        home = Path(options.model)
        outputs = (
            options.json or home / "evaluation.jsonl",
            options.report or home / "report.html",
        )
    else:
        case, notes = cases.file_case(
            options.data,
            options.task,
            options.context,
            options.horizon,
            options.stride,
            options.tail,
            options.snr_db,
        )
        facts, todo = facts + notes, [case]
        outputs = options.json, options.report

    verdicts: list[Verdict] = []
    for case in todo:
        print(f"{case.name} …", file=sys.stderr, flush=True)
        verdicts.append(judge(case, model))
    print("\n".join(facts), text_table(verdicts), *skipped, sep="\n")

    if outputs[0]:
        lines = (json.dumps(r.record()) for v in verdicts for r in v.results)
        write_text_atomic(outputs[0], "\n".join(lines) + "\n")
    if outputs[1]:
        write_text_atomic(outputs[1], html_report("wlam", facts, verdicts, skipped))
        print(f"report: {outputs[1]}")
    if options.predictions:
        v = verdicts[0]
        arrays = TASKS[v.case.task].user_arrays(
            v.forecasts[MODEL], v.case.data, v.windows
        )
        write_npz_atomic(options.predictions, **arrays)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (DataError, ValueError) as error:
        print(f"eval.py: {error}", file=sys.stderr)
        sys.exit(2)
