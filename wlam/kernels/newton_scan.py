"""Recurrences h_t = F(h_{t-1}, u_t) of independent channels, all steps at once.

Newton's method on all states together: with the residuals r_t = F(h_{t-1}) - h_t of an
iterate and the Jacobians J_t = dF/dh_{t-1}, which are diagonal where channels are
independent, the correction d_t = J_t d_{t-1} + r_t is one linear scan (Lim et al.,
arXiv 2309.12252; Gonzalez et al., arXiv 2407.19115). Every iteration makes one more
step exact, and few iterations make all exact where the recurrence is contractive. Where
they do not, the loop over steps is run. The gradient is one linear scan back in both
cases.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from wlam.kernels.linear_scan import Form, adjoint_scan, dispatch, linear_scan

Step = Callable[[Any, Array, Any], Array]
"""(parameters, states [..., n], measurements [..., m]) -> the states after them.

Channel by channel: no state may depend on another."""
FEW = 16
"""Newton iterations that are always tried before the loop is run."""
TOLERANCE = 1e-5
"""Largest residual, over the largest state or 1, after which iterations stop: the last
correction leaves about its square."""
FAR = 1.0
"""Largest such residual up to which slopes above 1 are used."""


class Solved(NamedTuple):
    """States, and the number of iterations."""

    states: Float[Array, "t *n"]
    iterations: Int[Array, ""]
    converged: Bool[Array, ""]


def nonlinear_scan(
    step: Step,
    parameters: Any,
    start: Float[Array, "*n"],
    inputs: Any,
    form: Form = "auto",
) -> Float[Array, "t *n"]:
    """All states of h_t = step(parameters, h_{t-1}, inputs_t).

    Args:
        step: the recurrence, see `Step`; must be one and the same function object for
            the same recurrence, or it is compiled again.
        parameters: arrays of the step.
        start: the state before the first measurement.
        inputs: arrays with time in front.
        form: a loop, or Newton iterations with the loop as a last resort.
    """
    states: Any = _nonlinear_scan(step, parameters, start, inputs, form)
    return states


@partial(jax.custom_vjp, nondiff_argnums=(0, 4))
def _nonlinear_scan(
    step: Step, parameters: Any, start: Array, inputs: Any, form: Form
) -> Array:
    return _forward(step, parameters, start, inputs, form)[0]


def newton(
    step: Step, parameters: Any, start: Float[Array, "*n"], inputs: Any
) -> Solved:
    """Newton iterations alone; states are wrong where they have not converged."""
    steps = len(jax.tree.leaves(inputs)[0])
    most = most_iterations(steps)
    nothing = jnp.zeros_like(start)

    def improve(now: tuple) -> tuple:
        states, iterations, _ = now
        after, slope = _slopes(step, parameters, start, states, inputs)
        residual = after - states
        size = jnp.maximum(abs(states).max(), 1.0)
        error = abs(residual).max() / size
        # Far from the solution slopes are arbitrary, and corrections may diverge.
        slope = jnp.where(error > FAR, jnp.clip(slope, -1.0, 1.0), slope)
        better = states + linear_scan(slope, residual, nothing, "parallel")
        # States that are exact already must survive an overflow of later ones.
        better = jnp.where(jnp.isfinite(better), better, start[None])
        return better, iterations + 1, error

    def unfinished(now: tuple) -> Array:
        # NaN does not converge.
        return (now[1] < most) & ~(now[2] <= TOLERANCE)

    first = jnp.broadcast_to(start, (steps, *start.shape))
    begin = first, jnp.int32(0), jnp.full((), jnp.inf, start.dtype)
    states, iterations, residual = jax.lax.while_loop(unfinished, improve, begin)
    return Solved(states, iterations, residual <= TOLERANCE)


def most_iterations(steps: int) -> int:
    """Iterations with as many rounds as the loop has steps: a scan goes up and down."""
    return max(FEW, steps // (2 * max(1, steps.bit_length() - 1)))


def _forward(
    step: Step, parameters: Any, start: Array, inputs: Any, form: Form
) -> tuple[Array, tuple]:
    leaves, tree = jax.tree.flatten(inputs)

    def loop(*leaves: Array) -> Array:
        def advance(state: Array, now: Any) -> tuple[Array, Array]:
            state = step(parameters, state, now)
            return state, state

        return jax.lax.scan(advance, start, tree.unflatten(leaves))[1]

    def at_once(*leaves: Array) -> Array:
        found = newton(step, parameters, start, tree.unflatten(leaves))
        return jax.lax.cond(
            found.converged, lambda: found.states, lambda: loop(*leaves)
        )

    states = dispatch(loop, at_once, form, *leaves)
    return states, (parameters, start, states, inputs)


def _backward(step: Step, form: Form, kept: tuple, of_states: Array) -> tuple:
    parameters, start, states, inputs = kept
    _, slope = _slopes(step, parameters, start, states, inputs)
    adjoint = adjoint_scan(slope, of_states, form)
    before = _before(start, states)
    _, pull = jax.vjp(lambda p, u: step(p, before, u), parameters, inputs)
    of_parameters, of_inputs = pull(adjoint)
    return of_parameters, adjoint[0] * slope[0], of_inputs


_nonlinear_scan.defvjp(_forward, _backward)


def _slopes(
    step: Step, parameters: Any, start: Array, states: Array, inputs: Any
) -> tuple[Array, Array]:
    """The successor of every state of an iterate, and its derivative by that state."""
    before = _before(start, states)
    ones = jnp.ones_like(before)
    return jax.jvp(lambda h: step(parameters, h, inputs), (before,), (ones,))


def _before(start: Array, states: Array) -> Array:
    return jnp.concatenate([start[None], states[:-1]])
