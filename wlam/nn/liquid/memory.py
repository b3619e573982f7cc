"""Mixed memory: an LSTM in front of a liquid cell, for long-term dependencies.

Lechner and Hasani, "Learning long-term dependencies in irregularly-sampled time
series", arXiv 2006.04418: at every measurement a long short-term memory first updates
the state, and the liquid cell then lets it evolve over the elapsed time.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from wlam.nn.liquid.cell import LiquidCell, State
from wlam.nn.liquid.cfc import CfcConfig, WiredCfcConfig
from wlam.nn.liquid.ltc import LtcConfig

FORGET = 1.0
"""Added to the forget gate, so that an untrained memory keeps its content."""
BIAS = 0.1
"""Initial biases are uniform within plus and minus this."""


@dataclass(frozen=True)
class MixedMemoryConfig:
    """A liquid cell with an LSTM memory."""

    cell: CfcConfig | WiredCfcConfig | LtcConfig

    def build(self, inputs: int, rngs: nnx.Rngs) -> "MixedMemory":
        return MixedMemory(self, inputs, rngs)


class MixedMemory(LiquidCell):
    """The state is a pair, that of the cell and the memory, each [b, units]."""

    def __init__(self, config: MixedMemoryConfig, inputs: int, rngs: nnx.Rngs):
        self.cell: LiquidCell = config.cell.build(inputs, rngs)
        self.inputs, self.units = inputs, self.cell.units
        self.outputs, gates = self.cell.outputs, 4 * self.cell.units

        def even(key: Array, shape: tuple, dtype: Any) -> Array:
            return jax.random.uniform(key, shape, dtype, -BIAS, BIAS)

        self.inward = nnx.Linear(
            inputs,
            gates,
            kernel_init=jax.nn.initializers.glorot_uniform(),
            bias_init=even,
            rngs=rngs,
        )
        self.around = nnx.Linear(
            self.units,
            gates,
            use_bias=False,
            kernel_init=jax.nn.initializers.orthogonal(),
            rngs=rngs,
        )

    def start(self, batch: int) -> State:
        zeros = jnp.zeros((batch, self.units), jnp.float32)
        return self.cell.start(batch), zeros

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        hidden, memory = state
        g, i, f, o = jnp.split(self.inward(x) + self.around(hidden), 4, axis=-1)
        memory = memory * jax.nn.sigmoid(f + FORGET) + jnp.tanh(g) * jax.nn.sigmoid(i)
        hidden = jnp.tanh(memory) * jax.nn.sigmoid(o)
        hidden, out = self.cell(hidden, x, elapsed)
        return (hidden, memory), out
