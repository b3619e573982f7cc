"""The recurrence of closed-form cells, with a gradient mostly outside the loop.

Differentiated by itself, a loop adds to the gradient of its matrices at every step, and
with few samples those are the slowest products of all. Here the backward loop carries
only the gradient of the state; those of the matrices are one product over all steps,
after it.
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
    """All states; without a measurement a state does not change."""
    by_time = jnp.swapaxes(x, 0, 1)
    inward = by_time.reshape(-1, x.shape[-1]) @ cell.inward + cell.bias[None]
    inward = inward.reshape(*by_time.shape[:2], -1)
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
    return _mix(mode, _activate(mode, z, elapsed, pure), pure)


def _activate(mode: str, z: Array, elapsed: Array | None, pure: Arrays) -> Arrays:
    """The expensive part of a gate, and all that its gradient needs."""
    dt = None if elapsed is None else elapsed[..., None]
    if mode == "pure":
        decay = abs(_beside(pure[0], z)) + abs(z)
        return z, jnp.exp(-decay if dt is None else -decay * dt)
    f1, f2, *time = jnp.split(z, 3 if dt is None else 4, axis=-1)
    share = jax.nn.sigmoid(time[0] if dt is None else time[0] * dt + time[1])
    return jnp.tanh(f1), jnp.tanh(f2), share, *time[:-1]


def _mix(mode: str, active: Arrays, pure: Arrays) -> Array:
    """The next state."""
    if mode == "pure":
        f1, decay = active
        target = _beside(pure[1], f1)
        return target - target * decay * f1
    f1, f2, share = active[:3]
    return f1 + share * (f2 if mode == "no_gate" else f2 - f1)


def _gradient(
    mode: str, active: Arrays, elapsed: Array | None, pure: Arrays, of_new: Array
) -> Array:
    """Gradient of the linear parts, from that of the next state."""
    dt = None if elapsed is None else elapsed[..., None]
    if mode == "pure":
        f1, decay = active
        inner = 1 - abs(f1) * (1.0 if dt is None else dt)
        return -_beside(pure[1], f1) * decay * inner * of_new
    f1, f2, share = active[:3]
    of_f2 = of_new * share
    of_f1 = of_new if mode == "no_gate" else of_new - of_f2
    of_share = of_f2 * (1 - share) * (f2 if mode == "no_gate" else f2 - f1)
    of_time = (of_share,) if dt is None else (of_share * dt, of_share)
    parts = of_f1 * (1 - f1**2), of_f2 * (1 - f2**2), *of_time
    return jnp.concatenate(parts, axis=-1)


def _beside(one: Float[Array, " n"], all_of_them: Array) -> Array:
    return one.reshape((1,) * (all_of_them.ndim - 1) + (-1,))


def _before(
    weights: tuple[Array, Arrays | None], state: Array, inward: Array
) -> tuple[Array, Array]:
    """Hidden layer and the gates' linear parts; equal without that layer."""
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
        active = _activate(mode, z, elapsed, pure)
        state = _held(seen, _mix(mode, active, pure), state)
        return state, (state, active, None if weights[1] is None else hidden)

    _, (states, active, hidden) = jax.lax.scan(advance, start, (inward, elapsed, seen))
    return states, (weights, start, states, active, hidden, elapsed, seen, pure)


def _backward(mode: str, kept: Any, of_states: Array) -> tuple:
    weights, start, states, active, hidden, elapsed, seen, pure = kept
    around, heads = weights

    def retreat(of_state: Array, now: tuple) -> tuple[Array, tuple]:
        of_this, active, hidden, elapsed, seen = now
        of_state = of_state + of_this
        of_new = _held(seen, of_state, jnp.zeros_like(of_state))
        of_z = of_a = _gradient(mode, active, elapsed, pure, of_new)
        if heads is not None:
            slope = SLOPE * (SCALE - hidden**2 / SCALE)
            of_a = slope * (of_z @ heads[0].T)
        of_old = of_a @ around.T
        if seen is not None:
            of_old += of_state - of_new
        return of_old, (of_a, of_z, of_new if pure else None)

    of_start, (of_a, of_z, of_new) = jax.lax.scan(
        retreat,
        jnp.zeros_like(start),
        (of_states, active, hidden, elapsed, seen),
        reverse=True,
    )
    before = jnp.concatenate([start[None], states[:-1]])
    of_around = _product(before, of_a)
    of_heads = None
    if heads is not None:
        of_heads = _product(hidden, of_z), of_z.sum((0, 1))
    of_elapsed, of_pure = None, ()
    if pure:
        _, pull = jax.vjp(lambda dt, p: gate(mode, active[0], dt, p), elapsed, pure)
        of_elapsed, of_pure = pull(of_new)
    elif elapsed is not None:  # times t_a, the last of what is active
        of_elapsed = (of_z[..., -start.shape[-1] :] * active[-1]).sum(-1)
    return (of_around, of_heads), of_start, of_a, of_elapsed, None, of_pure


def _product(a: Array, b: Array) -> Array:
    """Sum over steps and samples; as a matrix, which is faster than as three axes."""
    return a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])


_recur.defvjp(_forward, _backward)
