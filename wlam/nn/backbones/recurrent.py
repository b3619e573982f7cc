"""Recurrent networks over tokens: LSTM and GRU, as in most CSI prediction papers."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Num

from wlam.nn.backbones.base import Backbone, BackboneConfig, read_both_ways

Memory = tuple[Array, Array]


@dataclass(frozen=True)
class RecurrentConfig(BackboneConfig):
    """Sizes of a stack of recurrent layers."""

    # Channels of a token, and of the state.
    width: int = 128
    # Layers.
    layers: int = 2
    # Long short-term memory or gated recurrent units.
    cell: Literal["lstm", "gru"] = "lstm"

    def build(self, rngs: nnx.Rngs, dtype: jnp.dtype) -> "Recurrent":
        return Recurrent(self, rngs, dtype)


class RecurrentLayer(nnx.Module):
    """One recurrent layer; hidden tokens leave its state unchanged.

    LSTM: i, f, o = sigmoid(W x + U h + b), c' = f c + i tanh(W x + U h + b),
    h' = o tanh(c') (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et
    al. 2000, whose bias starts at 1). GRU: r, z = sigmoid(W x + U h + b),
    g = tanh(W x + b + r (U h + a)), h' = (1 - z) g + z h (Cho et al., arXiv 1406.1078,
    with the reset gate after the product).
    """

    def __init__(self, config: RecurrentConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        d, gates = config.width, 4 if config.cell == "lstm" else 3
        self.cell = config.cell
        orthogonal = jax.nn.initializers.orthogonal()

        def square_blocks(key: Array, shape: tuple, dtype: Any) -> Array:
            keys = jax.random.split(key, gates)
            return jnp.hstack([orthogonal(k, (d, d), dtype) for k in keys])

        self.inward = nnx.Linear(d, gates * d, dtype=dtype, rngs=rngs)
        self.around = nnx.Linear(
            d, gates * d, kernel_init=square_blocks, dtype=dtype, rngs=rngs
        )
        if config.cell == "lstm":
            start = jnp.zeros(gates * d).at[d : 2 * d].set(1.0)
            self.around.bias = nnx.Param(start)

    def __call__(
        self, x: Float[Array, "b n d"], visible: Bool[Array, "b n"]
    ) -> Float[Array, "b n d"]:
        # Products with the tokens need no recurrence.
        inward = self.inward(x).astype(jnp.float32)

        def advance(state: Memory, token: Memory) -> tuple[Memory, Array]:
            return self._advance(state, *token)

        tokens = jnp.moveaxis(inward, 1, 0), visible.T
        _, outputs = jax.lax.scan(advance, self.start(x.shape[0]), tokens)
        return jnp.moveaxis(outputs, 0, 1)

    def start(self, batch: int) -> Memory:
        """The state before the first token: output, and the memory of an LSTM."""
        zeros = jnp.zeros((batch, self.inward.in_features), jnp.float32)
        return zeros, zeros

    def step(
        self, state: Memory, x: Float[Array, "b d"], visible: Bool[Array, " b"]
    ) -> tuple[Memory, Float[Array, "b d"]]:
        """Reads one token."""
        return self._advance(state, self.inward(x).astype(jnp.float32), visible)

    def _advance(
        self, state: Memory, inward: Array, visible: Array
    ) -> tuple[Memory, Array]:
        step = self._lstm if self.cell == "lstm" else self._gru
        seen = visible[:, None]
        hidden, memory = step(inward, state)
        hidden = jnp.where(seen, hidden, state[0])
        return (hidden, jnp.where(seen, memory, state[1])), hidden

    def _lstm(self, inward: Array, state: Memory) -> Memory:
        hidden, memory = state
        i, f, g, o = jnp.split(inward + self.around(hidden), 4, axis=-1)
        memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(memory), memory

    def _gru(self, inward: Array, state: Memory) -> Memory:
        hidden, unused = state
        r_in, z_in, g_in = jnp.split(inward, 3, axis=-1)
        r_by, z_by, g_by = jnp.split(self.around(hidden), 3, axis=-1)
        reset, keep = jax.nn.sigmoid(r_in + r_by), jax.nn.sigmoid(z_in + z_by)
        candidate = jnp.tanh(g_in + reset * g_by)
        return (1 - keep) * candidate + keep * hidden, unused


class Recurrent(Backbone):
    """A stack of layers; sets are read by `read_both_ways`."""

    def __init__(self, config: RecurrentConfig, rngs: nnx.Rngs, dtype: jnp.dtype):
        self.layers = nnx.List(
            [RecurrentLayer(config, rngs, dtype) for _ in range(config.layers)]
        )

    def __call__(
        self,
        tokens: Float[Array, "b n d"],
        visible: Bool[Array, "b n"],
        positions: Num[Array, "b n axis"] | None = None,
    ) -> Float[Array, "b n d"]:
        if positions is not None:
            return read_both_ways(self, tokens, visible, positions)
        for layer in self.layers:
            tokens = layer(tokens, visible)
        return tokens

    def start(self, batch: int, length: int) -> tuple[Memory, ...]:
        return tuple(layer.start(batch) for layer in self.layers)

    def step(
        self,
        state: tuple[Memory, ...],
        token: Float[Array, "b d"],
        visible: Bool[Array, " b"] | None = None,
    ) -> tuple[tuple[Memory, ...], Float[Array, "b d"]]:
        visible = jnp.ones(len(token), bool) if visible is None else visible
        after = []
        for layer, before in zip(self.layers, state, strict=True):
            new, token = layer.step(before, token, visible)
            after.append(new)
        return tuple(after), token
