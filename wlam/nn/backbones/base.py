"""What a backbone is: the one contract between tokens and everything around them.

To add a backbone, write one file beside this one with a `BackboneConfig` whose `build`
returns your `Backbone`, and name your config class in an experiment's
`PredictorConfig(backbone=...)`. Nothing has to be registered.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Num

from wlam.nn.experts import Load


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
        output may depend on every token, on where they lie by distances alone.
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
