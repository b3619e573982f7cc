"""Twelve cases of the quickstart and the benchmark that no change of the code may move.

command   python eval.py wlam_little --cases configs/regression.py --json after.jsonl
hardware  2 CPU cores
time      3 minutes
expected  what the same command printed before a change, within float noise;
          benchmarks/compare_results.py BEFORE AFTER shows both side by side
"""

from dataclasses import replace
from pathlib import Path

from wlam.config import Config, read_config

NAMES = (
    *("D17_time", "D18_time", "H1_time", "csi_time_2.6GHz_CDL-B"),
    *("D17_frequency", "D18_frequency", "H1_frequency", "csi_frequency_2.6GHz_CDL-B"),
    *("beam_60GHz_64_beams", "beam_scan_4", "traffic_15min", "traffic_2h"),
)
SAMPLES = 16

known = {}
for file in ("quickstart.py", "benchmark.py"):
    known |= read_config(str(Path(__file__).with_name(file))).evaluation
evaluation = {
    name: replace(known[name], samples=min(SAMPLES, known[name].samples))
    for name in NAMES
}
config = Config(run="runs/regression", mixture={}, evaluation=evaluation)
