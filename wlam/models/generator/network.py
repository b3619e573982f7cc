"""A generator of channels under conditions: a diffusion Transformer of their bins.

Channels [subcarrier, antenna] are learnt as delays by angles, where few bins have most
of the power and noise stays white. Peebles & Xie, arXiv 2212.09748; conditions are
dropped now and then, so that one network also knows channels of no condition, and can
be guided (Ho & Salimans, arXiv 2207.12598). It also learns shortcuts, by which it draws
in one call or a few (Frans et al., arXiv 2410.12557).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from wlam.diffusion import (
    Schedule,
    drop_conditions,
    even_db,
    most_doublings,
    shortcut_loss,
)
from wlam.models.base import Network, NetworkConfig
from wlam.nn.denoisers.dit import Dit, DitConfig
from wlam.nn.denoisers.spectral import centred_fft
from wlam.phy.channels.tr38901.tables import SCENARIOS, STATES
from wlam.types import Batch, SnapshotBatch

if TYPE_CHECKING:
    import wlam.models.generator.api

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

    def model(self) -> "wlam.models.generator.api.ChannelGenerator":
        from wlam.models.generator.api import (
            ChannelGenerator,  # which imports this file
        )

        return ChannelGenerator(self)


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
