"""A 1-Lipschitz network: by construction, it moves no two inputs farther apart.

A damped network of this kind has exactly one fixed point (see `wlam.nn.fixed_point`).
Norms of full convolutions are only bounded in practice; here a layer is a convolution
of every channel by itself, whose norm is the peak of its transfer function, and a
matrix over channels, whose norm is its largest singular value: both are exact and
cheap, and each layer is divided by its norm where that is more than 1.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex, Float

from wlam.ops.einsum import einsum


@dataclass(frozen=True)
class LipschitzConfig:
    """Sizes of the network; ValueError for sizes that are not allowed."""

    # Planes of the input: twice its complex channels.
    planes: int = 8
    # Channels of the hidden layers.
    width: int = 64
    # Residual blocks between the first layer and the last.
    blocks: int = 3
    # Rows and columns of the convolutions.
    kernel: int = 3

    def __post_init__(self) -> None:
        numbers = (self.planes, self.width, self.blocks + 1, self.kernel)
        if min(numbers) < 1 or self.width < self.planes or self.width % 2:
            raise ValueError(
                f"planes, width, blocks, kernel: found {self.planes}, {self.width}, "
                f"{self.blocks}, {self.kernel}; needed 1 or more of each (0 blocks), "
                "and an even width of at least planes"
            )


def contracted(
    matrix: Float[Array, "out in"],
) -> Float[Array, "out in"]:
    """The matrix over its largest singular value, if that is more than 1."""
    # From the smaller Gram matrix: eigenvalues are exact, power iteration is a bound.
    tall = matrix.shape[0] > matrix.shape[1]
    gram = einsum("ki,kj->ij" if tall else "ik,jk->ij", matrix, matrix)
    largest = jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(gram)[-1], 0))
    return matrix / jnp.maximum(largest, 1)


class LipschitzLayer(nnx.Module):
    """A circular convolution of every plane, then a matrix over planes."""

    def __init__(self, inputs: int, outputs: int, kernel: int, rngs: nnx.Rngs):
        window = 0.3 * jax.random.normal(rngs.params(), (kernel, kernel, inputs))
        self.window = nnx.Param(window.at[kernel // 2, kernel // 2].add(1))
        matrix = jax.nn.initializers.orthogonal()(rngs.params(), (outputs, inputs))
        self.matrix = nnx.Param(matrix)
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, x: Float[Array, "n u v c"]) -> Float[Array, "n u v k"]:
        shape, window = x.shape[1:3], self.window[...]
        # On a grid smaller than the window a circular one would overlap itself.
        rows, columns = (min(side, len(window)) for side in shape)
        response = jnp.fft.rfft2(window[:rows, :columns], shape, axes=(0, 1))
        peak = abs(response).max((0, 1))
        response = response / jnp.maximum(peak, 1)[None, None]
        filtered = jnp.fft.rfft2(x, axes=(1, 2)) * response[None]
        filtered = jnp.fft.irfft2(filtered, shape, axes=(1, 2))
        mixed = einsum("nuvc,kc->nuvk", filtered, contracted(self.matrix[...]))
        return mixed + self.bias[...][None, None, None]


def sorted_pairs(x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
    """Sorts neighbouring channels: a nonlinearity that keeps the gradient norm.

    Anil, Lucas & Grosse, "Sorting out Lipschitz function approximation", arXiv
    1811.05381: 1-Lipschitz networks with it approximate any 1-Lipschitz function.
    """
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    low, high = pairs.min(-1), pairs.max(-1)
    return jnp.stack([low, high], axis=-1).reshape(x.shape)


class LipschitzNetwork(nnx.Module):
    """[n, u, v, planes] to the same; differences never grow, for any parameters.

    Convolutions are circular, so that shifts of the input shift the output.
    """

    def __init__(self, config: LipschitzConfig, rngs: nnx.Rngs):
        k, width = config.kernel, config.width
        self.first = LipschitzLayer(config.planes, width, k, rngs)
        self.blocks = nnx.List(
            [
                nnx.List([LipschitzLayer(width, width, k, rngs) for _ in range(2)])
                for _ in range(config.blocks)
            ]
        )
        self.last = LipschitzLayer(width, config.planes, 1, rngs)

    def __call__(self, x: Float[Array, "n u v c"]) -> Float[Array, "n u v c"]:
        h = sorted_pairs(self.first(x))
        for one, other in self.blocks:
            # The mean: a sum of two such maps has a Lipschitz constant of up to 2.
            h = (h + other(sorted_pairs(one(h)))) / 2
            h = sorted_pairs(h)
        return self.last(h)


def as_planes(x: Complex[Array, "n u v c"]) -> Float[Array, "n u v two_c"]:
    """Real parts, then imaginary parts."""
    return jnp.concatenate([x.real, x.imag], axis=-1)


def from_planes(x: Float[Array, "n u v two_c"]) -> Complex[Array, "n u v c"]:
    """The inverse of `as_planes`."""
    real, imaginary = jnp.split(x, 2, axis=-1)
    return jax.lax.complex(real, imaginary)
