"""Two JSON-lines files of eval.py side by side: what a change of the code has moved.

    python benchmarks/compare_results.py BEFORE.jsonl AFTER.jsonl [TOLERANCE]

Prints the headline of each case before and after, and every number whose relative
change is above the tolerance (1e-3 if not given); exits with 1 if there is one.
"""

import json
import sys
from pathlib import Path

from wlam.evaluation.table import Table, text


def read(file: str) -> dict[tuple[str, str, str], float]:
    """Values by case, metric and predictor; a model is called "model"."""
    found, models = {}, {"wlam", "wlam_little", "wlam_tiny", "quickstart"}
    for line in Path(file).read_text().splitlines():
        row = json.loads(line)
        who = "model" if row["predictor"] in models else row["predictor"]
        found[row["case"], row["metric"], who] = row["value"]
    return found


def main(before_file: str, after_file: str, tolerance: float = 1e-3) -> int:
    before, after = read(before_file), read(after_file)
    shown: set[str] = set()
    rows = []
    for (case, metric, who), value in before.items():
        if who == "model" and case not in shown:
            shown.add(case)
            now = after.get((case, metric, who), float("nan"))
            rows.append([case, metric, f"{value:.6g}", f"{now:.6g}"])
    header = ["case", "metric", "before", "after"]
    print(text(Table(header, rows, frozenset({0, 1}))))
    moved = 0
    for key, value in before.items():
        now = after.get(key)
        if now is None or abs(now - value) > tolerance * max(abs(value), 1e-9):
            moved += 1
            print("moved:", *key, value, now)
    print(f"{len(before)} numbers, {moved} moved by more than {tolerance:g}")
    return int(moved > 0)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        sys.exit(print(__doc__))
    if len(arguments) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(*arguments[:2], *map(float, arguments[2:])))
