"""Precoders in closed form: maximum ratio, zero forcing, and in between.

All send a stream to every user along the strongest direction of his own antennas, and
all lie in the span of the channels: W = H^H X, with H [user rx, tx] the channels of all
users and X the coordinates [user rx, user].
"""

import jax.numpy as jnp
from einops import rearrange
from jax.core import Tracer
from jaxtyping import Array, Complex, Float

from wlam.ops.einsum import einsum
from wlam.ops.solve import inverse_positive
from wlam.phy.mimo.precoding.rates import (
    Active,
    Channels,
    Noise,
    Precoder,
    check_downlink,
    keep_active,
    normalise_power,
)

SQUARINGS = 8
"""Squarings of a Gram matrix that leave its strongest direction: 2^8 steps of
the power method. Plain array operations, for batches and accelerators."""

Gram = Complex[Array, "*b entry entry"]
Coordinates = Complex[Array, "*b entry user"]


def stacked(h: Channels) -> Complex[Array, "*b entry tx"]:
    """Channels of all users below each other, [user rx, tx]."""
    return rearrange(h, "... k n m -> ... (k n) m")


def gram_of(h: Channels) -> Gram:
    """H H^H of all users' antennas."""
    rows = stacked(h)
    return einsum("...am,...bm->...ab", rows, rows.conj())


def strongest(h: Channels) -> Complex[Array, "*b user rx"]:
    """Left singular vectors of the largest singular values; zeros where h is."""
    gram = einsum("...am,...bm->...ab", h, h.conj())
    if gram.shape[-1] == 2:
        return _unit(_strongest_of_two(gram))
    for _ in range(SQUARINGS):
        trace = jnp.trace(gram, axis1=-2, axis2=-1).real[..., None, None]
        gram = gram / jnp.where(trace > 0, trace, 1)
        gram = einsum("...ab,...bc->...ac", gram, gram)
    # Of rank one now: its longest column.
    norms = (abs(gram) ** 2).sum(-2)
    longest = jnp.argmax(norms, axis=-1)[..., None, None]
    return _unit(jnp.take_along_axis(gram, longest, axis=-1)[..., 0])


def _strongest_of_two(gram: Gram) -> Complex[Array, "*b 2"]:
    """Of [[a, b], [b*, d]], written out: a tenth of the time of the squarings.

    (e + s, b*) with e = (a - d) / 2 and s^2 = e^2 + |b|^2, or (b, s - e), which is a
    multiple of it: the one of the two that does not subtract. Where all directions are
    equally strong it is the first antenna.
    """
    a, d, b = gram[..., 0, 0].real, gram[..., 1, 1].real, gram[..., 0, 1]
    trace = a + d
    safe = jnp.where(trace > 0, trace, 1)
    e, b = (a - d) / (2 * safe), b / safe
    s = jnp.sqrt(e**2 + b.real**2 + b.imag**2)
    long = jnp.where(s > 0, abs(e) + s, trace > 0)
    first = jnp.where(e >= 0, long, b)
    return jnp.stack([first, jnp.where(e >= 0, b.conj(), long)], axis=-1)


def _unit(vector: Complex[Array, "*b n"]) -> Complex[Array, "*b n"]:
    norm = jnp.sqrt((abs(vector) ** 2).sum(-1, keepdims=True))
    return vector / jnp.where(norm > 0, norm, 1)


def block_columns(u: Complex[Array, "*b user rx"]) -> Coordinates:
    """Column k holds the vector of user k in the rows of his antennas."""
    own = jnp.eye(u.shape[-2], dtype=u.dtype)
    return rearrange(einsum("...kn,kj->...knj", u, own), "... k n j -> ... (k n) j")


def from_coordinates(h: Channels, x: Coordinates, power: float) -> Precoder:
    """W = H^H X with the power of all beams together."""
    return normalise_power(einsum("...am,...aj->...mj", stacked(h).conj(), x), power)


def mrt(h: Channels, power: float = 1.0, active: Active | None = None) -> Precoder:
    """Maximum ratio transmission: the strongest right singular vector of every user.

    All active users get the same power.

    Args:
        h: channels.
        power: tr(W W^H).
        active: served users; None: all.

    Raises:
        ValueError: see `check_downlink`, here and below.
    """
    check_downlink(h, power, active=active)
    h = keep_active(h, active)
    beams = einsum("...knm,...kn->...mk", h.conj(), strongest(h))
    norms = jnp.sqrt((abs(beams) ** 2).sum(-2, keepdims=True))
    return normalise_power(beams / jnp.where(norms > 0, norms, 1), power)


def zf(h: Channels, power: float = 1.0, active: Active | None = None) -> Precoder:
    """Zero forcing: no user's combiner receives another's stream.

    `rzf` without regularisation. All streams arrive with the same power.

    Raises:
        ValueError: more active users than transmit antennas, which cannot all be
            nulled; not checked where `active` is traced.
    """
    check_downlink(h, power, active=active)
    users, _, tx = h.shape[-3:]
    if active is not None:
        users = 0 if isinstance(active, Tracer) else int(active.sum(-1).max())
    if users > tx:
        raise ValueError(
            f"h: found {users} users and {tx} transmit antennas; needed as many "
            "antennas as users"
        )
    h = keep_active(h, active)
    x = rzf_coordinates(gram_of(h), strongest(h), power, 0.0)
    return from_coordinates(h, x, power)


def rzf(
    h: Channels,
    power: float = 1.0,
    noise: Noise = 1.0,
    active: Active | None = None,
) -> Precoder:
    """Regularised zero forcing, X = U (U^H H H^H U + K noise / power I)^-1.

    Peel, Hochwald & Swindlehurst, "A vector-perturbation technique for near-capacity
    multiantenna multiuser communication", IEEE Trans. Commun. 53(1), 2005, equation 9,
    for users that combine along their strongest directions U. An error of variance v in
    every element of the channel acts as noise of v times the power: a noise of
    noise + power * v includes it.

    Args:
        h: channels.
        power: tr(W W^H).
        noise: variance at every antenna of the users.
        active: served users; None: all.
    """
    check_downlink(h, power, noise, active)
    h = keep_active(h, active)
    x = rzf_coordinates(gram_of(h), strongest(h), power, noise)
    return from_coordinates(h, x, power)


def rzf_coordinates(
    gram: Gram,
    u: Complex[Array, "*b user rx"],
    power: float,
    noise: Noise,
) -> Coordinates:
    """X of `rzf`. Users of zeros do not count."""
    served = (abs(u) ** 2).sum(-1) > 0
    level = jnp.broadcast_to(jnp.asarray(noise), served.shape)
    level = level * (served.sum(-1, keepdims=True) / power)
    return combined(gram, block_columns(u), level)


def combined(
    gram: Gram, columns: Coordinates, load: Float[Array, "*b user"]
) -> Coordinates:
    """U (U^H H H^H U + load)^-1: beams against the interference at receivers U."""
    gains = einsum("...aj,...ab,...bk->...jk", columns.conj(), gram, columns)
    inverse = inverse_positive(gains + diagonal(load))
    return einsum("...aj,...jk->...ak", columns, inverse)


def diagonal(entries: Float[Array, "*b entry"]) -> Float[Array, "*b entry entry"]:
    """Diagonal matrices."""
    size = entries.shape[-1]
    eye = jnp.eye(size).reshape((1,) * (entries.ndim - 1) + (size, size))
    return entries[..., None] * eye
