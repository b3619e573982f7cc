"""The networks of one config file beside each other, and beside every floor.

    python benchmarks/compare.py configs/backbones.py
    python benchmarks/compare.py configs/irregular.py

Trains what has no run yet, as `train.py` does, judges all of it on the file's cases and
prints one table: the headline metric of each case, with its 95 % interval over windows.
"""

import runpy
import subprocess
import sys
from pathlib import Path

from wlam import hub
from wlam.config import Config
from wlam.evaluation.cases import fitting, generated_cases
from wlam.evaluation.judge import MODEL, EvalCase, Verdict, judge
from wlam.evaluation.table import BASELINES, number
from wlam.tasks import TASKS
from wlam.training.checkpoint import FOLDER

ROOT = Path(__file__).parents[1]


def configs_of(file: str) -> dict[str, Config]:
    """The experiments of a config file, by name; ValueError where it has only one."""
    found = runpy.run_path(file).get("configs")
    if not found:
        raise ValueError(f"FILE: found {file}; needed one that defines `configs`")
    return found


def trained(file: str, name: str, config: Config) -> hub.Loaded:
    """The network of a finished run; trains it first where it is not finished."""
    run = Path(config.run)
    step = hub.load_weights(run)[2] if (run / FOLDER).is_dir() else 0
    if step < config.steps:
        print(f"training {name} …", file=sys.stderr, flush=True)
        command = [sys.executable, ROOT / "train.py", f"{file}:{name}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return hub.load(run)


def cell(verdict: Verdict, predictor: str) -> str:
    """The headline metric and its interval; of a floor, the metric alone."""
    result = verdict.value(TASKS[verdict.case.task].headline, predictor)
    if result is None:
        return ""
    if predictor in BASELINES:
        return number(result.value)
    bounds = f"{number(result.low)}, {number(result.high)}"
    return f"{number(result.value)} [{bounds}]"


def verdicts_of(
    cases: list[EvalCase], models: dict[str, hub.Loaded]
) -> dict[str, dict[str, Verdict]]:
    """Case -> predictor -> verdict; of floors, that of the first model."""
    found: dict[str, dict[str, Verdict]] = {case.name: {} for case in cases}
    for number_, (name, model) in enumerate(models.items()):
        print(f"judging {name} …", file=sys.stderr, flush=True)
        fits, skipped = fitting(cases, model)
        if skipped:
            raise ValueError(f"{name}: {skipped[0]}")
        for case in fits:
            verdict = judge(case, model, baselines=number_ == 0)
            found[case.name][name] = verdict
            if number_ == 0:
                baselines = [x for x in verdict.forecasts if x != MODEL]
                found[case.name] |= dict.fromkeys(baselines, verdict)
    return found


def main(file: str) -> None:
    configs = configs_of(file)
    models = {name: trained(file, name, c) for name, c in configs.items()}
    config = next(iter(configs.values()))
    found = verdicts_of(generated_cases(config.evaluation), models)
    baselines = [x for x in BASELINES if any(x in row for row in found.values())]
    units = {
        name: TASKS[config.evaluation[name].task].headline.removeprefix("NMSE ")
        for name in found
    }
    print("| | parameters |", " | ".join(f"{x}, {units[x]}" for x in found), "|")
    print("|---|---:|", "---:|" * len(found), sep="")
    for name in (*baselines, *models):
        size = f"{models[name].num_parameters:,}" if name in models else ""
        of_case = (
            cell(row[name], MODEL if name in models else name) if name in row else ""
            for row in found.values()
        )
        print(f"| {f'`{name}`' if name in models else name} | {size} |", end=" ")
        print(*of_case, sep=" | ", end=" |\n")


if __name__ == "__main__":
    try:
        (given,) = sys.argv[1:]
        main(given)
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        sys.exit(2)
