"""What a model is: the one contract of networks with training, evaluation and files.

To add a network, write one file with a `NetworkConfig` whose `build` returns your
`Network`, and name your config class in an experiment's `Config(model=...)`. Nothing
has to be registered. The predictor, see `wlam.models.predictor.network`, is the one
network whose loss and forecasts are no methods of its own: they are
`wlam.training.objective` and `wlam.models.predictor.api`.
"""

from dataclasses import dataclass
from typing import Any

from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.types import Part


@dataclass(frozen=True)
class NetworkConfig:
    """Base of every network's configuration: everything that fixes its parameters."""

    def build(self, rngs: nnx.Rngs) -> nnx.Module:
        """Makes the network with fresh parameters."""
        raise NotImplementedError


class Network(nnx.Module):
    """Base of the networks that bring their own loss and forecasts."""

    def loss(self, part: Part, key: PRNGKeyArray) -> Float[Array, ""]:
        """The loss on one ingredient's part of a batch.

        Raises:
            ValueError: the network cannot be trained on such a part.
        """
        raise NotImplementedError

    def forecaster(self) -> Any:
        """What `wlam.load` gives: see `wlam.models.predictor.api` for its methods."""
        raise NotImplementedError
