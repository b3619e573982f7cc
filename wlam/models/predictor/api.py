"""A trained predictor that takes and gives what users have."""

from typing import Any

import numpy as np

from wlam.data.checked import checked_series, checked_sweeps, horizon_of, like
from wlam.models.base import Card, Model
from wlam.models.golden import golden_answers
from wlam.models.predictor.attention import Attention, attention_of
from wlam.models.predictor.channel_answers import ChannelAnswers
from wlam.models.predictor.network import Predictor
from wlam.models.predictor.row_answers import RowAnswers
from wlam.models.predictor.sweep_answers import SweepAnswers
from wlam.models.series_rows import SeriesRows
from wlam.nn.quantiles import score
from wlam.ops.checks import at_least_one
from wlam.types import TIME, Csi, DataError, Series, Sweeps, Traffic


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
        made = network, self._graph, self._params
        self._rows, self._sweeps = RowAnswers(*made), SweepAnswers(*made)
        self._channels = ChannelAnswers(*made, self._rows)

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

    def predict(self, question: Any, horizon: int, axis: str = "time") -> Any:
        horizon = horizon_of(horizon)
        if isinstance(question, Csi):
            return self._channels.forecast(question, horizon, axis)
        data, rows = self._series(question)
        if rows is None:
            found = self._sweeps.ahead(data, horizon)[0][:, 1:]
        else:
            found = self._rows.forecast(rows, horizon)
        return self._answer(question, data, found)

    def predict_interval(
        self,
        question: Any,
        horizon: int,
        axis: str = "time",
        coverage: float = 0.9,
    ) -> tuple[Any, Any]:
        horizon = horizon_of(horizon)
        if not 0 < coverage < 1:
            raise DataError(f"coverage: found {coverage}; needed between 0 and 1")
        tail = (1 - coverage) / 2
        if isinstance(question, Csi):
            return self._channels.interval(question, horizon, axis, tail)
        data, rows = self._series(question)
        if rows is None:
            forecast, spread = (x[:, 1:] for x in self._sweeps.ahead(data, horizon))
            half = np.float32(score(1 - tail)) * spread
            bounds = forecast - half, forecast + half
        else:
            bounds = self._rows.bounds(rows, horizon, tail)
        low, high = (self._answer(question, data, x) for x in bounds)
        return low, high

    def sample(
        self,
        question: Any,
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
        if isinstance(question, Csi):
            return self._channels.samples(question, horizon, axis, samples, seed)
        data, rows = self._series(question)
        if rows is None:
            random = np.random.default_rng(seed)
            forecast, spread = (x[:, 1:] for x in self._sweeps.ahead(data, horizon))
            noise = random.standard_normal((samples, *forecast.shape), np.float32)
            found = list(forecast + spread * noise)
        else:
            found = self._rows.samples(rows, horizon, samples, seed)
        return [self._answer(question, data, x) for x in found]

    def embed(self, question: Any, axis: str = "time") -> np.ndarray:
        """See `Model.embed`.

        Features have no unit: level and spread of the context are not in them. Series:
        what the backbone makes of the last patch, the mean over channels. Whole
        channels: the mean over the patches of the strongest bins, which no phase, unit
        or Doppler shift of the channel changes. Whole sweeps: the mean over beams.
        """
        if isinstance(question, Csi):
            return self._channels.features(question, axis)
        data, rows = self._series(question)
        if rows is None:
            return self._sweeps.features(data)
        return self._rows.features(rows)

    def head(self, name: str, question: Any, axis: str = "time") -> np.ndarray:
        if name not in self.heads:
            raise DataError(
                f"head: found {name!r}; needed one of {', '.join(self.heads) or 'none'}"
            )
        if not isinstance(question, Csi):
            raise DataError(f"head: found {type(question).__name__}; needed wlam.Csi")
        return self._channels.head(name, question, axis)

    def attention(self, question: Csi, horizon: int, axis: str = "time") -> Attention:
        """What the Transformer attends to, in the first sample of some channels.

        Raises:
            DataError: another kind of network, or channels that cannot be used.
        """
        return attention_of(self.network, question, horizon_of(horizon), axis)

    def complete(self, question: Any, axis: str = "frequency") -> Any:
        kind = type(question)
        if kind not in self.completes:
            raise DataError(
                f"complete: found {kind.__name__}; needed one of "
                f"{sorted(k.__name__ for k in self.completes)} for this model"
            )
        if isinstance(question, Csi):
            return self._channels.completed(question, axis)
        data, _ = self._series(question)
        return self._answer(question, data, self._sweeps.ahead(data, 0)[0])

    def estimate(self, question: Any, noise_variance: Any = None) -> Csi:
        """Channels from pilots on a comb of subcarriers: `complete` along frequency.

        Without influence: the noise, which the network finds by itself.
        """
        return self.complete(question, "frequency")

    def _series(self, question: Any) -> tuple[Any, SeriesRows | None]:
        """What is asked, and its rows; None: sweeps that enter as a whole."""
        if isinstance(question, Sweeps):
            data = checked_sweeps(question)
            if self.network.sweeps is not None:
                return data, None
            values, joint = data.rsrp_db, True
        elif isinstance(question, Series | Traffic):
            data = checked_series(question)
            values, joint = data.series, False
        else:
            raise DataError(
                f"question: found {type(question).__name__}; needed wlam.Csi, "
                "wlam.Sweeps or wlam.Series"
            )
        return data, SeriesRows(values, data.mask, data.time_step_s, TIME, joint)

    def _answer(self, question: Any, data: Any, values: np.ndarray) -> Any:
        """Steps [sample, step, channel] like the question."""
        kind = Sweeps if isinstance(question, Sweeps) else Series
        found: Any = kind(values, data.time_step_s, labels=data.labels)
        return like(question, found)
