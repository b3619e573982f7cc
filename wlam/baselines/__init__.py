"""Forecasts and estimates without training: what every trained model is compared with.

forecast   of series and of channels, from their own past
beams      of sweeps, which move along with their best beam
bank       several forecasts at once, weighed by their errors on the context
estimate   channels from pilots
"""

from wlam.baselines.forecast import *  # noqa: F403
from wlam.baselines.sweeps import *  # noqa: F403
