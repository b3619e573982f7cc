"""What a learner is: how a training state begins, advances and is validated.

To add one, write a `LearnerConfig` whose `build` returns your `Learner`, and name it in
an experiment's `Config(learner=...)`. `train.py` gives every learner checkpoints,
resumption to the same bits, a metric log and device layout.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Array, Float

from wlam.models.base import Figures

if TYPE_CHECKING:
    import wlam.config

State = dict[str, Any]
"""Nested dicts and tuples of arrays, all that a run goes on from.

`params` hold what moves and `step` is an int32 scalar, the number of steps so far. The
rest is the learner's own; where it needs randomness it keeps a key.
"""


@dataclass(frozen=True)
class LearnerConfig:
    """Base of every learner's configuration: how the model of a `Config` learns."""

    def build(self, config: "wlam.config.Config") -> "Learner":
        """The learner of an experiment; allocates nothing.

        Raises:
            ValueError: one line: the experiment does not fit the learner.
        """
        raise NotImplementedError


class Learner:
    """Base of every learner. All methods are pure functions of their arguments."""

    def init(self, start: dict[str, Any] | None = None) -> State:
        """A fresh state; may be called under `jax.eval_shape` and `jax.jit`.

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
        """Figures on data that training does not draw."""
        raise NotImplementedError

    def validations(self) -> tuple[tuple[int, Callable[[State], Figures]], ...]:
        """All that is measured between steps: (steps between two or 0, function)."""
        raise NotImplementedError

    def params(self, state: State) -> dict[str, Any]:
        """The parameters of the model: what is loaded and released."""
        raise NotImplementedError
