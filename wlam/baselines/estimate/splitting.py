"""Regularised least squares by Peaceman-Rachford splitting.

The estimate of h from y = A h + n is the minimiser of |y - A h|^2 / 2 + R(h), of which
only the proximal map D of R is needed: that of a norm, of a Gaussian prior, or a
network. It is D(z) at a fixed point of the composed reflections

    z = (2 P - I) (2 D - I) z,    P(v) = (I + gamma A^H A)^-1 (v + gamma A^H y),

Peaceman & Rachford, J. SIAM 3, 1955; Lions & Mercier, SIAM J. Numer. Anal. 16, 1979; as
the layer of an estimator in Yuan, Wu, Tang, Yang & Peng, arXiv 2410.23752, who split
the dual problem. Both forms are here, and their iterates are the same up to a factor.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from wlam.ops.einsum import einsum

Prox = Callable[[Array], Array]
"""[n, d] -> [n, d], the proximal map of gamma R."""


class Splitting(NamedTuple):
    """Matrices of the least-squares part, for all samples.

    Where parts of h are observed separately, as sub-arrays are, A is a stack [part, m,
    d], and observations and unknowns stand part by part in one row.
    """

    sensing: Inexact[Array, "*part m d"]  # A
    inverse: Inexact[Array, "*part m m"]  # (I + gamma A A^H)^-1
    gamma: Float[Array, ""]


def split(
    sensing: Inexact[Array, "*part m d"], gamma: float | Float[Array, ""]
) -> Splitting:
    """Prepares the least-squares part.

    Args:
        sensing: A, in front of which noise is white: whiten both sides where it is not.
        gamma: of the order of one over the square of A's norm converges fastest; it
            moves no fixed point where D is the proximal map of gamma R.
    """
    gamma = jnp.asarray(gamma)
    gram = einsum("...md,...kd->...mk", sensing, sensing.conj())
    eye = jnp.eye(gram.shape[-1]).reshape(*(1,) * (gram.ndim - 2), *gram.shape[-2:])
    inverse = jnp.linalg.inv(eye + gamma * gram)
    return Splitting(sensing, inverse, gamma)


def prox_fit(
    splitting: Splitting, v: Complex[Array, "n d"], observed: Complex[Array, "n m"]
) -> Complex[Array, "n d"]:
    """P: argmin of |y - A h|^2 / 2 + |h - v|^2 / (2 gamma), by Woodbury's identity."""
    a, inverse, gamma = splitting
    if a.ndim == 3:

        def of_part(a: Array, inverse: Array, v: Array, observed: Array) -> Array:
            return prox_fit(Splitting(a, inverse, gamma), v, observed)

        shape = len(v), len(a), -1
        found = jax.vmap(of_part, (0, 0, 1, 1), 1)(
            a, inverse, v.reshape(shape), observed.reshape(shape)
        )
        return found.reshape(v.shape)
    right = v + gamma * einsum("md,nm->nd", a.conj(), observed)
    seen = einsum("mk,kd,nd->nm", inverse, a, right)
    return right - gamma * einsum("md,nm->nd", a.conj(), seen)


def primal_step(
    splitting: Splitting,
    prox: Prox,
    observed: Complex[Array, "n m"],
    z: Complex[Array, "n d"],
) -> Complex[Array, "n d"]:
    """Both reflections of z; non-expansive where that of the prox is."""
    mirrored = 2 * prox(z) - z
    return 2 * prox_fit(splitting, mirrored, observed) - mirrored


def dual_step(
    splitting: Splitting,
    prox: Prox,
    observed: Complex[Array, "n m"],
    w: Complex[Array, "n d"],
) -> Complex[Array, "n d"]:
    """The same for the dual problem min f*(-u) + R*(u), s = 1 / gamma.

    Its resolvents by Moreau's identity: w - s D(w / s), and w + s P(-w / s). From w =
    s z it gives s times `primal_step`.
    """
    s = 1 / splitting.gamma
    mirrored = 2 * (w - s * prox(w / s)) - w
    resolved = mirrored + s * prox_fit(splitting, -mirrored / s, observed)
    return 2 * resolved - mirrored


def soft_threshold(
    threshold: float | Float[Array, ""],
) -> Callable[[Complex[Array, "n d"]], Complex[Array, "n d"]]:
    """The proximal map of threshold |h|_1: moduli shrink, phases stay."""

    def prox(v: Complex[Array, "n d"]) -> Complex[Array, "n d"]:
        size = abs(v)
        return v * (jnp.maximum(size - threshold, 0) / jnp.where(size > 0, size, 1))

    return prox


def gaussian_prior(
    covariance: Complex[Array, "d d"], gamma: float | Float[Array, ""]
) -> Callable[[Complex[Array, "n d"]], Complex[Array, "n d"]]:
    """The proximal map of gamma h^H C^-1 h / 2: (I + gamma C^-1)^-1, C singular or not.

    With it the estimate is the linear one in noise of variance 1.
    """
    inverse = jnp.linalg.inv(covariance + gamma * jnp.eye(len(covariance)))
    matrix = einsum("de,ef->df", covariance, inverse)
    return lambda v: einsum("de,ne->nd", matrix, v)
