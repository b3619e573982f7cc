"""Forecasters that need no training: what every learned forecaster is compared with.

naive     nothing, the last value or slope, the mean, the same time one period before
ar        autoregressions fitted to the context, pooled over channels or not
local     the same, pooled over neighbours in an angle-delay grid
prony     linear prediction of the strongest angle-delay bins (PAD)
seasonal  autoregression that also looks one period back
jakes     the autocorrelation of fading whose largest Doppler shift is known
wiener    linear prediction from that autocorrelation
kalman    the same by a recursive filter over the whole context
irregular the same from measurements at irregular times, told the speed or not
trackers  beam sweeps moved along with their best beam
bearings  the same from sweeps at irregular times
scan      a full sweep from a scan with few beams
ridge     a linear map that is fitted to training windows: the one that does need them

Forecasters map a context [n, L, C] to a forecast [n, H, C] of the same dtype, are
jitted (`horizon` and the other numbers are static) and accept real or complex arrays
except where said. None ever sees the values it forecasts.
"""

from wlam.phy.floors.ar import ar_per_channel, ar_shared
from wlam.phy.floors.bearings import bearing_tracker, line_tracker
from wlam.phy.floors.irregular import hold, irregular_bands, irregular_wiener
from wlam.phy.floors.jakes import bessel_j0, jakes_correlation, noise_to_signal
from wlam.phy.floors.kalman import kalman
from wlam.phy.floors.local import ar_local
from wlam.phy.floors.naive import (
    constant_slope,
    context_mean,
    repeat_last,
    seasonal_naive,
    zero,
)
from wlam.phy.floors.prony import pad
from wlam.phy.floors.ridge import RidgeMap, fit_ridge, ridge
from wlam.phy.floors.scan import subarray_scan
from wlam.phy.floors.seasonal import seasonal_ar
from wlam.phy.floors.sparse import filled_sweeps, fit_path, smoothed_sweep
from wlam.phy.floors.trackers import (
    constant_velocity,
    kalman_beam_tracker,
    linear_beam_tracker,
    moved_sweep,
    peaks,
)
from wlam.phy.floors.wiener import wiener

__all__ = [
    "RidgeMap",
    "ar_local",
    "ar_per_channel",
    "ar_shared",
    "bearing_tracker",
    "bessel_j0",
    "constant_slope",
    "constant_velocity",
    "context_mean",
    "filled_sweeps",
    "fit_path",
    "fit_ridge",
    "hold",
    "irregular_bands",
    "irregular_wiener",
    "jakes_correlation",
    "kalman",
    "kalman_beam_tracker",
    "line_tracker",
    "linear_beam_tracker",
    "moved_sweep",
    "noise_to_signal",
    "pad",
    "peaks",
    "repeat_last",
    "ridge",
    "seasonal_ar",
    "seasonal_naive",
    "smoothed_sweep",
    "subarray_scan",
    "wiener",
    "zero",
]
