"""Cells to compare with liquid ones, under the same contract.

LstmConfig      long short-term memory (Hochreiter and Schmidhuber 1997), without time
                or with it as one more input
GruDConfig      gated recurrent units whose state decays towards 0 while nothing is
                measured (GRU-D, Che et al., arXiv 1606.01865, their equations 10, 12)
OdeLstmConfig   an LSTM whose output follows a differential equation until the next
                measurement (Lechner and Hasani, arXiv 2006.04418)

All update their state at a measurement; they differ in how it evolves between
measurements.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from wlam.nn.liquid.cell import LiquidCell, State, check_sizes

FORGET = 1.0
"""Initial bias of the forget gate."""
UNFOLDS = 4
"""Runge-Kutta steps of the differential equation per elapsed time."""


@dataclass(frozen=True)
class LstmConfig:
    """Sizes of the cell."""

    # Neurons; all are outputs.
    units: int = 64
    # Whether the elapsed time is an input.
    told: bool = True

    def build(self, inputs: int, rngs: nnx.Rngs) -> "LstmCell":
        return LstmCell(self, inputs, rngs)


class LstmCell(LiquidCell):
    """The state is a pair: output and memory."""

    def __init__(self, config: LstmConfig, inputs: int, rngs: nnx.Rngs):
        check_sizes(config.units, inputs)
        self.config, self.inputs = config, inputs
        self.units = self.outputs = config.units
        self.gates = _gates(inputs + config.told, 4, config.units, rngs)
        start = jnp.zeros(4 * self.units).at[self.units : 2 * self.units].set(FORGET)
        self.gates.bias = nnx.Param(start)

    def start(self, batch: int) -> State:
        zeros = jnp.zeros((batch, self.units), jnp.float32)
        return zeros, zeros

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        hidden, memory = state
        if self.config.told:
            x = jnp.concatenate([x, _time(x, elapsed)], axis=-1)
        gates = self.gates(jnp.concatenate([x, hidden], axis=-1))
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(memory)
        return (hidden, memory), hidden


@dataclass(frozen=True)
class GruDConfig:
    """Sizes of the cell."""

    # Neurons; all are outputs.
    units: int = 64

    def build(self, inputs: int, rngs: nnx.Rngs) -> "GruDCell":
        return GruDCell(self, inputs, rngs)


class GruDCell(LiquidCell):
    """Gated recurrent units on the decayed state."""

    def __init__(self, config: GruDConfig, inputs: int, rngs: nnx.Rngs):
        check_sizes(config.units, inputs)
        self.inputs = inputs
        self.units = self.outputs = config.units
        self.gates = _gates(inputs, 2, self.units, rngs)
        self.candidate = _gates(inputs, 1, self.units, rngs)
        self.rate = nnx.Param(jnp.full(self.units, 0.1))
        self.shift = nnx.Param(jnp.zeros(self.units))

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        rate = self.rate[...][None] * _time(x, elapsed) + self.shift[...][None]
        state = jnp.exp(-jax.nn.relu(rate)) * state
        both = jax.nn.sigmoid(self.gates(jnp.concatenate([x, state], axis=-1)))
        reset, update = jnp.split(both, 2, axis=-1)
        new = self.candidate(jnp.concatenate([x, reset * state], axis=-1))
        state = (1 - update) * state + update * jnp.tanh(new)
        return state, state


@dataclass(frozen=True)
class OdeLstmConfig:
    """Sizes of the cell; the network of the equation has one hidden layer of them."""

    # Neurons; all are outputs.
    units: int = 64

    def build(self, inputs: int, rngs: nnx.Rngs) -> "OdeLstmCell":
        return OdeLstmCell(self, inputs, rngs)


class OdeLstmCell(LiquidCell):
    """The state is that of the LSTM; its output evolves over the elapsed time."""

    def __init__(self, config: OdeLstmConfig, inputs: int, rngs: nnx.Rngs):
        self.inputs = inputs
        self.units = self.outputs = config.units
        self.memory = LstmConfig(config.units, told=False).build(inputs, rngs)
        self.inner = _gates(0, 1, self.units, rngs)
        self.outer = _gates(0, 1, self.units, rngs)

    def start(self, batch: int) -> State:
        return self.memory.start(batch)

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        (hidden, memory), _ = self.memory(state, x)
        step = _time(x, elapsed) / UNFOLDS
        for _ in range(UNFOLDS):  # classical Runge-Kutta of order four
            k1 = self.slope(hidden)
            k2 = self.slope(hidden + step / 2 * k1)
            k3 = self.slope(hidden + step / 2 * k2)
            k4 = self.slope(hidden + step * k3)
            hidden = hidden + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return (hidden, memory), hidden

    def slope(self, hidden: Float[Array, "b n"]) -> Float[Array, "b n"]:
        """The differential equation."""
        return self.outer(jnp.tanh(self.inner(hidden)))


def _gates(inputs: int, count: int, units: int, rngs: nnx.Rngs) -> nnx.Linear:
    glorot = jax.nn.initializers.glorot_uniform()
    return nnx.Linear(inputs + units, count * units, kernel_init=glorot, rngs=rngs)


def _time(x: Array, elapsed: Array | None) -> Float[Array, "b 1"]:
    return jnp.ones_like(x[:, :1]) if elapsed is None else elapsed[:, None]
