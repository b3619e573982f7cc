"""Fills the tables of docs/estimation.md: each is what one program prints.

    python benchmarks/estimation.py [PART ...]    (make estimation: all parts)

A table stands between <!-- PART --> and <!-- /PART -->, and is replaced as soon as its
program has ended well; a killed run has lost one table at most.
"""

import subprocess
import sys
from pathlib import Path

from wlam.data.files import write_text_atomic
from wlam.evaluation.document import put

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "estimation.md"
PARTS = {
    "mimo": ("mimo_estimation.py", "wlam_estimator"),
    "drops": ("mimo_estimation.py", "wlam_estimator", "--source", "38901"),
    "chains": ("compressed_estimation.py", "wlam_estimator", "--look", "chains"),
    "entries": ("compressed_estimation.py", "wlam_estimator", "--look", "entries"),
    "ofdm": ("ofdm_estimation.py", "wlam_tiny", "wlam_little", "wlam_estimator"),
    "slot": ("slot_estimation.py", "wlam_estimator"),
    "thz": ("hybrid_estimation.py", "wlam_array_estimator", "--array", "thz"),
    "half": ("hybrid_estimation.py", "--array", "half"),
    "line": ("hybrid_estimation.py", "--array", "line"),
}


def main(parts: list[str]) -> None:
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ValueError(f"PART: found {unknown[0]}; needed one of {', '.join(PARTS)}")
    for part in parts or PARTS:
        program, *options = PARTS[part]
        print(f"{part} …", file=sys.stderr, flush=True)
        found = subprocess.run(
            [sys.executable, ROOT / "benchmarks" / program, *options],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        write_text_atomic(PAGE, put(PAGE.read_text(), part, found.stdout))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"estimation.py: {error}", file=sys.stderr)
        sys.exit(2)
