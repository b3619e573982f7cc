"""Channels that are measured now and then: jittered times and missing snapshots.

The source has snapshots at a fine, regular interval. One in `every` is measured, some
steps early or late, and some measurements are lost; all others are NaN. The noise-free
channel is known at all times, so that a forecast can be judged at any.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from wlam.data.tensors import Csi


@dataclass(frozen=True)
class IrregularConfig:
    """Channels of another config, seen now and then; ValueError where they cannot."""

    # Config of the generator of the channels.
    source: Any
    # Snapshots of the source to a measurement.
    every: int = 4
    # A measurement comes up to this many snapshots early or late, evenly.
    jitter: int = 1
    # Share of the measurements that are lost, the first excepted.
    missing: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.jitter < self.every:
            raise ValueError(
                f"every, jitter: found {self.every}, {self.jitter}; needed a jitter of "
                "0 or more, below half of every"
            )
        if not 0 <= self.missing < 1:
            raise ValueError(
                f"missing: found {self.missing}; needed 0 or more, below 1"
            )


def measured(
    key: PRNGKeyArray, config: IrregularConfig, samples: int, times: int
) -> Bool[Array, "{samples} {times}"]:
    """Which snapshots are measured."""
    shift_key, lost_key = jax.random.split(key)
    count = -(-times // config.every)
    shape, jitter = (samples, count), config.jitter
    shift = jax.random.randint(shift_key, shape, -jitter, jitter + 1)
    lost = jax.random.uniform(lost_key, shape) < config.missing
    at = config.every // 2 + config.every * jnp.arange(count)[None] + shift
    at = jnp.where(lost & (jnp.arange(count)[None] > 0), times, at)  # beyond the end
    return (at[:, :, None] == jnp.arange(times)[None, None]).any(1)


def hide(key: PRNGKeyArray, channels: Csi, config: IrregularConfig) -> Csi:
    """The channels with NaN in the snapshots that are not measured."""
    samples, times = channels.csi.shape[:2]
    seen = measured(key, config, samples, times)[..., None, None]
    clean = channels.csi if channels.clean is None else channels.clean
    nothing = jnp.nan * jnp.ones_like(channels.csi)
    return replace(channels, csi=jnp.where(seen, channels.csi, nothing), clean=clean)
