"""A channel estimator that is a fixed point, certified to have one.

Peaceman-Rachford splitting (`wlam.baselines.estimate.splitting`) with a learned
proximal map D, as in Yuan, Wu, Tang, Yang & Peng, arXiv 2410.23752. Here its reflection
is

    2 D - I = damping * N,    D(z) = (z + damping * N(z)) / 2,

with N of `wlam.nn.lipschitz`, which never expands: so the layer contracts by `damping`
at least, whatever the parameters and the sensing, and its fixed point exists, is one,
and is reached from anywhere.

Told the noise, D is that of h over its standard deviation, D(z) = level D(z / level),
which contracts as before: one set of parameters serves all SNRs. N may be a mean of the
network and of two reflections that are known, with weights that are learned and follow
the noise: that of a Gaussian prior, the covariance of every sub-array under plane waves
from all sides, and that of few directions, which all sub-arrays share and twice as many
as they resolve. Learning then begins near the best of linear and sparse estimates.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Complex, Float

from wlam.baselines.estimate.splitting import Splitting, primal_step, split
from wlam.nn.fixed_point import Solution, Solver, fixed_point, solve
from wlam.nn.lipschitz import LipschitzConfig, LipschitzNetwork, as_planes, from_planes
from wlam.ops.einsum import einsum
from wlam.phy.arrays import upa

OVERSAMPLING = 2
"""Directions along each side for each that a sub-array resolves."""
SILENT = 1e-20
"""Power that no direction falls below."""
FIRST_THRESHOLD, FIRST_NETWORK = 0.7, -3.0
"""Where thresholds, over the noise, and the logit of the network's weight begin."""


@dataclass(frozen=True)
class DeqConfig:
    """Everything that fixes the parameters; ValueError where it cannot be."""

    # Grids that channels are made of, side by side: sub-arrays, [row, column].
    grids: int = 4
    rows: int = 16
    columns: int = 16
    # Of the network; it has two planes for every grid.
    network: LipschitzConfig = field(default_factory=LipschitzConfig)
    # What a change is multiplied by in every layer, at most.
    damping: float = 0.99
    # Between the antennas that the grids are the angles of, in wavelengths, for the two
    # known reflections; None: there are none.
    spacing: float | None = None
    # How the fixed point is found.
    solver: Solver = field(default_factory=Solver)

    def __post_init__(self) -> None:
        if self.network.planes != 2 * self.grids:
            raise ValueError(
                f"network.planes: found {self.network.planes}; needed twice the "
                f"grids, {2 * self.grids}"
            )
        if not 0 < self.damping < 1:
            raise ValueError(
                f"damping: found {self.damping}; needed between 0 and 1, or there may "
                "be no fixed point"
            )

    @property
    def unknowns(self) -> int:
        return self.grids * self.rows * self.columns


class Deq(nnx.Module):
    """Observations to channels, in the domain that the sensing matrix acts on."""

    def __init__(self, config: DeqConfig, rngs: nnx.Rngs):
        self.config = config
        self.network = LipschitzNetwork(config.network, rngs)
        # softplus of this is the size of a step, 1 at first.
        self.size = nnx.Param(jnp.log(jnp.expm1(jnp.ones(()))))
        if config.spacing is not None:
            # Logarithms of the prior's powers, of every grid alike.
            power, _ = plane_waves(config.rows, config.columns, config.spacing)
            self.powers = nnx.Param(jnp.log(jnp.asarray(power, jnp.float32)))
            # Of the thresholds of directions, over the noise.
            shape = OVERSAMPLING * config.rows, OVERSAMPLING * config.columns
            self.thresholds = nnx.Param(jnp.full(shape, jnp.log(FIRST_THRESHOLD)))
            # Of the weights of N's three parts: at SNR 1, and for each factor e of it.
            first = jnp.array([0.0, 0.0, FIRST_NETWORK])
            self.weights = nnx.Param(jnp.stack([first, jnp.zeros(3)]))

    def split(self, sensing: Complex[Array, "*part m d"]) -> Splitting:
        """What the least-squares part needs, prepared once for all observations.

        Args:
            sensing: in front of white noise, of norm about 1.
        """
        return split(sensing, jax.nn.softplus(self.size[...]))

    def mirrored(
        self, z: Complex[Array, "n d"], level: Float[Array, " n"] | None = None
    ) -> Complex[Array, "n d"]:
        """2 D - I; the level is the noise's standard deviation, 1 if not given."""
        config = self.config
        level = jnp.ones(len(z)) if level is None else level
        unit = level[:, None, None, None]
        grids = z.reshape(len(z), config.grids, config.rows, config.columns)
        planes = as_planes(grids.transpose(0, 2, 3, 1) / unit)
        found = unit * from_planes(self.network(planes)).transpose(0, 3, 1, 2)
        if config.spacing is not None:
            at, slope = self.weights[...]
            logits = at[None] - 2 * jnp.log(level)[:, None] * slope[None]
            weights = jax.nn.softmax(logits)[:, :, None, None, None]
            linear = self.linear(grids, unit[..., 0], config.spacing)
            sparse = self.sparse(grids, unit)
            found = (
                weights[:, 0] * linear + weights[:, 1] * sparse + weights[:, 2] * found
            )
        return config.damping * found.reshape(z.shape)

    def linear(
        self,
        grids: Complex[Array, "n g u v"],
        level: Float[Array, "n 1 1"],
        spacing: float,
    ) -> Complex[Array, "n g u v"]:
        """2 D - I of the Gaussian prior."""
        config, gamma = self.config, jax.nn.softplus(self.size[...])
        _, vectors = plane_waves(config.rows, config.columns, spacing)
        vectors = jnp.asarray(vectors, jnp.complex64)
        power = jnp.exp(self.powers[...])[None, None] / level**2
        inside = einsum(
            "dk,ngd->ngk", vectors.conj(), grids.reshape(*grids.shape[:2], -1)
        )
        inside = (power - gamma) / (power + gamma) * inside
        return einsum("dk,ngk->ngd", vectors, inside).reshape(grids.shape)

    def sparse(
        self, grids: Complex[Array, "n g u v"], level: Float[Array, "n 1 1 1"]
    ) -> Complex[Array, "n g u v"]:
        """2 W^H T W - I, T the group soft threshold and W^H W = I: it never expands."""
        shape = self.thresholds[...].shape
        size = math.sqrt(math.prod(shape))
        antennas = jnp.fft.ifft2(grids, norm="ortho")
        waves = jnp.fft.fft2(antennas, shape) / size
        power = (abs(waves) ** 2).sum(1, keepdims=True)
        strength = jnp.sqrt(jnp.maximum(power, SILENT))  # a root has no slope at 0
        least = level * jnp.exp(self.thresholds[...])[None, None]
        kept = jnp.maximum(strength - least, 0) / strength
        rows, columns = grids.shape[2:]
        antennas = size * jnp.fft.ifft2(kept * waves)[..., :rows, :columns]
        return 2 * jnp.fft.fft2(antennas, norm="ortho") - grids

    def prox(
        self, z: Complex[Array, "n d"], level: Float[Array, " n"] | None = None
    ) -> Complex[Array, "n d"]:
        """D."""
        return (z + self.mirrored(z, level)) / 2

    def __call__(
        self,
        splitting: Splitting,
        observed: Complex[Array, "n m"],
        level: Float[Array, " n"] | None = None,
    ) -> Complex[Array, "n d"]:
        """The estimate, differentiable as `Solver.gradient` says."""
        graph, params = nnx.split(self)
        about = (params, splitting, observed, level)
        start = jnp.zeros((len(observed), self.config.unknowns), observed.dtype)
        z: Array = fixed_point(Step(graph), about, start, self.config.solver)
        return self.prox(z, level)

    def solve(
        self,
        splitting: Splitting,
        observed: Complex[Array, "n m"],
        solver: Solver,
        level: Float[Array, " n"] | None = None,
    ) -> tuple[Complex[Array, "n d"], Solution]:
        """The estimate, and how it was reached; not to be differentiated."""
        prox = partial(self.prox, level=level)
        step = partial(primal_step, splitting, prox, observed)
        start = jnp.zeros((len(observed), self.config.unknowns), observed.dtype)
        found = solve(step, start, solver)
        return prox(found.z), found


@lru_cache
def plane_waves(
    rows: int, columns: int, spacing: float, weakest: float = 1e-6
) -> tuple[Float[np.ndarray, " d"], Complex[np.ndarray, "d d"]]:
    """Powers and eigenvectors, in angles, of an array under waves from all sides.

    Polar angles off the broadside and azimuths about it are uniform, as in
    `wlam.phy.channels.hybrid_field`.

    Args:
        rows, columns: of antennas.
        spacing: between them, in wavelengths.
        weakest: power of what no wave excites, over the mean.
    """
    polar = np.pi * ((np.arange(64) + 0.5) / 64 - 0.5)
    azimuth = 2 * np.pi * (np.arange(128) + 0.5) / 128
    y = np.outer(np.sin(polar), np.cos(azimuth)).ravel()
    z = np.outer(np.sin(polar), np.sin(azimuth)).ravel()
    places = np.float64(upa(rows, columns, spacing))
    waves = np.exp(2j * np.pi * places @ np.stack([np.zeros_like(y), y, z]))
    angles = np.fft.fftn(waves.reshape(rows, columns, -1), axes=(0, 1), norm="ortho")
    angles = angles.reshape(rows * columns, -1)
    power, vectors = np.linalg.eigh(angles @ angles.conj().T / len(y))
    return np.maximum(power, weakest), vectors


@dataclass(frozen=True)
class Step:
    """One layer as a function of all that it depends on, equal where it is the same."""

    graph: Any

    def __call__(self, about: Any, z: Complex[Array, "n d"]) -> Complex[Array, "n d"]:
        params, splitting, observed, level = about
        model = nnx.merge(self.graph, params)
        prox = partial(model.prox, level=level)
        return primal_step(splitting, prox, observed, z)
