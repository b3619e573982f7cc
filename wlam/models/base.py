"""What a model is: the contract of networks with training, and of models with users.

A `Network` is what is trained: it turns a batch into losses. A `Model` is what
`wlam.load` gives: it takes `wlam.Csi`, `wlam.Sweeps` or `wlam.Series` as users have
them and answers in kind. To add one, write a `NetworkConfig` whose `build` returns your
`Network`, whose `model` returns your `Model`, and name the config's class in an
experiment's `Config(model=...)`. Nothing has to be registered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.tasks import layout_of
from wlam.types import Batch, Csi, DataError, Question, Series, Sweeps, Traffic

Figures = dict[str, Float[Array, ""]]
"""Scalars by name."""
VERBS = ("predict", "predict_interval", "sample", "embed", "complete", "estimate")
VERBS = (*VERBS, "head", "draw", "precode")
"""What may be asked of a model; `Model.can` says which of them."""


CHANNEL_SERIES = 48
"""Number of series that a sample counts for which enters as a whole."""


@dataclass(frozen=True)
class TrainingWindow:
    """How samples of a user's file enter a network in training."""

    steps: int  # of a random window
    context: int | None  # known steps of a whole sample; None: as single series
    series: int  # how many a sample counts for


@dataclass(frozen=True)
class NetworkConfig:
    """Base of every network's configuration: everything that fixes its parameters."""

    def build(self, rngs: nnx.Rngs) -> "Network":
        """Makes the network with fresh parameters."""
        raise NotImplementedError

    def training_window(
        self, task: str, shape: tuple[int, ...], context: int, horizon: int
    ) -> TrainingWindow:
        """How a user's file enters in training: as it will in use.

        Args:
            task: a name of `wlam.tasks.TASKS`.
            shape: of the array to train on, with the axes of the task's layout.
            context, horizon: known steps, and steps to forecast.

        Raises:
            DataError: the network cannot be trained on such data.
        """
        steps = layout_of(task).span(context, horizon)
        return TrainingWindow(steps, context, CHANNEL_SERIES)


class Network(nnx.Module):
    """Base of everything that is trained."""

    def losses(
        self, batch: Mapping[str, Batch], key: PRNGKeyArray
    ) -> tuple[Figures, Figures]:
        """The losses of a batch, and figures to be logged.

        Args:
            batch: by the name of its data source.
            key: of everything that is random.

        Returns:
            losses: by the name of the data source, which training weighs by its share;
                a loss of another name counts in full.
            figures: scalars by name.

        Raises:
            ValueError: the network cannot be trained on such a batch.
        """
        names = sorted(batch)
        keys = {name: jax.random.fold_in(key, i) for i, name in enumerate(names)}
        return {name: self.loss(batch[name], keys[name]) for name in names}, {}

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """The loss of the batch of one data source, for networks that see one at once.

        Raises:
            ValueError: the network cannot be trained on such a batch.
        """
        raise NotImplementedError

    def model(self) -> "Model":
        """What `wlam.load` gives."""
        raise NotImplementedError


@dataclass(frozen=True)
class Card:
    """What is known of a model beside its weights."""

    name: str = ""
    # The first paragraph of its README.
    about: str = ""
    # Training steps behind its weights.
    step: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Model:
    """A trained network that takes and gives what users have.

    What a model cannot do is refused by name: every verb raises a `DataError` that says
    which models can. Subclasses override the verbs that make sense for them.
    """

    accepts: ClassVar[frozenset[type]] = frozenset()
    """Types of questions, of `wlam.types.Question`."""

    @property
    def completes(self) -> frozenset[type]:
        """Types of questions whose missing parts the model completes."""
        return frozenset()

    @property
    def heads(self) -> tuple[str, ...]:
        """Names that `head` takes."""
        return ()

    network: Any
    """What was trained, a `Network`."""
    _graph: Any

    def __init__(self, network: Any, card: Card | None = None):
        self.network = network
        self.card = card or Card(type(network).__name__)
        self._graph, self._params = nnx.split(network)

    @property
    def num_parameters(self) -> int:
        """Trainable numbers of the network."""
        return sum(x.size for x in jax.tree.leaves(self._params))

    def can(self, verb: str) -> bool:
        """Whether the model has an answer to `verb`, one of VERBS."""
        return getattr(type(self), verb) is not getattr(Model, verb)

    def why_not(self, question: Question | type) -> str:
        """Why the model cannot be asked about such data; empty if it can."""
        kind = question if isinstance(question, type) else type(question)
        kind = Series if kind is Traffic else kind
        if kind in self.accepts:
            return ""
        return f"the model takes {self._accepted}, not {kind.__name__}"

    def golden(self) -> dict[str, np.ndarray]:
        """What the model makes of fixed inputs, by name: released beside its weights.

        The inputs are those of `wlam.models.golden`.
        """
        raise NotImplementedError

    def predict(self, question: Any, horizon: int, axis: str = "time") -> Any:
        """The steps that follow, on the axes of the question.

        Args:
            question: one of `accepts`; what its mask or a NaN says is missing has no
                influence.
            horizon: how many steps.
            axis: one of `AXES`, what the steps run along.

        Returns:
            Like the question, with `horizon` steps along the axis.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("predict", "forecasts")

    def predict_interval(
        self, question: Any, horizon: int, axis: str = "time", coverage: float = 0.9
    ) -> tuple[Any, Any]:
        """Bounds that the steps that follow lie between with some probability.

        Args:
            question, horizon, axis: see `predict`.
            coverage: the probability; of complex numbers that of each part.

        Returns:
            (low, high), each like the answer of `predict`.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("predict_interval", "has intervals")

    def sample(
        self,
        question: Any,
        horizon: int,
        axis: str = "time",
        samples: int = 16,
        seed: int = 0,
    ) -> list[Any]:
        """What may follow, drawn from the predictive distribution.

        Args:
            question, horizon, axis: see `predict`.
            samples: how many.
            seed: the same seed gives the same samples.

        Returns:
            `samples` answers, each like that of `predict`.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("sample", "samples forecasts")

    def embed(self, question: Any, axis: str = "time") -> np.ndarray:
        """Features of a question, for a task of your own: float32 [sample, width].

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("embed", "has features")

    def head(self, name: str, question: Any, axis: str = "time") -> np.ndarray:
        """What a named head says of a question: a probability, float32 [sample].

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("head", "has heads")

    def complete(self, question: Any, axis: str = "frequency") -> Any:
        """All of a question of which parts are masked or NaN.

        Args:
            question: channels with pilots on a comb along the axis, or sweeps of which
                some beams were measured.
            axis: one of `AXES`; without influence on sweeps.

        Returns:
            Like the question, nothing missing; of sweeps the last one.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("complete", "completes what is missing")

    def estimate(self, question: Any, noise_variance: Any = None) -> Any:
        """Channels given pilots in noise.

        Args:
            question: `Csi`, masked or NaN where there is no pilot.
            noise_variance: of every entry, one number or [sample]; None: not known.

        Returns:
            Like the question, nothing missing.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("estimate", "estimates channels")

    def draw(self, number: int, condition: Any = None) -> Any:
        """New data that are like those that the model was trained on.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("draw", "draws channels")

    def precode(self, channels: Any, error_variance: Any) -> Any:
        """Beams for the users of a downlink, see `wlam.models.beamformer`.

        Raises:
            DataError: naming the field, what was found and what is needed.
        """
        raise self._refusal("precode", "forms beams")

    def __repr__(self) -> str:
        verbs = ", ".join(verb for verb in VERBS if self.can(verb)) or "nothing"
        lines = [
            f"{self.card.name}: {self.num_parameters:,} parameters, step "
            f"{self.card.step:,}",
            f"takes {self._accepted}; can {verbs}",
            *filter(None, [self.card.about]),
        ]
        return "\n".join(lines)

    @property
    def _accepted(self) -> str:
        order = (Csi, Sweeps, Series)
        names = [f"wlam.{kind.__name__}" for kind in order if kind in self.accepts]
        return ", ".join(names) or "no data"

    def _refusal(self, verb: str, needed: str) -> DataError:
        return DataError(
            f"{verb}: found {self.card.name}, which cannot; needed a model that "
            f"{needed}"
        )
