"""Beam tracking between sweeps: what the chosen beam is worth, time by time."""

from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wlam.data.generators import generate
from wlam.evaluation.ask import curves
from wlam.evaluation.evaluator import MODEL, Evaluator, Result
from wlam.metrics import Statistic
from wlam.models.base import Model
from wlam.phy.channels.tr38901.config import LAYOUT
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain
from wlam.simulate.irregular import IrregularConfig
from wlam.simulate.sweeps import SweepConfig
from wlam.tasks import TASKS
from wlam.tasks.windows import Windows, cut_windows
from wlam.types import Sweeps

TASK = "beam_irregular"
METRIC, LOST = "SE ratio", "lost over the interval"
POSITION, STRAIGHT = "position known", "position and speed at the sweep known"


@dataclass(frozen=True)
class Track(Evaluator):
    """Spectral efficiency of the chosen beam over that of the best one.

    Over all times between two sweeps, at each of them, and how much of it is lost from
    the first to the last. A track is one sample.
    """

    # Sweeps along tracks, measured now and then.
    source: IrregularConfig = field(
        default_factory=lambda: IrregularConfig(SweepConfig(), 10, 0, (0.0, 0.0))
    )
    # Steps that are given, of which those with sweeps show something, and steps behind
    # them at which a beam is chosen.
    context: int = 86
    horizon: int = 10
    # Tracks.
    samples: int = 64
    # Of the evaluation data; training keys come from Config.seed.
    seed: int = 10_000

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "samples"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")

    def why_not(self, model: Model) -> str:
        """Only what forecasts sweeps along time."""
        if not model.can("predict"):
            return "the model cannot predict"
        return model.why_not(Sweeps)

    def run(self, name: str, model: Model | None, baselines: bool = True) -> Result:
        """See the class; the first metric is over all times."""
        make = jax.jit(lambda key: generate(key, self.source, self.samples))
        data = jax.tree.map(np.asarray, make(jax.random.key(self.seed)))
        windows = self._windows(data)
        forecasts = {} if model is None else {MODEL: self._forecast(model, windows)}
        if baselines:
            for who, way in TASKS[TASK].baselines(data, windows).items():
                forecasts[who] = np.asarray(way(windows.context, self.horizon))
            if "position_m" in data.labels:
                for who in (STRAIGHT, POSITION):
                    forecasts[who] = self._known(windows, data, who == STRAIGHT)
        times = [f"{METRIC} after {ms:g} ms" for ms in self.times_ms]
        statistics = {
            who: self._scores(found, data, windows, times)
            for who, found in forecasts.items()
        }
        result = Result(
            name=name,
            question=f"{self.context}→{self.horizon}",
            headline=METRIC,
            statistics=statistics,
            groups=np.asarray(windows.groups),
            about=f"generated: {self.source}",
            informed=frozenset({POSITION, STRAIGHT}),
        )

        def pictures() -> dict[str, Any]:
            drawn = curves(result, times, self.times_ms, "ms after the sweep", METRIC)
            return {"spectral efficiency over the time after the sweep": drawn}

        return replace(result, pictures=pictures)

    @property
    def times_ms(self) -> list[float]:
        """Of the steps that are asked for, from the last regular sweep on."""
        source = self.source
        (step_s,) = source.source.time_steps_s
        last = (self.context - 1 - source.every // 2) // source.every * source.every
        since = self.context - last - source.every // 2
        return [round(1e3 * step_s * (since + i), 6) for i in range(self.horizon)]

    def _windows(self, data: Sweeps) -> Windows:
        """The last steps of every track."""
        steps = np.shape(data.rsrp_db)[1]
        return cut_windows(
            TASKS[TASK].sequences(data),
            self.context,
            self.horizon,
            None,
            self.horizon / steps,
            True,
        )

    def _forecast(self, model: Any, windows: Windows) -> np.ndarray:
        """What the model says of every beam, [track, step, beam]."""
        task = TASKS[TASK]
        return task.values(model.predict(task.question(windows), self.horizon))

    def _scores(
        self, forecast: np.ndarray, data: Sweeps, windows: Windows, times: list[str]
    ) -> dict[str, Statistic]:
        def at(steps: slice) -> Statistic:
            cut = windows.steps(steps)
            return TASKS[TASK].scores(forecast[:, steps], data, cut)[METRIC]

        found = TASKS[TASK].scores(forecast, data, windows)
        scores = {METRIC: found.pop(METRIC), **found}
        each = [at(slice(i, i + 1)) for i in range(self.horizon)]
        scores |= dict(zip(times, each, strict=True))
        first, last = each[0], each[-1]
        both = (first.denominator > 0) & (last.denominator > 0)
        scores[LOST] = Statistic(
            np.where(both, first.numerator - last.numerator, 0.0),
            np.where(both, first.numerator, 0.0),
        )
        return scores

    def _known(self, windows: Windows, data: Sweeps, straight: bool) -> np.ndarray:
        """The gain of all beams towards the user, who knows his position.

        Args:
            windows, data: of tracks.
            straight: whether it is known until the last step that is given only, and
                he goes on as he went there.
        """
        sweep: SweepConfig = self.source.source
        place = np.asarray(data.labels["position_m"])[windows.source]
        ahead = np.arange(1, windows.horizon + 1)
        last = windows.start[:, None] - 1
        rows = np.arange(len(place))[:, None]
        if straight:
            speed = place[rows, last] - place[rows, last - 1]
            place = place[rows, last] + ahead[None, :, None] * speed
        else:
            place = place[rows, last + ahead]
        height = sweep.base_height_m or LAYOUT[sweep.scenario][0]
        across = place - np.array([0.0, 0.0, height])
        sine = (across[..., 1] / np.linalg.norm(across, axis=-1)).astype(np.float32)
        beams = sweep.num_beams[1]
        return np.asarray(array_gain(jnp.asarray(sine), beam_directions(beams), beams))
