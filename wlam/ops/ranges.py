"""Units and noise variances within the range of float32, for data in any unit."""

import numpy as np
from jaxtyping import Float

NOISES = (1e-20, 1e20)
"""Noise variances over the largest power: below these there is no noise, above these no
signal. Rounding has 1e-15."""


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
    """The next power of two above x >= 0, 1 for 0: a unit without rounding.

    Squares of 1e-20 or 1e20 are beyond float32, so data are scaled first.
    """
    return np.ldexp(1.0, np.frexp(x)[1])


def over_unit(
    noise_variance: Float[np.ndarray, " n"], unit: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Noise variances of data divided by a unit, float32, within NOISES."""
    with np.errstate(over="ignore", divide="ignore"):
        return (noise_variance / unit**2).clip(*NOISES).astype(np.float32)
