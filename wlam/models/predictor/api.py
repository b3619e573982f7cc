"""A trained predictor that takes and gives what users have."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx

from wlam.data.checked import checked_series, checked_sweeps, horizon_of, like
from wlam.models.base import Card, Model
from wlam.models.channel_steps import ChannelSteps
from wlam.models.golden import golden_answers
from wlam.models.predictor.channels import Channel, all_bins, channel_features
from wlam.models.predictor.network import Predictor
from wlam.models.predictor.rollout import (
    SeriesContext,
    roll_out,
    row_bounds,
    row_features,
)
from wlam.models.predictor.sweeps import roll_sweeps
from wlam.models.series_rows import SeriesRows
from wlam.nn.quantiles import score
from wlam.ops.checks import at_least_one
from wlam.ops.pieces import in_pieces
from wlam.phy.transforms import directions, from_bins, to_bins
from wlam.types import (
    ANTENNA,
    AXES,
    TIME,
    Csi,
    DataError,
    Question,
    Series,
    Sweeps,
    Traffic,
)

ROWS = 4096
"""Rows that a call forecasts at once. Fixed: one compilation serves a task."""
CHANNELS = 4
"""The same for channels that enter as a whole."""
SWEEPS = 64
"""The same for sweeps that enter as a whole."""
PATHS = 39
"""Sampled paths whose quantiles are the bounds beyond the first patch. Of 39 the second
from either end bound 90 %: 2 / 40 of the distribution is expected beyond each."""


class PredictorAPI(Model):
    """A trained predictor: forecasts, intervals, samples, completions and features.

    >>> model = wlam.load("wlam_little")
    >>> csi = wlam.Csi(h, time_step_s=5e-4, antennas=wlam.panel(4, 8, 2))
    >>> forecast = model.predict(csi, horizon=8)

    Channels are forecast in bins of delay (or Doppler shift) and direction, all bins
    together where the network takes channels as a whole, else each by itself. What was
    not measured has no influence, see `wlam.models.channel_steps`.
    """

    accepts = frozenset({Csi, Sweeps, Series})

    def __init__(self, network: Predictor, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames="horizon")
        def forecast(params, rows, key, horizon):
            return roll_out(nnx.merge(graph, params), rows, horizon, key)[0]

        @partial(jax.jit, static_argnames="horizon")
        def bounds(params, rows, reach, horizon):
            return row_bounds(nnx.merge(graph, params), rows, horizon, reach)

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

        @partial(jax.jit, static_argnames="horizon")
        def swept(params, rsrp_db, measured, interval, horizon):
            model = nnx.merge(graph, params)
            sweeps = rsrp_db, measured, interval
            if horizon is None:
                return model.sweeps.features(model.backbone, *sweeps)[0].mean(1)
            return roll_sweeps(model.sweeps, model.backbone, *sweeps, horizon)

        @partial(jax.jit, static_argnames="name")
        def classified(params, features, name):
            logit = nnx.merge(graph, params).heads[name](features)[:, 0]
            return jax.nn.sigmoid(logit.astype(jnp.float32))

        self._forecast, self._bounds = forecast, bounds
        self._continued, self._completed = continued, completed
        self._swept, self._classified = swept, classified
        self._described = described
        self._row_features = jax.jit(
            lambda params, rows: row_features(nnx.merge(graph, params), rows)
        )

    @property
    def completes(self) -> frozenset[type]:
        kinds = (Csi, self.network.channels), (Sweeps, self.network.sweeps)
        return frozenset(kind for kind, part in kinds if part is not None)

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(self.network.heads)

    def can(self, verb: str) -> bool:
        if verb in ("predict_interval", "sample"):
            return bool(self.network.config.quantiles)
        if verb in ("complete", "estimate"):
            return bool(
                self.completes & ({Csi} if verb == "estimate" else {Csi, Sweeps})
            )
        return bool(self.heads) if verb == "head" else super().can(verb)

    def golden(self) -> dict[str, np.ndarray]:
        return golden_answers(self)

    def predict(self, question: Question, horizon: int, axis: str = "time") -> Any:
        horizon = horizon_of(horizon)
        if isinstance(question, Csi):
            steps = self._steps(question, axis)
            (bins,) = steps.forecast(partial(self._bins_ahead, steps), horizon)
            return steps.answer(from_bins(bins, steps.axis, steps.antennas))
        data, rows, whole = self._series(question)
        if whole:
            found = self._sweep(data, horizon)[0][:, 1:]
        else:
            found = rows.back(
                self._by_rows(
                    rows,
                    lambda _, x: self._forecast(self._params, x, None, horizon=horizon),
                )
            )
        return self._answer(question, data, found)

    def predict_interval(
        self,
        question: Question,
        horizon: int,
        axis: str = "time",
        coverage: float = 0.9,
    ) -> tuple[Any, Any]:
        horizon = horizon_of(horizon)
        if not 0 < coverage < 1:
            raise DataError(f"coverage: found {coverage}; needed between 0 and 1")
        tail = (1 - coverage) / 2
        if isinstance(question, Csi):
            return self._channel_interval(question, horizon, axis, tail)
        data, rows, whole = self._series(question)
        if whole:
            forecast, spread = (x[:, 1:] for x in self._sweep(data, horizon))
            half = np.float32(score(1 - tail)) * spread
            bounds = forecast - half, forecast + half
        else:
            bounds = map(rows.back, self._row_bounds(rows, horizon, tail))
        low, high = (self._answer(question, data, x) for x in bounds)
        return low, high

    def sample(
        self,
        question: Question,
        horizon: int,
        axis: str = "time",
        samples: int = 16,
        seed: int = 0,
    ) -> list[Any]:
        """See `Model.sample`.

        Series: from the quantiles, patch by patch, a sampled patch being the context of
        the next. Steps of a patch go together as errors of an AR(1) process do, see
        `wlam.nn.quantiles.draw_scores`. Whole channels and sweeps: from a Gaussian,
        independently in every bin or beam and step; sums over bins are then right in
        power, and paths in time rougher than those of a channel.
        """
        horizon = horizon_of(horizon)
        at_least_one("samples", samples)
        random = np.random.default_rng(seed)
        if isinstance(question, Csi):
            return self._channel_samples(question, horizon, axis, samples, seed)
        data, rows, whole = self._series(question)
        if whole:
            forecast, spread = (x[:, 1:] for x in self._sweep(data, horizon))
            noise = random.standard_normal((samples, *forecast.shape), np.float32)
            found = list(forecast + spread * noise)
        else:
            found = self._row_samples(rows, horizon, samples, seed)
        return [self._answer(question, data, x) for x in found]

    def embed(self, question: Question, axis: str = "time") -> np.ndarray:
        """See `Model.embed`.

        Features have no unit: level and spread of the context are not in them. Series:
        what the backbone makes of the last patch, the mean over channels. Whole
        channels: the mean over the patches of the strongest bins, which no phase, unit
        or Doppler shift of the channel changes. Whole sweeps: the mean over beams.
        """
        if isinstance(question, Csi):
            steps = self._steps(question, axis)
            if self.network.channels is not None:
                return self._channel_features(steps)
            rows = self._bin_rows(steps, steps.values, steps.known, steps.interval)
        else:
            data, rows, whole = self._series(question)
            if whole:
                return self._sweep(data, None)
        features = self._by_rows(rows, lambda _, x: self._row_features(self._params, x))
        return features.reshape(len(rows.values), -1, features.shape[-1]).mean(1)

    def head(self, name: str, question: Csi, axis: str = "time") -> np.ndarray:
        if name not in self.heads:
            raise DataError(
                f"head: found {name!r}; needed one of {', '.join(self.heads) or 'none'}"
            )
        if not isinstance(question, Csi):
            raise DataError(f"head: found {type(question).__name__}; needed wlam.Csi")
        features = self._channel_features(self._steps(question, axis))
        return np.asarray(self._classified(self._params, features, name=name))

    def complete(self, question: Question, axis: str = "frequency") -> Any:
        kind = type(question)
        if kind not in self.completes:
            raise DataError(
                f"complete: found {kind.__name__}; needed one of "
                f"{sorted(k.__name__ for k in self.completes)} for this model"
            )
        if not isinstance(question, Csi):
            data, _, _ = self._series(question)
            return self._answer(question, data, self._sweep(data, 0)[0])
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

    def estimate(self, question: Csi, noise_variance: Any = None) -> Csi:
        """Channels from pilots on a comb of subcarriers: `complete` along frequency.

        Without influence: the noise, which the network finds by itself.
        """
        return self.complete(question, "frequency")

    # ---- channels --------------------------------------------------------------------

    def _steps(self, question: Csi, axis: str) -> ChannelSteps:
        return ChannelSteps.of(
            question, axis, 1 if self.network.channels is None else 2
        )

    def _bins_ahead(
        self, steps: ChannelSteps, values, known, interval, horizon: int
    ) -> tuple[np.ndarray, ...]:
        """Bins [n, h, u, v] that follow channels without a gap."""
        if self.network.channels is not None:
            return self._whole(steps, values, known, interval, horizon)[:1]
        rows = self._bin_rows(steps, values, known, interval)
        found = self._by_rows(
            rows, lambda _, x: self._forecast(self._params, x, None, horizon=horizon)
        )
        return (rearrange(rows.back(found), "n h (u v) -> n h u v", u=values.shape[2]),)

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

    def _channel_interval(
        self, question: Csi, horizon: int, axis: str, tail: float
    ) -> tuple[Csi, Csi]:
        """Bounds of real and imaginary parts on the axes of the question."""
        steps = self._steps(question, axis)
        if self.network.channels is None:

            def bounds_of(values, known, interval, horizon):
                rows = self._bin_rows(steps, values, known, interval)
                bounds = self._row_bounds(rows, horizon, tail)
                low, high = (
                    rearrange(rows.back(x), "n h (u v) -> n h u v", u=values.shape[2])
                    for x in bounds
                )
                half = (high - low) / 2
                # Of both parts together: mean square half widths add up over bins.
                return (low + high) / 2, np.sqrt((half.real**2 + half.imag**2) / 2)

            middle, half = steps.forecast(bounds_of, horizon)
        else:
            middle, spread = steps.forecast(partial(self._whole, steps), horizon)
            half = score(1 - tail) * spread / np.sqrt(np.float32(2))
        centre = np.asarray(from_bins(middle, steps.axis, steps.antennas))
        width = spread_of_elements(half, steps.axis, steps) * (1 + 1j)
        return steps.answer(centre - width), steps.answer(centre + width)

    def _channel_samples(
        self, question: Csi, horizon: int, axis: str, samples: int, seed: int
    ) -> list[Csi]:
        steps = self._steps(question, axis)
        random = np.random.default_rng(seed)
        if self.network.channels is None:

            def paths_of(values, known, interval, horizon):
                rows = self._bin_rows(steps, values, known, interval)
                found = np.stack(self._row_samples(rows, horizon, samples, seed), 2)
                return (
                    rearrange(found, "n h s (u v) -> n h s u v", u=values.shape[2]),
                )

            (paths,) = steps.forecast(paths_of, horizon)
            found = np.moveaxis(paths, 2, 0)
        else:
            forecast, spread = steps.forecast(partial(self._whole, steps), horizon)
            normal = random.standard_normal((2, samples, *forecast.shape), np.float32)
            noise = (normal[0] + 1j * normal[1]) / np.sqrt(np.float32(2))
            found = forecast + spread * noise
        return [
            steps.answer(from_bins(x.astype(np.complex64), steps.axis, steps.antennas))
            for x in found
        ]

    def _channel_features(self, steps: ChannelSteps) -> np.ndarray:
        """Of the context up to the last measured step of every sample."""

        def features(values, known, interval, horizon):
            bins = np.asarray(to_bins(values, steps.axis, steps.antennas))
            found = in_pieces(
                lambda _, *x: self._described(self._params, *x, axis=steps.axis),
                CHANNELS,
                bins,
                known,
                interval,
            )
            return (np.repeat(found[:, None], horizon, axis=1),)

        return steps.forecast(features, 1)[0][:, 0]

    # ---- series and sweeps -----------------------------------------------------------

    def _series(self, question: Question) -> tuple[Any, SeriesRows, bool]:
        """What is asked, as rows, and whether it enters as whole sweeps."""
        if isinstance(question, Sweeps):
            data = checked_sweeps(question)
            values, joint = data.rsrp_db, True
            if self.network.sweeps is not None:
                keep = self.network.sweeps.config.sweeps
                if not np.asarray(data.mask)[:, -keep:].any((1, 2)).all():
                    raise DataError(
                        f"mask: found no beam measured in the last {keep} sweeps; "
                        "needed at least one"
                    )
                rows = SeriesRows(
                    values, np.ones_like(data.mask), data.time_step_s, TIME, True
                )
                return data, rows, True
        elif isinstance(question, Series | Traffic):
            data = checked_series(question)
            values, joint = data.series, False
        else:
            raise DataError(
                f"question: found {type(question).__name__}; needed wlam.Csi, "
                "wlam.Sweeps or wlam.Series"
            )
        return data, SeriesRows(values, data.mask, data.time_step_s, TIME, joint), False

    def _answer(self, question: Any, data: Any, values: np.ndarray) -> Any:
        """Steps [sample, step, channel] like the question."""
        kind = Sweeps if isinstance(question, Sweeps) else Series
        found: Any = kind(values, data.time_step_s, labels=data.labels)
        return like(question, found)

    def _sweep(self, data: Sweeps, horizon: int | None) -> Any:
        """Forecast and spread [sample, 1 + step, beam], the first step the last sweep.

        Features where no horizon is.
        """
        assert self.network.sweeps is not None
        keep = self.network.sweeps.config.sweeps
        return in_pieces(
            lambda _, *sweeps: self._swept(self._params, *sweeps, horizon=horizon),
            SWEEPS,
            data.rsrp_db[:, -keep:],
            np.asarray(data.mask)[:, -keep:],
            data.time_step_s,
        )

    def _row_bounds(
        self, rows: SeriesRows, horizon: int, tail: float
    ) -> tuple[np.ndarray, np.ndarray]:
        levels = self._levels()
        if min(tail - levels[0], levels[-1] - (1 - tail)) < -1e-9:
            raise DataError(
                f"coverage: found {1 - 2 * tail:g}; needed at most what the model's "
                f"quantiles {levels} span"
            )
        first = self.network.horizon

        def bounds_of(begin: int, x: SeriesContext) -> list[np.ndarray]:
            normal = np.float32(score(1 - tail))
            near = min(horizon, first)
            found = self._bounds(self._params, x, normal, horizon=near)
            found = [np.asarray(bound) for bound in found]
            if horizon <= first:
                return found
            paths = self._paths(x, horizon, PATHS, 0, begin)[..., first:]
            far = np.quantile(paths, [tail, 1 - tail], axis=1, method="weibull")
            both = zip(found, far.astype(np.float32), strict=True)
            return [np.concatenate(pair, axis=-1) for pair in both]

        low, high = self._by_rows(rows, bounds_of)
        return low, high

    def _row_samples(
        self, rows: SeriesRows, horizon: int, samples: int, seed: int
    ) -> list[np.ndarray]:
        self._levels()
        paths = self._by_rows(
            rows, lambda begin, x: self._paths(x, horizon, samples, seed, begin)
        )
        return [rows.back(paths[:, i]) for i in range(samples)]

    def _paths(
        self, rows: SeriesContext, horizon: int, samples: int, seed: int, begin: int
    ) -> np.ndarray:
        """[row, sample, group, step] of rows that are a piece, from row `begin` on."""
        piece = jax.random.fold_in(jax.random.key(seed), begin)
        paths = [
            self._forecast(
                self._params, rows, jax.random.fold_in(piece, i), horizon=horizon
            )
            for i in range(samples)
        ]
        return np.stack(paths, axis=1)

    def _levels(self) -> tuple[float, ...]:
        levels = self.network.config.quantiles
        if not levels:
            raise DataError("quantiles: found none in the model; needed levels")
        return levels

    def _by_rows(self, rows: SeriesRows, function) -> Any:
        """function(begin, rows) by pieces; its outputs begin with the axis of rows."""
        arrays = rows.rows()
        most = max(1, ROWS // arrays[0].shape[1])
        size = min(most, 1 << (len(arrays[0]) - 1).bit_length())
        return in_pieces(
            lambda begin, *piece: function(
                begin,
                SeriesContext(*map(jnp.asarray, piece), center=not rows.is_complex),
            ),
            size,
            *arrays,
        )


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
