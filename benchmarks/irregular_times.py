"""What cells gain from being told the times between measurements, by what is lost.

    python benchmarks/irregular_times.py    # networks without a run are trained first

Prints the NMSE of cells of configs/irregular.py less that of the same cells that are
not told the times, in dB, paired, with 95 % intervals: on the file's cases, and at
20 dB from regular measurements, of which none is lost, to ones that lose three in five.
"""

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare import trained

from wlam import hub
from wlam.bootstrap import Pair, difference
from wlam.evaluation.forecast import generated_case
from wlam.evaluation.judge import MODEL, EvalCase, judge
from wlam.metrics import Statistic
from wlam.tasks import TASKS

CONFIG = str(Path(__file__).parents[1] / "configs" / "irregular.py")
BASE = "irregular_20dB"
OTHERS = {
    "20 dB, regular, none lost": {"jitter": 0, "missing": (0.0, 0.0)},
    "20 dB, none lost": {"missing": (0.0, 0.0)},
    "20 dB, 40 % lost": {"missing": (0.4, 0.4)},
    "20 dB, 60 % lost": {"missing": (0.6, 0.6)},
}
"""What is other than in the case BASE, which loses a fifth and has jitter."""


def cases_of(file: dict[str, Any]) -> list[EvalCase]:
    """The cases of the config file and those around BASE."""
    given: dict[str, Case] = file["evaluation"]
    base = given[BASE]
    others = {
        name: replace(base, source=replace(base.source, **change))
        for name, change in OTHERS.items()
    }
    named = {
        n.removeprefix("irregular_").replace("_", " "): c for n, c in given.items()
    }
    return [generated_case(name, case) for name, case in (named | others).items()]


def scored(case: EvalCase, model: hub.Loaded) -> tuple[Statistic, Any]:
    """The headline metric over windows, and which of them are one sample's."""
    verdict = judge(case, model, baselines=False)
    metric = TASKS[case.task].headline
    return verdict.statistics[MODEL][metric], verdict.windows.groups


def gain(case: EvalCase, told: hub.Loaded, untold: hub.Loaded) -> str:
    """In dB, below zero where it helps to be told."""
    (ours, groups), (other, _) = scored(case, told), scored(case, untold)
    found = difference([Pair(ours, other, groups)])
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def main() -> None:
    file = runpy.run_path(CONFIG)
    models = {
        name: trained(CONFIG, name, config)
        for cell in file["UNTOLD"]
        for name, config in file["configs"].items()
        if name in (cell, f"{cell}_untold")
    }
    cases = cases_of(file)
    print("| told less untold, dB |", " | ".join(case.name for case in cases), "|")
    print(f"|---|{'---:|' * len(cases)}")
    for cell in file["UNTOLD"]:
        pair = models[cell], models[f"{cell}_untold"]
        print(f"| `{cell}` |", " | ".join(gain(case, *pair) for case in cases), "|")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"irregular_times.py: {error}", file=sys.stderr)
        sys.exit(2)
