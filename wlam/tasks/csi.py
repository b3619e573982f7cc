"""CSI prediction along time, along frequency and along an array.

Models see channels as they are measured. Baselines work where channels are sparse, in
the bins of `wlam.phy.transforms`: a path is one bin in angle and, along time, one bin
in delay, so that a bin is a sum of few tones instead of hundreds.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import PRNGKeyArray

from wlam import baselines
from wlam.baselines.bank.ar_bank import ar_bank
from wlam.data.files import CSI
from wlam.metrics import Statistic, nmse, nmse_mean_db
from wlam.phy.transforms import from_bins, in_line, steps_back, steps_first, to_bins
from wlam.tasks.task import Baseline, Task
from wlam.tasks.windows import Sequences, Windows, choose_series, line_of_sight
from wlam.types import (
    ANTENNA,
    FREQUENCY,
    LINEAR_BEYOND,
    TIME,
    Antennas,
    Array,
    Batch,
    ChannelBatch,
    Csi,
)


def in_bins(windows: Windows, baseline: Baseline) -> Baseline:
    """A baseline of bins as one of resource elements [window, step, (row column)]."""
    assert windows.grid is not None
    rows, axis, antennas = windows.grid[0], windows.axis, windows.antennas

    def forecast(context: Array, horizon: int) -> Array:
        x = rearrange(np.asarray(context), "n t (u v) -> n t u v", u=rows)
        bins = rearrange(to_bins(x, axis, antennas), "n t u v -> n t (u v)")
        found = np.asarray(baseline(np.asarray(bins), horizon))
        found = rearrange(found, "n t (u v) -> n t u v", u=rows)
        return rearrange(from_bins(found, axis, antennas), "n t u v -> n t (u v)")

    return forecast


def doppler_known(windows: Windows) -> dict[str, Baseline]:
    """Baselines that know max_doppler_hz and snr_db; none where labels lack either."""
    if not {"max_doppler_hz", "snr_db"} <= windows.labels.keys():
        return {}
    cycles = np.float32(windows.labels["max_doppler_hz"] * windows.interval)
    snr_db = np.float32(windows.labels["snr_db"])

    def forecast(context: Array, horizon: int, predict: Callable[..., Array]) -> Array:
        ratio = baselines.noise_to_signal(context, snr_db)
        return predict(context, horizon, cycles, ratio)

    return {
        "Wiener (Doppler known)": partial(forecast, predict=baselines.wiener),
        "Kalman (Doppler known)": partial(forecast, predict=baselines.kalman),
    }


def ar_local(windows: Windows) -> Baseline:
    """The baseline of that name, on the grid that the bins of windows are."""

    def forecast(context: Array, horizon: int) -> Array:
        assert windows.grid is not None
        bins = rearrange(context, "n l (u v) -> n l u v", u=windows.grid[0])
        return rearrange(baselines.ar_local(bins, horizon), "n h u v -> n h (u v)")

    return forecast


class CsiTask(Task):
    """What the three directions have in common.

    Baselines: "AR" has one coefficient vector a sample, shared by all bins; "AR local"
    is AR(6), or half of the context, fitted to a bin and those around it; "AR bank"
    mixes twelve autoregressions and a Wiener predictor, which is what the predictor
    starts from.
    """

    container = asks = Csi
    layout = CSI
    sliding = False
    headline = "NMSE dB"
    axis: ClassVar[int]
    """Index into AXES of the steps; the others are rows and columns."""
    order: ClassVar[int]
    """Of the baseline "AR"."""
    every: ClassVar[int] = 1
    """Every n-th step is known, and the others are completed; 1: none is."""

    def sequences(self, data: Csi) -> Sequences:
        values = steps_first(data.csi, self.axis)
        clean = values if data.clean is None else steps_first(data.clean, self.axis)
        rows, columns = np.shape(values)[2:]
        flat = "n t u v -> n t (u v)"
        return Sequences(
            values=rearrange(values, flat),
            clean=rearrange(clean, flat),
            interval=self.interval(data),
            axis=self.axis,
            labels=data.labels,
            joint=self.axis != TIME,
            grid=(rows, columns),
            antennas=None if self.axis == ANTENNA else data.antennas,
            every=self.every,
        )

    def interval(self, data: Csi) -> Array:
        """Spacing of the steps, [sample]."""
        return data.time_step_s if self.axis == TIME else data.subcarrier_spacing_hz

    def batch(
        self,
        key: PRNGKeyArray,
        data: Csi,
        per_sample: int,
        context: int | None,
        linear_beyond: float = LINEAR_BEYOND,
    ) -> Batch:
        """Channels as a whole, or series of single bins where no context is given."""
        sequences = self.sequences(data)
        assert sequences.grid is not None
        values, clean = (
            rearrange(x, "n t (u v) -> n t u v", u=sequences.grid[0])
            for x in (sequences.values, sequences.clean)
        )
        antennas = sequences.antennas
        if context is None:
            values, clean = (
                rearrange(to_bins(x, self.axis, antennas), "n t u v -> n t (u v)")
                for x in (values, clean)
            )
            bins = replace(sequences, values=values, clean=clean)
            return choose_series(key, bins, per_sample, linear_beyond)
        steps = values.shape[1]
        fits = context == steps if self.every > 1 else 0 < context < steps
        if not fits:
            raise ValueError(
                f"context: found {context} of {steps} steps; needed one that leaves "
                "steps to predict, or all steps where some are to be completed"
            )
        return ChannelBatch(
            values=jnp.asarray(values),
            clean=jnp.asarray(clean),
            interval=jnp.asarray(sequences.interval),
            axis=self.axis,
            context=context,
            antennas=() if antennas is None else antennas.geometry,
            every=self.every,
            los=line_of_sight(sequences.labels, len(sequences.interval)),
        )

    def question(self, windows: Windows) -> Csi:
        return self._channels(windows, windows.context)

    def _channels(self, windows: Windows, steps: Array) -> Csi:
        """Steps [window, step, (row column)] as a user has them."""
        assert windows.grid is not None
        x = rearrange(steps, "n t (u v) -> n t u v", u=windows.grid[0])
        unit = {TIME: "time_step_s", FREQUENCY: "subcarrier_spacing_hz"}
        about: dict[str, Any] = {}
        if self.axis in unit:
            about = {unit[self.axis]: windows.interval, "antennas": windows.antennas}
        else:
            about = {"antennas": _line(x.shape[1], float(windows.interval[0]))}
        return Csi(steps_back(x, self.axis), **about)

    def values(self, answer: Csi) -> np.ndarray:
        x = steps_first(np.asarray(answer.csi), self.axis)
        return rearrange(x, "n t u v -> n t (u v)")

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        bins, grid = partial(in_bins, windows), windows.grid
        assert grid is not None
        return {
            "zero": baselines.zero,
            "repeat last": baselines.repeat_last,
            "AR": bins(partial(baselines.ar_shared, order=self.order)),
            "AR local": bins(ar_local(windows)),
            "AR bank": bins(partial(ar_bank, grid=grid)),
        }

    def scores(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, Statistic]:
        """NMSE against the noise-free channel and, where that differs, the noisy."""
        scores = nmse(forecast, windows.target)
        if windows.noisy is not None:
            scores["NMSE noisy dB"] = nmse_mean_db(forecast, windows.noisy)
        return scores

    def user_arrays(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, np.ndarray]:
        return {"prediction": np.asarray(self._channels(windows, forecast).csi)}


def _line(count: int, spacing: float) -> Antennas:
    """A uniform line along y."""
    positions = np.zeros((count, 3), np.float32)
    positions[:, 1] = spacing * np.arange(count)
    return Antennas(positions, np.zeros(count, np.int32))


class CsiTime(CsiTask):
    """The next H snapshots from L past ones.

    More baselines: "AR per bin" is AR(4) with coefficients of its own in every bin;
    "PAD" is Prony's method on the strongest bins. Where labels tell the Doppler shift
    and the noise there are two more, which know something that the model does not.
    """

    name = "csi_time"
    window = (16, 8)
    informed = frozenset({"Wiener (Doppler known)", "Kalman (Doppler known)"})
    axis = TIME
    order = 8

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        bins = partial(in_bins, windows)
        return {
            **super().baselines(data, windows),
            "AR per bin": bins(partial(baselines.ar_per_channel, order=4)),
            "PAD": bins(baselines.pad),
            **{name: bins(each) for name, each in doppler_known(windows).items()},
        }


class CsiIrregular(CsiTime):
    """The next H snapshots from the measured ones among L; the others are NaN.

    Where nobody knows what a target was, NaN, the forecast does not count.
    Baselines: "repeat last" holds the last measurement, "Wiener bands" is the Wiener
    predictor for isotropic scattering of unknown speed and noise, which the context
    weighs; where labels have both, "Wiener (Doppler known)" is given them.
    """

    name = "csi_irregular"
    layout = replace(CSI, irregular=True)
    window = (64, 16)

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        bins = partial(in_bins, windows)
        found: dict[str, Baseline] = {
            "zero": baselines.zero,
            "repeat last": baselines.hold,
            "Wiener bands": bins(baselines.irregular_bands),
        }
        if {"max_doppler_hz", "snr_db"} <= windows.labels.keys():
            cycles = np.float32(windows.labels["max_doppler_hz"] * windows.interval)
            ratio = np.float32(10 ** (-np.float32(windows.labels["snr_db"]) / 10))
            found["Wiener (Doppler known)"] = bins(
                lambda context, horizon: baselines.irregular_wiener(
                    context, horizon, cycles, ratio
                )
            )
        return found

    def scores(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, Statistic]:
        known = np.isfinite(windows.target)
        return nmse(np.where(known, forecast, 0), np.where(known, windows.target, 0))


class CsiFrequency(CsiTask):
    """The next H subcarriers from the first L.

    All bins of a sample share one delay profile, which is what the baseline "AR" along
    subcarriers fits.
    """

    name = "csi_frequency"
    layout = replace(CSI, target="subcarrier")
    window = (32, 32)
    axis = FREQUENCY
    order = 12


class CsiAntenna(CsiTask):
    """The next H antennas of a uniform line from the first L.

    All bins of Doppler and delay see the same array, and along it a path in the far
    field is a tone, as it is along time and frequency.
    """

    name = "csi_antenna"
    layout = replace(CSI, target="antenna")
    window = (8, 8)
    axis = ANTENNA
    order = 4

    def sequences(self, data: Csi) -> Sequences:
        """DataError where antennas are no uniform line of one polarisation."""
        order, _ = in_line(data.antennas)
        clean = None if data.clean is None else data.clean[..., order]
        return super().sequences(replace(data, csi=data.csi[..., order], clean=clean))

    def interval(self, data: Csi) -> Array:
        spacing = in_line(data.antennas)[1]
        return np.full(len(data.csi), spacing, np.float32)
