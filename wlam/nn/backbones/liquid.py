"""Liquid networks over tokens: blocks of a liquid cell and a feed-forward layer.

Pre-norm residual blocks like the Transformer's, with a cell in place of attention.
Tokens of a series are its measurements; a hidden token is a longer time to the next.
With the input-gated cell, a linear recurrence whose gates the token sets, this is a
state-space backbone with selection (as in Mamba, arXiv 2312.00752).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Num

from wlam.nn.backbones.base import Backbone, BackboneConfig, read_both_ways
from wlam.nn.liquid import (
    CfcConfig,
    FullyConnected,
    InputGatedConfig,
    LiquidCell,
    LrcConfig,
    LtcConfig,
    unroll,
)
from wlam.nn.liquid.sequence import Carried, fresh

CELLS: dict[str, Callable[[int], CfcConfig | LtcConfig | InputGatedConfig | LrcConfig]]
CELLS = {
    "cfc": lambda units: CfcConfig(units, backbone=0),
    "ltc": lambda units: LtcConfig(FullyConnected(units)),
    "gated": InputGatedConfig,
    "lrc": LrcConfig,
}


@dataclass(frozen=True)
class LiquidBackboneConfig(BackboneConfig):
    """Sizes of a stack of liquid blocks."""

    # Channels of a token.
    width: int = 128
    # Blocks.
    layers: int = 3
    # Closed-form, liquid time constants, input-gated (a state-space model), or diagonal
    # liquid resistance and capacitance; see docs/liquid.md.
    cell: Literal["cfc", "ltc", "gated", "lrc"] = "cfc"
    # Neurons of a cell.
    units: int = 128
    # Hidden channels of the feed-forward layer over width.
    mlp_ratio: int = 2

    def __post_init__(self) -> None:
        for name in ("width", "layers", "units", "mlp_ratio"):
            if getattr(self, name) < 1:
                found = getattr(self, name)
                raise ValueError(f"backbone.{name}: found {found}; needed 1 or more")

    def build(self, rngs: nnx.Rngs, dtype: jnp.dtype) -> "LiquidBackbone":
        return LiquidBackbone(self, rngs, dtype)


class LiquidBlock(nnx.Module):
    """A cell and a feed-forward layer, each on a normalised residual branch."""

    def __init__(self, config: LiquidBackboneConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        d, hidden = config.width, config.mlp_ratio * config.width
        self.norm1 = nnx.RMSNorm(d, rngs=rngs)
        self.cell: LiquidCell = CELLS[config.cell](config.units).build(d, rngs)
        self.out = nnx.Linear(config.units, d, use_bias=False, dtype=dtype, rngs=rngs)
        self.norm2 = nnx.RMSNorm(d, rngs=rngs)
        self.up = nnx.Linear(d, hidden, dtype=dtype, rngs=rngs)
        self.down = nnx.Linear(hidden, d, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b n d"],
        elapsed: Float[Array, "b n"],
        visible: Bool[Array, "b n"],
        carried: Carried | None = None,
    ) -> tuple[Float[Array, "b n d"], Carried]:
        """The tokens, and the state for the next part of the series."""
        read, carried = unroll(self.cell, self.norm1(x), elapsed, visible, carried)
        x = x + self.out(read)
        return x + self.down(jax.nn.gelu(self.up(self.norm2(x)))), carried


Streamed = tuple[Bool[Array, " b"], tuple[Carried, ...]]
"""Whether a visible token has come yet, and the state of every block."""


class LiquidBackbone(Backbone):
    """A stack of blocks; sets are read by `read_both_ways`."""

    def __init__(self, config: LiquidBackboneConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        self.blocks = nnx.List(
            [LiquidBlock(config, rngs, dtype) for _ in range(config.layers)]
        )

    def __call__(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "b n d"]:
        if positions is not None:
            return read_both_ways(self, tokens, visible, positions)
        # Time begins with the first visible token: padding changes nothing.
        begun = jnp.cumsum(visible, axis=1) > 0
        elapsed = begun.astype(jnp.float32)
        tokens = jnp.where(visible[..., None], tokens, 0.0)
        for block in self.blocks:
            tokens, _ = block(tokens, elapsed, visible)
        return tokens

    def start(self, batch: int, length: int) -> Streamed:
        carried = tuple(fresh(block.cell, batch) for block in self.blocks)
        return jnp.zeros(batch, bool), carried

    def step(
        self,
        state: Streamed,
        token: Float[Array, "b d"],
        visible: Bool[Array, " b"] | None = None,
    ) -> tuple[Streamed, Float[Array, "b d"]]:
        visible = jnp.ones(len(token), bool) if visible is None else visible
        begun = state[0] | visible
        elapsed = begun.astype(jnp.float32)[:, None]
        x, after = jnp.where(visible[:, None], token, 0.0)[:, None], []
        for block, carried in zip(self.blocks, state[1], strict=True):
            x, new = block(x, elapsed, visible[:, None], carried)
            after.append(new)
        return (begun, tuple(after)), x[:, 0]
