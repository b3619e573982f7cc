"""Weighted minimum mean square error precoding, many samples at once.

Shi, Razaviyayn, Luo & He, "An iteratively weighted MMSE approach to distributed
sum-utility maximization for a MIMO interfering broadcast channel", IEEE Trans. Signal
Process. 59(9), 2011, for one cell and one stream per user. Its three steps ascend the
sum rate. Two changes make a step cheap and keep its fixed points: the
noise is scaled in proportion to the power that the beams happen to have, so that there
is no multiplier to search for, and beams are kept as coordinates in the span of the
channels (Zhao, Lu, Shi & Luo, "Rethinking WMMSE: can its complexity scale linearly with
the number of BS antennas?", IEEE Trans. Signal Process. 71, 2023).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from wlam.ops.einsum import einsum
from wlam.ops.solve import solve_positive
from wlam.phy.mimo.precoding.linear import (
    Coordinates,
    Gram,
    block_columns,
    combined,
    from_coordinates,
    gram_of,
    rzf_coordinates,
    strongest,
)
from wlam.phy.mimo.precoding.rates import (
    Active,
    Channels,
    Noise,
    Precoder,
    check_downlink,
    efficiency_of,
    keep_active,
)

LEAST = 1e-12
"""Smallest powers and weights, those of inactive users."""


def wmmse(
    h: Channels,
    power: float = 1.0,
    noise: Noise = 1.0,
    active: Active | None = None,
    iterations: int = 40,
) -> Precoder:
    """A fixed number of iterations from regularised zero forcing.

    Args:
        h: channels.
        power: tr(W W^H).
        noise: variance at every antenna of the users; see `rzf` for channel errors.
        active: served users; None: all.
        iterations: how many; static.

    Raises:
        ValueError: see `check_downlink`; no iterations.
    """
    check_downlink(h, power, noise, active)
    if iterations < 1:
        raise ValueError(f"iterations: found {iterations}; needed 1 or more")
    h = keep_active(h, active)
    gram, x, noise = _start(h, power, noise)
    x = jax.lax.fori_loop(
        0, iterations, lambda _, x: wmmse_step(gram, x, power, noise), x
    )
    return from_coordinates(h, x, power)


def wmmse_converged(
    h: Channels,
    power: float = 1.0,
    noise: Noise = 1.0,
    active: Active | None = None,
    tolerance: float = 1e-5,
    most: int = 1000,
) -> tuple[Precoder, Int[Array, ""]]:
    """Iterates until no sum rate of the batch rises by more than a share of itself.

    Args:
        h, power, noise, active: as in `wmmse`.
        tolerance: that share, of one iteration.
        most: iterations after which it ends anyway.

    Returns:
        The precoders, and how many iterations there were.
    """
    check_downlink(h, power, noise, active)
    h = keep_active(h, active)
    gram, x, noise = _start(h, power, noise)

    def rate(x: Coordinates) -> Float[Array, "*b"]:
        return rate_of(gram, x, power, noise).sum(-1)

    def unfinished(carry: tuple) -> Array:
        _, now, before, k = carry
        return (k < most) & (now - before > tolerance * now).any()

    def once(carry: tuple) -> tuple:
        x, now, _, k = carry
        x = wmmse_step(gram, x, power, noise)
        return x, rate(x), now, k + 1

    begin = (x, rate(x), jnp.full(x.shape[:-2], -jnp.inf), jnp.zeros((), jnp.int32))
    x, _, _, k = jax.lax.while_loop(unfinished, once, begin)
    return from_coordinates(h, x, power), k


def rate_of(
    gram: Gram, x: Coordinates, power: float, noise: Noise
) -> Float[Array, "*b user"]:
    """Spectral efficiency of beams in coordinates, at full power and any length."""
    received = _received(gram, x)
    return efficiency_of(received, noise * _spent(received, x)[..., None] / power)


def wmmse_step(
    gram: Gram, x: Coordinates, power: float, noise: Float[Array, "*b user"]
) -> Coordinates:
    """Receivers, weights, and beams that are best for both.

    With A = V^H H the channels behind the receivers V, weights O, and b = noise per
    power of all receivers, the beams are A^H (A A^H + b O^-1)^-1.
    """
    users = x.shape[-1]
    received = _received(gram, x)
    level = noise * _spent(received, x)[..., None] / power
    # Receivers that are best for the beams, [.., user, rx].
    own = jnp.eye(users).reshape((1,) * (received.ndim - 3) + (users, 1, users))
    wanted = (received * own).sum(-1)
    rx = wanted.shape[-1]
    eye = jnp.eye(rx).reshape((1,) * level.ndim + (rx, rx))
    covariance = einsum("...nj,...mj->...nm", received, received.conj())
    covariance = covariance + jnp.maximum(level, LEAST)[..., None, None] * eye
    receiver = solve_positive(covariance, wanted)
    # Weights: one over the mean square error of every stream.
    error = 1 - (receiver.conj() * wanted).sum(-1).real
    ratio = noise * (abs(receiver) ** 2).sum(-1)
    weighted = ratio / jnp.maximum(error, LEAST)
    load = weighted.sum(-1, keepdims=True) / power * error
    return combined(gram, block_columns(receiver), load)


def _start(
    h: Channels, power: float, noise: Noise
) -> tuple[Gram, Coordinates, Float[Array, "*b user"]]:
    gram, u = gram_of(h), strongest(h)
    noise = jnp.broadcast_to(jnp.asarray(noise, jnp.float32), u.shape[:-1])
    return gram, rzf_coordinates(gram, u, power, noise), noise


def _received(gram: Gram, x: Coordinates) -> Array:
    """H_k w_j, [.., user, rx, user]."""
    users = x.shape[-1]
    received = einsum("...ab,...bj->...aj", gram, x)
    return received.reshape(*x.shape[:-2], users, -1, users)


def _spent(received: Array, x: Coordinates) -> Float[Array, "*b"]:
    """tr(W W^H) = tr(X^H H H^H X)."""
    flat = received.reshape(x.shape)
    return (x.conj() * flat).sum((-2, -1)).real
