"""The tensors that wlam works on, and what training batches are made of.

Each is a frozen dataclass and a JAX pytree, so that a generator may return it from
inside a jitted function. Fields hold numpy or JAX arrays. They are annotated `Array`
(= Any) because JAX puts tracers and markers in their place; shapes are in the comments.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jaxtyping import Complex, Float

Array = Any
AXES = ("time", "frequency", "antenna")
"""What a series may run along; its interval is in seconds, Hz or wavelengths."""
TIME, FREQUENCY, ANTENNA = range(len(AXES))
# Errors beyond this many context scales count linearly (Huber), not squared. A context
# of a few near-constant samples before a burst would otherwise own the whole batch.
LINEAR_BEYOND = 2.0
Geometry = tuple[tuple[float, float, float, int], ...]
"""Position in wavelengths and polarisation of each antenna; empty: not known."""
ArrayShape = tuple[tuple[int, int, int], ...]
"""Antennas along z, y and x, for each polarisation; empty: of no regular array."""


class DataError(ValueError):
    """Data that cannot be used: one line with field, what was found, what is needed."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Antennas:
    """Where the antennas of an array are, and how they are polarised.

    `wlam.panel` makes those of a uniform panel; positions follow TR 38.901 clause 7.1:
    panels lie in the y-z plane and look along x.
    """

    positions: Array  # float32 [antenna, 3], in wavelengths
    polarisation: Array  # int32 [antenna], equal numbers for equal polarisations

    def __len__(self) -> int:
        return np.shape(self.positions)[0]

    @property
    def geometry(self) -> "Geometry":
        """The same as a tuple, which may be a static field of a batch."""
        kinds = np.asarray(self.polarisation).tolist()
        places = np.asarray(self.positions).tolist()
        return tuple((*place, kind) for place, kind in zip(places, kinds, strict=True))

    @staticmethod
    def of(geometry: "Geometry") -> "Antennas | None":
        """The antennas of a geometry; None of an empty one."""
        if not geometry:
            return None
        *places, kinds = zip(*geometry, strict=True)
        positions = np.stack(places, axis=1).astype(np.float32)
        return Antennas(positions, np.asarray(kinds, np.int32))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Csi:
    """Channel state information: the complex gain of every resource element.

    >>> csi = wlam.Csi(h, time_step_s=5e-4, antennas=wlam.panel(4, 8, polarisations=2))

    A field that a question does not need may be left out. `wlam.data.checked` says what
    is wrong with what a user gives, before anything is computed.
    """

    # complex64 [sample, time, subcarrier, antenna], as measured; or [sample, time,
    # subcarrier, receive antenna, transmit antenna]; or either without samples.
    csi: Array
    time_step_s: Array = None  # seconds between snapshots: a number or [sample]
    subcarrier_spacing_hz: Array = None  # a number or [sample]
    carrier_hz: Array = None  # a number or [sample]
    # Of the last axis; None: a uniform line, half a wavelength apart.
    antennas: Antennas | None = None
    # bool, like csi or of shape that NumPy broadcasts to it: what was measured. The
    # rest has no influence and is never scored. None: all that is finite.
    mask: Array = None
    clean: Array = None  # like csi without noise; None where nobody knows it
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [sample]
    # bool [time, subcarrier, antenna], where a receiver has pilots; None: everywhere
    pilots: Array = None
    # Of the receive antennas, where they have an axis.
    receive_antennas: Antennas | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sweeps:
    """Received power over a beam codebook, swept again and again along a track."""

    # float32 [track, time, beam] or [time, beam], in dB or dBm, as measured
    rsrp_db: Array
    time_step_s: Array = None  # seconds between sweeps: a number or [track]
    clean: Array = None  # like rsrp_db without measurement noise
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [track, ...]
    mask: Array = None  # see `Csi`


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Traffic:
    """The load of cells. Its randomness is the quantity itself: there is no `clean`."""

    traffic: Array  # float32 [series, time], in any unit
    time_step_s: Array = None  # a number or [series]
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [series]
    mask: Array = None  # see `Csi`


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Series:
    """Any real multivariate time series: position, KPIs, amplitudes, traffic."""

    # float32 [sample, time, channel], [sample, time] or [time], in any unit
    series: Array
    time_step_s: Array = None  # a number or [sample]
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [sample]
    mask: Array = None  # see `Csi`


Question = Csi | Sweeps | Series | Traffic
"""What a model is asked about."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pilots:
    """What an estimator sees of blocks, and through which array."""

    seen: Array  # bool [step, channel], the same in all samples
    antennas: Antennas | None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SeriesBatch:
    """Univariate training rows in groups that share one scale, see `fit_scale`."""

    values: Float[jax.Array, "b g t"]
    clean: Float[jax.Array, "b g t"]
    interval: Float[jax.Array, " b"]
    axis: int = field(metadata={"static": True})
    center: bool = field(metadata={"static": True})
    # Errors beyond this many context scales count linearly (Huber), not squared: far
    # below 1 the best forecast is the median, and not the mean.
    linear_beyond: float = field(default=LINEAR_BEYOND, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ChannelBatch:
    """Training channels as a whole, see `wlam.models.predictor.channels`."""

    # Rows and columns as `wlam.phy.transforms` lays them out: subcarriers and antennas
    # along time, snapshots and antennas along frequency.
    values: Complex[jax.Array, "n t u v"]
    clean: Complex[jax.Array, "n t u v"]
    interval: Float[jax.Array, " n"]
    axis: int = field(metadata={"static": True})
    context: int = field(metadata={"static": True})  # steps that are given
    antennas: Geometry = field(default=(), metadata={"static": True})  # of the columns
    # A model sees every n-th step, from n // 2 on, and completes the others.
    every: int = field(default=1, metadata={"static": True})
    # Whether there is a line of sight, 1 or 0; NaN or None where it is not known.
    los: Float[jax.Array, " n"] | None = None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SweepBatch:
    """Training sweeps that enter as a whole, see `wlam.models.predictor.sweeps`."""

    values: Float[jax.Array, "n t beam"]
    clean: Float[jax.Array, "n t beam"]
    interval: Float[jax.Array, " n"]
    context: int = field(metadata={"static": True})  # sweeps that are given


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SnapshotBatch:
    """Training channels without noise, a time each, see `wlam.models.estimator`."""

    clean: Complex[jax.Array, "n k a"]  # of mean power 1
    # The antennas of each line of the array, see `wlam.phy.arrays.uniform_lines`.
    lines: tuple[tuple[int, ...], ...] = field(metadata={"static": True})
    array_shape: ArrayShape = field(default=(), metadata={"static": True})
    # Whether k are subcarriers; else they are antennas of another line.
    frequency: bool = field(default=True, metadata={"static": True})
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [n]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Downlink:
    """Channels from a base station to its users, in noise of variance 1 at each."""

    channels: Array  # complex64 [sample, time, user, user antenna, antenna]
    time_step_s: Array  # float32 [sample]
    labels: dict[str, Array] = field(default_factory=dict)  # name -> [sample]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DownlinkBatch:
    """Training channels without errors, see `wlam.models.beamformer`."""

    channels: Complex[jax.Array, "n t user rx tx"]


Batch = SeriesBatch | ChannelBatch | SweepBatch | SnapshotBatch | DownlinkBatch
"""What one ingredient gives a training batch."""
