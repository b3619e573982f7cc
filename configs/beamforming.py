"""Downlink beams at length: the cases of the tables of docs/liquid.md.

command   python eval.py runs/beamformer/liquid --cases configs/beamforming.py:NAME
          python benchmarks/beamforming.py NAME, with rows that no evaluator has
names     tracks, white, all_clusters: all errors; users: those who come and go;
          parts: two errors, for networks without some of their parts
hardware  one CPU core
time      half an hour to two hours each
expected  docs/liquid.md

64 antennas serve 4 users of 2 antennas, 10 dB. All beams are chosen from channels with
errors and judged on the channels without them, 2,000 samples 10 ms apart, of which
every 20th of the last 1,000 is judged.
"""

from dataclasses import replace

from wlam.config import Config
from wlam.evaluation.precode import NO_ERROR_DB, Precode
from wlam.simulate.downlink import DownlinkConfig, RayleighConfig

TRACKS = Precode(error_ratio_db=(NO_ERROR_DB, 10.0, 5.0, 0.0), drops=24, validation=4)
asked = {
    "tracks": TRACKS,
    "white": replace(TRACKS, source=RayleighConfig()),
    "all_clusters": replace(TRACKS, source=DownlinkConfig(clusters=None)),
    "users": replace(
        TRACKS,
        source=DownlinkConfig(users=6),
        error_ratio_db=(10.0,),
        activity=0.6,
    ),
    "parts": replace(TRACKS, error_ratio_db=(10.0, 0.0), validation=0),
}
configs = {
    name: Config(run=f"runs/beamforming/{name}", mixture={}, evaluation={name: case})
    for name, case in asked.items()
}
