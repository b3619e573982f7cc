"""Noise schedules: the share of signal after each step."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Schedule:
    """x_t = sqrt(signal[t]) x_0 + sqrt(1 - signal[t]) noise, for t = 0..T.

    In the literature's letters signal is alpha-bar: the product of 1 - beta over the
    steps so far (Ho, Jain & Abbeel, arXiv 2006.11239, equation 4). signal[0] is 1.
    """

    signal: Float[Array, " steps"]

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.signal) - 1

    @property
    def snr(self) -> Float[Array, " steps"]:
        """SNR of every step, linear; infinite at step 0."""
        return self.signal / (1 - self.signal)

    def nearest(self, snr: Float[Array, " n"]) -> Int[Array, " n"]:
        """The step 1..T whose SNR in dB is nearest to a linear SNR."""
        away = jnp.log(snr)[:, None] - jnp.log(self.snr[1:])[None]
        return 1 + abs(away).argmin(-1)


def linear(num_steps: int, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """Noise added by each step, beta, rising on a line (arXiv 2006.11239, section 4).

    Raises:
        ValueError: no steps, or a beta outside (0, 1).
    """
    if num_steps < 1:
        raise ValueError(f"num_steps: found {num_steps}; needed at least 1")
    for name, beta in (("first", first), ("last", last)):
        if not 0 < beta < 1:
            raise ValueError(f"{name}: found {beta}; needed between 0 and 1")
    return _from_betas(np.linspace(first, last, num_steps))


def linear_to(snr_first: float, last: float, num_steps: int) -> Schedule:
    """`linear` with the first step at a given linear SNR, the highest in use."""
    return linear(num_steps, 1 / (1 + snr_first), last)


def cosine(num_steps: int, offset: float = 0.008, most: float = 0.999) -> Schedule:
    """Nichol & Dhariwal, arXiv 2102.09672, equation 17; betas are at most `most`.

    Raises:
        ValueError: no steps.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps: found {num_steps}; needed at least 1")
    time = (np.arange(num_steps + 1) / num_steps + offset) / (1 + offset)
    signal = np.cos(time * np.pi / 2) ** 2
    return _from_betas(np.minimum(1 - signal[1:] / signal[:-1], most))


def sigmoid(num_steps: int, start: float = -3.0, end: float = 3.0) -> Schedule:
    """Jabri, Fleet & Chen, arXiv 2212.11972, algorithm 2, temperature 1.

    Raises:
        ValueError: no steps, or an end that is not beyond the start.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps: found {num_steps}; needed at least 1")
    if end <= start:
        raise ValueError(f"start, end: found {start}, {end}; needed an end beyond it")
    time = np.linspace(start, end, num_steps + 1)
    curve = 1 / (1 + np.exp(time))
    signal = (curve - curve[-1]) / (curve[0] - curve[-1])
    return _from_signal(np.maximum(signal, 1e-9))


def even_db(num_steps: int, first_db: float, last_db: float) -> Schedule:
    """SNRs evenly spaced in dB: training samples them uniformly.

    Raises:
        ValueError: fewer than two steps, or a last SNR that is not below the first.
    """
    if num_steps < 2 or not last_db < first_db:
        raise ValueError(
            f"num_steps, first_db, last_db: found {num_steps}, {first_db}, {last_db}; "
            "needed at least 2, and the last below the first"
        )
    snr = 10 ** (np.linspace(first_db, last_db, num_steps) / 10)
    return _from_signal(np.concatenate([[1.0], snr / (1 + snr)]))


def _from_betas(betas: Float[np.ndarray, " step"]) -> Schedule:
    return _from_signal(np.concatenate([[1.0], np.cumprod(1 - betas)]))


def _from_signal(signal: Float[np.ndarray, " steps"]) -> Schedule:
    """From float64, since the signal is a product of a thousand factors close to 1."""
    return Schedule(jnp.asarray(signal, jnp.float32))
