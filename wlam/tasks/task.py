"""What a task is: how its tensor becomes sequences, its floors, how it scores."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from jaxtyping import PRNGKeyArray

from wlam.metrics import Statistic
from wlam.tasks.windows import Sequences, Windows, choose_rows, wholes
from wlam.types import LINEAR_BEYOND, Batch

Baseline = Callable[[Any, int], Any]
"""context [window, L, channel], H -> forecast [window, H, channel]"""


class Task:
    """Base of all tasks; one instance each in `wlam.tasks.TASKS`."""

    name: ClassVar[str]
    container: ClassVar[type]
    """The tensor it works on, one of wlam.types."""
    sliding: ClassVar[bool] = True
    """Whether windows slide over a sequence, or the first L steps are the context."""
    headline: ClassVar[str]
    """The metric that plots and summaries show."""

    def sequences(self, data: Any) -> Sequences:
        """The sequences to forecast. Works on JAX arrays under jit and on numpy."""
        raise NotImplementedError

    def part(
        self,
        key: PRNGKeyArray,
        data: Any,
        per_sample: int,
        context: int | None,
        linear_beyond: float = LINEAR_BEYOND,
    ) -> Batch:
        """What a training batch takes from the tensor; see `DataSource` for the rest.

        Rows of single channels, or channels as a whole where a context is given.

        Raises:
            ValueError: the context does not fit the task.
        """
        sequences = self.sequences(data)
        if context is None:
            return choose_rows(key, sequences, per_sample, linear_beyond)
        return wholes(sequences, context)

    def baselines(self, data: Any, windows: Windows) -> dict[str, Baseline]:
        """Training-free forecasters by name; "repeat last" is always among them."""
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
