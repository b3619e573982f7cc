"""Cells that a beamformer can have in place of liquid ones, to compare with."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from wlam.nn.liquid import CfcConfig, LiquidCell
from wlam.nn.liquid.cell import State
from wlam.nn.liquid.peers import LstmConfig

Kind = Literal["cfc", "lstm", "mlp"]


def build_cell(kind: Kind, inputs: int, units: int, rngs: nnx.Rngs) -> LiquidCell:
    """A closed-form liquid cell without hidden layer, an LSTM, or one without memory.

    Raises:
        ValueError: another kind.
    """
    if kind == "cfc":
        return CfcConfig(units, backbone=0).build(inputs, rngs)
    if kind == "lstm":
        return LstmConfig(units, told=False).build(inputs, rngs)
    if kind == "mlp":
        return MlpCell(inputs, units, rngs)
    raise ValueError(f"cell: found {kind!r}; needed cfc, lstm or mlp")


class MlpCell(LiquidCell):
    """Two layers of the measurement alone, about as many parameters as the others."""

    def __init__(self, inputs: int, units: int, rngs: nnx.Rngs):
        self.inputs, self.units, self.outputs = inputs, units, units
        glorot = jax.nn.initializers.glorot_uniform()
        self.hidden = nnx.Linear(inputs, 3 * units, kernel_init=glorot, rngs=rngs)
        self.out = nnx.Linear(3 * units, units, kernel_init=glorot, rngs=rngs)

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        return state, jnp.tanh(self.out(jnp.tanh(self.hidden(x))))
