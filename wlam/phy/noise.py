"""White noise, and the random words it is made of.

A noisy channel needs two random numbers per resource element and antenna, far more
than everything else that is drawn for it. `jax.random` is written to compile fast on
the CPU, not to run fast there, so the words are made here, by the generator that is
behind it too: about six nanoseconds a complex sample against fifty.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Complex64, Float32, Num, PRNGKeyArray, UInt32

from wlam.ops.phasor import cis

_PARITY = 0x1BD11BDA
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def random_words(
    key: PRNGKeyArray, shape: Sequence[int]
) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """Return two independent arrays of `shape`, of 32 random bits each.

    Threefry-2x32 with 20 rounds, keyed by `key` and counting the elements (Salmon et
    al., "Parallel random numbers: as easy as 1, 2, 3", 2011). At most 2**32 elements.
    """
    first, second = jax.random.bits(key, (2,))
    schedule = (first, second, first ^ second ^ jnp.uint32(_PARITY))
    counter = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    left, right = counter + first, jnp.broadcast_to(second, shape)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            left = left + right
            right = left ^ ((right << rotation) | (right >> (32 - rotation)))
        left = left + schedule[(group + 1) % 3]
        right = right + schedule[(group + 2) % 3] + jnp.uint32(group + 1)
    return left, right


def unit_interval(words: UInt32[Array, "*shape"]) -> Float32[Array, "*shape"]:
    """Return 32-bit words as uniform numbers in (0, 1]."""
    return (words.astype(jnp.float32) + 0.5) * 2.0**-32


class RandomBlock:
    """Random numbers of many kinds from one call of the generator, taken in order.

    A generator call compiles slowly, so a function that needs ten small arrays takes
    them from one block. Equal keys and equal orders of taking give equal numbers.
    """

    def __init__(self, key: PRNGKeyArray, size: int):
        words = jnp.stack(random_words(key, (-(-size // 2),)))
        self._numbers = unit_interval(words).ravel()
        self._taken = 0

    def uniform(self, shape: Sequence[int] = ()) -> Float32[Array, "..."]:
        """Uniform numbers in (0, 1].

        Raises:
            ValueError: the block is used up.
        """
        first, self._taken = self._taken, self._taken + math.prod(shape)
        if self._taken > self._numbers.size:
            raise ValueError(
                f"size: block of {self._numbers.size} numbers; needed {self._taken}"
            )
        return self._numbers[first : self._taken].reshape(shape)

    def normal(self, shape: Sequence[int] = ()) -> Float32[Array, "..."]:
        """Standard normal numbers (Box and Muller); takes two numbers for each."""
        radius = jnp.sqrt(-2 * jnp.log(self.uniform(shape)))
        return radius * cis(self.uniform(shape)).real

    def exponential(self, shape: Sequence[int] = ()) -> Float32[Array, "..."]:
        """Exponential numbers of mean 1."""
        return -jnp.log(self.uniform(shape))

    def sign(self, shape: Sequence[int] = ()) -> Float32[Array, "..."]:
        """-1 or 1."""
        return jnp.where(self.uniform(shape) <= 0.5, -1.0, 1.0)


def complex_normal(key: PRNGKeyArray, shape: Sequence[int]) -> Complex64[Array, "..."]:
    """Return circular complex Gaussian samples CN(0, 1): variance 1/2 per real part."""
    radius, angle = random_words(key, shape)
    # The squared modulus of CN(0, 1) is exponentially distributed (Box and Muller).
    return jnp.sqrt(-jnp.log(unit_interval(radius))) * cis(unit_interval(angle))


def awgn(
    key: PRNGKeyArray,
    signal: Complex64[Array, "*shape"],
    snr_db: Num[ArrayLike, "..."],
    axes: int | tuple[int, ...] | None = None,
) -> Complex64[Array, "*shape"]:
    """Return `signal` with complex white Gaussian noise added.

    Args:
        key: Randomness of the noise.
        signal: The noise-free signal, of any shape.
        snr_db: Ratio in dB of the mean power of the signal over `axes` to the variance
            of the noise in every element. A scalar, or an array that broadcasts
            against `signal` with its `axes` kept at length one.
        axes: The axes over which the power of the signal is averaged; None for all.
    """
    power = jnp.mean(jnp.abs(signal) ** 2, axis=axes, keepdims=True)
    deviation = jnp.sqrt(power * 10.0 ** (-jnp.asarray(snr_db) / 10.0))
    return signal + deviation * complex_normal(key, signal.shape)
