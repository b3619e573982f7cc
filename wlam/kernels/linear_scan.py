"""Linear recurrences h_t = a_t h_{t-1} + b_t of independent channels, in two forms.

Sequential: a loop over steps, with the fewest operations. Parallel: associative scan,
(a, b) then (c, d) being (a c, c b + d), which needs log2(t) rounds (Blelloch 1990,
"Prefix sums and their applications"). On a CPU the loop is always faster
(`benchmarks/speed/scans.py`); on accelerators a loop of small steps waits for its next
kernel most of the time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Form = Literal["auto", "sequential", "parallel"]
"""How a recurrence is run; "auto": by backend and number of steps."""
FEW = 16
"""Steps up to which a loop is as fast on any backend."""


def linear_scan(
    decay: Float[Array, "t *n"],
    drive: Float[Array, "t *n"],
    start: Float[Array, "*n"],
    form: Form = "auto",
) -> Float[Array, "t *n"]:
    """All states of h_t = decay_t h_{t-1} + drive_t; its gradient is one scan back.

    Args:
        decay: factors, time in front.
        drive: b_t.
        start: the state before the first step.
        form: see `Form`.
    """
    states: Any = _linear_scan(decay, drive, start, form)
    return states


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _linear_scan(decay: Array, drive: Array, start: Array, form: Form) -> Array:
    return _forward(decay, drive, start, form)[0]


def _forward(
    decay: Array, drive: Array, start: Array, form: Form
) -> tuple[Array, tuple[Array, Array, Array]]:
    states = dispatch(_sequential, _parallel, form, decay, drive, start)
    return states, (decay, states, start)


def _backward(
    form: Form, kept: tuple[Array, Array, Array], of_states: Array
) -> tuple[Array, Array, Array]:
    decay, states, start = kept
    adjoint = adjoint_scan(decay, of_states, form)
    before = jnp.concatenate([start[None], states[:-1]])
    return adjoint * before, adjoint, adjoint[0] * decay[0]


_linear_scan.defvjp(_forward, _backward)


def adjoint_scan(
    slope: Float[Array, "t *n"], of_states: Float[Array, "t *n"], form: Form = "auto"
) -> Float[Array, "t *n"]:
    """Gradients of all states of a recurrence, what later ones owe them included.

    Args:
        slope: of every state to the one before it.
        of_states: gradients of the states as they are used elsewhere.
        form: see `Form`.
    """
    later = jnp.concatenate([slope[1:], jnp.zeros_like(slope[:1])])
    back, nothing = (later[::-1], of_states[::-1]), jnp.zeros_like(of_states[0])
    return dispatch(_sequential, _parallel, form, *back, nothing)[::-1]


def dispatch(
    sequential: Callable[..., Array],
    parallel: Callable[..., Array],
    form: str,
    first: Array,
    *others: Array,
) -> Array:
    """One of two functions of some arrays, the first of which has time in front.

    Raises:
        ValueError: there is no such form.
    """
    if form == "sequential" or (form == "auto" and len(first) <= FEW):
        return sequential(first, *others)
    if form == "parallel":
        return parallel(first, *others)
    if form != "auto":
        raise ValueError(f"form: found {form!r}; needed auto, sequential or parallel")
    # Decided where the program runs, so that one may be lowered for elsewhere.
    return jax.lax.platform_dependent(first, *others, cpu=sequential, default=parallel)


def _sequential(decay: Array, drive: Array, start: Array) -> Array:
    def advance(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        state = now[0] * state + now[1]
        return state, state

    return jax.lax.scan(advance, start, (decay, drive))[1]


def _parallel(decay: Array, drive: Array, start: Array) -> Array:
    def join(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
        return a[0] * b[0], b[0] * a[1] + b[1]

    drive = drive.at[0].add(decay[0] * start)
    return jax.lax.associative_scan(join, (decay, drive))[1]
