"""A generator of channels under conditions: a diffusion Transformer of their bins.

Channels [subcarrier, antenna] are learnt as delays by angles, where few bins have most
of the power and noise stays white. Peebles & Xie, arXiv 2212.09748; conditions are
dropped now and then, so that one network also knows channels of no condition, and can
be guided (Ho & Salimans, arXiv 2207.12598). It also learns shortcuts, by which it draws
in one call or a few (Frans et al., arXiv 2410.12557).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from wlam.diffusion import (
    Ddim,
    DpmSolver,
    Schedule,
    doublings_of,
    drop_conditions,
    even_db,
    evenly_spaced,
    guided,
    most_doublings,
    sample,
    shortcut_loss,
    standard_noise,
)
from wlam.models.base import Card, Model, Network, NetworkConfig
from wlam.nn.denoisers.dit import Dit, DitConfig
from wlam.nn.denoisers.spectral import centred_fft, centred_ifft
from wlam.ops.pieces import in_pieces
from wlam.phy.channels.tr38901.tables import SCENARIOS, STATES
from wlam.phy.noise import complex_normal
from wlam.types import Batch, SnapshotBatch

PIECE = 64
"""Channels that a call draws at once."""
FAINTEST = 1e-12
"""Power that a draw is taken to have at least."""
NAMED = {"scenario": SCENARIOS, "state": STATES}
"""Conditions, labels of drops, that have names."""
AZIMUTH = "azimuth_deg"
SECTORS_DEG = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0)
"""Edges of bins of the user's azimuth, the position that a line of antennas sees."""
KINDS = (*map(len, NAMED.values()), len(SECTORS_DEG) - 1)
"""How many values each condition has."""
LABELS = (*NAMED, "azimuth_rad")
"""What a generator learns conditions from."""


@dataclass(frozen=True)
class GeneratorConfig(NetworkConfig):
    """Everything that fixes the parameters; ValueError where it cannot be."""

    # The network; its conditions are KINDS, and the doublings of shortcuts, 0 among
    # them.
    dit: DitConfig = field(
        default_factory=lambda: DitConfig(
            width=96, layers=4, heads=4, conditions=(*KINDS, 8)
        )
    )
    # Subcarriers and antennas of what is drawn.
    size: tuple[int, int] = (32, 16)
    # Steps of the diffusion, a power of 2, evenly spaced in dB from the cleanest to the
    # noisiest. A path may have all the power in one bin: the noisiest has to hide that.
    steps: int = 128
    snr_db: tuple[float, float] = (30.0, -40.0)
    # Share of the samples that are told no conditions, and share of single conditions
    # of the others that are left open.
    untold: float = 0.1
    open: float = 0.25
    # Share of the samples that teach shortcuts.
    shortcuts: float = 0.25

    def __post_init__(self) -> None:
        even_db(self.steps, *self.snr_db)  # names what is wrong
        for name in ("untold", "open", "shortcuts"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ValueError(f"{name}: found {share}; needed from 0 to 1")
        wanted = (*KINDS, most_doublings(self.schedule) + 1)
        if self.dit.conditions != wanted:
            raise ValueError(
                f"dit.conditions: found {self.dit.conditions}; needed {wanted}, the "
                f"values of {', '.join(NAMED)}, {AZIMUTH} and doublings of shortcuts"
            )
        if any(n % p for n, p in zip(self.size, self.dit.patch, strict=True)):
            raise ValueError(
                f"size: found {self.size}; needed multiples of the patch, "
                f"{self.dit.patch}"
            )

    @property
    def schedule(self) -> Schedule:
        return even_db(self.steps, *self.snr_db)

    def build(self, rngs: nnx.Rngs) -> "Generator":
        return Generator(self, rngs)


class Generator(Network):
    """The network, its loss and what it is used through."""

    def __init__(self, config: GeneratorConfig, rngs: nnx.Rngs):
        self.config = config
        self.dit = Dit(config.dit, rngs)

    def loss(self, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        """The loss of velocities, of plain calls at random SNRs and of shortcuts.

        Raises:
            ValueError: anything but channels without noise, with LABELS.
        """
        if not isinstance(batch, SnapshotBatch) or not {*LABELS} <= {*batch.labels}:
            raise ValueError(
                "mixture: found an ingredient that a generator does not take; needed "
                f"csi_estimate of a source with labels {', '.join(LABELS)}"
            )
        config = self.config
        drop_key, key = jax.random.split(key)
        cut = batch.clean[..., np.array(batch.lines)]
        images = rearrange(cut, "n k line v -> (n line) k v")
        told = jnp.stack([batch.labels[name] for name in NAMED], axis=1)
        told = jnp.concatenate([told, sector(batch.labels["azimuth_rad"])[:, None]], 1)
        told = jnp.repeat(told.astype(jnp.int32), len(batch.lines), axis=0)
        condition = drop_conditions(drop_key, told, KINDS, config.untold, config.open)
        return shortcut_loss(
            lambda x, step, doublings: self.dit.predict(
                x, step, with_doublings(condition[: len(x)], doublings)
            ),
            config.schedule,
            centred_fft(images),
            key,
            config.shortcuts,
        )

    def model(self) -> "ChannelGenerator":
        return ChannelGenerator(self)


class ChannelGenerator(Model):
    """Channels drawn by a network, as numpy arrays."""

    def __init__(self, network: Any, card: Card | None = None):
        super().__init__(network, card)
        graph = self._graph

        @partial(jax.jit, static_argnames=("calls", "shortcuts", "as_it_is"))
        def drawn(params, key, condition, guidance, calls, shortcuts, as_it_is):
            model = nnx.merge(graph, params)
            config, schedule = model.config, model.config.schedule
            doublings = doublings_of(schedule, calls) if shortcuts else 0

            def predict(x: Array, step: Array, condition: Array) -> Array:
                told = with_doublings(condition, jnp.full(len(x), doublings))
                return model.dit.predict(x, jnp.full(len(x), step), told)

            bins = sample(
                partial(predict, condition=condition)
                if as_it_is
                else guided(predict, condition, KINDS, guidance),
                schedule,
                standard_noise(key, (len(condition), *config.size), jnp.complex64),
                evenly_spaced(schedule.num_steps, calls),
                Ddim() if shortcuts else DpmSolver(),
                "velocity",
            )
            # All channels that were learnt from had this power.
            power = (abs(bins) ** 2).mean((1, 2), keepdims=True)
            return centred_ifft(bins / jnp.sqrt(jnp.maximum(power, FAINTEST)))

        self._drawn = drawn

    def golden(self) -> dict[str, np.ndarray]:
        return {"draws": self.draw(2, {"state": "los"}, guidance=2.0, nfe=4)}

    def draw(
        self,
        number: int,
        condition: Mapping[str, str | float] | None = None,
        guidance: float = 1.0,
        nfe: int = 40,
        seed: int = 0,
        shortcuts: bool = False,
        snr_db: float | None = None,
    ) -> np.ndarray:
        """Channels that were never simulated.

        Args:
            number: how many.
            condition: such as {"scenario": "UMa", "state": "nlos", "azimuth_deg": -35};
                what is not there is left open. An azimuth, where the user is, stands
                for its bin of SECTORS_DEG.
            guidance: 1: the condition as it is; more: what is typical of it, with less
                variety; see `wlam.diffusion.guidance`.
            nfe: network evaluations.
            seed: another one draws others.
            shortcuts: in evaluations that were learnt to be so few, a power of 2; else
            by
                DPM-Solver++.
            snr_db: white noise of this SNR over the mean power of each channel is
                added; None: none.

        Returns:
            complex64 [number, subcarrier, antenna], each of mean power 1, and noise.

        Raises:
            ValueError: naming the argument, what was found and what is needed.
        """
        schedule = self.network.config.schedule
        if number < 1 or not 1 <= nfe <= schedule.num_steps:
            raise ValueError(
                f"number, nfe: found {number}, {nfe}; needed at least 1, and 1 to "
                f"{schedule.num_steps} network evaluations"
            )
        if shortcuts:
            doublings_of(schedule, nfe)  # names what is wrong
        if not np.isfinite(guidance):
            raise ValueError(f"guidance: found {guidance}; needed a finite number")
        if snr_db is not None and not np.isfinite(snr_db):
            raise ValueError(f"snr_db: found {snr_db}; needed a finite number, or None")
        values = np.tile(condition_values(condition or {}), (number, 1))
        key = jax.random.key(seed)
        x = in_pieces(
            lambda begin, c: self._drawn(
                self._params,
                jax.random.fold_in(key, begin),
                c,
                np.float32(guidance),
                calls=nfe,
                shortcuts=shortcuts,
                as_it_is=guidance == 1,  # half of the work
            ),
            PIECE,
            values,
        )
        if snr_db is None:
            return x
        power = (abs(x) ** 2).mean((1, 2), keepdims=True) * 10 ** (-snr_db / 10)
        noise = complex_normal(jax.random.fold_in(key, 2**31), x.shape)
        return (x + np.sqrt(power) * np.asarray(noise)).astype(np.complex64)


def sector(azimuth_rad: Float[Array, " n"]) -> Int[Array, " n"]:
    """The bin of SECTORS_DEG; what is beyond its ends is in the last bin there."""
    edges = jnp.deg2rad(jnp.asarray(SECTORS_DEG[1:-1]))
    return jnp.searchsorted(edges, azimuth_rad)


def with_doublings(
    condition: Int[Array, "n c"], doublings: Int[Array, " n"]
) -> Int[Array, "n d"]:
    """Conditions as the network takes them: how far a call goes is the last."""
    last = doublings[:, None].astype(condition.dtype)
    return jnp.concatenate([condition, last], axis=1)


def condition_values(
    condition: Mapping[str, str | float],
) -> Int[np.ndarray, " c"]:
    """Names, and an azimuth, to numbers; what stands for none where nothing is said.

    Raises:
        ValueError: an unknown condition or value.
    """
    if unknown := condition.keys() - {*NAMED, AZIMUTH}:
        raise ValueError(
            f"condition: found {', '.join(sorted(unknown))}; needed some of "
            f"{', '.join(NAMED)}, {AZIMUTH}"
        )
    found = []
    for name, values in NAMED.items():
        value = condition.get(name)
        if value is not None and value not in values:
            raise ValueError(
                f"condition: found {name} {value!r}; needed one of {', '.join(values)}"
            )
        found.append(len(values) if value is None else values.index(value))
    if (azimuth := condition.get(AZIMUTH)) is None:
        return np.array([*found, KINDS[-1]], np.int32)
    first, last = SECTORS_DEG[0], SECTORS_DEG[-1]
    if isinstance(azimuth, str) or not first <= azimuth <= last:
        raise ValueError(
            f"condition: found {AZIMUTH} {azimuth!r}; needed {first:g} to {last:g}"
        )
    bin_ = np.searchsorted(SECTORS_DEG[1:-1], azimuth)
    return np.array([*found, bin_], np.int32)
