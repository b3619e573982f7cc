"""Downlink beams for many moving users from imperfect channels, by liquid networks.

Three parts, of which two are learned:

1. A filter over time. Every user's channel is taken to directions, more finely than
   the array resolves, and every direction has a liquid cell, the same for all, that
   hears the powers around it and how much time has passed, and says which share of the
   direction to keep. Phases of neighbouring samples have nothing in common at 28 GHz,
   but directions and powers of paths stay for seconds: what the cells remember.
2. Regularised zero forcing for what the filter keeps, in coordinates of the span of
   the channels (the manifold of Wang, Zhu, Huang et al., arXiv 2405.07291).
3. Steps up the sum rate in those coordinates, along its Wirtinger gradient, of lengths
   that another liquid cell chooses for every user within a trust region.

What is left of the error after the filter counts as noise in 2 and 3. Nothing depends
on the order of the users or on their phases.
"""

from dataclasses import dataclass, replace
from typing import Literal

import jax
import jax.numpy as jnp
from einops import rearrange, repeat
from flax import nnx
from jaxtyping import Array, Bool, Complex, Float, PRNGKeyArray

from wlam.models.base import Network, NetworkConfig
from wlam.models.beamformer.api import BeamformerAPI
from wlam.models.beamformer.cells import Kind, build_cell
from wlam.nn.liquid import unroll
from wlam.nn.liquid.cell import State
from wlam.nn.liquid.sequence import Carried, fresh
from wlam.ops.einsum import einsum
from wlam.phy.mimo.precoding.directions import from_directions, to_directions
from wlam.phy.mimo.precoding.linear import (
    block_columns,
    from_coordinates,
    gram_of,
    rzf_coordinates,
    stacked,
    strongest,
)
from wlam.phy.mimo.precoding.rates import (
    check_downlink,
    efficiency_gradient,
    error_variance,
    keep_active,
    normalise_power,
    sum_rate,
    with_error,
)
from wlam.types import Batch, DownlinkBatch

NEIGHBOURS = (-2, -1, 0, 1, 2)
"""Directions whose powers a cell hears, itself among them."""
LEAST_ERROR = 1e-4
"""Of the power of the channels: the least variance of an error that the filter takes
for possible, without which the logarithms have no bound."""
LEAST_SLOPE = 1e-3
"""Gradients, times the length of the beams, in nats: below this steps become short."""


@dataclass(frozen=True)
class BeamformerConfig(NetworkConfig):
    """Sizes and parts; ValueError where impossible."""

    # Of the base station's line, and of a user.
    antennas: int = 64
    user_antennas: int = 2
    # Of all beams together, over the noise at a user's antenna.
    power: float = 10.0
    # Memory: closed-form liquid cells, LSTMs, or none.
    cell: Kind = "cfc"
    # Neurons of the cell of each direction, and directions per antenna.
    units: int = 16
    oversampling: int = 2
    # Whether there is the filter; without it the channels are taken as they are.
    filter: bool = True
    # Steps up the sum rate, neurons of the cell that chooses their lengths, and the
    # longest step over the length of the coordinates.
    steps: int = 3
    step_units: int = 8
    trust: float = 0.3
    # Where they begin: "rzf", or "mrt", each user's strongest direction.
    start: Literal["rzf", "mrt"] = "rzf"
    # Whether beams are coordinates in the span of the channels, or all antennas.
    manifold: bool = True
    # Of training: the power of channels over that of their errors, evenly in dB, and
    # the first samples of a window, in which the cells settle and which do not count.
    error_ratio_db: tuple[float, float] = (-2.0, 15.0)
    warm: int = 8

    def __post_init__(self) -> None:
        for name in (
            "antennas",
            "user_antennas",
            "units",
            "oversampling",
            "step_units",
        ):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")
        for name in ("steps", "warm"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name}: found {value}; needed 0 or more")
        low, high = self.error_ratio_db
        if not low <= high:
            raise ValueError(
                f"error_ratio_db: found {low:g}, {high:g}; needed the lower one first"
            )
        for name in ("power", "trust"):
            if not (value := getattr(self, name)) > 0:
                raise ValueError(f"{name}: found {value}; needed more than 0")
        if self.start not in ("rzf", "mrt"):
            raise ValueError(f"start: found {self.start!r}; needed rzf or mrt")

    def build(self, rngs: nnx.Rngs) -> "Beamformer":
        return Beamformer(self, rngs)


class Beamformer(Network):
    """The filter, the start and the steps."""

    def __init__(self, config: BeamformerConfig, rngs: nnx.Rngs):
        self.config = config
        zeros = jax.nn.initializers.zeros
        heard = config.user_antennas * len(NEIGHBOURS) + 1
        if config.filter:
            self.cell = build_cell(config.cell, heard, config.units, rngs)
            self.keep = nnx.Linear(
                config.units, config.user_antennas, kernel_init=zeros, rngs=rngs
            )
        # How much of the error is left to count as noise, log.
        self.residue = nnx.Param(jnp.zeros(()))
        if config.steps:
            self.chooser = build_cell(config.cell, 5, config.step_units, rngs)
            self.length = nnx.Linear(config.step_units, 1, kernel_init=zeros, rngs=rngs)

    def start(self, batch: int, users: int) -> Carried | None:
        """What `__call__` begins with."""
        if not self.config.filter:
            return None
        directions = self.config.antennas * self.config.oversampling
        return fresh(self.cell, batch * users * directions)

    def __call__(
        self,
        carried: Carried | None,
        h_hat: Complex[Array, "b t user rx tx"],
        variance: Float[Array, "b t"],
        elapsed: Float[Array, "b t"] | None = None,
        active: Bool[Array, "b t user"] | None = None,
    ) -> tuple[Complex[Array, "b t tx user"], Carried | None]:
        """Beams for the next samples of a sequence, one or more.

        Piece by piece it gives what a call gives for the whole. A user who is not
        active has no beam; when he is back, his cells are told how long he was away.

        Args:
            carried: from `start` or the piece before.
            h_hat: imperfect channels, noise at the users of variance 1.
            variance: of the error of every entry of them.
            elapsed: time since the sample before, in samples; None: 1.
            active: who is served; None: all, in every piece.

        Returns:
            Beams of `config.power` together, and what the next piece needs.

        Raises:
            ValueError: channels of another array; see `check_downlink`.
        """
        config = self.config
        wanted = (config.user_antennas, config.antennas)
        if h_hat.shape[-2:] != wanted:
            raise ValueError(
                f"h_hat: found {h_hat.shape[-2:]} antennas; needed {wanted}"
            )
        check_downlink(h_hat, config.power, active=active)
        h, left, carried = self.clean(carried, h_hat, variance, elapsed, active)
        return self.beams(h, left), carried

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """Minus the mean sum rate, in bit/s/Hz, on the channels without errors.

        Every window has errors of one ratio, `BeamformerConfig.error_ratio_db`.

        Raises:
            ValueError: anything but downlink channels of this array, of more samples
                than `BeamformerConfig.warm`.
        """
        config = self.config
        if not isinstance(batch, DownlinkBatch):
            raise ValueError(
                "mixture: found a data source of another task; needed precode, a "
                "beamformer takes nothing else"
            )
        h = batch.channels
        windows, samples, users = h.shape[:3]
        if samples <= config.warm:
            raise ValueError(
                f"mixture: found {samples} samples; needed more than warm, "
                f"{config.warm}"
            )
        ratio_key, error_key = jax.random.split(key)
        low, high = config.error_ratio_db
        ratio_db = jax.random.uniform(ratio_key, (windows, 1), minval=low, maxval=high)
        noisy = with_error(error_key, h, ratio_db)
        variance = error_variance(noisy, ratio_db)
        w, _ = self(self.start(windows, users), noisy, variance)
        return -sum_rate(h[:, config.warm :], w[:, config.warm :]).mean()

    def model(self) -> BeamformerAPI:
        return BeamformerAPI(self)

    def clean(
        self,
        carried: Carried | None,
        h_hat: Complex[Array, "b t user rx tx"],
        variance: Float[Array, "b t"],
        elapsed: Float[Array, "b t"] | None = None,
        active: Bool[Array, "b t user"] | None = None,
    ) -> tuple[
        Complex[Array, "b t user rx tx"], Float[Array, "b t user"], Carried | None
    ]:
        """Channels of which less is error, and the variance of what is left of it."""
        h_hat = keep_active(h_hat, active)
        scale = jnp.exp(self.residue[...])
        b, t, users = h_hat.shape[:3]
        if not self.config.filter:
            left = jnp.broadcast_to((scale * variance)[..., None], (b, t, users))
            return h_hat, left, carried
        assert carried is not None
        bins = to_directions(h_hat, self.config.oversampling)
        power = (abs(h_hat) ** 2).mean((-2, -1))
        variance = jnp.maximum(variance[..., None], LEAST_ERROR * power)
        variance = jnp.where(variance > 0, variance, 1.0)  # of users of zeros
        # Powers over that of the error alone in a bin.
        ratio = abs(bins) ** 2 * (self.config.oversampling / variance)[..., None, None]
        level = jnp.log1p(ratio)
        around = jnp.concatenate(
            [jnp.roll(level, n, axis=-1) for n in NEIGHBOURS], axis=-2
        )
        mean = jnp.log1p(power / variance)
        mean = jnp.broadcast_to(mean[..., None, None], (*mean.shape, 1, bins.shape[-1]))
        x = rearrange(
            jnp.concatenate([around, mean], axis=-2), "b t k c d -> (b k d) t c"
        )
        directions = bins.shape[-1]

        def each(of: Array | None, pattern: str) -> Array | None:
            if of is None:
                return None
            return repeat(of, f"{pattern} -> (b k d) t", k=users, d=directions)

        when = each(elapsed, "b t")
        if active is None:
            state, read = self.cell.unroll(carried.state, x, when, None)
            carried = replace(carried, state=state)
        else:
            seen = each(active, "b t k")
            read, carried = unroll(self.cell, x, when, seen, carried)
        said = rearrange(
            self.keep(read), "(b k d) t n -> b t k n d", b=b, k=users, d=directions
        )
        # A Wiener gain: what the power of the direction is over the error, learned as
        # a correction of what it was heard to be just now.
        snr = jnp.exp(said) * jnp.expm1(level.mean(-2, keepdims=True))
        gain = snr / (1 + snr)
        left = scale * variance * gain.mean((-2, -1))
        return from_directions(bins * gain, h_hat.shape[-1]), left, carried

    def beams(
        self, h: Complex[Array, "b t user rx tx"], left: Float[Array, "b t user"]
    ) -> Complex[Array, "b t tx user"]:
        """The start and the steps, for channels whose errors have variances `left`."""
        config = self.config
        noise = 1 + config.power * left
        gram, u = gram_of(h), strongest(h)
        if config.start == "rzf":
            x = rzf_coordinates(gram, u, config.power, noise)
        else:
            x = block_columns(u)
        rows = stacked(h)
        if config.manifold:
            space = Space(gram, None)
        else:
            x, space = einsum("...am,...aj->...mj", rows.conj(), x), Space(rows, rows)
        heard = space.hear(x)
        state = self.chooser.start(noise.size) if config.steps else None
        for _ in range(config.steps):
            x, heard, state = self._step(space, x, heard, noise, state)
        if config.manifold:
            return from_coordinates(h, x, config.power)
        return normalise_power(x, config.power)

    def _step(
        self, space: "Space", x: Array, heard: Array, noise: Array, state: State
    ) -> tuple[Array, Array, State]:
        """A step down the gradient, at most a trusted part of the beams' length."""
        way, rates = gradient(space, x, heard, noise, self.config.power)
        heard_of_way = space.hear(way)
        share, total = _column_powers(space, x, heard)
        part, steep = _column_powers(space, way, heard_of_way)
        about = jnp.stack(
            [
                rates / 10,
                share * (share > 0).sum(-1, keepdims=True),
                part,
                jnp.log(noise),
                jnp.broadcast_to(jnp.log1p(total * steep)[..., None], noise.shape),
            ],
            axis=-1,
        )
        flat = about.reshape(-1, about.shape[-1])
        state, said = self.chooser(state, flat)
        length = self.config.trust * jnp.tanh(self.length(said))
        length = length.reshape(*noise.shape[:-1], 1, -1)
        # A gradient that is nothing but rounding is no direction to go in.
        ratio = total / (steep + LEAST_SLOPE / jnp.maximum(total, 1e-12))
        length = length * ratio[..., None, None]
        return x - length * way, heard - length * heard_of_way, state


@dataclass(frozen=True)
class Space:
    """What coordinates are heard as, and what of a change of that comes back.

    For coordinates in the span of the channels those are their Gram matrix and nothing
    at all: the gradient along all antennas lies in the span, and these are its
    coordinates.
    """

    forth: Complex[Array, "*b entry c"]
    back: Complex[Array, "*b entry c"] | None

    def hear(self, x: Array) -> Array:
        """Amplitudes at all antennas of all users, [.., entry, user]."""
        return einsum("...ac,...cj->...aj", self.forth, x)

    def pull(self, x: Array) -> Array:
        """From a gradient at the users' antennas to one of coordinates."""
        if self.back is None:
            return x
        return einsum("...ac,...aj->...cj", self.back.conj(), x)


def gradient(
    space: Space,
    x: Complex[Array, "*b c user"],
    heard: Complex[Array, "*b entry user"],
    noise: Float[Array, "*b user"],
    power: float,
) -> tuple[Complex[Array, "*b c user"], Float[Array, "*b user"]]:
    """Wirtinger gradient d(-sum rate) / d W*, in coordinates, and the rates.

    Of the rate at full power, whatever the length of W: the noise is in proportion to
    tr(W W^H). The gradient is orthogonal to W.

    Args:
        space: of the coordinates.
        x, heard: coordinates, and what is heard of them.
        noise: at every antenna of a user.
        power: that is sent.
    """
    by_user = rearrange(heard, "... (k n) j -> ... k n j", k=x.shape[-1])
    spent = _column_powers(space, x, heard)[1] ** 2
    part = noise / power
    rates, of_heard, of_noise = efficiency_gradient(by_user, part * spent[..., None])
    of_heard = rearrange(of_heard, "... k n j -> ... (k n) j")
    of_spent = (of_noise * part).sum(-1)[..., None, None]
    return -space.pull(of_heard) - of_spent * x, rates


def _column_powers(space: Space, x: Array, heard: Array) -> tuple[Array, Array]:
    """Share of every beam in |W|^2, and |W|."""
    if space.back is None:  # |H^H x|^2
        each = (x.conj() * heard).sum(-2).real
    else:
        each = (abs(x) ** 2).sum(-2)
    each = jnp.maximum(each, 0.0)  # but for rounding
    total = each.sum(-1)
    safe = jnp.where(total > 0, total, 1)
    return each / safe[..., None], jnp.where(total > 0, jnp.sqrt(safe), 0)
