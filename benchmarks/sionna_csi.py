"""A model beside the floors on channels of another simulator, Sionna.

    python benchmarks/sionna_channels.py      # makes them once; extra [peers]
    python benchmarks/sionna_csi.py MODEL [FOLDER] [JSON]

What the channels are is said there; FOLDER is data/sionna_csi. Clean and at 20 dB,
eight snapshots from 16 and 32 subcarriers from 32. The last lines are mean differences
in dB to AR and to AR local, over settings.
"""

import json
import sys

import numpy as np

import wlam
from benchmarks.leaderboard.simulated import SNRS_DB, TASKS, noise_name
from benchmarks.leaderboard.sionna import CHANNELS, SETTINGS
from wlam.evaluation.judge import MODEL, Verdict, judge
from wlam.evaluation.table import text_table
from wlam.types import DataError


def differences(verdicts: list[Verdict], baseline: str) -> str:
    """Mean over settings of the model's decibels minus the floor's."""
    scores = [v.statistics for v in verdicts]
    found = [s[MODEL]["NMSE dB"].value - s[baseline]["NMSE dB"].value for s in scores]
    return f"{np.mean(found):+.2f} dB to {baseline} (worst {max(found):+.2f})"


def main() -> None:
    model = wlam.load(sys.argv[1])
    folder = sys.argv[2] if sys.argv[2:] else CHANNELS.root()
    verdicts: dict[tuple, list[Verdict]] = {}
    for setting in SETTINGS:
        for snr_db in SNRS_DB:
            for task in TASKS:
                case = CHANNELS.case(setting, task, snr_db, folder)
                print(case.name, "…", file=sys.stderr, flush=True)
                group = setting.is_nlos, task, noise_name(snr_db)
                verdicts.setdefault(group, []).append(judge(case, model))
    everything = [v for group in verdicts.values() for v in group]
    for task in TASKS:
        print(f"\n{task}\n")
        print(text_table([v for v in everything if v.case.task == task]))
    print()
    for (no_los, task, noise), group in sorted(verdicts.items(), reverse=True):
        kind = "without a line of sight" if no_los else "others"
        for baseline in ("AR", "AR local"):
            print(f"{task}, {kind}, {noise}: {differences(group, baseline)}")
    if sys.argv[3:]:
        with open(sys.argv[3], "w") as file:
            for v in everything:
                file.writelines(json.dumps(r.record()) + "\n" for r in v.results)


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(f"sionna_csi.py: {error}")
