"""The contract of a backbone, which maps tokens to features.

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
        positions: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "b n d"]:
        """Hidden tokens (visible False) must not influence any other token.

        Without `positions` tokens are a series, and output i may depend on tokens 0..i
        only. With them tokens are a set of points in a space of some axes, and every
        output may depend on every token, and on positions by their distances or their
        order alone.
        """
        raise NotImplementedError

    def features_and_load(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None = None,
    ) -> tuple[Float[Array, "b n d"], Load | None]:
        """The features of a call, and the load of the router; None without experts."""
        return self(tokens, visible, positions), None

    def start(self, batch: int, length: int) -> State:
        """The state before the first token.

        Args:
            batch: series that are read side by side.
            length: the largest number of tokens of a series; backbones with a state of
                fixed size ignore it.
        """
        raise NotImplementedError

    def step(
        self,
        state: State,
        token: Float[Array, "b d"],
        visible: Bool[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b d"]]:
        """Reads one token of every series: a call without positions, token by token.

        Args:
            state: from `start` or the step before; it is not changed.
            token: the next of every series.
            visible: see `__call__`; None: all are.

        Returns:
            The state for the next step, and the features of a call for this token.

        Raises:
            ValueError: there were `length` tokens already; not checked while tracing.
        """
        raise NotImplementedError


def read_both_ways(
    read: Callable[[Array, Array], Array],
    tokens: Float[Array, "b n d"],
    visible: Bool[Array, "b n"],
    positions: Num[Array, "b n axis"],
) -> Float[Array, "b n d"]:
    """Reads a set of tokens as a series, in a stated order and in the reverse one.

    Tokens are sorted by the second axis of their positions, then the third and so on,
    and by the first axis last: where the first is time and the others are a bin, bins
    follow each other and each is read in time. Tokens of one position keep the order in
    which they are given.

    Args:
        read: (tokens, visible) -> features of a series; output i of tokens 0..i.
        tokens, visible, positions: see `Backbone.__call__`.

    Returns:
        The mean of the features in this order and in the reverse one, each where its
        token was given.
    """
    first, *others = jnp.moveaxis(positions, -1, 0)
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
    # Whether tokens may be a set with positions, as the tokens of whole channels are.
    takes_positions: ClassVar[bool] = True

    def build(self, rngs: nnx.Rngs, dtype: jnp.dtype) -> Backbone:
        """The backbone; `dtype` is that of its matrix products."""
        raise NotImplementedError
