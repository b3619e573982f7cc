"""Pictures of questions, forecasts and results: one call each.

>>> figure = wlam.plot.forecast(csi, answer, low, high, truth)
>>> figure.savefig("forecast.png", dpi=150)

Every function returns the figure that it made, which notebooks show where it is the
value of a cell; or the axes that it was given (`ax=`) and drew into. None of them shows
a window or touches pyplot. Matplotlib is imported by the first call.
"""

from wlam.plot.beams import sweeps
from wlam.plot.bins import delay_angle
from wlam.plot.curves import curve, metric_over, nmse_over, nmse_over_horizon
from wlam.plot.forecasts import forecast

__all__ = [
    "curve",
    "delay_angle",
    "forecast",
    "metric_over",
    "nmse_over",
    "nmse_over_horizon",
    "sweeps",
]
