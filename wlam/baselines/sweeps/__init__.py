"""Beam sweeps without training.

trackers   sweeps moved along with their best beam
bearings   the same from sweeps at irregular times
sub_array  a full sweep from a coarse one of a sub-array
sparse     a full sweep from a few of its beams
"""

from wlam.baselines.sweeps.bearings import bearing_tracker, line_tracker
from wlam.baselines.sweeps.sparse import filled_sweeps, fit_path, smoothed_sweep
from wlam.baselines.sweeps.sub_array import sub_array_sweep
from wlam.baselines.sweeps.trackers import (
    constant_velocity,
    kalman_beam_tracker,
    linear_beam_tracker,
    moved_sweep,
    peaks,
)

__all__ = [
    "bearing_tracker",
    "constant_velocity",
    "filled_sweeps",
    "fit_path",
    "kalman_beam_tracker",
    "line_tracker",
    "linear_beam_tracker",
    "moved_sweep",
    "peaks",
    "smoothed_sweep",
    "sub_array_sweep",
]
