"""The published estimator of Fesl et al. (arXiv 2403.03545), with its own weights.

The weights are not ours: BSD-3-Clause, (c) 2024 Benedikt Fesl, converted from
github.com/benediktfesl/Diffusion_channel_est. They are read from an .npz file; nothing
of them is in this repository.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Complex

from wlam.diffusion import PosteriorMean, Schedule, linear_to, sample
from wlam.nn.denoisers.conv import ConvDenoiser, ConvDenoiserConfig
from wlam.types import DataError

FILE = "channel_estimation_fesl_weights.npz"
NETWORKS = ("3gpp", "quadriga")
"""Trained on three-path Kronecker channels, and on QuaDRiGa with a line of sight."""
LAYERS = (
    *(f"cnn_pre.conv_pre{i}" for i in range(2)),
    *(f"cnn_post.conv_post{i}" for i in range(3)),
)


def schedule() -> Schedule:
    """A hundred steps, the cleanest at 40 dB."""
    return linear_to(1e4, 0.1, 100)


def load(path: str | Path, network: str = "3gpp") -> ConvDenoiser:
    """Reads the weights of one of `NETWORKS`.

    Raises:
        DataError: another name, or a file without these weights.
    """
    if network not in NETWORKS:
        raise DataError(f"network: found {network!r}; needed one of {NETWORKS}")
    model = ConvDenoiser(ConvDenoiserConfig(), nnx.Rngs(0))
    with np.load(path, allow_pickle=False) as file:

        def read(name: str, shape: tuple[int, ...], order: tuple[int, ...]) -> Array:
            key = f"{network}/{name}"
            found = file[key].shape if key in file else None
            if found is None or tuple(found[i] for i in order) != shape:
                raise DataError(f"{key}: found {found}; needed {shape} as {order}")
            return jnp.asarray(file[key].transpose(order))

        def fill(name: str, layer: Any, order: tuple[int, ...]) -> None:
            for part, given in ((layer.kernel, order), (layer.bias, (0,))):
                kind = "weight" if part is layer.kernel else "bias"
                part[...] = read(f"{name}.{kind}", part[...].shape, given)

        for name, layer in zip(LAYERS, model.layers, strict=True):
            fill(name, layer, (2, 3, 1, 0))  # kernels are [out, in, row, column] there
        fill("time_mlp.time_linear1", model.told, (1, 0))
    return model


@dataclass(frozen=True)
class FeslEstimator:
    """Estimates channels from observations of all their entries.

    The deterministic reverse process from the step whose SNR is the observation's.
    """

    model: ConvDenoiser
    # False: the step itself is left out, as in the published code, of which the
    # published figures are.
    inclusive: bool = True

    def __call__(
        self, observed: Complex[np.ndarray, "n u v"], snr: float
    ) -> Complex[np.ndarray, "n u v"]:
        """Channels of mean power 1 from their sum with noise of variance 1 / snr.

        Raises:
            ValueError: an SNR that is not more than 0 and finite.
        """
        if not 0 < snr < np.inf:
            raise ValueError(f"snr: found {snr}; needed more than 0, and finite")
        steps = schedule()
        # The nearest on a linear scale, as in the published code.
        index = int(abs(np.asarray(steps.snr[1:], np.float64) - snr).argmin())
        first = index + 1 if self.inclusive else index
        x = jnp.fft.fft2(jnp.asarray(observed, jnp.complex64), norm="ortho")
        x = jnp.sqrt(snr / (1 + snr)) * x
        if first == 0:  # cleaner than every step
            return np.asarray(jnp.fft.ifft2(x, norm="ortho"))
        return np.asarray(jnp.fft.ifft2(denoised(self.model, x, first), norm="ortho"))


def denoised(
    model: ConvDenoiser, x: Complex[Array, "n u v"], first: int
) -> Complex[Array, "n u v"]:
    """From x at a step to step 0, in the angular domain."""
    graph, params = nnx.split(model)
    return _denoised(graph, params, x, first)


@partial(jax.jit, static_argnums=(0, 3))
def _denoised(graph, params, x: Array, first: int) -> Array:
    model = nnx.merge(graph, params)
    return sample(
        lambda x, modulation: model(x, modulation[None]),
        schedule(),
        x,
        tuple(range(first, -1, -1)),
        PosteriorMean(),
        prepare=model.modulation,
    )
