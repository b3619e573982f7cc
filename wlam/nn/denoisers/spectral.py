"""A denoiser that derives a filter in the beam domain from powers alone.

Channels of few paths are images [u, v] (antennas by antennas, subcarriers by antennas)
whose entries have unpredictable phases, and powers that are smooth and sparse. The best
estimate is then linear given the powers, and its matrix, in the domain of both Fourier
transforms, is concentrated near the diagonal. So the network takes the power of every
bin over the noise, and gives a real filter of a few taps for every bin. Neumann, Wiese
& Utschick, "Learning the MMSE channel estimator", IEEE Trans. Signal Process. 66(11),
2018 (arXiv 1707.05674), derive a similar network with gains alone and one layer.

By construction the estimate rotates with the phase of the observation and scales with
its unit. Taps are real with centred transforms, since the filters of Toeplitz
covariances are. The position of a bin is an input, since beams to the side are wider in
angle and delays are not negative.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Complex, Float

WAVES = 2
"""Sines, and as many cosines, of the position of a bin along an axis."""
QUIET = 1e-12
"""Power over noise below which a bin counts as empty; keeps logarithms finite."""
LEVELS = tuple((np.arange(16) + 0.5) / 16)
"""Levels of the quantiles of powers that give the noise variance."""


@dataclass(frozen=True)
class SpectralConfig:
    """Sizes of the denoiser; ValueError for sizes that are not allowed."""

    # Channels of the hidden layers.
    width: int = 32
    # Residual blocks.
    blocks: int = 4
    # Rows and columns of the window of a block, and of the filter of a bin; odd.
    kernel: int = 3
    taps: tuple[int, int] = (5, 7)
    # Hidden units of the network for the noise variance.
    hidden: int = 32

    def __post_init__(self) -> None:
        if min(self.width, self.blocks, self.hidden) < 1:
            raise ValueError(
                f"width, blocks, hidden: found {self.width}, {self.blocks}, "
                f"{self.hidden}; needed 1 or more of each"
            )
        if any(size < 1 or size % 2 == 0 for size in (self.kernel, *self.taps)):
            raise ValueError(
                f"kernel, taps: found {self.kernel}, {self.taps}; needed odd numbers, "
                "a filter has a middle"
            )


def centred_fft(x: Complex[Array, "*n u v"]) -> Complex[Array, "*n u v"]:
    """Unitary transforms along both axes, with phases relative to the centre."""
    for axis in (-2, -1):
        x = jnp.fft.fft(x, axis=axis, norm="ortho") * _rotation(x, axis)
    return x


def centred_ifft(x: Complex[Array, "*n u v"]) -> Complex[Array, "*n u v"]:
    """The inverse of `centred_fft`."""
    for axis in (-2, -1):
        x = jnp.fft.ifft(x * _rotation(x, axis).conj(), axis=axis, norm="ortho")
    return x


def _rotation(x: Array, axis: int) -> Complex[Array, "..."]:
    size = x.shape[axis]
    phase = np.pi * np.arange(size) * (size - 1) / size
    rotation = np.exp(1j * phase).astype(np.complex64)
    shape = [1] * x.ndim
    shape[axis] = size
    return jnp.asarray(rotation.reshape(shape))


def neighbour(x: Complex[Array, "n u v"], axis: int, by: int) -> Array:
    """The bin `by` further along an axis.

    With phases relative to the centre of an even number of samples, a spectrum changes
    its sign with each period.
    """
    size = x.shape[axis]
    rounds = (np.arange(size) + by) // size
    sign = (-1.0) ** (rounds * (size - 1))
    shape = [1] * x.ndim
    shape[axis] = size
    return jnp.roll(x, -by, axis) * jnp.asarray(sign.reshape(shape), jnp.float32)


def bin_positions(rows: int, columns: int) -> Float[Array, "u v w"]:
    """Periodic embeddings of a bin's position in its row and in its column."""
    parts = []
    for size, axis in ((rows, 0), (columns, 1)):
        phase = 2 * np.pi * (np.arange(size) + 0.5) / size
        for wave in range(1, WAVES + 1):
            for part in (np.cos(wave * phase), np.sin(wave * phase)):
                part = np.expand_dims(part, 1 - axis)
                parts.append(np.broadcast_to(part, (rows, columns)))
    return jnp.asarray(np.stack(parts, axis=-1), jnp.float32)


class SpectralBlock(nnx.Module):
    """A depthwise convolution over bins, with the means of their row and column.

    It is circular, as spectra are, and computed by shifts: XLA's convolutions take ten
    times as long inside a loop on a CPU.
    """

    def __init__(self, config: SpectralConfig, rngs: nnx.Rngs):
        d, k = config.width, config.kernel
        hidden = 2 * d
        self.norm = nnx.LayerNorm(d, rngs=rngs)
        window = jax.random.normal(rngs.params(), (k, k, d)) / k
        self.window = nnx.Param(window)
        self.up = nnx.Linear(d, hidden, rngs=rngs)
        # Under product covariances a row and a column determine most of a bin.
        self.row = nnx.Linear(d, hidden, use_bias=False, rngs=rngs)
        self.column = nnx.Linear(d, hidden, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(hidden, d, rngs=rngs)

    def __call__(self, x: Float[Array, "n u v d"]) -> Float[Array, "n u v d"]:
        seen, window = self.norm(x), self.window[...]
        reach = len(window) // 2
        near = jnp.zeros_like(seen)
        for i in range(len(window)):
            for j in range(len(window)):
                moved = jnp.roll(seen, (reach - i, reach - j), (1, 2))
                near += window[i, j][None, None, None] * moved
        along = self.row(seen.mean(2, keepdims=True))
        across = self.column(seen.mean(1, keepdims=True))
        return x + self.down(jax.nn.gelu(self.up(near) + along + across))


class SpectralDenoiser(nnx.Module):
    """Channels in white noise to their conditional mean; any array sizes."""

    def __init__(self, config: SpectralConfig, rngs: nnx.Rngs):
        self.config, d, zeros = config, config.width, nnx.initializers.zeros
        # The power of a bin, its position, and whether rows are delays.
        self.embed = nnx.Linear(2 + 4 * WAVES, d, rngs=rngs)
        self.blocks = nnx.List(
            [SpectralBlock(config, rngs) for _ in range(config.blocks)]
        )
        self.norm = nnx.LayerNorm(d, rngs=rngs)
        taps = math.prod(config.taps)
        self.head = nnx.Linear(d, taps, kernel_init=zeros, rngs=rngs)
        self.noise = nnx.Sequential(
            nnx.Linear(len(LEVELS), config.hidden, rngs=rngs),
            nnx.gelu,
            nnx.Linear(config.hidden, 1, kernel_init=zeros, rngs=rngs),
        )

    def __call__(
        self,
        observed: Complex[Array, "n u v"],
        noise_variance: Float[Array, " n"],
        frequency: bool = False,
    ) -> Complex[Array, "n u v"]:
        """The estimate.

        Args:
            observed: channels in white noise, in any unit; v are antennas of a uniform
                line.
            noise_variance: of every entry, more than 0.
            frequency: whether u are subcarriers; else antennas of another line.
        """
        x = centred_fft(observed)
        power = abs(x) ** 2 / noise_variance[:, None, None]
        weights = self.filters(power, frequency)
        rows, columns = self.config.taps
        found = jnp.zeros_like(x)
        for i in range(rows):
            row = neighbour(x, 1, i - rows // 2)
            for j in range(columns):
                seen = neighbour(row, 2, j - columns // 2)
                found += weights[..., i * columns + j] * seen
        return centred_ifft(found)

    def filters(
        self, power: Float[Array, "n u v"], frequency: bool
    ) -> Float[Array, "n u v tap"]:
        """Taps of every bin, from powers over the noise; the middle one is 0 to 1."""
        about = jnp.pad(
            bin_positions(*power.shape[1:]),
            [(0, 0), (0, 0), (0, 1)],
            constant_values=float(frequency),
        )
        about = jnp.broadcast_to(about[None], (len(power), *about.shape))
        h = self.embed(jnp.concatenate([jnp.log1p(power)[..., None], about], axis=-1))
        for block in self.blocks:
            h = block(h)
        taps = self.head(self.norm(h))
        middle = math.prod(self.config.taps) // 2
        # Untrained it is the Wiener gain of a single bin: power less noise, over power.
        alone = jnp.log(jnp.maximum(power - 1, QUIET) + 0.1)
        centre = jax.nn.sigmoid(taps[..., middle] + alone)
        return taps.at[..., middle].set(centre)

    def noise_variance(self, observed: Complex[Array, "n u v"]) -> Float[Array, " n"]:
        """Estimated variance of the noise, of a sample that is not all 0.

        From the quantiles of the powers of bins, since few bins have paths.
        """
        power = abs(centred_fft(observed)) ** 2
        mean = power.mean((1, 2))
        flat = power.reshape(len(power), -1) / mean[:, None]
        levels = jnp.quantile(flat, jnp.asarray(LEVELS), axis=1).T
        seen = jnp.log(levels + QUIET)
        # Half of the bins have less than the median, -log(1/2) times the variance.
        start = jnp.log(jnp.quantile(flat, 0.5, axis=1) / math.log(2) + QUIET)
        return mean * jnp.exp(start + self.noise(seen)[:, 0])
