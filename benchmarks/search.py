"""The learning rate of every experiment, found by one search that is the same for all.

    python benchmarks/search.py CONFIG... [--steps 200] [--learning-rates 3e-4 1e-3]

Trains a short run at every peak learning rate, as train.py does, and chooses the one
with the lowest `validation` loss after the last step: on generated data of the training
distribution that no training step draws, one batch, the same for all learning rates. No
case that is reported is looked at. Losses of different experiments do not compare.

All have the same grid, the same steps and one trial for each learning rate; warm-up
keeps its share of the steps, and the decay ends with them. Kill it and run it again at
will: what was tried is not tried again, and a run goes on from its checkpoint. A trial
is known by its config and not by the code: after a change of that, delete the folder.
"""

import json
import math
import runpy
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks.leaderboard.benchmark import digest
from wlam.config import Config, read_config
from wlam.data.files import write_text_atomic
from wlam.evaluation.table import Table, text
from wlam.finetune import prepare
from wlam.serialise import to_json
from wlam.training.log import METRICS

train = runpy.run_path(str(Path(__file__).parents[1] / "train.py"))["train"]
RESULTS = "results.jsonl"
Losses = dict[float, float | None]
"""Learning rate -> validation loss; None: the run diverged."""


@dataclass(frozen=True)
class Options:
    """What is searched, and where runs and results go."""

    # Experiments, as train.py takes them: FILE.py or FILE.py:NAME.
    experiments: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    # Optimiser steps of a trial.
    steps: int = 200
    # Peaks of the schedule that are tried.
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    # Folder of the runs and of results.jsonl.
    folder: str = "runs/search"


def check(options: Options) -> None:
    """ValueError: naming the option, what was found and what is needed."""
    rates = options.learning_rates
    if not options.experiments:
        raise ValueError("CONFIG: found none; needed one or more, see configs/")
    if options.steps < 1:
        raise ValueError(f"--steps: found {options.steps}; needed at least 1")
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise ValueError(
            f"--learning-rates: found {rates}; needed one or more, all above 0"
        )


def trial(config: Config, learning_rate: float, steps: int) -> Config:
    """An experiment as a short run that ends with a look at validation data."""
    warmup = max(1, round(config.optimizer.warmup_steps * steps / config.steps))
    optimizer = replace(
        config.optimizer, learning_rate=learning_rate, warmup_steps=warmup
    )
    return replace(
        config,
        run="",
        evaluation={},
        steps=steps,
        steps_per_dispatch=math.gcd(steps, config.steps_per_dispatch),
        validate_every=steps,
        conflicts_every=0,
        optimizer=optimizer,
    )


def validation(run: Path, step: int) -> float | None:
    """The loss on validation data at a step, from a run's record; None: not finite."""
    lines = map(json.loads, (run / METRICS).read_text().splitlines())
    (loss,) = (
        x["validation"] for x in lines if x["step"] == step and "validation" in x
    )
    return loss if math.isfinite(loss) else None


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The records of former searches by their keys; none where there is no file."""
    if not path.is_file():
        return {}
    try:
        records = [json.loads(line) for line in path.read_text().splitlines()]
        return {record["key"]: record for record in records}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: found a line that is no record; needed what a search wrote, or "
            "no such file"
        ) from error


def choose(losses: Losses) -> float | None:
    """The learning rate with the lowest loss, of equals the smallest."""
    finite = {rate: loss for rate, loss in sorted(losses.items()) if loss is not None}
    return min(finite, key=finite.__getitem__, default=None)


def table_of(found: dict[str, Losses]) -> Table:
    """Validation losses of experiments, and what was chosen."""
    rates = sorted({rate for losses in found.values() for rate in losses})
    header = ["experiment", *(f"{rate:g}" for rate in rates), "chosen"]
    rows = []
    for name, losses in found.items():
        best = choose(losses)
        cells = (losses[rate] for rate in rates)
        shown = ["diverged" if x is None else f"{x:.4f}" for x in cells]
        chosen = "none" if best is None else f"{best:g}"
        # A wider grid might have had a better one.
        edge = len(rates) > 1 and best in (rates[0], rates[-1])
        rows.append([name, *shown, f"{chosen} (edge of the grid)" if edge else chosen])
    return Table(header, rows, frozenset({0, len(header) - 1}))


def main(options: Options) -> int:
    """Runs the trials that are left; returns the exit code."""
    check(options)
    names = dict.fromkeys(options.experiments)
    configs = {name: prepare(read_config(name))[0] for name in names}
    folder, steps = Path(options.folder), options.steps
    folder.mkdir(parents=True, exist_ok=True)
    records = read(folder / RESULTS)

    def keep(key: str, **record: Any) -> None:
        records[key] = {"key": key, **record}
        lines = map(json.dumps, records.values())
        write_text_atomic(folder / RESULTS, "\n".join(lines) + "\n")

    found: dict[str, Losses] = {}
    for name, config in configs.items():
        found[name] = {}
        for rate in sorted(set(options.learning_rates)):
            short = trial(config, rate, steps)
            key = digest(to_json(short))
            about = {"experiment": name, "steps": steps, "learning_rate": rate}
            if key not in records:
                run = folder / f"{Path(config.run).name}_{rate:g}_{key[:8]}"
                try:
                    code = train(replace(short, run=str(run)))
                    if code:  # stopped; what was trained is saved
                        return code
                    loss = validation(run, steps)
                except FloatingPointError as error:
                    print(f"{name} at {rate:g} diverged: {error}", flush=True)
                    loss = None
                keep(key, **about, validation=loss)
            found[name][rate] = records[key]["validation"]
        chosen, grid = choose(found[name]), [*found[name]]
        about = {"experiment": name, "steps": steps, "learning_rates": grid}
        keep(f"{name}, {steps} steps", **about, chosen=chosen)
    print(text(table_of(found)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Options, description=__doc__)))
    except (ValueError, OSError) as error:
        print(f"search.py: {error}", file=sys.stderr)
        sys.exit(2)
