"""Metrics of downlink precoders: spectral efficiency, power, channel errors.

A base station of M antennas sends one stream to each of K users of N antennas. Arrays
are `h` [.., user, rx, tx] and `w` [.., tx, user]; column k of `w` is the beam of user
k. Users receive all beams: all metrics follow from the amplitudes H_k w_j.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Complex, Float, PRNGKeyArray

from wlam.ops.einsum import einsum
from wlam.ops.solve import solve_positive
from wlam.phy.noise import awgn

Channels = Complex[Array, "*b user rx tx"]
Precoder = Complex[Array, "*b tx user"]
Active = Bool[Array, "*b user"]
Noise = float | Float[Array, "..."]
"""Variance at every antenna of a user: one, or of a shape that becomes [.., user]."""
Ratio = float | Float[Array, "..."]
"""In dB, of the power of channels over that of their errors."""


def amplitudes(h: Channels, w: Precoder) -> Complex[Array, "*b user rx stream"]:
    """H_k w_j: the amplitude of every stream at every antenna."""
    return einsum("...knm,...mj->...knj", h, w)


def efficiency_of(
    received: Complex[Array, "*b user rx stream"], noise: Noise = 1.0
) -> Float[Array, "*b user"]:
    """Spectral efficiency in bit/s/Hz from the amplitudes of `amplitudes`.

    log2 det(I + s s^H B^-1) = log2(1 + s^H B^-1 s), with s the stream of the user and B
    the covariance of the others and of the noise: the rate of a receiver with both
    known that treats interference as noise.
    """
    wanted, receiver = _best_receivers(received, noise)
    return jnp.log1p((wanted.conj() * receiver).sum(-1).real) / jnp.log(2.0)


def efficiency_gradient(
    received: Complex[Array, "*b user rx stream"], noise: Float[Array, "*b user"]
) -> tuple[
    Float[Array, "*b user"],
    Complex[Array, "*b user rx stream"],
    Float[Array, "*b user"],
]:
    """Spectral efficiencies as `efficiency_of`, and their Wirtinger gradients.

    With r = B^-1 s and the ratio q = s^H r, those of log(1 + q) are r / (1 + q) by the
    conjugate of the wanted stream, -r (r^H s_j) / (1 + q) by that of another one, and
    -|r|^2 / (1 + q) by the noise.

    Returns:
        Efficiencies, gradients by the conjugates of `received`, and by `noise`.
    """
    wanted, receiver = _best_receivers(received, noise)
    ratio = (wanted.conj() * receiver).sum(-1).real
    scale = 1 / (jnp.log(2.0) * (1 + ratio))
    passed = einsum("...n,...nj->...j", receiver.conj(), received)
    by_stream = jnp.where(_own(received)[..., 0, :], 1, -passed) * scale[..., None]
    of_heard = receiver[..., None] * by_stream[..., None, :]
    of_noise = -(abs(receiver) ** 2).sum(-1) * scale
    return jnp.log1p(ratio) / jnp.log(2.0), of_heard, of_noise


def spectral_efficiency(
    h: Channels, w: Precoder, noise: Noise = 1.0
) -> Float[Array, "*b user"]:
    """Spectral efficiency of every user in bit/s/Hz, see `efficiency_of`.

    Args:
        h: channels.
        w: beams with their powers.
        noise: variance at every antenna of the users.
    """
    return efficiency_of(amplitudes(h, w), noise)


def sum_rate(h: Channels, w: Precoder, noise: Noise = 1.0) -> Float[Array, "*b"]:
    """Sum of the spectral efficiencies of all users, bit/s/Hz."""
    return spectral_efficiency(h, w, noise).sum(-1)


def normalise_power(w: Precoder, power: float) -> Precoder:
    """The same beams with tr(W W^H) = power; beams of zeros stay zeros."""
    total = (abs(w) ** 2).sum((-2, -1), keepdims=True)
    return w * jnp.sqrt(power / jnp.where(total > 0, total, 1))


def with_error(key: PRNGKeyArray, h: Channels, ratio_db: Ratio) -> Channels:
    """Imperfect channels h + e with e white and E|h|^2 / E|e|^2 = `ratio_db`.

    The ratio is that of all users of a sample together: pilots have one noise for all.
    """
    ratio = jnp.broadcast_to(jnp.asarray(ratio_db), h.shape[:-3])[..., None, None, None]
    return awgn(key, h, ratio, axes=(-3, -2, -1))


def error_variance(h_hat: Channels, ratio_db: Ratio) -> Float[Array, "*b"]:
    """Variance of the error of every element, from an imperfect channel and its ratio.

    The mean power of h + e is that of h and of e together. Users of zeros are no users
    and do not count.
    """
    energy = (abs(h_hat) ** 2).sum((-2, -1))
    users = jnp.maximum((energy > 0).sum(-1), 1)
    elements = users * (h_hat.shape[-2] * h_hat.shape[-1])
    return energy.sum(-1) / elements / (1 + 10 ** (jnp.asarray(ratio_db) / 10))


def keep_active(h: Channels, active: Active | None) -> Channels:
    """Channels with zeros for inactive users, who are not served."""
    return h if active is None else jnp.where(active[..., None, None], h, 0)


def check_downlink(h: Any, power: float, noise: Any = 1.0, active: Any = None) -> None:
    """Raises for input that no precoder can serve; checks only what is not traced.

    Args:
        h: channels [.., user, rx, tx].
        power: of all beams together.
        noise: variance at the antennas of the users.
        active: which users are to be served [.., user]; None: all.

    Raises:
        ValueError: a power or noise that is not above 0, channels that are not numbers
            or zeros of an active user, masks of another shape, no active user.
    """
    if not isinstance(power, Tracer) and not (np.isfinite(power) and power > 0):
        raise ValueError(f"power: found {power}; needed more than 0")
    if not isinstance(noise, Tracer):
        levels = np.asarray(noise)
        if not (np.isfinite(levels) & (levels > 0)).all():
            raise ValueError(f"noise: found {levels.min()}; needed more than 0")
    if active is not None and active.shape != h.shape[:-2]:
        raise ValueError(f"active: found {active.shape}; needed {h.shape[:-2]}")
    if isinstance(active, Tracer) or isinstance(h, Tracer):
        return
    served = np.ones(h.shape[:-2], bool) if active is None else np.asarray(active)
    if not served.any(-1).all():
        raise ValueError("active: found nobody; needed a user to serve in every sample")
    energy = (abs(np.asarray(h)) ** 2).sum((-2, -1))
    if not np.isfinite(energy[served]).all():
        raise ValueError("h: found NaN or infinity; needed numbers")
    if not (energy[served] > 0).all():
        raise ValueError(
            "h: found a channel of zeros; needed active=False for its user"
        )


def _own(received: Complex[Array, "*b user rx stream"]) -> Bool[Array, "..."]:
    """Which stream is the user's, [.., user, 1, stream]."""
    users = received.shape[-3]
    own = jnp.eye(users, dtype=bool)
    return own.reshape((1,) * (received.ndim - 3) + (users, 1, users))


def _best_receivers(
    received: Complex[Array, "*b user rx stream"], noise: Noise
) -> tuple[Complex[Array, "*b user rx"], Complex[Array, "*b user rx"]]:
    """The wanted streams s, and B^-1 s; two antennas are written out, for speed."""
    own = _own(received)
    wanted = jnp.where(own, received, 0).sum(-1)
    others = jnp.where(own, 0, received)
    noise = jnp.broadcast_to(jnp.asarray(noise), received.shape[:-2])
    rx = received.shape[-2]
    if rx != 2:
        eye = jnp.eye(rx).reshape((1,) * noise.ndim + (rx, rx))
        matrix = einsum("...nj,...mj->...nm", others, others.conj())
        matrix = matrix + noise[..., None, None] * eye
        return wanted, solve_positive(matrix, wanted)
    first, second = others[..., 0, :], others[..., 1, :]
    a = (abs(first) ** 2).sum(-1) + noise
    d = (abs(second) ** 2).sum(-1) + noise
    b = (first * second.conj()).sum(-1)
    x, y = wanted[..., 0], wanted[..., 1]
    receiver = jnp.stack([d * x - b * y, a * y - b.conj() * x], axis=-1)
    return wanted, receiver / (a * d - abs(b) ** 2)[..., None]
