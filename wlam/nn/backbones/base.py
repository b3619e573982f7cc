"""What a backbone is: the one contract between tokens and everything around them.

To add a backbone, write one file beside this one with a `BackboneConfig` whose `build`
returns your `Backbone`, and name your config class in an experiment's
`PredictorConfig(backbone=...)`. Nothing has to be registered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Num

from wlam.nn.experts import Load

State = Any
"""Of a backbone between two tokens of a series: a pytree of arrays."""


class Backbone(nnx.Module):
    """Maps tokens to features."""

    def __call__(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "b n d"]:
        """Hidden tokens (visible False) must not influence any other token.

        Without `places` tokens are a series, and output i may depend on tokens 0..i
        only. With them tokens are a set that lies in a space of some axes, and every
        output may depend on every token, and on where they lie by distances or by
        order alone.
        """
        raise NotImplementedError

    def routed(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        places: Num[Array, "b n axis"] | None = None,
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        """Like a call, and how tokens were spread over experts; None without any."""
        return self(tokens, visible, places), None

    def start(self, batch: int, length: int) -> State:
        """What `step` begins with, before the first token.

        Args:
            batch: series that are read side by side.
            length: how many tokens of each may be read at most; backbones whose memory
                does not grow have no use for it.
        """
        raise NotImplementedError

    def step(
        self,
        state: State,
        token: Float[Array, "b d"],
        visible: Bool[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b d"]]:
        """Reads one token of every series: a call without places, token by token.

        Args:
            state: from `start` or the step before; it is not changed.
            token: the next of every series.
            visible: see a call; None: all are.

        Returns:
            The state for the next step, and what a call gives for this token.

        Raises:
            ValueError: there were `length` tokens already, where this is not traced.
        """
        raise NotImplementedError


def read_both_ways(
    read: Callable[[Array, Array], Array],
    tokens: Float[Array, "b n d"],
    visible: Bool[Array, "b n"],
    places: Num[Array, "b n axis"],
) -> Float[Array, "b n d"]:
    """A set of tokens for backbones that read series: along a stated order, both ways.

    Tokens are sorted by the second axis of their places, then the third and so on, and
    by the first axis at last: where the first is time, and the others are a bin, bins
    follow each other and each is read in time. Tokens of one place stay in the order in
    which they are given.

    Args:
        read: (tokens, visible) -> features of a series; output i of tokens 0..i.
        tokens, visible, places: see `Backbone.__call__`.

    Returns:
        The mean of the features in this order and in the reverse one, each where its
        token was given.
    """
    first, *others = jnp.moveaxis(places, -1, 0)
    order = jnp.lexsort((first, *reversed(others)), axis=-1)
    back = jnp.argsort(order, axis=1)
    tokens = jnp.take_along_axis(tokens, order[..., None], axis=1)
    visible = jnp.take_along_axis(visible, order, axis=1)
    forward = read(tokens, visible)
    backward = read(tokens[:, ::-1], visible[:, ::-1])[:, ::-1]
    return jnp.take_along_axis((forward + backward) / 2, back[..., None], axis=1)


@dataclass(frozen=True)
class BackboneConfig:
    """Base of every backbone's configuration."""

    # Channels of a token.
    width: int = 128
    # Whether tokens may be a set with places, as channels as a whole are.
    takes_places: ClassVar[bool] = True

    def build(self, rngs: nnx.Rngs, dtype: jnp.dtype) -> Backbone:
        """Makes the backbone; `dtype` is that of its matrix products."""
        raise NotImplementedError
