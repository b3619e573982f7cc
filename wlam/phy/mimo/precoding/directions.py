"""Channels of line arrays in directions, and the Wiener gain of each.

Phases of a mobile channel at 28 GHz decorrelate between two samples 10 ms apart, while
powers of directions last for seconds. Their averages show which directions hold
paths and which only estimation errors.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float


def to_directions(
    h: Complex[Array, "*b rx tx"], oversampling: int = 2
) -> Complex[Array, "*b rx direction"]:
    """Beams at both ends: orthonormal ones of the user, a tight frame of the base.

    White noise of variance v has the variance v / oversampling in every bin.
    """
    tx = h.shape[-1]
    bins = jnp.fft.fft(h, tx * oversampling) / (tx * oversampling) ** 0.5
    return jnp.fft.fft(bins, axis=-2, norm="ortho")


def from_directions(
    bins: Complex[Array, "*b rx direction"], tx: int
) -> Complex[Array, "*b rx tx"]:
    """The antennas whose directions these are; the adjoint of `to_directions`."""
    h = jnp.fft.ifft(bins, axis=-2, norm="ortho")
    return jnp.fft.ifft(h, axis=-1)[..., :tx] * bins.shape[-1] ** 0.5


def smoothed_wiener(
    h_hat: Complex[Array, "time user rx tx"],
    variance: Float[Array, "time"],
    active: Bool[Array, "time user"] | None = None,
    memory: float | Float[Array, ""] = 0.95,
    exponent: float | Float[Array, ""] = 0.7,
    oversampling: int = 2,
) -> tuple[Complex[Array, "time user rx tx"], Float[Array, "time user"]]:
    """Channels by Wiener gains of every direction, its power an exponential average.

    Args:
        h_hat: imperfect channels, sample after sample.
        variance: of the error of every element.
        active: users with a channel; the averages of others are kept. None: all.
        memory: of the average: weight of the sample before over that of this one.
        exponent: of the gains. 1 is that of orthonormal directions; where they
            overlap, less of each must be taken away.
        oversampling: directions per antenna; with 1 they are orthonormal.

    Returns:
        The channels, and the variance of the remaining error.
    """
    bins = to_directions(h_hat, oversampling)
    power, noise = abs(bins) ** 2, variance[:, None, None, None] / oversampling

    there = jnp.ones(bins.shape[:2], bool) if active is None else active

    def average(kept: tuple, now: tuple) -> tuple[tuple, Array]:
        power, there = now
        forget = jnp.where(there, memory, 1.0)
        total = forget * kept[0] + jnp.where(there, power, 0)
        weight = forget * kept[1] + there
        return (total, weight), total / jnp.maximum(weight, 1)

    start = jnp.zeros_like(power[0]), jnp.zeros((bins.shape[1], 1, 1))
    mean = jax.lax.scan(average, start, (power, there[..., None, None]))[1]
    share = jnp.maximum(mean - noise, 0) / jnp.where(mean > 0, mean, 1)
    gain = share**exponent
    left = variance[:, None] * gain.mean((-2, -1))
    return from_directions(bins * gain, h_hat.shape[-1]), left
