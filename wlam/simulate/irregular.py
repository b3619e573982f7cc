"""Channels and sweeps at irregular times: jittered measurements, lost ones.

The source has snapshots at a fine, regular interval. One in `every` is measured, some
steps early or late, and some measurements are lost; all others are NaN. The noise-free
values are known at all times, so that a forecast can be evaluated at any.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from wlam.types import Csi, Sweeps


@dataclass(frozen=True)
class IrregularConfig:
    """Samples of another config at irregular times; ValueError where impossible."""

    # Config of the generator of the channels or of the sweeps.
    source: Any
    # Snapshots of the source to a measurement.
    every: int = 4
    # A measurement comes up to this many snapshots early or late, evenly.
    jitter: int = 1
    # Share of the measurements that are lost, the first excepted; (lo, hi), one drawn
    # evenly for each sample.
    missing: tuple[float, float] = (0.2, 0.2)

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.jitter < self.every:
            raise ValueError(
                f"every, jitter: found {self.every}, {self.jitter}; needed a jitter of "
                "0 or more, below half of every"
            )
        low, high = self.missing
        if not 0 <= low <= high < 1:
            raise ValueError(
                f"missing: found {self.missing}; needed 0 or more, below 1, in order"
            )


def measured(
    key: PRNGKeyArray, config: IrregularConfig, samples: int, times: int
) -> Bool[Array, "{samples} {times}"]:
    """Which snapshots are measured."""
    shift_key, lost_key, share_key = jax.random.split(key, 3)
    count = -(-times // config.every)
    low, high = config.missing
    share = jax.random.uniform(share_key, (samples, 1), minval=low, maxval=high)
    shape, jitter = (samples, count), config.jitter
    shift = jax.random.randint(shift_key, shape, -jitter, jitter + 1)
    lost = jax.random.uniform(lost_key, shape) < share
    at = config.every // 2 + config.every * jnp.arange(count)[None] + shift
    at = jnp.where(lost & (jnp.arange(count)[None] > 0), times, at)  # beyond the end
    return (at[:, :, None] == jnp.arange(times)[None, None]).any(1)


def hide(
    key: PRNGKeyArray, data: Csi | Sweeps, config: IrregularConfig
) -> Csi | Sweeps:
    """The same with NaN in the snapshots that are not measured."""
    name = "csi" if isinstance(data, Csi) else "rsrp_db"
    values = getattr(data, name)
    known = measured(key, config, *values.shape[:2])
    known = known.reshape(*known.shape, *(1,) * (values.ndim - 2))
    clean = values if data.clean is None else data.clean
    shown = jnp.where(known, values, jnp.nan * jnp.ones_like(values))
    return replace(data, **{name: shown}, clean=clean)
