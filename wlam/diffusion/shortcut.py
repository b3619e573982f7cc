"""Shortcuts: a network conditioned on its step size, for one or a few evaluations.

Frans, Hafner, Levine & Abbeel, "One step diffusion via shortcut models", arXiv
2410.12557, with steps as rotations: the signal's and the noise's amplitudes are a
cosine and a sine, so that `Ddim` rotates x towards its velocity, and the velocity of a
shortcut makes one rotation end where two rotations over half the steps do. Salimans &
Ho, arXiv 2202.00512, appendix G, have the same target for a separate network.

A shortcut of d doublings covers 2**d steps, from a multiple of them. One of 0 doublings
is a plain prediction, so that one network serves every sampler.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int, PRNGKeyArray

from wlam.diffusion.process import (
    Estimates,
    add_noise,
    estimates,
    prediction_of,
    rates,
    standard_noise,
)
from wlam.diffusion.schedule import Schedule

X = Inexact[Array, "n *d"]
Predict = Callable[[X, Int[Array, " n"], Int[Array, " n"]], X]
"""(x [n, ...], its steps, doublings) -> the velocity."""


def most_doublings(schedule: Schedule) -> int:
    """Doublings of the shortcut from noise to data.

    Raises:
        ValueError: a number of steps that is no power of 2.
    """
    steps = schedule.num_steps
    if steps & (steps - 1):
        raise ValueError(f"num_steps: found {steps}; needed a power of 2")
    return steps.bit_length() - 1


def doublings_of(schedule: Schedule, nfe: int) -> int:
    """Doublings of every shortcut from noise to data in `nfe` network evaluations.

    Raises:
        ValueError: evaluations that are no power of 2 up to the number of steps.
    """
    most = most_doublings(schedule)
    if not 1 <= nfe <= schedule.num_steps or nfe & (nfe - 1):
        raise ValueError(
            f"nfe: found {nfe}; needed a power of 2, 1 to {schedule.num_steps}"
        )
    return most - int(math.log2(nfe))


def ddim_step(
    schedule: Schedule,
    x: X,
    now: Int[Array, "#n"],
    after: Int[Array, "#n"],
    velocity: X,
) -> Inexact[Array, "n *d"]:
    """x at another step: one deterministic step of `Ddim`."""
    parts = estimates(schedule, x, now, velocity, "velocity")
    return add_noise(schedule, parts.data, after, parts.noise)


def velocity_to(
    schedule: Schedule,
    x: X,
    now: Int[Array, "#n"],
    after: Int[Array, "#n"],
    there: X,
) -> Inexact[Array, "n *d"]:
    """The velocity with which `ddim_step` ends at `there`; `after` is before `now`."""
    of_data, of_noise = rates(schedule, now, x.ndim)
    to_data, to_noise = rates(schedule, after, x.ndim)
    cosine = of_data * to_data + of_noise * to_noise
    sine = of_noise * to_data - of_data * to_noise
    return (cosine * x - there) / sine


def shortcut_loss(
    predict: Predict,
    schedule: Schedule,
    data: X,
    key: PRNGKeyArray,
    share: float = 0.25,
) -> Float[Array, ""]:
    """Mean square error of velocities, of plain predictions and of shortcuts.

    Args:
        predict: of the first samples of the batch, any number of them.
        schedule: with a power of 2 steps.
        data: x_0.
        share: of the samples, the first ones, that learn shortcuts: of uniformly drawn
            doublings, from the network's own predictions of half the step. The others
            learn the velocity, at uniformly drawn steps.

    Raises:
        ValueError: a number of steps that is no power of 2, or a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: found {share}; needed from 0 to 1")
    most, n = most_doublings(schedule), len(data)
    few = round(share * n)
    keys = jax.random.split(key, 3)
    doublings = jax.random.randint(keys[0], (n,), 1, most + 1)
    doublings = jnp.where(jnp.arange(n) < few, doublings, 0)
    span = 2**doublings
    step = span * jax.random.randint(keys[1], (n,), 1, schedule.num_steps // span + 1)
    noise = standard_noise(keys[2], data.shape, data.dtype)
    x = add_noise(schedule, data, step, noise)
    wanted = prediction_of(schedule, step, Estimates(data, noise), "velocity")
    if few:
        target = shortcut_velocity(
            predict, schedule, x[:few], step[:few], doublings[:few]
        )
        wanted = jnp.concatenate([jax.lax.stop_gradient(target), wanted[few:]])
    return (abs(predict(x, step, doublings) - wanted) ** 2).mean()


def shortcut_velocity(
    predict: Predict,
    schedule: Schedule,
    x: X,
    step: Int[Array, " n"],
    doublings: Int[Array, " n"],
) -> Inexact[Array, "n *d"]:
    """Target of a shortcut: it ends where two shortcuts of one doubling less do."""
    half = 2 ** (doublings - 1)
    middle, end = step - half, step - 2 * half
    velocity = predict(x, step, doublings - 1)
    half_way = ddim_step(schedule, x, step, middle, velocity)
    velocity = predict(half_way, middle, doublings - 1)
    there = ddim_step(schedule, half_way, middle, end, velocity)
    return velocity_to(schedule, x, step, end, there)
