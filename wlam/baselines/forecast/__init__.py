"""Forecasters without training: the references of every learned forecaster.

naive     zero, the last value or slope, the mean, the same time one period before
ar        autoregressions fitted to the context, pooled over channels or not
local     the same, pooled over neighbours in an angle-delay grid
prony     linear prediction of the strongest angle-delay bins (PAD)
seasonal  autoregression with lags of one period
jakes     the autocorrelation of fading whose largest Doppler shift is known
wiener    linear prediction from that autocorrelation
kalman    the same by a recursive filter over the whole context
irregular the same from measurements at irregular times, with known or unknown speed
ridge     a linear map fitted to training windows: the only one that needs them

Forecasters map a context [n, L, C] to a forecast [n, H, C] of the same dtype, are
jitted (`horizon` and the other numbers are static) and accept real or complex arrays
unless stated otherwise. No forecast depends on the values it forecasts.
"""

from wlam.baselines.forecast.ar import ar_per_channel, ar_shared
from wlam.baselines.forecast.irregular import hold, irregular_bands, irregular_wiener
from wlam.baselines.forecast.jakes import bessel_j0, jakes_correlation, noise_to_signal
from wlam.baselines.forecast.kalman import kalman
from wlam.baselines.forecast.local import ar_local
from wlam.baselines.forecast.naive import (
    constant_slope,
    context_mean,
    repeat_last,
    seasonal_naive,
    zero,
)
from wlam.baselines.forecast.prony import pad
from wlam.baselines.forecast.ridge import RidgeMap, fit_ridge, ridge
from wlam.baselines.forecast.seasonal import seasonal_ar
from wlam.baselines.forecast.wiener import wiener

__all__ = [
    "RidgeMap",
    "ar_local",
    "ar_per_channel",
    "ar_shared",
    "bessel_j0",
    "constant_slope",
    "context_mean",
    "fit_ridge",
    "hold",
    "irregular_bands",
    "irregular_wiener",
    "jakes_correlation",
    "kalman",
    "noise_to_signal",
    "pad",
    "repeat_last",
    "ridge",
    "seasonal_ar",
    "seasonal_naive",
    "wiener",
    "zero",
]
