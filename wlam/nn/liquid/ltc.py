"""The liquid time-constant cell (Hasani et al., AAAI 2021, arXiv 2006.04439).

Neurons are capacitors c that leak towards a potential v_l; every synapse j -> i drives
i towards its own reversal potential E_ji, with a conductance that rises with the
potential of j:

c dv_i/dt = g_l (v_l - v_i) + sum_j w_ji sigmoid(sigma_ji (v_j - mu_ji)) (E_ji - v_i)

and so do synapses from measurements. The fused semi-implicit solver takes conductances
before each of its sub-steps and the driven potential after it: for any elapsed time the
new potential is a weighted mean of the old one and of the potentials that it is driven
to, and stays within their range.
"""

from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.nn.liquid.cell import LiquidCell, State
from wlam.nn.liquid.wiring import FullyConnected, WiringConfig

EPSILON = 1e-8
"""Added to the denominator, as in ncps."""
RANGES = {
    "leak": (0.001, 1.0),
    "rest": (-0.2, 0.2),
    "capacitance": (0.4, 0.6),
    "weight": (0.001, 1.0),
    "slope": (3.0, 8.0),
    "threshold": (0.3, 0.8),
}
"""Ranges of initial parameters; of positive ones, after softplus."""
POSITIVE = ("leak", "capacitance", "weight")
"""Parameters that are kept above 0."""


@dataclass(frozen=True)
class LtcConfig:
    """Sizes of the cell and steps of its solver."""

    wiring: WiringConfig = field(default_factory=FullyConnected)
    # Sub-steps of the solver per measurement; its error is of first order in 1 over it.
    unfolds: int = 6
    # How conductances and capacitances stay positive: by a softplus of the trained
    # parameters, or by `clip_positive` after every step of the optimiser.
    positive: Literal["softplus", "clip"] = "softplus"

    def build(self, inputs: int, rngs: nnx.Rngs) -> "LtcCell":
        return LtcCell(self, inputs, rngs)


class Synapses(nnx.Module):
    """Parameters of all synapses from one kind of neurons to the units."""

    def __init__(self, signs: np.ndarray, draw: "Draw"):
        self.weight = nnx.Param(draw("weight", signs.shape))
        self.slope = nnx.Param(draw("slope", signs.shape))
        self.threshold = nnx.Param(draw("threshold", signs.shape))
        self.reversal = nnx.Param(jnp.asarray(signs, jnp.float32))

    def drive(
        self,
        potential: Float[Array, "b before"],
        weight: Float[Array, "before units"],
    ) -> tuple[Float[Array, "b units"], Float[Array, "b units"]]:
        """Sums of the conductances, and of those times reversal potentials."""
        gap = potential[:, :, None] - self.threshold[...][None]
        conductance = weight[None] * jax.nn.sigmoid(self.slope[...][None] * gap)
        driven = jnp.einsum("bju,ju->bu", conductance, self.reversal[...])
        return conductance.sum(1), driven


@dataclass(frozen=True)
class Draw:
    """Draws initial parameters from their ranges."""

    rngs: nnx.Rngs
    positive: str

    def __call__(self, name: str, shape: tuple[int, ...]) -> Float[Array, "..."]:
        key: PRNGKeyArray = self.rngs.params()
        low, high = RANGES[name]
        drawn = jax.random.uniform(key, shape, minval=low, maxval=high)
        if name in POSITIVE and self.positive == "softplus":
            return jnp.log(jnp.expm1(drawn))
        return drawn


class LtcCell(LiquidCell):
    """One step of the solver's `unfolds` sub-steps."""

    def __init__(self, config: LtcConfig, inputs: int, rngs: nnx.Rngs):
        if config.unfolds < 1:
            raise ValueError(f"unfolds: found {config.unfolds}; needed 1 or more")
        wired = config.wiring.wire(inputs)
        self.config, self.inputs = config, inputs
        self.units, self.outputs = config.wiring.units, wired.outputs
        draw = Draw(rngs, config.positive)
        self.leak = nnx.Param(draw("leak", (self.units,)))
        self.rest = nnx.Param(draw("rest", (self.units,)))
        self.capacitance = nnx.Param(draw("capacitance", (self.units,)))
        self.inner = Synapses(wired.synapses, draw)
        self.sensory = Synapses(wired.sensory, draw)
        # Affine maps of measurements and outputs, channel by channel.
        self.input_scale = nnx.Param(jnp.ones(inputs))
        self.input_shift = nnx.Param(jnp.zeros(inputs))
        self.output_scale = nnx.Param(jnp.ones(self.outputs))
        self.output_shift = nnx.Param(jnp.zeros(self.outputs))

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        wired = self.config.wiring.wire(self.inputs)
        x = x * self.input_scale[...][None] + self.input_shift[...][None]
        weight = self._positive(self.sensory.weight[...]) * abs(wired.sensory)
        sensory = self.sensory.drive(x, weight)
        weight = self._positive(self.inner.weight[...]) * abs(wired.synapses)
        leak = self._positive(self.leak[...])[None]
        # Weight of the old potential in a sub-step.
        inertia = self._positive(self.capacitance[...])[None] * self.config.unfolds
        if elapsed is not None:
            inertia = inertia / elapsed[:, None]
        leaking = leak * self.rest[...][None]
        for _ in range(self.config.unfolds):
            conductance, driven = self.inner.drive(state, weight)
            driven += inertia * state + leaking + sensory[1]
            state = driven / (inertia + leak + conductance + sensory[0] + EPSILON)
        read = state[:, : self.outputs]
        return state, read * self.output_scale[...][None] + self.output_shift[...][None]

    def _positive(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return jax.nn.softplus(x) if self.config.positive == "softplus" else x


def clip_positive(cell: LtcCell) -> None:
    """Sets negative parameters to 0: after every optimiser step."""
    for param in (
        cell.leak,
        cell.capacitance,
        cell.inner.weight,
        cell.sensory.weight,
    ):
        param[...] = jnp.maximum(param[...], 0.0)
