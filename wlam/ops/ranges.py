"""Units and variances that stay within float32, whatever unit data come in."""

import numpy as np
from jaxtyping import Float

NOISES = (1e-20, 1e20)
"""Variances of noise over the largest power: beyond these there is no noise, or nothing
else. Rounding has 1e-15."""


def noise_levels(
    noise_variance: float | list[float] | np.ndarray, samples: int
) -> Float[np.ndarray, " n"]:
    """The variance of the noise of each sample, or a ValueError."""
    level = np.asarray(noise_variance, np.float64)
    fits = level.shape in ((), (1,), (samples,))
    if not fits or not np.all(np.isfinite(level) & (level > 0)):
        raise ValueError(
            f"noise_variance: found {level.shape} {level.ravel()[:3]}; needed one "
            f"number more than 0 and finite, or one for each of {samples} samples, or "
            "None where that may be unknown"
        )
    return np.broadcast_to(level.reshape(-1), samples)


def power_of_two(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """The next above numbers of 0 or more, 1 for 0: units that round nothing.

    Squares of 1e-20 or 1e20 are beyond float32, so unknown units are taken out first.
    """
    return np.ldexp(1.0, np.frexp(x)[1])


def over_unit(
    noise_variance: Float[np.ndarray, " n"], unit: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Variances of the noise of what is divided by a unit, float32, within NOISES."""
    with np.errstate(over="ignore", divide="ignore"):
        return (noise_variance / unit**2).clip(*NOISES).astype(np.float32)
