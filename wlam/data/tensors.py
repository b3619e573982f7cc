"""The four tensors that wlam works on, whether generated, read from a file or measured.

Each is a frozen dataclass and a JAX pytree, so that a generator may return it from
inside a jitted function. Fields hold numpy or JAX arrays. They are annotated `Array`
(= Any) because JAX puts tracers and markers in their place; shapes are in the comments.
"""

from dataclasses import dataclass, field
from typing import Any

import jax

Array = Any


class DataError(ValueError):
    """Data that cannot be used: one line with field, what was found, what is needed."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Csi:
    """Channel state information: the complex gain of every resource element."""

    csi: Array  # complex64 [sample, time, subcarrier, antenna], as measured
    time_step_s: Array  # float32 [sample], seconds between two snapshots
    subcarrier_spacing_hz: Array  # float32 [sample]
    carrier_hz: Array  # float32 [sample]
    antenna_positions: Array  # float32 [antenna, 3], in wavelengths
    antenna_polarisation: Array  # int32 [antenna]
    clean: Array | None = None  # like csi without noise; None where nobody knows it
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [sample]
    # bool [time, subcarrier, antenna], where there are pilots; None: everywhere
    seen: Array | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Beams:
    """Received power over a beam codebook, swept again and again along a track."""

    rsrp_db: Array  # float32 [track, time, beam], in dB or dBm, as measured
    time_step_s: Array  # float32 [track], seconds between two sweeps
    clean: Array | None = None  # like rsrp_db without measurement noise
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [track, ...]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Traffic:
    """The load of cells. Its randomness is the quantity itself: there is no `clean`."""

    traffic: Array  # float32 [series, time], in any unit
    time_step_s: Array  # float32 [series]
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [series]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Series:
    """Any real multivariate time series: position, KPIs, amplitudes."""

    series: Array  # float32 [sample, time, channel]
    time_step_s: Array  # float32 [sample]
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [sample]
