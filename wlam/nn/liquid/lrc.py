"""Liquid resistance and capacitance, diagonal: neurons are not connected.

The diagonal cell of Farsang, Hasani, Rus and Grosu, "Parallelization of non-linear
state-space models" (LrcSSM, NeurIPS 2025, arXiv 2505.21717):

dh/dt = s(e) (tanh(z) v - s(f) h)
f = g_h s(a h + b) + g_x s(U x + c) + g_l,  z = k_h s(a h + b) + k_x s(U x + c) + g_l
e = w h + W x + d

with the logistic function s, conductances g > 0 and drives k of synapses from the
neuron itself and from measurements, a leak g_l, a potential v, and an elastance e. The
authors take one Euler step per measurement; for elapsed times of any length we take
the closed form of the equation with f, z and e held at their values before it,

h' = h_inf + (h - h_inf) exp(-s(f) s(e) dt),   h_inf = tanh(z) v / s(f)

which for short times is their step and for long ones reaches the rest state.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from wlam.kernels.linear_scan import Form
from wlam.kernels.newton_scan import nonlinear_scan
from wlam.nn.liquid.cell import LiquidCell, State, check_sizes

Arrays = dict[str, Array]


@dataclass(frozen=True)
class LrcConfig:
    """Sizes of the cell."""

    # Neurons; all are outputs.
    units: int = 64
    # How sequences are run: a loop, or Newton iterations on parallel scans.
    form: Form = "auto"

    def build(self, inputs: int, rngs: nnx.Rngs) -> "LrcCell":
        return LrcCell(self, inputs, rngs)


class LrcCell(LiquidCell):
    """Neurons that depend on measurements and themselves, not on each other."""

    def __init__(self, config: LrcConfig, inputs: int, rngs: nnx.Rngs):
        check_sizes(config.units, inputs)
        self.config, self.inputs = config, inputs
        self.units = self.outputs = n = config.units
        glorot = jax.nn.initializers.glorot_uniform()
        # From measurements to synapses (U, c), and to elastances (W, d).
        self.synapses = nnx.Linear(inputs, n, kernel_init=glorot, rngs=rngs)
        self.elastance = nnx.Linear(inputs, n, kernel_init=glorot, rngs=rngs)

        def draw(low: float, high: float) -> nnx.Param:
            return nnx.Param(
                jax.random.uniform(rngs.params(), (n,), minval=low, maxval=high)
            )

        self.own = nnx.Dict(a=draw(-1.0, 1.0), b=draw(-1.0, 1.0), w=draw(-1.0, 1.0))
        self.drive = nnx.Dict(
            k_h=draw(-1.0, 1.0), k_x=draw(-1.0, 1.0), v=draw(0.5, 1.5)
        )
        # Softplus of these is positive: s(f) is then a half or more, and no state
        # leaves plus and minus 2 v.
        self.conductance = nnx.Dict(
            g_h=draw(-1.0, 1.0), g_x=draw(-1.0, 1.0), g_l=draw(-4.0, -2.0)
        )

    def __call__(
        self,
        state: State,
        x: Float[Array, "b inputs"],
        elapsed: Float[Array, " b"] | None = None,
    ) -> tuple[State, Float[Array, "b outputs"]]:
        state = flow(self._arrays(), state, self._driven(x, elapsed))
        return state, state

    def unroll(
        self,
        state: State,
        x: Float[Array, "b t inputs"],
        elapsed: Float[Array, "b t"] | None,
        seen: Bool[Array, "b t"] | None,
    ) -> tuple[State, Float[Array, "b t outputs"]]:
        by_time = jnp.swapaxes(x, 0, 1)
        driven = self._driven(by_time, None if elapsed is None else elapsed.T)
        if seen is not None:  # without a measurement no time passes
            dt = driven.get("dt", jnp.ones((*by_time.shape[:2], 1), x.dtype))
            driven["dt"] = jnp.where(seen.T[..., None], dt, 0.0)
        form = self.config.form
        states = nonlinear_scan(flow, self._arrays(), state, driven, form)
        return states[-1], jnp.swapaxes(states, 0, 1)

    def _arrays(self) -> Arrays:
        free = {name: p[...] for name, p in {**self.own, **self.drive}.items()}
        positive = {n: jax.nn.softplus(p[...]) for n, p in self.conductance.items()}
        return free | positive

    def _driven(
        self, x: Float[Array, "*b inputs"], elapsed: Float[Array, "*b"] | None
    ) -> Arrays:
        """Inputs of the neurons from measurements."""
        driven = {"synapse": jax.nn.sigmoid(self.synapses(x)), "e": self.elastance(x)}
        return driven if elapsed is None else driven | {"dt": elapsed[..., None]}


def flow(p: Arrays, state: Float[Array, "*b n"], driven: Arrays) -> Array:
    """The state after a measurement; see the equations of the module."""
    p = {name: a.reshape((1,) * (state.ndim - 1) + a.shape) for name, a in p.items()}
    own = jax.nn.sigmoid(p["a"] * state + p["b"])
    f = p["g_h"] * own + p["g_x"] * driven["synapse"] + p["g_l"]
    z = p["k_h"] * own + p["k_x"] * driven["synapse"] + p["g_l"]
    leak = jax.nn.sigmoid(f)
    rate = leak * jax.nn.sigmoid(p["w"] * state + driven["e"])
    passed = -jnp.expm1(-(rate * driven["dt"] if "dt" in driven else rate))
    return state + passed * (jnp.tanh(z) * p["v"] / leak - state)
