"""A channel estimator that is a fixed point, certified to have one.

Peaceman-Rachford splitting (`wlam.phy.estimators.splitting`) with a learned proximal
map D, as in Yuan, Wu, Tang, Yang & Peng, arXiv 2410.23752. Here its reflection is

    2 D - I = damping * N,    D(z) = (z + damping * N(z)) / 2,

with N of `wlam.nn.lipschitz`, which never expands: so the layer contracts by `damping`
at least, whatever the parameters and the sensing, and its fixed point exists, is one,
and is reached from anywhere.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Complex

from wlam.nn.fixed_point import Solution, Solver, fixed_point, solve
from wlam.nn.lipschitz import LipschitzConfig, LipschitzNetwork, as_planes, from_planes
from wlam.phy.estimators.splitting import Splitting, primal_step, split


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

    def split(self, sensing: Complex[Array, "m d"]) -> Splitting:
        """What the least-squares part needs, prepared once for all observations.

        Args:
            sensing: in front of white noise, of norm about 1.
        """
        return split(sensing, jax.nn.softplus(self.size[...]))

    def mirrored(self, z: Complex[Array, "n d"]) -> Complex[Array, "n d"]:
        """2 D - I."""
        shape = (self.config.rows, self.config.columns, self.config.grids)
        grids = z.reshape(len(z), shape[2], *shape[:2]).transpose(0, 2, 3, 1)
        found = from_planes(self.network(as_planes(grids))).transpose(0, 3, 1, 2)
        return self.config.damping * found.reshape(z.shape)

    def prox(self, z: Complex[Array, "n d"]) -> Complex[Array, "n d"]:
        """D."""
        return (z + self.mirrored(z)) / 2

    def __call__(
        self, splitting: Splitting, observed: Complex[Array, "n m"]
    ) -> Complex[Array, "n d"]:
        """The estimate, differentiable as `Solver.gradient` says."""
        graph, params = nnx.split(self)
        about = (params, splitting, observed)
        start = jnp.zeros((len(observed), self.config.unknowns), observed.dtype)
        z: Array = fixed_point(Step(graph), about, start, self.config.solver)
        return self.prox(z)

    def solve(
        self, splitting: Splitting, observed: Complex[Array, "n m"], solver: Solver
    ) -> tuple[Complex[Array, "n d"], Solution]:
        """The estimate, and how it was reached; not to be differentiated."""
        step = partial(primal_step, splitting, self.prox, observed)
        start = jnp.zeros((len(observed), self.config.unknowns), observed.dtype)
        found = solve(step, start, solver)
        return self.prox(found.z), found


@dataclass(frozen=True)
class Step:
    """One layer as a function of all that it depends on, equal where it is the same."""

    graph: Any

    def __call__(self, about: Any, z: Complex[Array, "n d"]) -> Complex[Array, "n d"]:
        params, splitting, observed = about
        model = nnx.merge(self.graph, params)
        return primal_step(splitting, model.prox, observed, z)
