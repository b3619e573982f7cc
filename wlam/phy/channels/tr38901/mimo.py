"""Drops with two arrays: single-user MIMO channels as matrices.

`drops.generate` lists the pairs of a user's and a base station's antenna as antennas.
Estimators of MIMO channels, like generators of them (`wlam.phy.channels.kronecker`),
have the base station's antennas on that axis and the user's on that of subcarriers.
"""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import PRNGKeyArray

from wlam.phy.channels.tr38901 import drops
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.types import Csi


@dataclass(frozen=True)
class MimoConfig:
    """Narrow-band channels between two arrays; ValueError where they are not that."""

    # One snapshot of one subcarrier; its `base` and `user` are the arrays.
    drops: DropConfig = field(
        default_factory=lambda: DropConfig(
            num_times=1,
            num_subcarriers=1,
            base=PanelConfig(1, 64),
            user=PanelConfig(1, 16),
        )
    )

    def __post_init__(self) -> None:
        for name in ("num_times", "num_subcarriers"):
            if (value := getattr(self.drops, name)) != 1:
                raise ValueError(
                    f"drops.{name}: found {value}; needed 1, the user's antennas stand "
                    "in the place of subcarriers"
                )


def generate(key: PRNGKeyArray, config: MimoConfig, samples: int) -> Csi:
    """The channels of `drops.generate` from the same key, as matrices.

    Returns:
        Channels [sample, 1, user antenna, base antenna], clean and in noise; the array
        is the base station's. Labels are those of `drops.generate` and tx_antennas, how
        many the user has.
    """
    found = drops.generate(key, config.drops, samples)
    tx = len(config.drops.user.build().slant)
    rx = len(config.drops.base.build().slant)

    def matrices(pairs):
        return rearrange(pairs, "n 1 1 (tx rx) -> n 1 tx rx", tx=tx)

    return replace(
        found,
        csi=matrices(found.csi),
        clean=matrices(found.clean),
        antennas=jax.tree.map(lambda x: x[:rx], found.antennas),
        labels={**found.labels, "tx_antennas": jnp.full(samples, float(tx))},
    )
