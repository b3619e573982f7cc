"""Closed-form continuous-time cells (Hasani et al., Nature Machine Intelligence 2022,
arXiv 2106.13898), dense and wired, with the defaults of ncps 1.0.1.

With a = the measurement and the state, concatenated, after one hidden layer or none,
and linear f1, f2, t_a, t_b of a, after an elapsed time dt:

default   s = sigmoid(t_a dt + t_b),  h' = tanh(f1) (1 - s) + tanh(f2) s
no_gate   h' = tanh(f1) + tanh(f2) s
pure      h' = A - A exp(-dt (|w| + |f1|)) f1
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from wlam.kernels.cfc_scan import Recurrence, recur
from wlam.nn.liquid.cell import LiquidCell, State
from wlam.nn.liquid.wiring import WiringConfig

Mode = Literal["default", "no_gate", "pure"]
GATES = {"default": 4, "no_gate": 4, "pure": 1}
"""Number of linear maps of each form: f1, f2, t_a, t_b, or f1 alone."""


@dataclass(frozen=True)
class CfcConfig:
    """Sizes of a dense cell."""

    # Neurons; all are outputs.
    units: int = 64
    # How elapsed time enters; see the equations of the module.
    mode: Mode = "default"
    # Hidden units between the measurement and the gates; 0: no hidden layer.
    backbone: int = 128

    def build(self, inputs: int, rngs: nnx.Rngs) -> "CfcCell":
        return CfcCell(self, inputs, rngs)


class CfcCell(LiquidCell):
    """A dense cell, or one layer of a wired one."""

    def __init__(
        self,
        config: CfcConfig,
        inputs: int,
        rngs: nnx.Rngs,
        mask: "Mask | None" = None,
    ):
        """Fresh parameters: Glorot's uniform for matrices, no biases.

        Args:
            config: sizes.
            inputs: channels of a measurement.
            rngs: for the matrices.
            mask: which inputs are connected to which units; None: all. It applies to f1
                and f2 alone, and units are fully connected with each other.
        """
        if min(config.units, inputs) < 1 or config.backbone < 0:
            raise ValueError(
                f"units, inputs, backbone: found {config.units}, {inputs}, "
                f"{config.backbone}; needed 1 or more, 1 or more, 0 or more"
            )
        self.config, self.inputs, self.mask = config, inputs, mask
        self.units = self.outputs = config.units
        around = inputs + config.units
        glorot = jax.nn.initializers.glorot_uniform()
        if config.backbone:
            self.hidden = nnx.Linear(
                around, config.backbone, kernel_init=glorot, rngs=rngs
            )
            around = config.backbone
        self.gates = GATES[config.mode]

        def blocks(key: Array, shape: tuple, dtype: Any) -> Array:
            keys, block = jax.random.split(key, self.gates), (around, config.units)
            return jnp.hstack([glorot(k, block, dtype) for k in keys])

        self.heads = nnx.Linear(
            around, self.gates * config.units, kernel_init=blocks, rngs=rngs
        )
        if config.mode == "pure":
            self.rate = nnx.Param(jnp.zeros(config.units))
            self.target = nnx.Param(jnp.ones(config.units))

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        parts = self._recurrence(elapsed is None)
        inward = x @ parts.inward + parts.bias[None]
        state = parts.step(state, inward, elapsed)
        return state, state

    def unroll(
        self,
        state: State,
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None,
        seen: Bool[Array, "b t"] | None,
    ) -> tuple[State, Float[Array, "b t outputs"]]:
        out = recur(self._recurrence(elapsed is None), state, x, elapsed, seen)
        return out[:, -1], out

    def _recurrence(self, always_one: bool) -> Recurrence:
        """The cell's arrays in the form of the recurrence.

        Where every elapsed time is 1, t_a + t_b is one gate.
        """
        kernel, bias = _arrays(self.heads)
        if self.mask is not None:
            kernel = kernel * self.mask.of(self.gates)
        mode = self.config.mode
        if always_one and mode != "pure":
            n = self.units

            def join(a: Array) -> Array:
                time = a[..., 2 * n : 3 * n] + a[..., 3 * n :]
                return jnp.concatenate([a[..., : 2 * n], time], axis=-1)

            kernel, bias = join(kernel), join(bias)
        pure = (self.rate[...], self.target[...]) if mode == "pure" else ()
        if not self.config.backbone:
            inward, around = kernel[: self.inputs], kernel[self.inputs :]
            return Recurrence(inward, bias, around, None, pure, mode)
        hidden, shift = _arrays(self.hidden)
        inward, around = hidden[: self.inputs], hidden[self.inputs :]
        return Recurrence(inward, shift, around, (kernel, bias), pure, mode)


def _arrays(layer: nnx.Linear) -> tuple[Array, Array]:
    assert layer.bias is not None
    return layer.kernel[...], layer.bias[...]


@dataclass(frozen=True)
class Mask:
    """Connections of one layer of a wiring."""

    wiring: WiringConfig
    inputs: int
    layer: int

    def of(self, gates: int) -> Float[np.ndarray, "rows columns"]:
        """Ones where the gates' kernel has entries; those of t_a and t_b are dense."""
        wired = self.wiring.wire(self.inputs)
        units = wired.layers[self.layer]
        if self.layer:
            before = wired.layers[self.layer - 1]
            into = wired.synapses[before.start : before.stop]
        else:
            into = wired.sensory
        into = abs(into[:, units.start : units.stop])
        own = np.ones((len(units), len(units)))
        sparse = np.concatenate([into, own]).astype(np.float32)
        dense = np.ones_like(sparse)
        return np.hstack([sparse] if gates == 1 else [sparse, sparse, dense, dense])


@dataclass(frozen=True)
class WiredCfcConfig:
    """A cell whose layers are those of a wiring; the outputs are the last layer's."""

    wiring: WiringConfig
    # How elapsed time enters; see the equations of the module.
    mode: Mode = "default"

    def build(self, inputs: int, rngs: nnx.Rngs) -> "WiredCfcCell":
        return WiredCfcCell(self, inputs, rngs)


class WiredCfcCell(LiquidCell):
    """Layers in sequence; each is a cell without a hidden layer on the previous output.

    The state is [b, units] in the order of the layers, inter neurons first. Between
    layers only synapses of the wiring exist; within a layer all do, as in ncps. Signs
    of the wiring are not used.
    """

    def __init__(self, config: WiredCfcConfig, inputs: int, rngs: nnx.Rngs):
        wired = config.wiring.wire(inputs)
        self.inputs, self.units = inputs, config.wiring.units
        self.layers = nnx.List([])
        before = inputs
        for number, units in enumerate(wired.layers):
            layer = CfcConfig(len(units), config.mode, backbone=0)
            mask = Mask(config.wiring, inputs, number)
            self.layers.append(CfcCell(layer, before, rngs, mask))
            before = len(units)
        self.outputs = wired.outputs

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        after = []
        for layer, part in zip(self.layers, self._parts(state), strict=True):
            new, x = layer(part, x, elapsed)
            after.append(new)
        return jnp.concatenate(after, axis=-1), x[..., : self.outputs]

    def unroll(
        self,
        state: State,
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None,
        seen: Bool[Array, "b t"] | None,
    ) -> tuple[State, Float[Array, "b t outputs"]]:
        # A layer depends on no later one, so that each runs through all steps at once.
        after = []
        for layer, part in zip(self.layers, self._parts(state), strict=True):
            new, x = layer.unroll(part, x, elapsed, seen)
            after.append(new)
        return jnp.concatenate(after, axis=-1), x[..., : self.outputs]

    def _parts(self, state: State) -> list[Array]:
        ends = np.cumsum([layer.units for layer in self.layers])[:-1]
        return jnp.split(state, ends, axis=-1)
