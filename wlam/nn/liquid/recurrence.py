"""The recurrence of closed-form cells, with a gradient that leaves the loop early.

Differentiated by itself, a loop adds to the gradient of its matrices at every step, and
with few rows those are the slowest products of all. Here the backward loop carries what
must be carried, the gradient of the state; those of the matrices are one product over
all steps, behind it.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

SCALE, SLOPE = 1.7159, 0.666
"""LeCun's tanh, 1.7159 tanh(0.666 a)."""

Arrays = tuple[Array, ...]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recurrence:
    """Arrays of a closed-form cell; see `wlam.nn.liquid.cfc` for its equations."""

    inward: Float[Array, "i m"]  # from measurements
    bias: Float[Array, " m"]
    around: Float[Array, "n m"]  # from the state
    heads: Arrays | None  # from the hidden layer: [m, gates n], [gates n]
    pure: Arrays  # |w| and A of the pure form [n]
    mode: str = field(metadata={"static": True})

    def step(
        self,
        state: Float[Array, "b n"],
        inward: Float[Array, "b m"],
        elapsed: Float[Array, " b"] | None,
    ) -> Float[Array, "b n"]:
        """The state after a measurement whose product with `inward` is given."""
        weights = self.around, self.heads
        return gate(self.mode, _before(weights, state, inward)[1], elapsed, self.pure)


def recur(
    cell: Recurrence,
    start: Float[Array, "b n"],
    x: Float[Array, "b t i"],
    elapsed: Float[Array, "b t"] | None,
    seen: Bool[Array, "b t"] | None,
) -> Float[Array, "b t n"]:
    """All states; one that is not seen stays as it is."""
    inward = jnp.swapaxes(x, 0, 1) @ cell.inward + cell.bias[None, None]
    elapsed = None if elapsed is None else elapsed.T
    seen = None if seen is None else seen.T
    weights = cell.around, cell.heads
    states: Any = _recur(cell.mode, weights, start, inward, elapsed, seen, cell.pure)
    return jnp.swapaxes(states, 0, 1)


def gate(
    mode: str,
    z: Float[Array, "*b gn"],
    elapsed: Float[Array, "*b"] | None,
    pure: Arrays,
) -> Float[Array, "*b n"]:
    """The next state from the linear parts f1, f2 and the parts of time.

    Without elapsed times those are one part, t_a + t_b.
    """
    dt = None if elapsed is None else elapsed[..., None]
    if mode == "pure":
        rate, target = (p.reshape((1,) * (z.ndim - 1) + (-1,)) for p in pure)
        decay = jnp.exp(-(1.0 if dt is None else dt) * (abs(rate) + abs(z)))
        return target - target * decay * z
    f1, f2, *time = jnp.split(z, 3 if dt is None else 4, axis=-1)
    share = jax.nn.sigmoid(time[0] if dt is None else time[0] * dt + time[1])
    f1, f2 = jnp.tanh(f1), jnp.tanh(f2)
    return f1 + share * (f2 if mode == "no_gate" else f2 - f1)


def _before(
    weights: tuple[Array, Arrays | None], state: Array, inward: Array
) -> tuple[Array, Array]:
    """What the hidden layer says, and the gates' linear parts; without it both one."""
    around, heads = weights
    a = inward + state @ around
    if heads is None:
        return a, a
    hidden = SCALE * jnp.tanh(SLOPE * a)
    return hidden, hidden @ heads[0] + heads[1][None]


def _held(seen: Array | None, after: Array, before: Array) -> Array:
    return after if seen is None else jnp.where(seen[:, None], after, before)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _recur(
    mode: str,
    weights: tuple[Array, Arrays | None],
    start: Array,
    inward: Array,
    elapsed: Array | None,
    seen: Array | None,
    pure: Arrays,
) -> Array:
    """[t, b, n] from [t, b, m]."""
    return _forward(mode, weights, start, inward, elapsed, seen, pure)[0]


def _forward(
    mode: str,
    weights: tuple[Array, Arrays | None],
    start: Array,
    inward: Array,
    elapsed: Array | None,
    seen: Array | None,
    pure: Arrays,
) -> tuple[Array, Any]:
    def advance(state: Array, now: tuple) -> tuple[Array, tuple]:
        inward, elapsed, seen = now
        hidden, z = _before(weights, state, inward)
        state = _held(seen, gate(mode, z, elapsed, pure), state)
        return state, (state, z, None if weights[1] is None else hidden)

    _, (states, z, hidden) = jax.lax.scan(advance, start, (inward, elapsed, seen))
    return states, (weights, start, states, z, hidden, elapsed, seen, pure)


def _backward(mode: str, kept: Any, of_states: Array) -> tuple:
    weights, start, states, z, hidden, elapsed, seen, pure = kept
    around, heads = weights

    def retreat(of_state: Array, now: tuple) -> tuple[Array, tuple]:
        of_this, z, hidden, elapsed, seen = now
        of_state = of_state + of_this
        of_new = _held(seen, of_state, jnp.zeros_like(of_state))
        _, pull = jax.vjp(lambda z: gate(mode, z, elapsed, pure), z)
        of_z = of_a = pull(of_new)[0]
        if heads is not None:
            slope = SLOPE * (SCALE - hidden**2 / SCALE)
            of_a = slope * (of_z @ heads[0].T)
        of_old = of_a @ around.T
        if seen is not None:
            of_old += of_state - of_new
        return of_old, (of_a, None if heads is None else of_z, of_new)

    of_start, (of_a, of_z, of_new) = jax.lax.scan(
        retreat,
        jnp.zeros_like(start),
        (of_states, z, hidden, elapsed, seen),
        reverse=True,
    )
    before = jnp.concatenate([start[None], states[:-1]])
    of_around = _product(before, of_a)
    of_heads = None
    if heads is not None:
        of_heads = _product(hidden, of_z), of_z.sum((0, 1))
    _, pull = jax.vjp(lambda dt, pure: gate(mode, z, dt, pure), elapsed, pure)
    of_elapsed, of_pure = pull(of_new)
    return (of_around, of_heads), of_start, of_a, of_elapsed, None, of_pure


def _product(a: Array, b: Array) -> Array:
    """Sum over steps and rows; as a matrix, which is faster than as three axes."""
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


_recur.defvjp(_forward, _backward)
