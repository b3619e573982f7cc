"""Forecasts and estimates without training: the references of every trained model.

forecast   of series and of channels, from their own past
sweeps     of beam sweeps, which follow their best beam
bank       several forecasts at once, weighted by their backtest errors
estimate   channels from pilots
"""

from wlam.baselines.forecast import *  # noqa: F403
from wlam.baselines.sweeps import *  # noqa: F403
