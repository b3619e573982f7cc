"""The contract of a learner: how a training state begins, advances and is validated.

To add one, write a `LearnerConfig` whose `build` returns your `Learner`, and name it in
an experiment's `Config(learner=...)`. `train.py` adds checkpoints, resumption to
the same bits, a metric log and device placement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Array, Float

from wlam.models.base import Figures

if TYPE_CHECKING:
    import wlam.config

State = dict[str, Any]
"""Nested dicts and tuples of arrays, from which a run continues.

`params` are the trained parameters and `step` is an int32 scalar, the number of steps
so far. Other entries are the learner's own; for random draws it keeps a key.
"""


@dataclass(frozen=True)
class LearnerConfig:
    """Base of every learner's configuration."""

    def build(self, config: "wlam.config.Config") -> "Learner":
        """The learner of an experiment; allocates no arrays.

        Raises:
            ValueError: one line: the experiment does not fit the learner.
        """
        raise NotImplementedError


class Learner:
    """Base of every learner. All methods are pure functions of their arguments."""

    def init(self, start: dict[str, Any] | None = None) -> State:
        """The initial state; may be called under `jax.eval_shape` and `jax.jit`.

        Args:
            start: parameters of the model to start from; None: those of the seed.
        """
        raise NotImplementedError

    def advance(self, state: State) -> tuple[State, dict[str, Float[Array, " step"]]]:
        """The state after `Config.steps_per_dispatch` steps, and metrics of each.

        The state keeps its structure, shapes and types. A metric `loss` is shown on
        the progress bar, and a metric that is not finite ends the run.
        """
        raise NotImplementedError

    def validate(self, state: State) -> Figures:
        """Figures on data that are not trained on."""
        raise NotImplementedError

    def validations(self) -> tuple[tuple[int, Callable[[State], Figures]], ...]:
        """All validations: (steps between two of them or 0, function)."""
        raise NotImplementedError

    def params(self, state: State) -> dict[str, Any]:
        """The parameters of the model, to load and release."""
        raise NotImplementedError
