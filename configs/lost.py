"""What is lost of irregular measurements, as cases: from none to three in five.

command   python benchmarks/compare.py configs/irregular.py --cases configs/lost.py
              --names NAME NAME_untold --against NAME_untold
          python eval.py runs/irregular/NAME --cases configs/lost.py
hardware  one CPU core
time      a minute a model for each case
expected  docs/liquid.md, the table of networks with and without times

The case `irregular_20dB` of configs/irregular.py with another share of measurements
lost; the first is regular too.
"""

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

from wlam.config import Config

irregular = runpy.run_path(str(Path(__file__).with_name("irregular.py")))
given = irregular["evaluation"]
base = given["irregular_20dB"]


def other(**change: Any) -> Any:
    """The base with other measurements."""
    return replace(base, source=replace(base.source, **change))


evaluation = given | {
    "irregular_20dB_regular": other(jitter=0, missing=(0.0, 0.0)),
    "irregular_20dB_none_lost": other(missing=(0.0, 0.0)),
    "irregular_20dB_40_lost": other(missing=(0.4, 0.4)),
    "irregular_20dB_60_lost": other(missing=(0.6, 0.6)),
}
config = Config(run="runs/lost", mixture={}, evaluation=evaluation)
