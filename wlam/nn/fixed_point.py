"""Fixed points z = f(z) as layers: found by iteration, differentiated implicitly.

Bai, Kolter & Koltun, "Deep equilibrium models", arXiv 1909.01377. Only the fixed point
is kept for the gradient, so that training takes the memory of one evaluation of f,
whatever the number of iterations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from wlam.ops.einsum import einsum

Step = Callable[[Any, Array], Array]
"""(parameters and observations, z [n, ...]) -> f(z), of the same shape."""


@dataclass(frozen=True)
class Solver:
    """How a fixed point is found; ValueError for values that are not allowed."""

    # Damping: z moves this share of the way to f(z). Maps that are only
    # non-expansive, such as reflections, converge for less than 1 (Krasnoselskii,
    # Uspekhi Mat. Nauk 10, 1955).
    weight: float = 0.8
    # Differences that Anderson's acceleration combines, 0: none (Walker & Ni,
    # SIAM J. Numer. Anal. 49, 2011), and the penalty of its least squares.
    memory: int = 0
    penalty: float = 1e-4
    # Stops when no sample's relative change is larger, or after `most` evaluations.
    tolerance: float = 1e-3
    most: int = 50
    # By the adjoint's fixed point, or through the last evaluation alone (Fung et
    # al., "Jacobian-free backpropagation", arXiv 2103.12803).
    gradient: Literal["implicit", "one step"] = "implicit"

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(
                f"weight: found {self.weight}; needed more than 0, up to 1"
            )
        if self.memory < 0 or self.most < 1 or self.tolerance < 0:
            found = self.memory, self.most, self.tolerance
            raise ValueError(
                f"memory, most, tolerance: found {found}; needed 0 or more, at least "
                "1, and 0 or more"
            )


class Solution(NamedTuple):
    """A fixed point, or the last iterate where it was not reached."""

    z: Inexact[Array, "n *d"]
    # Largest relative change of a sample in every evaluation; NaN after the last.
    residuals: Float[Array, " most"]
    evaluations: Int[Array, ""]  # of f


def solve(
    step: Callable[[Array], Array], start: Inexact[Array, "n *d"], solver: Solver
) -> Solution:
    """Iterates from a start; `fixed_point` is the form to differentiate."""
    n, memory = len(start), max(solver.memory, 1)
    flat = start.reshape(n, -1)

    def unfinished(carry: tuple) -> Array:
        _, _, _, residuals, k = carry
        last = jnp.where(k > 0, residuals[jnp.maximum(k - 1, 0)], jnp.inf)
        return (k < solver.most) & (last > solver.tolerance)

    def once(carry: tuple) -> tuple:
        z, points, values, residuals, k = carry
        value = step(z.reshape(start.shape)).reshape(n, -1)
        change = jnp.linalg.norm(value - z, axis=1)
        size = jnp.maximum(jnp.linalg.norm(value, axis=1), 1e-30)
        residuals = residuals.at[k].set((change / size).max())
        slot = k % memory
        points, values = points.at[:, slot].set(z), values.at[:, slot].set(value)
        if solver.memory:
            used = jnp.arange(memory) <= k
            share = _anderson(values - points, used, solver.penalty)
            z, value = (einsum("nm,nmd->nd", share, part) for part in (points, values))
        z = (1 - solver.weight) * z + solver.weight * value
        return z, points, values, residuals, k + 1

    past = jnp.zeros((n, memory, flat.shape[1]), flat.dtype)
    residuals = jnp.full(solver.most, jnp.nan)
    carry = (flat, past, past, residuals, jnp.zeros((), jnp.int32))
    z, _, _, residuals, evaluations = jax.lax.while_loop(unfinished, once, carry)
    return Solution(z.reshape(start.shape), residuals, evaluations)


def _anderson(
    change: Inexact[Array, "n m d"], used: Array, penalty: float
) -> Inexact[Array, "n m"]:
    """Shares, adding up to 1, of the combination of changes that is smallest."""
    gram = jnp.einsum("nmd,nkd->nmk", change.conj(), change, precision="highest")
    both = used[:, None] & used[None]
    gram = jnp.where(both[None], gram, 0)
    size = jnp.trace(gram, axis1=1, axis2=2).real[:, None, None]
    # A converged sample has no change, and the matrix of its rounding no inverse.
    least = penalty + 8 * jnp.finfo(gram.dtype).eps
    gram = gram / jnp.where(size > 0, size, 1) + least * jnp.eye(len(used))[None]
    ones = jnp.broadcast_to(
        used.astype(gram.dtype)[None, :, None], (*gram.shape[:2], 1)
    )
    share = jnp.linalg.solve(gram, ones)[..., 0]
    return share / share.sum(1, keepdims=True)


@partial(jax.custom_vjp, nondiff_argnums=(0, 3))
def fixed_point(
    step: Step, about: Any, start: Inexact[Array, "n *d"], solver: Solver
) -> Inexact[Array, "n *d"]:
    """z = step(about, z), differentiable in `about` (and constant in `start`).

    By the implicit function theorem: with v the gradient at z, the gradient that goes
    back through one evaluation of `step` is u = v + (d step / d z)^T u, itself a fixed
    point.

    Args:
        step: a contraction in z, or an averaged map, see `Solver.weight`; the same
            function object in every call, since each is compiled once.
        about: a tree of arrays, parameters and observations.
        start: where the iteration begins.
    """
    return solve(partial(step, about), start, solver).z


def _forward(step: Step, about: Any, start: Array, solver: Solver) -> tuple:
    z = fixed_point(step, about, start, solver)
    return z, (about, z)


def _backward(step: Step, solver: Solver, kept: tuple, gradient: Array) -> tuple:
    about, z = kept
    _, back = jax.vjp(step, about, z)
    if solver.gradient == "implicit":
        found = solve(lambda u: gradient + back(u)[1], gradient, solver).z
    else:
        found = gradient
    return back(found)[0], jnp.zeros_like(z)


fixed_point.defvjp(_forward, _backward)
