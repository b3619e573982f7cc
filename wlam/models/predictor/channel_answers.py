"""Answers of a predictor about channels, in bins of delay or Doppler and direction."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx

from wlam.models.channel_steps import ChannelSteps
from wlam.models.predictor.channels import Channel, all_bins, channel_features
from wlam.models.predictor.network import Predictor
from wlam.models.predictor.row_answers import RowAnswers
from wlam.models.series_rows import SeriesRows
from wlam.nn.quantiles import score
from wlam.ops.pieces import in_pieces
from wlam.phy.transforms import directions, from_bins, to_bins
from wlam.types import ANTENNA, AXES, TIME, Csi, DataError

CHANNELS = 4
"""Channels that a call forecasts at once. Fixed: one compilation serves a task."""


class ChannelAnswers:
    """All bins together where the network takes channels as a whole, else by rows."""

    def __init__(self, network: Predictor, graph: Any, params: Any, rows: RowAnswers):
        self.network, self._params, self._rows = network, params, rows

        @partial(jax.jit, static_argnames=("axis", "horizon"))
        def continued(params, bins, known, interval, axis, horizon):
            model = nnx.merge(graph, params)
            channel = Channel.of(bins, known, interval, axis, horizon)
            return all_bins(model.channels, model.backbone, channel, horizon)

        @partial(jax.jit, static_argnames="axis")
        def described(params, bins, known, interval, axis):
            model = nnx.merge(graph, params)
            ahead = model.channels.config.patch
            channel = Channel.of(bins, known, interval, axis, ahead)
            return channel_features(model.channels, model.backbone, channel)

        @partial(jax.jit, static_argnames="axis")
        def completed(params, bins, interval, at, axis):
            model = nnx.merge(graph, params)
            channel = Channel.sparse(bins, at, interval, axis)
            return all_bins(model.channels, model.backbone, channel, 0)[0]

        @partial(jax.jit, static_argnames="name")
        def classified(params, features, name):
            logit = nnx.merge(graph, params).heads[name](features)[:, 0]
            return jax.nn.sigmoid(logit.astype(jnp.float32))

        self._continued, self._completed = continued, completed
        self._described, self._classified = described, classified

    def forecast(self, question: Csi, horizon: int, axis: str) -> Csi:
        """See `Model.predict`."""
        steps = self._steps(question, axis)
        (bins,) = steps.forecast(partial(self._ahead, steps), horizon)
        return steps.answer(from_bins(bins, steps.axis, steps.antennas))

    def interval(
        self, question: Csi, horizon: int, axis: str, tail: float
    ) -> tuple[Csi, Csi]:
        """Bounds of real and imaginary parts on the axes of the question."""
        steps = self._steps(question, axis)
        if self.network.channels is None:
            bounds = partial(self._row_bounds, steps, tail=tail)
            middle, half = steps.forecast(bounds, horizon)
        else:
            middle, spread = steps.forecast(partial(self._whole, steps), horizon)
            half = score(1 - tail) * spread / np.sqrt(np.float32(2))
        centre = np.asarray(from_bins(middle, steps.axis, steps.antennas))
        width = spread_of_elements(half, steps.axis, steps) * (1 + 1j)
        return steps.answer(centre - width), steps.answer(centre + width)

    def samples(
        self, question: Csi, horizon: int, axis: str, samples: int, seed: int
    ) -> list[Csi]:
        """See `wlam.models.predictor.api.PredictorAPI.sample`."""
        steps = self._steps(question, axis)
        if self.network.channels is None:

            def paths_of(values, known, interval, horizon):
                rows = self._bin_rows(steps, values, known, interval)
                found = np.stack(self._rows.samples(rows, horizon, samples, seed), 2)
                return (
                    rearrange(found, "n h s (u v) -> n h s u v", u=values.shape[2]),
                )

            (paths,) = steps.forecast(paths_of, horizon)
            found = np.moveaxis(paths, 2, 0)
        else:
            random = np.random.default_rng(seed)
            forecast, spread = steps.forecast(partial(self._whole, steps), horizon)
            normal = random.standard_normal((2, samples, *forecast.shape), np.float32)
            noise = (normal[0] + 1j * normal[1]) / np.sqrt(np.float32(2))
            found = forecast + spread * noise
        return [
            steps.answer(from_bins(x.astype(np.complex64), steps.axis, steps.antennas))
            for x in found
        ]

    def features(self, question: Csi, axis: str) -> np.ndarray:
        """Of the context up to the last measured step of every sample."""
        steps = self._steps(question, axis)
        if self.network.channels is None:
            return self._rows.features(
                self._bin_rows(steps, steps.values, steps.known, steps.interval)
            )

        def features(values, known, interval, horizon):
            found = in_pieces(
                lambda _, *x: self._described(self._params, *x, axis=steps.axis),
                CHANNELS,
                np.asarray(to_bins(values, steps.axis, steps.antennas)),
                known,
                interval,
            )
            return (np.repeat(found[:, None], horizon, axis=1),)

        return steps.forecast(features, 1)[0][:, 0]

    def head(self, name: str, question: Csi, axis: str) -> np.ndarray:
        """Probabilities [sample]."""
        features = self.features(question, axis)
        return np.asarray(self._classified(self._params, features, name=name))

    def completed(self, question: Csi, axis: str) -> Csi:
        """See `Model.complete`."""
        steps = ChannelSteps.of(question, axis, least=2)
        at = comb_of(steps)
        bins = to_bins(steps.values, steps.axis, steps.antennas)
        found = in_pieces(
            lambda _, x, interval: self._completed(
                self._params, x, interval, at, axis=steps.axis
            ),
            CHANNELS,
            np.asarray(bins),
            steps.interval,
        )
        found = rearrange(found, "n l (u v) -> n l u v", u=bins.shape[2])
        return steps.answer(from_bins(found, steps.axis, steps.antennas))

    def _steps(self, question: Csi, axis: str) -> ChannelSteps:
        least = 1 if self.network.channels is None else 2
        return ChannelSteps.of(question, axis, least)

    def _ahead(
        self, steps: ChannelSteps, values, known, interval, horizon: int
    ) -> tuple[np.ndarray, ...]:
        """Bins [n, h, u, v] that follow channels without a gap."""
        if self.network.channels is not None:
            return self._whole(steps, values, known, interval, horizon)[:1]
        rows = self._bin_rows(steps, values, known, interval)
        found = self._rows.forecast(rows, horizon)
        return (rearrange(found, "n h (u v) -> n h u v", u=values.shape[2]),)

    def _whole(
        self, steps: ChannelSteps, values, known, interval, horizon: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same and their spreads, of a network that takes channels as a whole."""
        bins = np.asarray(to_bins(values, steps.axis, steps.antennas))
        found = in_pieces(
            lambda _, *x: self._continued(
                self._params, *x, axis=steps.axis, horizon=horizon
            ),
            CHANNELS,
            bins,
            known,
            interval,
        )
        forecast, spread = (
            rearrange(x, "n h (u v) -> n h u v", u=bins.shape[2]) for x in found
        )
        return forecast, spread

    def _bin_rows(self, steps: ChannelSteps, values, known, interval) -> SeriesRows:
        """Bins as series of their own, along time each with a scale of its own."""
        bins = np.asarray(to_bins(values, steps.axis, steps.antennas))
        bins = rearrange(bins, "n l u v -> n l (u v)")
        known = np.broadcast_to(known[..., None], bins.shape)
        return SeriesRows(bins, known, interval, steps.axis, steps.axis != TIME)

    def _row_bounds(
        self, steps: ChannelSteps, values, known, interval, horizon: int, tail: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Middle and half width of bins [n, h, u, v] that are forecast by rows."""
        rows = self._bin_rows(steps, values, known, interval)
        low, high = (
            rearrange(x, "n h (u v) -> n h u v", u=values.shape[2])
            for x in self._rows.bounds(rows, horizon, tail)
        )
        half = (high - low) / 2
        # Of both parts together: mean square half widths add up over bins.
        return (low + high) / 2, np.sqrt((half.real**2 + half.imag**2) / 2)


def comb_of(steps: ChannelSteps) -> np.ndarray:
    """Which steps are known, evenly spaced and the same in all samples.

    Raises:
        DataError: they are not.
    """
    there = np.asarray(np.any(steps.measured, axis=(2, 3)))
    at = np.flatnonzero(there[0])
    whole = np.broadcast_to(there[0][None, :, None, None], steps.measured.shape)
    if not np.array_equal(steps.measured, whole):
        raise DataError(
            f"mask: found {AXES[steps.axis]} steps that are known in some samples or "
            "entries only; needed the same steps in all"
        )
    if len(at) < 2 or len(set(np.diff(at))) > 1:
        raise DataError(
            f"mask: found {AXES[steps.axis]} steps {at[:8].tolist()} known; needed two "
            "or more, evenly spaced"
        )
    return at


def spread_of_elements(
    spread: np.ndarray, axis: int, steps: ChannelSteps
) -> np.ndarray:
    """Of resource elements [..., u, v], from spreads of bins whose errors are white."""
    power = spread.astype(np.float64) ** 2
    power = np.broadcast_to(power.mean(-2, keepdims=True), power.shape)
    if axis == ANTENNA:
        power = np.broadcast_to(power.mean(-1, keepdims=True), power.shape)
    else:
        share = abs(directions(steps.antennas, spread.shape[-1])) ** 2
        power = power @ share
    return np.sqrt(power).astype(np.float32)
