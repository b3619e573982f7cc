"""Real-valued tasks: cell traffic, beam tracking, and any other multivariate series."""

from functools import partial

import numpy as np

from wlam import baselines, metrics
from wlam.data.files import BEAM, SERIES, TRAFFIC
from wlam.metrics import Statistic
from wlam.simulate.traffic import DAY_S
from wlam.tasks.task import Baseline, Task
from wlam.tasks.windows import Sequences, Windows
from wlam.types import TIME, Series, Sweeps, Traffic


def steps_per_day(time_step_s: np.ndarray) -> int:
    """The daily season in steps, at least 1; sequences of one tensor share a step."""
    return max(1, round(DAY_S / float(np.ravel(time_step_s)[0])))


def common_baselines(order: int) -> dict[str, Baseline]:
    """What every real series has; "AR" is fitted to each context, its mean removed."""
    return {
        "zero": baselines.zero,
        "repeat last": baselines.repeat_last,
        "context mean": baselines.context_mean,
        "AR": partial(baselines.ar_per_channel, order=order, center=True),
    }


class TrafficTask(Task):
    """The next H steps of a cell's load. Its bursts are the target, not noise."""

    name = "traffic"
    layout, window = TRAFFIC, (144, 12)
    container = Traffic
    asks = Series
    headline = "MAE"

    def sequences(self, data: Traffic) -> Sequences:
        values = data.traffic[:, :, None]
        return Sequences(values, values, data.time_step_s, TIME, data.labels)

    def question(self, windows: Windows) -> Series:
        return Series(windows.context, windows.interval)

    def values(self, answer: Series) -> np.ndarray:
        return np.asarray(answer.series)

    def baselines(self, data: Traffic, windows: Windows) -> dict[str, Baseline]:
        period = steps_per_day(data.time_step_s)
        return {
            **common_baselines(24),
            "seasonal naive": partial(baselines.seasonal_naive, period=period),
            "seasonal AR": partial(baselines.seasonal_ar, period=period),
        }

    def scores(
        self, forecast: np.ndarray, data: Traffic, windows: Windows
    ) -> dict[str, Statistic]:
        scores = {
            "MAE": metrics.mae(forecast, windows.target),
            "RMSE": metrics.rmse(forecast, windows.target),
            "NMSE dB": metrics.nmse_pooled_db(forecast, windows.target),
        }
        # MASE divides by the seasonal naive error before the first target; a series
        # shorter than a day has none.
        history = np.asarray(data.traffic)[:, : windows.start.min()]
        period = steps_per_day(data.time_step_s)
        if history.shape[1] > period:
            scale = metrics.seasonal_scale(history, period)[windows.source]
            scores["MASE"] = metrics.mase(forecast, windows.target, scale)
        return scores

    def user_arrays(
        self, forecast: np.ndarray, data: Traffic, windows: Windows
    ) -> dict[str, np.ndarray]:
        return {
            "prediction": forecast[:, :, 0],
            "series": windows.source,
            "start": windows.start,
        }


class BeamTask(Task):
    """The beam power of the next H sweeps; a channel is a beam."""

    name = "beam"
    layout, window = BEAM, (16, 4)
    container = asks = Sweeps
    headline = "top-1"

    def sequences(self, data: Sweeps) -> Sequences:
        clean = data.rsrp_db if data.clean is None else data.clean
        step = data.time_step_s
        return Sequences(data.rsrp_db, clean, step, TIME, data.labels, joint=True)

    def question(self, windows: Windows) -> Sweeps:
        return Sweeps(windows.context, windows.interval)

    def values(self, answer: Sweeps) -> np.ndarray:
        return np.asarray(answer.rsrp_db)

    def baselines(self, data: Sweeps, windows: Windows) -> dict[str, Baseline]:
        # "zero" has no best beam, so it has no place here.
        named = common_baselines(4)
        del named["zero"]
        return {
            **named,
            "linear tracker": baselines.linear_beam_tracker,
            "Kalman tracker": baselines.kalman_beam_tracker,
        }

    def scores(
        self, forecast: np.ndarray, data: Sweeps, windows: Windows
    ) -> dict[str, Statistic]:
        most = min(3, forecast.shape[-1])  # of two beams the best is always tried
        return {
            "top-1": metrics.topk_accuracy(forecast, windows.target, 1),
            "top-3": metrics.topk_accuracy(forecast, windows.target, most),
            "±1 beam": metrics.within_one_beam(forecast, windows.target),
            "power ratio": metrics.power_ratio(forecast, windows.target),
            "RMSE dB": metrics.rmse(forecast, windows.target),
        }

    def user_arrays(
        self, forecast: np.ndarray, data: Sweeps, windows: Windows
    ) -> dict[str, np.ndarray]:
        return {
            "prediction": forecast,
            "track": windows.source,
            "start": windows.start,
        }


class SeriesTask(Task):
    """The next H steps of any real multivariate series."""

    name = "series"
    layout, window = SERIES, (64, 8)
    container = asks = Series
    headline = "MAE"

    def sequences(self, data: Series) -> Sequences:
        return Sequences(data.series, data.series, data.time_step_s, TIME, data.labels)

    def question(self, windows: Windows) -> Series:
        return Series(windows.context, windows.interval)

    def values(self, answer: Series) -> np.ndarray:
        return np.asarray(answer.series)

    def baselines(self, data: Series, windows: Windows) -> dict[str, Baseline]:
        return {**common_baselines(8), "constant slope": baselines.constant_slope}

    def scores(
        self, forecast: np.ndarray, data: Series, windows: Windows
    ) -> dict[str, Statistic]:
        return {
            "MAE": metrics.mae(forecast, windows.target),
            "RMSE": metrics.rmse(forecast, windows.target),
            "NMSE dB": metrics.nmse_pooled_db(forecast, windows.target),
        }

    def user_arrays(
        self, forecast: np.ndarray, data: Series, windows: Windows
    ) -> dict[str, np.ndarray]:
        return {
            "prediction": forecast,
            "sample": windows.source,
            "start": windows.start,
        }
