"""A closed-form cell whose gates depend on measurements alone: a linear recurrence.

Every neuron relaxes to a target at a rate; the last measurement sets both,

dh/dt = r(x) (g(x) - h),   r = softplus(W_r x + b_r),   g = tanh(W_g x + b_g)

and after a time dt its state is, exactly, h' = g + (h - g) exp(-r dt): the form of
closed-form continuous-time cells (arXiv 2106.13898) with the state itself as one of its
two ends. The state between measurements does not depend on how often it is evaluated,
and all steps are one linear scan.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from wlam.kernels.linear_scan import Form, linear_scan
from wlam.nn.liquid.cell import LiquidCell, State, check_sizes

SLOW, FAST = 0.01, 1.0
"""Initial rates lie between these, evenly spaced in logarithm."""


@dataclass(frozen=True)
class InputGatedConfig:
    """Sizes of the cell."""

    # Neurons; all are outputs.
    units: int = 64
    # How sequences are run, see `wlam.kernels.linear_scan`.
    form: Form = "auto"

    def build(self, inputs: int, rngs: nnx.Rngs) -> "InputGatedCell":
        return InputGatedCell(self, inputs, rngs)


class InputGatedCell(LiquidCell):
    """Neurons that depend on measurements and not on each other."""

    def __init__(self, config: InputGatedConfig, inputs: int, rngs: nnx.Rngs):
        check_sizes(config.units, inputs)
        self.config, self.inputs = config, inputs
        self.units = self.outputs = config.units
        glorot = jax.nn.initializers.glorot_uniform()
        self.target = nnx.Linear(inputs, self.units, kernel_init=glorot, rngs=rngs)
        self.rate = nnx.Linear(inputs, self.units, kernel_init=glorot, rngs=rngs)
        self.rate.bias = nnx.Param(spread_rates(self.units, SLOW, FAST))

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        decay, drive = self._gates(x, elapsed)
        state = decay * state + drive
        return state, state

    def unroll(
        self,
        state: State,
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None,
        seen: Bool[Array, "b t"] | None,
    ) -> tuple[State, Float[Array, "b t outputs"]]:
        by_time = jnp.swapaxes(x, 0, 1)
        decay, drive = self._gates(by_time, None if elapsed is None else elapsed.T)
        if seen is not None:
            now = seen.T[..., None]
            decay, drive = jnp.where(now, decay, 1.0), jnp.where(now, drive, 0.0)
        states = linear_scan(decay, drive, state, self.config.form)
        return states[-1], jnp.swapaxes(states, 0, 1)

    def _gates(
        self, x: Float[Array, "*b inputs"], elapsed: Float[Array, "*b"] | None
    ) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"]]:
        """Decay of the state over the elapsed time, and the drive that is added."""
        flow = jax.nn.softplus(self.rate(x))
        if elapsed is not None:
            flow = flow * elapsed[..., None]
        # 1 - exp(-flow) without the loss of digits where little time has passed.
        return jnp.exp(-flow), -jnp.expm1(-flow) * jnp.tanh(self.target(x))


def spread_rates(units: int, slow: float, fast: float) -> Float[Array, " units"]:
    """Biases whose softplus are rates from slow to fast, evenly in logarithm."""
    return jnp.log(jnp.expm1(jnp.geomspace(slow, fast, units)))
