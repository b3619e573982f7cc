"""CSI prediction along time, along frequency and along an array.

All work where channels are sparse: a path is one bin in angle and, along time, one bin
in delay. Rows are then sums of few tones instead of hundreds, and noise spreads over
all bins. The transforms are unitary, so that errors are the same in either domain.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from einops import rearrange

from wlam import baselines
from wlam.baselines.bank.ar_bank import ar_bank
from wlam.metrics import Statistic, nmse, nmse_mean_db
from wlam.ops.einsum import einsum
from wlam.phy.arrays import array_shape, beamspace, line
from wlam.tasks.task import Baseline, Task
from wlam.tasks.windows import Sequences, Windows
from wlam.types import ANTENNA, FREQUENCY, TIME, Array, Csi


def to_angles(csi: Array, data: Csi) -> Array:
    """Antennas (last axis) to angular bins."""
    matrix = beamspace(data.antennas.positions, data.antennas.polarisation)
    return einsum("...a,ba->...b", csi, matrix)


def from_angles(csi: np.ndarray, data: Csi) -> np.ndarray:
    """Angular bins (last axis) back to antennas."""
    matrix = beamspace(data.antennas.positions, data.antennas.polarisation)
    return np.einsum("...b,ba->...a", csi, matrix.conj()).astype(np.complex64)


def doppler_known(windows: Windows) -> dict[str, Baseline]:
    """Floors that are told max_doppler_hz and snr_db; none where labels lack either."""
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
    """The floor of that name, on the grid that the channels of windows are."""

    def forecast(context: Array, horizon: int) -> Array:
        assert windows.grid is not None
        bins = rearrange(context, "n l (u v) -> n l u v", u=windows.grid[0])
        return rearrange(baselines.ar_local(bins, horizon), "n h u v -> n h (u v)")

    return forecast


def bank_by_record(windows: Windows) -> Baseline:
    """The floor "AR bank" on that grid."""
    assert windows.grid is not None
    return partial(ar_bank, grid=windows.grid)


class CsiTask(Task):
    """What the three directions have in common.

    Floors: "AR" has one coefficient vector a sample, shared by all bins; "AR local" is
    AR(6), or half of the context, fitted to a bin and those around it; "AR bank" mixes
    twelve autoregressions and a Wiener predictor, which is what the joint way in starts
    from.
    """

    container = Csi
    sliding = False
    headline = "NMSE dB"
    order: ClassVar[int]
    """Of the floor "AR"."""

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        return {
            "zero": baselines.zero,
            "repeat last": baselines.repeat_last,
            "AR": partial(baselines.ar_shared, order=self.order),
            "AR local": ar_local(windows),
            "AR bank": bank_by_record(windows),
        }

    def scores(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, Statistic]:
        """NMSE against the noise-free channel and, where that differs, the noisy."""
        scores = nmse(forecast, windows.target)
        if windows.noisy is not None:
            scores["NMSE noisy dB"] = nmse_mean_db(forecast, windows.noisy)
        return scores


class CsiTime(CsiTask):
    """The next H snapshots from L past ones; a channel is a delay-angle bin.

    More floors: "AR per bin" is AR(4) with coefficients of its own in every bin; "PAD"
    is Prony's method on the strongest bins. Where labels tell the Doppler shift and the
    noise there are two more, which know something that the model does not.
    """

    name = "csi_time"
    order = 8

    def sequences(self, data: Csi) -> Sequences:
        def delay_angle(csi: Array) -> Array:
            bins = jnp.fft.ifft(to_angles(csi, data), axis=2, norm="ortho")
            return rearrange(bins, "n t s a -> n t (s a)")

        return Sequences(
            values=delay_angle(data.csi),
            clean=delay_angle(data.csi if data.clean is None else data.clean),
            interval=data.time_step_s,
            axis=TIME,
            labels=data.labels,
            grid=data.csi.shape[2:],
            array_shape=array_shape(
                data.antennas.positions, data.antennas.polarisation
            ),
        )

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        return {
            **super().baselines(data, windows),
            "AR per bin": partial(baselines.ar_per_channel, order=4),
            "PAD": baselines.pad,
            **doppler_known(windows),
        }

    def user_arrays(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, np.ndarray]:
        subcarriers = np.shape(data.csi)[2]
        bins = rearrange(forecast, "n h (s a) -> n h s a", s=subcarriers)
        return {"prediction": from_angles(np.fft.fft(bins, axis=2, norm="ortho"), data)}


class CsiIrregular(CsiTime):
    """The next H snapshots from the measured ones among L; the others are NaN.

    Where nobody knows what a target was, NaN, the forecast does not count.
    Floors: "repeat last" holds the last measurement, "Wiener bands" is the Wiener
    predictor for isotropic scattering of unknown speed and noise, which the context
    weighs; where labels tell both, "Wiener (Doppler known)" is told them.
    """

    name = "csi_irregular"

    def baselines(self, data: Csi, windows: Windows) -> dict[str, Baseline]:
        found: dict[str, Baseline] = {
            "zero": baselines.zero,
            "repeat last": baselines.hold,
            "Wiener bands": baselines.irregular_bands,
        }
        if {"max_doppler_hz", "snr_db"} <= windows.labels.keys():
            cycles = np.float32(windows.labels["max_doppler_hz"] * windows.interval)
            ratio = np.float32(10 ** (-np.float32(windows.labels["snr_db"]) / 10))
            found["Wiener (Doppler known)"] = lambda context, horizon: (
                baselines.irregular_wiener(context, horizon, cycles, ratio)
            )
        return found

    def scores(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, Statistic]:
        known = np.isfinite(windows.target)
        return nmse(np.where(known, forecast, 0), np.where(known, windows.target, 0))


class CsiFrequency(CsiTask):
    """The next H subcarriers from the first L; a channel is a Doppler-angle bin.

    All bins of a sample are channels of one sequence: they share one delay profile,
    which is what the floor "AR" along subcarriers fits.
    """

    name = "csi_frequency"
    order = 12

    def sequences(self, data: Csi) -> Sequences:
        def doppler_angle(csi: Array) -> Array:
            bins = jnp.fft.fft(to_angles(csi, data), axis=1, norm="ortho")
            return rearrange(bins, "n t s a -> n s (t a)")

        _, times, _, antennas = data.csi.shape
        return Sequences(
            values=doppler_angle(data.csi),
            clean=doppler_angle(data.csi if data.clean is None else data.clean),
            interval=data.subcarrier_spacing_hz,
            axis=FREQUENCY,
            labels=data.labels,
            joint=True,
            grid=(times, antennas),
            array_shape=array_shape(
                data.antennas.positions, data.antennas.polarisation
            ),
        )

    def user_arrays(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, np.ndarray]:
        times = np.shape(data.csi)[1]
        bins = rearrange(forecast, "n h (t a) -> n t h a", t=times)
        return {
            "prediction": from_angles(np.fft.ifft(bins, axis=1, norm="ortho"), data)
        }


class CsiAntenna(CsiTask):
    """The next H antennas of a uniform line from the first L; a channel is a bin.

    Of Doppler and delay: all of them see the same array, and along it a path in the far
    field is a tone, as it is along time and frequency.
    """

    name = "csi_antenna"
    order = 4

    def sequences(self, data: Csi) -> Sequences:
        """DataError where antennas are no uniform line of one polarisation."""
        order, spacing = line(data.antennas.positions, data.antennas.polarisation)

        def doppler_delay(csi: Array) -> Array:
            bins = jnp.fft.fft(csi[..., order], axis=1, norm="ortho")
            bins = jnp.fft.ifft(bins, axis=2, norm="ortho")
            return rearrange(bins, "n t s a -> n a (t s)")

        samples, times, subcarriers, _ = data.csi.shape
        return Sequences(
            values=doppler_delay(data.csi),
            clean=doppler_delay(data.csi if data.clean is None else data.clean),
            interval=np.full(samples, spacing, np.float32),
            axis=ANTENNA,
            labels=data.labels,
            joint=True,
            grid=(times, subcarriers),
        )

    def user_arrays(
        self, forecast: np.ndarray, data: Csi, windows: Windows
    ) -> dict[str, np.ndarray]:
        bins = rearrange(forecast, "n h (t s) -> n t s h", t=np.shape(data.csi)[1])
        bins = np.fft.fft(np.fft.ifft(bins, axis=1, norm="ortho"), axis=2, norm="ortho")
        return {"prediction": bins.astype(np.complex64)}
