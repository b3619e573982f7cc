"""Fills the tables of docs/estimation.md: each is what one program prints.

    python benchmarks/estimation.py [PART ...]    (make estimation: all parts)

Where a table stands, and what a killed run has lost: `fill.py`.
"""

from fill import ROOT, main

PAGE = ROOT / "docs" / "estimation.md"
PARTS = {
    "mimo": ("mimo_estimation.py", "wlam_estimator"),
    "drops": ("mimo_estimation.py", "wlam_estimator", "--source", "38901"),
    "chains": ("compressed_estimation.py", "wlam_estimator", "--look", "chains"),
    "entries": ("compressed_estimation.py", "wlam_estimator", "--look", "entries"),
    "ofdm": ("ofdm_estimation.py", "wlam_tiny", "wlam_little", "wlam_estimator"),
    "thz": ("hybrid_estimation.py", "wlam_array_estimator", "--array", "thz"),
    "half": ("hybrid_estimation.py", "--array", "half"),
    "line": ("hybrid_estimation.py", "--array", "line"),
}


if __name__ == "__main__":
    main(PAGE, PARTS)
