"""The networks of one config file beside each other and beside every baseline.

    python benchmarks/compare.py configs/backbones.py
    python benchmarks/compare.py configs/irregular.py --names cfc cfc_untold
        --cases configs/lost.py --against cfc_untold

Trains what has no run yet with train.py, and judges all of it on the cases of the first
network's config, or of another. Prints the headline of every case with 95 % intervals.
"""

import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from wlam import hub
from wlam.config import Config, read_config
from wlam.evaluation.evaluator import Evaluator, Result
from wlam.evaluation.judge import judge
from wlam.evaluation.table import predictor_table, text
from wlam.models.base import Model
from wlam.training.checkpoint import FOLDER

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Options:
    """What is compared, and on what."""

    # Defines several experiments, such as configs/backbones.py.
    file: Annotated[str, tyro.conf.Positional]
    # Of the file's experiments; none: all.
    names: tuple[str, ...] = ()
    # A config whose cases are taken; None: those of the first experiment.
    cases: str | None = None
    # Every metric, in place of the headlines alone.
    every: bool = False
    # A predictor of which all others are subtracted, paired; None: values are shown.
    against: str | None = None


def configs_of(file: str) -> dict[str, Config]:
    """The experiments of a config file, by name; ValueError where it has only one."""
    found = runpy.run_path(file).get("configs")
    if not found:
        raise ValueError(f"FILE: found {file}; needed one that defines `configs`")
    return found


def trained(file: str, name: str, config: Config) -> Model:
    """The model of a finished run; trains it first where it is not finished."""
    run = Path(config.run)
    step = hub.load_weights(run)[2] if (run / FOLDER).is_dir() else 0
    if step < config.steps:
        print(f"training {name} …", file=sys.stderr, flush=True)
        command = [sys.executable, ROOT / "train.py", f"{file}:{name}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return hub.load(run)


def judged(
    evaluators: Mapping[str, Evaluator], models: Sequence[Model]
) -> list[Result]:
    """All results; ValueError where a case cannot be asked of a model."""
    results = []
    for name, result, skipped in judge(evaluators, models):
        print(f"{name} …", file=sys.stderr, flush=True)
        if result is None or skipped:
            raise ValueError(skipped[0])
        results.append(result)
    return results


def main(options: Options) -> None:
    configs = configs_of(options.file)
    if unknown := {*options.names} - {*configs}:
        raise ValueError(
            f"--names: found {', '.join(sorted(unknown))}; needed some of "
            f"{', '.join(configs)}"
        )
    chosen = {name: configs[name] for name in options.names or configs}
    models = [trained(options.file, name, c) for name, c in chosen.items()]
    first = next(iter(chosen.values()))
    asked = read_config(options.cases) if options.cases else first
    results = judged(asked.evaluation, models)
    print(text(predictor_table(results, options.every, options.against)))
    for model in models:
        print(f"\n{model.card.name}: {model.num_parameters:,} parameters", end="")
    print()


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        sys.exit(2)
