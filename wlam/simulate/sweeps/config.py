"""Configs of sweeps by TR 38.901, and of pairs of two carriers."""

import math
from dataclasses import dataclass, field
from typing import Literal

from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.config import PanelConfig
from wlam.phy.channels.tr38901.pathloss import Factory
from wlam.phy.codebooks import every_nth
from wlam.simulate.mobility import MobilityConfig


@dataclass(frozen=True)
class SweepConfig(MobilityConfig):
    """Sweeps of a panel in drops of TR 38.901 along a track; pairs are (lo, hi)."""

    time_steps_s: tuple[float, ...] = (0.02, 0.04, 0.08, 0.16)  # between sweeps
    speeds_kmh: tuple[float, float] = (3.0, 60.0)  # mean speed of a track
    distances_m: tuple[float, float] = (20.0, 100.0)  # of the middle of the track
    # "UMi", "UMa", "RMa", "InH" or "InF", and version of TR 38.901.
    scenario: str = "UMi"
    spec_version: str = "19.2"
    # "los", "nlos", or "drawn" by the probability of a line of sight.
    state: Literal["los", "nlos", "drawn"] = "drawn"
    carriers_hz: tuple[float, ...] = (28e9,)  # one drawn for a track
    # Arrays of the base station, at most half a wavelength between neighbours, and of
    # the user, who keeps it in one direction.
    base: PanelConfig = field(
        default_factory=lambda: PanelConfig(4, 16, element="38.901")
    )
    user: PanelConfig = field(default_factory=PanelConfig)
    downtilt_deg: float = 10.0  # of the base station
    base_height_m: float | None = None  # None: of the scenario
    user_height_m: float = 1.5
    factory: Factory = field(default_factory=Factory)  # hall of InF
    num_beams: tuple[int, int] = (4, 16)  # DFT beams, vertical and horizontal
    # Rows and columns that a beam uses; None: all. Fewer make wide beams.
    num_active: tuple[int, int] | None = None
    # A sparse sweep measures every n-th beam in vertical and in horizontal direction,
    # or that many beams, drawn for each track.
    measured_every: tuple[int, int] = (1, 1)
    num_measured: int | None = None
    tx_power_dbm: tuple[float, float] = (10.0, 40.0)  # transmit power
    dynamic_range_db: tuple[float, float] = (5.0, 40.0)  # best RSRP over noise floor
    noise_db: tuple[float, float] = (0.05, 2.0)  # std of measurement noise, log-uniform

    def __post_init__(self) -> None:
        super().__post_init__()
        tables.parameters(self.scenario, self.spec_version)  # names what is wrong
        if self.state not in ("los", "nlos", "drawn"):
            raise ValueError(f"state: found {self.state!r}; needed los, nlos or drawn")
        if self.base.spacing > 0.5:
            raise ValueError(
                f"base.spacing: found {self.base.spacing}; needed at most 0.5"
            )
        rows, columns = self.num_active or (1, 1)
        if not (1 <= rows <= self.base.rows and 1 <= columns <= self.base.columns):
            raise ValueError(
                f"num_active: found {self.num_active}; needed 1 to "
                f"{(self.base.rows, self.base.columns)}"
            )
        every_nth(self.num_beams, self.measured_every)  # names what is wrong
        most = math.prod(self.num_beams)
        if self.num_measured is not None and not 1 <= self.num_measured <= most:
            raise ValueError(
                f"num_measured: found {self.num_measured}; needed 1 to {most}"
            )


@dataclass(frozen=True)
class PairConfig(SweepConfig):
    """Sweeps, and the channel at a lower carrier from the same scatterers."""

    low_carriers_hz: tuple[float, ...] = (3.5e9,)  # one drawn for a track
    # Array of the base station at the lower carrier; the user has the same as above.
    low_base: PanelConfig = field(default_factory=lambda: PanelConfig(1, 8))
    num_subcarriers: int = 32
    subcarrier_spacings_hz: tuple[float, ...] = (180e3,)  # one drawn for a track
    snr_db: tuple[float, float] = (0.0, 30.0)  # of the channel; uniform

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.low_carriers_hz) > min(self.carriers_hz):
            raise ValueError(
                f"low_carriers_hz: found {self.low_carriers_hz}; needed at most the "
                f"lowest of carriers_hz, {min(self.carriers_hz)}"
            )
