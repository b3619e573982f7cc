"""What a task is: how its tensor becomes sequences, its baselines, how it scores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import PRNGKeyArray

from wlam.data.files import Layout
from wlam.metrics import Statistic
from wlam.tasks.windows import Sequences, Windows, choose_series, sweeps_batch
from wlam.types import LINEAR_BEYOND, Batch

Baseline = Callable[[Any, int], Any]
"""context [window, L, channel], H -> forecast [window, H, channel]"""


@dataclass(frozen=True)
class Task:
    """Base of all tasks; those of wlam are in `wlam.tasks.TASKS` by name.

    One of your own needs no place there: `DataSource(task=MyTask(), ...)` trains on it
    and `Forecast(task=MyTask(), ...)` judges it. Options of a task are fields.
    """

    name: ClassVar[str]
    container: ClassVar[type]
    """The tensor it works on, one of wlam.types."""
    sliding: ClassVar[bool] = True
    """Whether windows slide over a sequence, or the first L steps are the context."""
    headline: ClassVar[str]
    """The metric that plots and summaries show."""
    verb: ClassVar[str] = "predict"
    """What a model is to do: predict, complete or estimate."""
    asks: ClassVar[type]
    """What a model is asked about, one of wlam.types: what `question` gives."""
    layout: ClassVar[Layout | None] = None
    """What it reads from a user's file; None: it reads none."""
    window: ClassVar[tuple[int, int]] = (1, 1)
    """Context and horizon in a user's file where none are given."""
    informed: ClassVar[frozenset[str]] = frozenset()
    """Baselines that know what a model does not; shown, but not to be beaten."""

    def sequences(self, data: Any) -> Sequences:
        """The sequences to forecast. Works on JAX arrays under jit and on numpy."""
        raise NotImplementedError

    def batch(
        self,
        key: PRNGKeyArray,
        data: Any,
        per_sample: int,
        context: int | None,
        linear_beyond: float = LINEAR_BEYOND,
    ) -> Batch:
        """What a training step takes from the tensor; see `DataSource` for the rest.

        Single series, or sweeps as a whole where a context is given.

        Raises:
            ValueError: the context does not fit the task.
        """
        sequences = self.sequences(data)
        if context is None:
            return choose_series(key, sequences, per_sample, linear_beyond)
        return sweeps_batch(sequences, context)

    def question(self, windows: Windows) -> Any:
        """What a model is asked: the contexts of windows, as a user has them."""
        raise NotImplementedError

    def values(self, answer: Any) -> np.ndarray:
        """The steps of an answer as windows have them, [window, H, channel]."""
        raise NotImplementedError

    def baselines(self, data: Any, windows: Windows) -> dict[str, Baseline]:
        """Training-free forecasts by name; "repeat last" is always among them."""
        raise NotImplementedError

    def scores(
        self, forecast: np.ndarray, data: Any, windows: Windows
    ) -> dict[str, Statistic]:
        """Metrics by name, per window, ready for the bootstrap."""
        raise NotImplementedError

    def user_arrays(
        self, forecast: np.ndarray, data: Any, windows: Windows
    ) -> dict[str, np.ndarray]:
        """The forecast in the layout of the user's file, for `--predictions`."""
        raise NotImplementedError
