"""Samplers: from noise to data on any grid of steps, by one loop inside one jit."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, PRNGKeyArray

from wlam.diffusion.process import Parametrisation, estimates, standard_noise
from wlam.diffusion.schedule import Schedule

X = Inexact[Array, "n *d"]
Denoiser = Callable[[X, Any], X]
"""(x [n, ...], output of `prepare` for its step) -> the prediction."""


@dataclass(frozen=True)
class Ddim:
    """Song, Meng & Ermon, "Denoising diffusion implicit models", arXiv 2010.02502.

    Equations 12 and 16, for any two steps. With eta = 1 and neighbouring steps this is
    the sampler of arXiv 2006.11239 (DDPM); with eta = 0 it is deterministic.
    """

    eta: float = 0.0


@dataclass(frozen=True)
class PosteriorMean:
    """Ddim with eta = 1 without its noise: each step is a conditional mean.

    Fesl et al., arXiv 2403.03545: a deterministic chain that estimates data from an
    observation, not from pure noise.
    """


@dataclass(frozen=True)
class DpmSolver:
    """DPM-Solver++(2M): Lu et al., arXiv 2211.01095, algorithm 2.

    Second order from the last two estimates of the data; the first and the last step
    are of first order.
    """


Method = Ddim | PosteriorMean | DpmSolver


def evenly_spaced(first: int, nfe: int) -> tuple[int, ...]:
    """A falling grid of steps from `first` to 0, for `nfe` network evaluations.

    Raises:
        ValueError: more evaluations than steps, or none.
    """
    if not 1 <= nfe <= first:
        raise ValueError(f"nfe: found {nfe}; needed 1 to {first}")
    return tuple(round(x) for x in np.linspace(first, 0, nfe + 1))


def scale_to_step(
    schedule: Schedule, observed: X, step: Int[Array, " n"]
) -> Inexact[Array, "n *d"]:
    """x of a step with the SNR of the observation data + sqrt(1 / SNR) noise."""
    signal = schedule.signal[step].reshape(-1, *(1,) * (observed.ndim - 1))
    return jnp.sqrt(signal) * observed


def sample(
    denoise: Denoiser,
    schedule: Schedule,
    x: X,
    grid: tuple[int, ...],
    method: Method = Ddim(),
    parametrisation: Parametrisation = "noise",
    key: PRNGKeyArray | None = None,
    prepare: Callable[[Int[Array, " nfe"]], Any] | None = None,
) -> Inexact[Array, "n *d"]:
    """Takes x from the first step of the grid to the last.

    Args:
        denoise: a network; its second input is the output of `prepare` for the step.
        x: at the first step of the grid: noise, or `scale_to_step`.
        grid: falling steps, see `evenly_spaced`; one evaluation for each but the last.
        parametrisation: of the network.
        key: needed by `Ddim` with eta > 0.
        prepare: steps of all evaluations -> a tree of arrays [nfe, ...]: embeddings and
            modulations, computed once and not in the loop. Without it the network gets
            the step itself.

    Raises:
        ValueError: a grid that does not fall within the schedule; no key.
    """
    falling = all(s < t for t, s in pairwise(grid))
    if len(grid) < 2 or not falling or grid[0] > schedule.num_steps or grid[-1] < 0:
        raise ValueError(
            f"grid: found {grid}; needed two or more falling steps from 0 to "
            f"{schedule.num_steps}"
        )
    random = isinstance(method, Ddim) and method.eta > 0
    if random and key is None:
        raise ValueError("key: found None; needed one, since eta > 0 draws noise")
    steps = jnp.array(grid)
    now, after = steps[:-1], steps[1:]
    about = now if prepare is None else prepare(now)
    keys = jax.random.split(jax.random.key(0) if key is None else key, len(now))

    def reverse(
        carry: tuple[X, X, Array], inputs: Any
    ) -> tuple[tuple[X, X, Array], None]:
        x, last_data, last_now = carry
        now, after, about, key = inputs
        prediction = denoise(x, about)
        parts = estimates(schedule, x, now[None], prediction, parametrisation)
        at, to = schedule.signal[now], schedule.signal[after]
        if isinstance(method, DpmSolver):
            before = schedule.signal[last_now]
            x = second_order(x, parts.data, last_data, before, at, to)
        else:
            eta = method.eta if isinstance(method, Ddim) else 1.0
            spread = eta * jnp.sqrt((1 - to) / (1 - at) * (1 - at / to))
            kept = jnp.sqrt(jnp.maximum(1 - to - spread**2, 0))
            x = jnp.sqrt(to) * parts.data + kept * parts.noise
            if random:
                x += spread * standard_noise(key, x.shape, x.dtype)
        return (x, parts.data, now), None

    # There is no last estimate at first: step 0 marks that.
    start = (x, jnp.zeros_like(x), jnp.zeros((), now.dtype))
    return jax.lax.scan(reverse, start, (now, after, about, keys))[0][0]


def second_order(
    x: X,
    data: X,
    last_data: X,
    before: Float[Array, ""],
    at: Float[Array, ""],
    to: Float[Array, ""],
) -> Inexact[Array, "n *d"]:
    """One step of DPM-Solver++(2M), in half the logarithm of the SNR.

    Args:
        data, last_data: estimates at this step and at the previous one.
        before, at, to: signal of the previous step (1: none), this one, and the next.
    """
    # Where no noise remains (SNR infinite), or there is no previous estimate, the step
    # is of first order: the weight of the difference is 0.
    clean, fresh = to >= 1, before >= 1
    safe = jnp.where(clean, 0.5, to)
    old = jnp.where(fresh, at / 2, before)
    high, middle, low = (log_snr(s) / 2 for s in (safe, at, old))
    ahead, back = high - middle, middle - low
    weight = jnp.where(clean | fresh, 0, ahead / (2 * back))
    best = data + weight * (data - last_data)
    ratio = jnp.sqrt((1 - safe) / (1 - at))
    moved = ratio * x - jnp.sqrt(safe) * jnp.expm1(-ahead) * best
    return jnp.where(clean, data, moved)


def log_snr(signal: Float[Array, ""]) -> Float[Array, ""]:
    """Logarithm of the SNR of a step that is neither clean nor pure noise."""
    return jnp.log(signal) - jnp.log1p(-signal)
