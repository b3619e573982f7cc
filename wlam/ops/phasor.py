"""Complex numbers where XLA is slow on the CPU: phases, products, angles."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Num


def cis(cycles: Float[Array, "*shape"]) -> Complex[Array, "*shape"]:
    """Return exp(j 2 pi cycles), to 1e-6 in single and 2e-7 in double precision.

    A polynomial, because XLA computes sines on the CPU one by one (15 ns against 1).
    Whole cycles are subtracted first, so that large phases do not lose accuracy.
    """
    # Half of the angle lies in +-pi/2, where Taylor series of 12 terms suffice; the
    # double-angle formulae give the rest.
    half = jnp.pi * (cycles - jnp.round(cycles))
    square = half * half
    sine, cosine = jnp.zeros_like(half), jnp.zeros_like(half)
    for power in (12, 10, 8, 6, 4, 2, 0):
        sign = 1.0 if power % 4 == 0 else -1.0
        cosine = cosine * square + sign / math.factorial(power)
        if power < 12:
            sine = sine * square + sign / math.factorial(power + 1)
    sine = sine * half
    return jax.lax.complex(cosine**2 - sine**2, 2 * sine * cosine)


def product(
    left: Complex[Array, "*batch i k"], right: Complex[Array, "*batch k j"]
) -> Complex[Array, "*batch i j"]:
    """Return the matrix product, computed as one real product of four times the work.

    XLA multiplies complex matrices on the CPU at less than half the speed of real ones.
    """
    parts = jnp.concatenate([left.real, left.imag], axis=-1)
    real = jnp.concatenate([right.real, right.imag], axis=-1)
    imaginary = jnp.concatenate([-right.imag, right.real], axis=-1)
    both = jnp.concatenate([real, imaginary], axis=-2)
    # GPUs would round the factors to few digits.
    result = jnp.matmul(parts, both, precision="highest")
    columns = right.shape[-1]
    return jax.lax.complex(result[..., :columns], result[..., columns:])


# Least-squares fit of arctan(t) / t in powers of t^2 on [0, 1]; off by 8e-8 at most.
_ARCTAN = (
    0.9999998977538572,
    -0.3333195972432481,
    0.19969235394799997,
    -0.140165850420851,
    0.09906096896052348,
    -0.05936710078890374,
    0.02416618952195819,
    -0.004668773307550413,
)


def angle(y: Num[Array, "*shape"], x: Num[Array, "*shape"]) -> Num[Array, "*shape"]:
    """Return the angle of the point (x, y) in rad, like arctan2, to 5e-7.

    A polynomial for the same reason as `cis`: 1 ns against 20. It has a slope, 0, at
    the origin too.
    """
    long, short = jnp.maximum(abs(x), abs(y)), jnp.minimum(abs(x), abs(y))
    ratio = short / jnp.where(long > 0, long, 1.0)
    square, series = ratio * ratio, jnp.zeros_like(ratio)
    for coefficient in _ARCTAN[::-1]:
        series = series * square + coefficient
    octant = ratio * series
    quadrant = jnp.where(abs(y) > abs(x), jnp.pi / 2 - octant, octant)
    half = jnp.where(x < 0, jnp.pi - quadrant, quadrant)
    return jnp.where(y < 0, -half, half)
