"""Downlink precoding for many users of one base station.

rates        spectral efficiency, power, errors of channels, checks
linear       closed forms: maximum ratio, zero forcing, regularised zero forcing
wmmse        weighted minimum mean square error, which ascends the sum rate
directions   channels in directions, and their filter over time

`wlam.simulate.downlink` has channels to evaluate them on.
"""

from wlam.phy.mimo.precoding.directions import (
    from_directions,
    smoothed_wiener,
    to_directions,
)
from wlam.phy.mimo.precoding.linear import mrt, rzf, zf
from wlam.phy.mimo.precoding.rates import (
    error_variance,
    keep_active,
    normalise_power,
    spectral_efficiency,
    sum_rate,
    with_error,
)
from wlam.phy.mimo.precoding.wmmse import wmmse, wmmse_converged

__all__ = [
    "error_variance",
    "from_directions",
    "keep_active",
    "mrt",
    "normalise_power",
    "rzf",
    "smoothed_wiener",
    "spectral_efficiency",
    "sum_rate",
    "to_directions",
    "with_error",
    "wmmse",
    "wmmse_converged",
    "zf",
]
