"""A trained predictor for numpy arrays: forecasts, intervals, draws and features."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx

from wlam.models.observation import CompletesCombs
from wlam.models.predictor.channels import Channel, all_bins, channel_features
from wlam.models.predictor.network import Predictor
from wlam.models.predictor.request import Request, pilot_steps
from wlam.models.predictor.rollout import (
    SeriesContext,
    roll_out,
    row_bounds,
    row_features,
)
from wlam.models.predictor.sweeps import roll_sweeps
from wlam.nn.quantiles import score
from wlam.ops.checks import at_least_one
from wlam.ops.pieces import in_pieces
from wlam.types import ArrayShape

CHUNK = 4096
"""Rows that a call forecasts at once. Fixed: one compilation serves a task."""
CHANNELS = 4
"""The same for channels that enter as a whole."""
SWEEPS = 64
"""The same for sweeps that enter as a whole."""
PATHS = 39
"""Drawn paths whose quantiles are the bounds beyond the first patch. Of 39 the second
from either end bound 90 %: 2 / 40 of the distribution is expected beyond each."""


class PredictorAPI(CompletesCombs):
    """A trained model that takes and gives numpy arrays.

    >>> model = wlam.load("runs/quickstart")
    >>> forecast = model.predict(context, interval=0.5e-3, horizon=8)
    >>> low, high = model.predict_interval(context, interval=0.5e-3, horizon=8)
    """

    takes_rows = True
    only = None
    """The one kind of data that it forecasts, see `wlam.evaluation.cases.ONLY`."""

    def __init__(self, model: Predictor):
        self.model = model
        self.takes_channels = model.channels is not None
        self.takes_sweeps = model.sweeps is not None
        graph, params = nnx.split(model)
        self._params = params

        @partial(jax.jit, static_argnames="horizon")
        def forecast(params, rows, key, horizon):
            return roll_out(nnx.merge(graph, params), rows, horizon, key)[0]

        self._forecast = forecast

        @partial(jax.jit, static_argnames="horizon")
        def bounds(params, rows, reach, horizon):
            return row_bounds(nnx.merge(graph, params), rows, horizon, reach)

        self._bounds = bounds
        self._described = jax.jit(
            lambda params, rows: row_features(nnx.merge(graph, params), rows)
        )

        @partial(jax.jit, static_argnames=("axis", "horizon", "grid"))
        def continued(params, context, known, interval, axis, horizon, grid):
            model = nnx.merge(graph, params)
            x = rearrange(context, "n l (u v) -> n l u v", u=grid[0])
            assert model.channels is not None
            ahead = model.channels.config.patch if horizon is None else horizon
            channel = Channel.of(x, known, interval, axis, ahead)
            if horizon is None:
                return channel_features(model.channels, model.backbone, channel)
            return all_bins(model.channels, model.backbone, channel, horizon)

        self._continued = continued

        @jax.jit
        def seen(params, features):
            model = nnx.merge(graph, params)
            logit = model.heads["line_of_sight"](features)[:, 0]
            return jax.nn.sigmoid(logit.astype(jnp.float32))

        self._seen = lambda *inputs: np.asarray(seen(*inputs))

        @partial(jax.jit, static_argnames=("axis", "grid"))
        def completed(params, context, interval, at, axis, grid):
            model = nnx.merge(graph, params)
            x = rearrange(context, "n l (u v) -> n l u v", u=grid[0])
            assert model.channels is not None
            channel = Channel.sparse(x, at, interval, axis)
            return all_bins(model.channels, model.backbone, channel, 0)[0]

        self._completed = completed

        @partial(jax.jit, static_argnames="horizon")
        def swept(params, rsrp_db, measured, interval, horizon):
            model = nnx.merge(graph, params)
            scan, sweeps = model.sweeps, (rsrp_db, measured, interval)
            assert scan is not None
            if horizon is None:
                return scan.features(model.backbone, *sweeps)[0].mean(1)
            return roll_sweeps(scan, model.backbone, *sweeps, horizon)

        self._swept = swept

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of the model."""
        return sum(x.size for x in jax.tree.leaves(self._params))

    @property
    def has_intervals(self) -> bool:
        """Whether everything that the model forecasts has an interval too."""
        return bool(self.model.config.quantiles)

    def predict(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        horizon: int,
        axis: str = "time",
        joint: bool = False,
        grid: tuple[int, int] | None = None,
        array_shape: ArrayShape = (),
    ) -> np.ndarray:
        """Forecasts the samples that follow a context.

        Args:
            context: [step], [sample, step] or [sample, step, channel]; real or complex,
                in any unit. Every channel is forecast by itself, from its own past. NaN
                marks a missing sample.
            interval: spacing of the steps: seconds, or Hz along frequency; one number,
                or one per sample.
            horizon: how many steps to forecast.
            axis: one of `AXES`, what the steps run along.
            joint: scale all channels of a sample alike and fit them by one linear
                recurrence: beams of a sweep, or angles of a channel along frequency. A
                step with a NaN is then missing in all channels, and not all steps may
                be. A model that takes sweeps as a whole (`PredictorConfig.scan`) takes real
                channels of this kind for beams, in their order: a NaN is then a beam
                that was not measured, and all beams of the next sweeps are forecast.
            grid: rows and columns of bins (delay and angle, or Doppler and angle) that
                complex channels are. A model that takes channels as a whole then
                continues all bins together, from two steps or more. Others ignore it,
                and it is ignored where a last step is missing, from which the bins'
                frames are taken.
            lattice: ignored; peers that see antennas need it.

        Returns:
            Shaped like context, with `horizon` steps; complex64 or float32.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        request = self._request(context, interval, axis, joint, grid, horizon)
        if request.sweeps is not None:
            return request.like_context(self._sweep(request, horizon)[0][:, 1:])
        if request.grid is not None:
            return request.like_context(self._continue(request, horizon)[0])
        rows = self._by_rows(
            request,
            lambda _, rows: self._forecast(self._params, rows, None, horizon=horizon),
        )
        return request.like_context(request.from_rows(rows))

    def complete(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        axis: str = "time",
        grid: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """What of a sweep, or of a channel, was not measured.

        Args:
            context: sweeps [step, beam] or [sample, step, beam] in dB, the last of
                which is completed, from it and those before; NaN marks a beam that was
                not measured. Or, with a grid, channels [sample, step, bin]; steps of
                NaN are not known, the others are evenly spaced and the same in all
                samples, such as subcarriers with pilots.
            interval: of the steps, see `predict`.
            axis, grid: of channels, see `predict`.

        Returns:
            [beam] or [sample, beam] in dB; or [sample, step, bin]. What was measured is
            given without its noise.

        Raises:
            ValueError: naming the argument; or the model does not take what is given
                as a whole.
        """
        x = np.asarray(context)
        if grid is not None:
            return self._complete_channel(x, interval, axis, grid)
        if not self.takes_sweeps:
            raise ValueError("model.sweeps: found None; needed to complete sweeps")
        if x.ndim not in (2, 3) or np.iscomplexobj(x):
            raise ValueError(
                f"context: found {x.dtype} of shape {x.shape}; needed real numbers "
                "[step, beam] or [sample, step, beam]"
            )
        many = x.reshape(-1, *x.shape[-2:])
        request = self._request(many, interval, "time", True, None)
        return self._sweep(request, 0)[0][:, 0].reshape(*x.shape[:-2], x.shape[-1])

    def _complete_channel(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        axis: str,
        grid: tuple[int, int],
    ) -> np.ndarray:
        if not self.takes_channels:
            raise ValueError("model.joint: found None; needed to complete channels")
        at = pilot_steps(context)
        # The last step of a context that goes on is known; here that of the pilots.
        request = self._request(context[:, at], interval, axis, False, grid)
        x, _, spacing = replace(request, context=context).channels()
        return in_pieces(
            lambda _, *channels: self._completed(
                self._params, *channels, at, axis=request.axis, grid=request.grid
            ),
            CHANNELS,
            x,
            spacing,
        )

    def predict_interval(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        horizon: int,
        axis: str = "time",
        joint: bool = False,
        grid: tuple[int, int] | None = None,
        coverage: float = 0.9,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds that hold each sample that follows a context with a given probability.

        The samples are those that training forecasts: without noise, for channels. For
        complex ones the bounds are of the real and of the imaginary part, each by
        itself. They hold for every sample alone, not for all together.

        Rows: the model's quantiles, between its levels linear in the normal score;
        beyond the first patch, quantiles of drawn paths, on which errors grow.
        Whole channels and sweeps: of a Gaussian with the model's spread. Bounds of bins
        are for bins: those of subcarriers and antennas do not follow from them.

        Args:
            context, interval, horizon, axis, joint, grid: see `predict`.
            coverage: the probability; of rows not beyond the outermost quantiles.

        Returns:
            (low, high), each like the answer of `predict`.

        Raises:
            ValueError: as in `predict`; a model without quantiles; a coverage that they
                do not span.
        """
        request = self._request(context, interval, axis, joint, grid, horizon)
        if not 0 < coverage < 1:
            raise ValueError(f"coverage: found {coverage}; needed between 0 and 1")
        tail = (1 - coverage) / 2
        if request.sweeps is not None:
            forecast, spread = (x[:, 1:] for x in self._sweep(request, horizon))
            half = np.float32(score(1 - tail)) * spread
            low, high = forecast - half, forecast + half
            return request.like_context(low), request.like_context(high)
        if request.grid is not None:
            forecast, spread = self._continue(request, horizon)
            half = score(1 - tail) * spread / np.sqrt(np.float32(2)) * (1 + 1j)
            bounds = forecast - half, forecast + half
            low, high = (x.astype(np.complex64) for x in bounds)
            return request.like_context(low), request.like_context(high)
        levels = self._levels()
        if min(tail - levels[0], levels[-1] - (1 - tail)) < -1e-9:
            raise ValueError(
                f"coverage: found {coverage}; needed at most what the model's "
                f"quantiles {levels} span"
            )
        first = self.model.horizon

        def bounds_of(begin: int, rows: SeriesContext) -> list[np.ndarray]:
            normal = np.float32(score(1 - tail))
            near = min(horizon, first)
            found = self._bounds(self._params, rows, normal, horizon=near)
            found = [np.asarray(bound) for bound in found]
            if horizon <= first:
                return found
            paths = self._draw(rows, horizon, PATHS, 0, begin)[..., first:]
            far = np.quantile(paths, [tail, 1 - tail], axis=1, method="weibull")
            both = zip(found, far.astype(np.float32), strict=True)
            return [np.concatenate(pair, axis=-1) for pair in both]

        low, high = map(request.from_rows, self._by_rows(request, bounds_of))
        return request.like_context(low), request.like_context(high)

    def sample(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        horizon: int,
        axis: str = "time",
        joint: bool = False,
        grid: tuple[int, int] | None = None,
        draws: int = 16,
        seed: int = 0,
    ) -> np.ndarray:
        """Draws what may follow a context from the model's predictive distribution.

        Rows: from the quantiles, patch by patch, a drawn patch being the context of the
        next. Steps of a patch go together as errors of an AR(1) process do, see
        `wlam.nn.quantiles.draw_scores`; channels, real and imaginary parts are drawn
        independently. Whole channels and sweeps: from a Gaussian, independently in
        every bin or beam and step; sums over bins are then right in power, and paths in
        time rougher than those of a channel.

        Args:
            context, interval, horizon, axis, joint, grid: see `predict`.
            draws: how many.
            seed: the same seed gives the same draws.

        Returns:
            [draw, ...], each like the answer of `predict`.

        Raises:
            ValueError: as in `predict`; a model without quantiles; no draws.
        """
        request = self._request(context, interval, axis, joint, grid, horizon)
        at_least_one("draws", draws)
        random = np.random.default_rng(seed)
        if request.sweeps is not None:
            forecast, spread = (x[:, 1:] for x in self._sweep(request, horizon))
            noise = random.standard_normal((draws, *forecast.shape), np.float32)
            return request.like_context(forecast + spread * noise)
        if request.grid is not None:
            forecast, spread = self._continue(request, horizon)
            shape = (2, draws, *forecast.shape)
            normal = random.standard_normal(shape, np.float32)
            noise = (normal[0] + 1j * normal[1]) / np.sqrt(np.float32(2))
            return request.like_context(forecast + spread * noise)
        self._levels()
        paths = self._by_rows(
            request,
            lambda begin, rows: self._draw(rows, horizon, draws, seed, begin),
        )
        drawn = [request.from_rows(paths[:, d]) for d in range(draws)]
        return request.like_context(np.stack(drawn))

    def embed(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        axis: str = "time",
        joint: bool = False,
        grid: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """Features of a context, for a task of your own.

        They have no unit: level and spread of the context are not in them. Rows: what
        the backbone makes of the last patch, the mean over channels (and over real and
        imaginary parts). Whole channels: the mean over the patches of the strongest
        bins, which no phase, unit or Doppler shift of the channel changes. Whole
        sweeps: the mean over beams.

        Args:
            context, interval, axis, joint, grid: see `predict`.

        Returns:
            float32 [sample, width]; one sample for a context [step].

        Raises:
            ValueError: as in `predict`.
        """
        request = self._request(context, interval, axis, joint, grid)
        if request.sweeps is not None:
            return self._sweep(request, None)
        if request.grid is not None:
            return self._continue(request, None)
        features = self._by_rows(
            request,
            lambda _, rows: self._described(self._params, rows),
        )
        return features.reshape(len(request.context), -1, features.shape[-1]).mean(1)

    def line_of_sight(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        axis: str = "time",
        grid: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """How probable it is that a channel has a line of sight.

        From the same features as `embed`, of the strongest bins.

        Args:
            context, interval, axis, grid: see `predict`; the grid is needed.

        Returns:
            float32 [sample], 0 to 1.

        Raises:
            ValueError: as in `predict`; no grid, or a model without that head.
        """
        if "line_of_sight" not in self.model.heads:
            raise ValueError("model.heads: found no line_of_sight; needed it")
        request = self._request(context, interval, axis, False, grid)
        if request.grid is None:
            raise ValueError(
                f"grid: found {grid}, or a context whose last step is missing; needed "
                "a channel as a whole"
            )
        return self._seen(self._params, self._continue(request, None))

    def _request(
        self,
        context: np.ndarray,
        interval: float | list[float] | np.ndarray,
        axis: str,
        joint: bool,
        grid: tuple[int, int] | None,
        horizon: int = 1,
    ) -> Request:
        at_least_one("horizon", horizon)
        takes_channels, scan = self.model.channels is not None, self.model.sweeps
        sweeps = None if scan is None else scan.config.sweeps
        return Request.of(context, interval, axis, joint, grid, takes_channels, sweeps)

    def _levels(self) -> tuple[float, ...]:
        levels = self.model.config.quantiles
        if not levels:
            raise ValueError("quantiles: found none in the model; needed levels")
        return levels

    def _by_rows(self, request: Request, function):
        """function(begin, rows) by pieces; its outputs begin with the axis of rows."""
        arrays = request.rows()
        most = max(1, CHUNK // arrays[0].shape[1])
        size = min(most, 1 << (len(arrays[0]) - 1).bit_length())
        return in_pieces(
            lambda begin, *piece: function(
                begin,
                SeriesContext(*map(jnp.asarray, piece), center=not request.is_complex),
            ),
            size,
            *arrays,
        )

    def _draw(
        self, rows: SeriesContext, horizon: int, draws: int, seed: int, begin: int
    ) -> np.ndarray:
        """[row, draw, group, step] of rows that are a piece, from row `begin` on."""
        piece = jax.random.fold_in(jax.random.key(seed), begin)
        paths = [
            self._forecast(
                self._params, rows, jax.random.fold_in(piece, d), horizon=horizon
            )
            for d in range(draws)
        ]
        return np.stack(paths, axis=1)

    def _sweep(self, request: Request, horizon: int | None):
        """Forecast and spread [sample, 1 + step, beam], the first step the last sweep.

        Features where no horizon is.
        """
        return in_pieces(
            lambda _, *sweeps: self._swept(self._params, *sweeps, horizon=horizon),
            SWEEPS,
            *request.scans(),
        )

    def _continue(self, request: Request, horizon: int | None):
        """Forecast and spread [sample, step, bin]; features where no horizon is."""
        return in_pieces(
            lambda _, *channels: self._continued(
                self._params,
                *channels,
                axis=request.axis,
                horizon=horizon,
                grid=request.grid,
            ),
            CHANNELS,
            *request.channels(),
        )
