"""Fills the tables of docs/liquid.md: each is what one program prints.

    python benchmarks/liquid_page.py [PART ...]    (make liquid: all parts)

Where a table stands, and what a killed run has lost: `fill.py`. Networks that have no
run are trained first, some hours of a core for all of them. `cost` needs the extra
[peers] and is left as it is without.
"""

import importlib.util
import sys

from fill import ROOT, main

PAGE = ROOT / "docs" / "liquid.md"
PARTS = {
    "scans": ("speed/scans.py", "15"),
    "cost": ("speed/liquid.py", "12"),
    "backbones": ("compare.py", "configs/backbones.py"),
    "irregular": ("compare.py", "configs/irregular.py"),
    "told": ("irregular_times.py",),
    "tracks": ("beamforming.py", "rates", "--kinds", "tracks"),
    "white": ("beamforming.py", "rates", "--kinds", "white"),
    "users": ("beamforming.py", "users"),
    "parts": ("beamforming.py", "parts"),
    "time": ("beamforming.py", "time"),
}

if __name__ == "__main__":
    if importlib.util.find_spec("ncps") is None and "cost" not in sys.argv[1:]:
        print("cost: kept, the extra [peers] is not there", file=sys.stderr)
        del PARTS["cost"]
    main(PAGE, PARTS)
