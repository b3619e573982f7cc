"""Beams by a network that is tuned while it runs, without examples (GLNN).

Wang, Zhu, Huang et al., "Robust beamforming with gradient-based liquid neural network",
IEEE Wireless Commun. Lett. 13(11), 2024, arXiv 2405.07291. At every sample the network
hears the gradient of a loss at coordinates X0, says a change of them, and is trained by
one step of Adam on the loss of what that gives; three times. Nobody knows the true
channel: the loss is that of the imperfect one. Parameters, optimiser and state of the
network go on to the next sample.

The defaults are the published loop, but for its power: the published code multiplies by
sqrt(P / |W|) for sqrt(P) / |W|, which sends more than P. `steadied` is the same loop
from regularised zero forcing, with a bounded change that is zero at first.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.models.beamformer.cells import build_cell
from wlam.nn.liquid import WiredCfcConfig, auto_ncp
from wlam.nn.liquid.cell import LiquidCell, State
from wlam.ops.einsum import einsum
from wlam.phy.mimo.precoding.linear import gram_of, rzf_coordinates, stacked, strongest
from wlam.phy.mimo.precoding.rates import (
    check_downlink,
    normalise_power,
    spectral_efficiency,
)
from wlam.phy.noise import complex_normal


@dataclass(frozen=True)
class OnlineConfig:
    """The loop and its network; ValueError where impossible."""

    # Of the base station, of all users, and of each.
    antennas: int = 64
    users: int = 4
    user_antennas: int = 2
    # Of all beams together, over the noise at a user's antenna.
    power: float = 10.0
    # "ncp": closed-form liquid cells on a neural circuit policy; an LSTM; no memory.
    cell: Literal["ncp", "lstm", "mlp"] = "ncp"
    # Neurons of it.
    units: int = 30
    # Steps of Adam at every sample, and their rate.
    tunings: int = 3
    rate: float = 1e-2
    # X0: white numbers, new ones at every sample, or regularised zero forcing.
    start: Literal["random", "rzf"] = "random"
    # Largest entry of a change over the mean one of X0, through a last layer that is
    # zero at first; None: what the network says, as it is.
    bound: float | None = None
    # Whether what the network says is added to X0, or taken in place of it.
    residual: bool = True
    # Whether X are coordinates in the span of the channels, or all antennas.
    manifold: bool = True
    # Loss: users below this many bit/s/Hz, their weight, and that of the variance.
    least_rate: float = 2.5
    least_weight: float = 0.7
    variance_weight: float = 0.3

    def __post_init__(self) -> None:
        for name in ("antennas", "users", "user_antennas", "units", "tunings"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")
        for name in ("power", "rate"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"{name}: found {value}; needed more than 0")

    def build(self, rngs: nnx.Rngs) -> "OnlineNetwork":
        return OnlineNetwork(self, rngs)


def steadied(config: OnlineConfig) -> OnlineConfig:
    """The loop from regularised zero forcing, with a bounded change."""
    return replace(config, start="rzf", bound=0.1, rate=3e-3)


class OnlineNetwork(nnx.Module):
    """Rows of a gradient, one after another as a sequence, to rows of a change."""

    def __init__(self, config: OnlineConfig, rngs: nnx.Rngs):
        self.config, features = config, 2 * config.users
        if config.cell == "ncp":
            wired = WiredCfcConfig(auto_ncp(config.units, features))
            self.cell: LiquidCell = wired.build(features, rngs)
        else:
            self.cell = build_cell(config.cell, features, config.units, rngs)
        self.reads = config.cell != "ncp" or config.bound is not None
        if self.reads:
            first = jax.nn.initializers.lecun_normal()
            if config.bound is not None:
                first = jax.nn.initializers.zeros
            self.out = nnx.Linear(
                self.cell.outputs, features, kernel_init=first, rngs=rngs
            )

    def __call__(
        self, state: State, gradient: Complex[Array, "row user"]
    ) -> tuple[Complex[Array, "row user"], State]:
        """The change that it says, and its state behind the last row."""
        rows = jnp.concatenate([gradient.real, gradient.imag], axis=-1)
        state, read = self.cell.unroll(state, rows[None], None, None)
        said = self.out(read[0]) if self.reads else read[0]
        if self.config.bound is not None:
            said = jnp.tanh(said)
        real, imaginary = jnp.split(said, 2, axis=-1)
        return jax.lax.complex(real, imaginary), state


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tuned:
    """What goes on from sample to sample."""

    params: Any
    optimizer: Any
    state: State


class OnlineBeamformer:
    """The loop; `start` and then `sample`, or `follow` for a whole track."""

    def __init__(self, config: OnlineConfig):
        self.config = config
        self._adam = optax.adam(config.rate)
        shapes = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)

    def start(self, seed: int = 0) -> Tuned:
        """A fresh network."""
        network = self.config.build(nnx.Rngs(seed))
        params = nnx.state(network)
        return Tuned(params, self._adam.init(params), network.cell.start(1))

    def loss(
        self, h_hat: Complex[Array, "user rx tx"], x: Complex[Array, "row user"]
    ) -> tuple[Float[Array, ""], Complex[Array, "tx user"]]:
        """Of coordinates at full power, and their beams.

        Less the sum rate, users below the least rate, and the variance of the rates.
        """
        w = normalise_power(self._beams(h_hat, x), self.config.power)
        rates = spectral_efficiency(h_hat, w)
        below = jax.nn.relu(self.config.least_rate - rates).sum()
        # Of one user there is no variance.
        spread = ((rates - rates.mean()) ** 2).sum() / max(self.config.users - 1, 1)
        loss = (
            -rates.sum()
            + self.config.least_weight * below
            + self.config.variance_weight * spread
        )
        return loss, w

    def sample(
        self,
        tuned: Tuned,
        h_hat: Complex[Array, "user rx tx"],
        key: PRNGKeyArray,
    ) -> tuple[Complex[Array, "tx user"], Tuned]:
        """The beams for a sample, and what it has taught.

        Args:
            tuned: from `start` or the sample before.
            h_hat: imperfect channel, noise at the users of variance 1.
            key: randomness of a random X0.

        Raises:
            ValueError: channels of another shape; see `check_downlink`.
        """
        config = self.config
        wanted = (config.users, config.user_antennas, config.antennas)
        if h_hat.shape != wanted:
            raise ValueError(f"h_hat: found {h_hat.shape}; needed {wanted}")
        check_downlink(h_hat, config.power)
        x0 = self._first(h_hat, key)
        # jax.grad of a real number is twice the conjugate of d / dx*.
        found = jax.grad(lambda x: self.loss(h_hat, x)[0])(x0)
        gradient = jax.lax.stop_gradient(found.conj() / 2)
        size = jnp.sqrt((abs(x0) ** 2).mean())

        def once(tuned: Tuned, _: None) -> tuple[Tuned, Array]:
            def of(params: Any) -> tuple[Array, tuple[Array, State]]:
                network = nnx.merge(self._graph, params)
                change, state = network(tuned.state, gradient)
                if config.bound is not None:
                    change = config.bound * size * change
                x = x0 + change if config.residual else change
                loss, w = self.loss(h_hat, x)
                return loss, (w, state)

            gradients, (w, state) = jax.grad(of, has_aux=True)(tuned.params)
            updates, optimizer = self._adam.update(gradients, tuned.optimizer)
            params = optax.apply_updates(tuned.params, updates)
            return Tuned(params, optimizer, jax.lax.stop_gradient(state)), w

        tuned, ws = jax.lax.scan(once, tuned, length=config.tunings)
        return ws[-1], tuned

    @partial(jax.jit, static_argnums=0)
    def follow(
        self,
        tuned: Tuned,
        h_hat: Complex[Array, "time user rx tx"],
        key: PRNGKeyArray,
    ) -> tuple[Complex[Array, "time tx user"], Tuned]:
        """Sample after sample."""
        keys = jax.random.split(key, len(h_hat))

        def once(tuned: Tuned, now: tuple) -> tuple[Tuned, Array]:
            w, tuned = self.sample(tuned, *now)
            return tuned, w

        tuned, w = jax.lax.scan(once, tuned, (h_hat, keys))
        return w, tuned

    def _first(self, h_hat: Array, key: PRNGKeyArray) -> Array:
        """X0, of beams at full power."""
        config = self.config
        if config.start == "rzf":
            gram, u = gram_of(h_hat), strongest(h_hat)
            x = rzf_coordinates(gram, u, config.power, 1.0)
            if not config.manifold:
                x = einsum("am,aj->mj", stacked(h_hat).conj(), x)
        else:
            entries = config.users * config.user_antennas
            rows = entries if config.manifold else config.antennas
            x = complex_normal(key, (rows, config.users))
        total = jnp.sqrt((abs(self._beams(h_hat, x)) ** 2).sum())
        return config.power**0.5 * x / total

    def _beams(self, h_hat: Array, x: Array) -> Array:
        if not self.config.manifold:
            return x
        rows = rearrange(h_hat, "k n m -> (k n) m")
        return einsum("am,aj->mj", rows.conj(), x)
