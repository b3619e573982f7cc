"""Posterior sampling: a diffusion model of the data, given linear measurements.

At a step the data are taken as white Gaussian: their mean is the network's estimate,
their variance that of the remaining noise for data of variance 1. With the observation
y = A x + n the mean becomes

    argmin |y - A x|^2 / noise variance + |x - estimate|^2 / spread,

from which the reverse process continues (Song, Vahdat, Mardani & Kautz, "Pseudoinverse-
guided diffusion models for inverse problems", ICLR 2023; exact where the data are white
and Gaussian). The network is trained without A, and serves any.
"""

from collections.abc import Callable
from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact, PRNGKeyArray

from wlam.diffusion.process import standard_noise
from wlam.diffusion.samplers import Denoiser
from wlam.diffusion.schedule import Schedule
from wlam.ops.einsum import einsum

X = Inexact[Array, "n *d"]
Pull = Callable[[X, Float[Array, "*#n"]], X]
"""(estimate of the data, variance of its error) -> the estimate given y.

The variance is one number for all, or [n, 1, ...]."""


def through_mask(
    observed: X, seen: Bool[Array, "#n *d"], noise_variance: Float[Array, " n"]
) -> Pull:
    """Some entries are observed, in noise.

    Args:
        observed: y; entries that are not observed may be any number.
        noise_variance: of every entry; may be zero.
    """
    level = noise_variance.reshape(-1, *(1,) * (observed.ndim - 1))
    known = jnp.where(seen, observed, 0)

    def pull(data: X, spread: Float[Array, "*#n"]) -> X:
        return jnp.where(seen, data + spread / (spread + level) * (known - data), data)

    return pull


def through_matrix(
    observed: Inexact[Array, "n m"],
    sensing: Inexact[Array, "m d"],
    noise_variance: Float[Array, " n"],
) -> Pull:
    """All entries are observed through a matrix A, in white noise.

    Args:
        observed: y; the data are [n, ...] with d entries each.
        noise_variance: of every measurement; may be zero.
    """
    # Eigenvalues of A A^H once, and no inverse for every step.
    power, vectors = jnp.linalg.eigh(einsum("md,kd->mk", sensing, sensing.conj()))
    power = jnp.maximum(power, 0)

    def pull(data: X, spread: Float[Array, "*#n"]) -> X:
        flat, spread = data.reshape(len(data), -1), spread.reshape(-1, 1)
        miss = observed - einsum("nd,md->nm", flat, sensing)
        miss = einsum("nm,mk->nk", miss, vectors.conj())
        total = spread * power[None] + noise_variance[:, None]
        miss = jnp.where(total > 0, miss / jnp.where(total > 0, total, 1), 0)
        miss = einsum("nk,mk->nm", miss, vectors)
        moved = flat + spread * einsum("nm,md->nd", miss, sensing.conj())
        return moved.reshape(data.shape)

    return pull


def sample_posterior(
    predict: Denoiser,
    schedule: Schedule,
    pull: Pull,
    shape: tuple[int, ...],
    grid: tuple[int, ...],
    key: PRNGKeyArray,
    dtype: str = "complex64",
) -> Inexact[Array, "n *d"]:
    """One posterior sample for each observation, of mean power about 1.

    Args:
        predict: x [n, ...] and a step [] to the data.
        pull: see `through_mask` and `through_matrix`.
        shape: of the data, [n, ...].
        grid: falling steps, see `evenly_spaced`; one evaluation for each but the last,
            which is 0.

    Raises:
        ValueError: a grid that does not fall to 0.
    """
    falling = all(s < t for t, s in pairwise(grid))
    if len(grid) < 2 or not falling or grid[-1] != 0 or grid[0] > schedule.num_steps:
        raise ValueError(
            f"grid: found {grid}; needed falling steps from at most "
            f"{schedule.num_steps} to 0"
        )
    first_key, key = jax.random.split(key)
    steps = jnp.array(grid)

    def reverse(x: X, inputs: tuple) -> tuple[X, None]:
        now, after, key = inputs
        at, to = schedule.signal[now], schedule.signal[after]
        data = pull(predict(x, now), 1 - at)
        # The reverse step of arXiv 2006.11239, for any two steps.
        spread = jnp.sqrt((1 - to) / (1 - at) * (1 - at / to))
        kept = jnp.sqrt(jnp.maximum(1 - to - spread**2, 0))
        noise = (x - jnp.sqrt(at) * data) / jnp.sqrt(1 - at)
        x = jnp.sqrt(to) * data + kept * noise
        return x + spread * standard_noise(key, x.shape, x.dtype), None

    start = standard_noise(first_key, shape, jnp.dtype(dtype))
    keys = jax.random.split(key, len(grid) - 1)
    return jax.lax.scan(reverse, start, (steps[:-1], steps[1:], keys))[0]
