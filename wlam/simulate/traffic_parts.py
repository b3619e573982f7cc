"""Components of traffic: seasons, noise, bursts, renewals and gaps.

Each part takes random numbers that the caller has drawn, so that one block of them
serves a whole series, and the sampling interval in the part's own unit of time. It
returns the mean over each interval unless stated otherwise: a process sampled every
minute and every hour is the same process.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from wlam.ops.phasor import cis

FILLINGS = ("zero", "last", "linear")
"""How a gap is filled; `fill_gaps` takes the index."""
MOST_BURSTS = 24
"""That one interval can hold: for a mean of 10, more have a probability of 5e-5."""


def averaged(
    coefficients: Complex[Array, "kind harmonic"], width: Float[Array, "kind"]
) -> Complex[Array, "kind harmonic"]:
    """Fourier coefficients of the moving average of a season.

    The mean of exp(j 2 pi k t) over an interval is its value in the middle, times
    sinc(k width): a daily season vanishes in daily sums.

    Args:
      coefficients: of harmonics 1, 2, ...
      width: sampling interval over period.
    """
    harmonics = jnp.arange(1.0, coefficients.shape[1] + 1)
    return coefficients * jnp.sinc(width[:, None] * harmonics[None])


def fourier_series(
    coefficients: Complex[Array, "kind harmonic"], cycles: Float[Array, "kind time"]
) -> Float[Array, "kind time"]:
    """Sum over k = 1, 2, ... of Re(c_k exp(j 2 pi k cycles)); no mean."""
    wave = cis(cycles)
    series = jnp.zeros_like(wave)
    for k in reversed(range(coefficients.shape[1])):  # Horner's scheme
        series = wave * (series + coefficients[:, k, None])
    return series.real


def weekend_coefficients(num_harmonics: int) -> Complex[np.ndarray, "harmonic"]:
    """Fourier series, of period a week, of two days about time 0, without its mean 2/7.

    Lanczos's factors take the ripples of a series cut off, so edges are soft.
    """
    k = np.arange(1, num_harmonics + 1)
    box = 2 / (np.pi * k) * np.sin(2 * np.pi * k / 7)
    return (box * np.sinc(k / (num_harmonics + 1))).astype(np.complex64)


def noise_with_memory(
    start: Float[Array, "2"],
    normals: Float[Array, "3 time"],
    lag: Float[Array, ""],
    cycles: Float[Array, ""],
) -> tuple[Float[Array, "time"], Float[Array, ""]]:
    """Stationary Gaussian process of correlation exp(-s lag) cos(2 pi s cycles).

    s is a distance in intervals. The process is the real part of a complex
    Ornstein-Uhlenbeck process, dz = -(lag - j 2 pi cycles) z ds + noise, sampled
    exactly: autoregressive of order one without cycles; with them, a damped oscillation
    of order two.

    Args:
      start, normals: standard normal numbers.
      lag: sampling interval over memory.
      cycles: sampling interval over the period of the oscillation; 0 for none.

    Returns:
      Its mean over each interval, and the variance of that; at one time it is 1.
    """
    x = jax.lax.complex(lag, -2 * jnp.pi * cycles)
    decay = jnp.exp(-lag) * cis(cycles)
    # (x - 1 + exp(-x)) / x**2, whose terms cancel for small x, and (1 - exp(-x)) / x.
    is_small = jnp.abs(x) < 1
    safe = jnp.where(is_small, 1.0 + 0j, x)
    taylor = jnp.zeros_like(x)
    for n in reversed(range(9)):
        taylor = taylor * -x + 1 / math.factorial(n + 2)
    second = jnp.where(is_small, taylor, (safe - 1 + decay) / safe**2)
    first = 1 - x * second

    # Given z at the start of an interval, z at its end has the variance `end` and the
    # mean over it a covariance with that, in units of E|z|**2.
    variance = 2 * second.real
    end = -jnp.expm1(-2 * lag)
    slope = (first - decay * first.conj()).conj() / end
    rest = variance - jnp.abs(first) ** 2 - end * jnp.abs(slope) ** 2
    drive = jnp.sqrt(end) * jax.lax.complex(normals[0], normals[1])

    def step(z, drive):
        return decay * z + drive, z

    before = jax.lax.scan(step, jax.lax.complex(start[0], start[1]), drive)[1]
    mean = (first * before + slope * drive).real
    return mean + jnp.sqrt(jnp.maximum(rest, 0.0)) * normals[2], variance


def student_t(
    uniforms: Float[Array, "2 time"], dof: Float[Array, ""]
) -> Float[Array, "time"]:
    """Independent numbers of Student's t distribution, from uniform ones in (0, 1].

    Bailey, "Polar generation of random variates with the t-distribution", Math. Comp.
    62, 1994: exact for any `dof`, the degrees of freedom.
    """
    radius = jnp.sqrt(dof * jnp.expm1(-2 / dof * jnp.log(uniforms[0])))
    return radius * cis(uniforms[1]).real


def bursts(
    uniforms: Float[Array, "3 time"],
    time_step_s: Float[Array, ""],
    rate: Float[Array, ""],
    decay_s: Float[Array, ""],
    heaviness: Float[Array, ""],
) -> Float[Array, "time"]:
    """Shot noise: Poisson starts, random heights and exponential decay.

    Heights are generalised Pareto of mean 1 (exponential for heaviness 0), so the mean
    is rate times decay_s. Bursts of one interval start together, and the sum of their
    heights has the right mean and, where it is finite, the right variance.

    Args:
      uniforms: in (0, 1]: number, start in the interval and height of the new bursts.
      time_step_s: sampling interval.
      rate: bursts per second; of more than MOST_BURSTS in an interval, these count.
      decay_s: time in which a burst falls to 1/e.
      heaviness: 1 / tail index of the heights, in [0, 1): P(height > h) falls like
        h**(-1 / heaviness).
    """
    numbers = np.arange(MOST_BURSTS)
    factorials = np.array([math.lgamma(n + 1) for n in numbers], np.float32)
    expected = rate * time_step_s
    below = jnp.cumsum(jnp.exp(numbers * jnp.log(expected) - expected - factorials))
    number = jnp.sum(uniforms[0][:, None] > below[None], axis=1)
    xi = jnp.maximum(heaviness, 1e-6)
    one = (1 - xi) / xi * jnp.expm1(-xi * jnp.log(uniforms[2]))
    height = number + jnp.sqrt(number) * (one - 1)

    share = decay_s / time_step_s
    left = uniforms[1] / share
    new, new_mean = height * jnp.exp(-left), -height * jnp.expm1(-left) * share
    decay = jnp.exp(-1 / share)

    def step(state, new):
        return decay * state + new, state

    # What bursts before the first interval left: its mean.
    before = jax.lax.scan(step, rate * decay_s, new)[1]
    return before * -jnp.expm1(-1 / share) * share + new_mean


def renewals(
    uniforms: Float[Array, "kind time"], probability: Float[Array, "kind"]
) -> Float[Array, "kind time"]:
    """Stationary process that is drawn anew, uniform in (0, 1], at random times.

    Between two samples it is drawn anew with `probability`, 1 - exp(-interval / memory)
    for starts at a constant rate. Below a threshold it is an on-off process whose share
    of on is the threshold. A value at the sampling times, not a mean.

    Args:
      uniforms: in (0, 1].
      probability: of a new draw.
    """
    chance = jnp.broadcast_to(probability[:, None], uniforms.shape).at[:, 0].set(1.0)
    # A uniform number below the chance, over the chance, is uniform again.
    drawn = jnp.minimum(uniforms / chance, 1.0)

    def step(value, inputs):
        drawn, is_new = inputs
        value = jnp.where(is_new, drawn, value)
        return value, value

    inputs = (drawn.T, (uniforms <= chance).T)
    return jax.lax.scan(step, drawn[:, 0], inputs)[1].T


def fill_gaps(
    values: Float[Array, "time"],
    is_missing: Bool[Array, "time"],
    filling: Float[Array, ""],
) -> Float[Array, "time"]:
    """Series whose missing samples are replaced, as operators replace them.

    Args:
      values: samples; the missing ones have no influence.
      is_missing: which ones are; the first must not be.
      filling: index into FILLINGS: 0, the last sample before the gap, or the line
        between the two samples around it (the last sample where none follows).
    """

    def step(carry, inputs):
        value, is_missing = inputs
        known, distance = carry
        known = jnp.where(is_missing, known, value)
        distance = jnp.where(is_missing, distance + 1, 0.0)
        return (known, distance), (known, distance)

    # Forwards from the sample before, backwards from the one after each gap; one after
    # the end is infinitely far.
    both_ways = [jnp.stack([x, x[::-1]], axis=1) for x in (values, is_missing)]
    nowhere = (jnp.zeros(2), jnp.full(2, jnp.inf))
    known, distance = jax.lax.scan(step, nowhere, tuple(both_ways))[1]
    last, ago = known[:, 0], distance[:, 0]
    following, ahead = known[::-1, 1], distance[::-1, 1]
    slope = (following - last) / jnp.maximum(ago + ahead, 1.0)
    filled = last + jnp.where(filling == FILLINGS.index("linear"), ago * slope, 0.0)
    filled = jnp.where(filling == FILLINGS.index("zero"), 0.0, filled)
    return jnp.where(is_missing, filled, values)
