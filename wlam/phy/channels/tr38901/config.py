"""What a drop-based data set is drawn from."""

from dataclasses import dataclass, field
from typing import Literal

from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.antennas import Antennas, Element, panel
from wlam.phy.channels.tr38901.pathloss import Factory

State = Literal["los", "nlos", "o2i", "drawn"]

# Height of the base station and horizontal distances of users, tables 7.2-1 to 7.2-4.
LAYOUT: dict[str, tuple[float, tuple[float, float]]] = {
    "UMi": (10.0, (10.0, 100.0)),
    "UMa": (25.0, (35.0, 250.0)),
    "RMa": (35.0, (35.0, 1000.0)),
    "InH": (3.0, (1.0, 50.0)),
    "InF": (3.0, (1.0, 60.0)),
}


@dataclass(frozen=True)
class PanelConfig:
    """An array, see `wlam.phy.channels.tr38901.antennas.panel`."""

    # Positions along z and y.
    rows: int = 1
    columns: int = 1
    # "V", "H", "VH" or "cross" (-45 and +45 degrees).
    polarisation: str = "V"
    # "isotropic" or "38.901" (8 dBi).
    element: Element = "isotropic"
    # Between neighbours, in wavelengths.
    spacing: float = 0.5

    def __post_init__(self) -> None:
        self.build()  # raises where wrong

    def build(self) -> Antennas:
        return panel(
            self.rows, self.columns, self.polarisation, self.element, self.spacing
        )


@dataclass(frozen=True)
class DropConfig:
    """What `generate` draws from, sample by sample; pairs are (lowest, highest)."""

    # "UMi", "UMa", "RMa", "InH" or "InF".
    scenario: str = "UMi"
    # Version of TR 38.901: "16.1" or "19.2".
    spec_version: str = "19.2"
    # "los", "nlos", "o2i", or "drawn" by the probability of a line of sight.
    state: State = "drawn"
    # Share of users inside buildings, outdoor scenarios with a drawn state.
    indoor: float = 0.0
    # Loss of the buildings' walls: "low" or "high".
    penetration: Literal["low", "high"] = "low"
    # Carrier frequencies in Hz, equally likely.
    carriers_hz: tuple[float, ...] = (3.5e9,)
    # Times in s between two snapshots, equally likely.
    time_steps_s: tuple[float, ...] = (5e-4,)
    # Speed of the user in km/h; uniform.
    speeds_kmh: tuple[float, float] = (3.0, 120.0)
    # Snapshots per sample.
    num_times: int = 16
    # Subcarriers per sample.
    num_subcarriers: int = 32
    # Spacings in Hz of the subcarriers, equally likely.
    subcarrier_spacings_hz: tuple[float, ...] = (180e3,)
    # Arrays of the base station and of the user.
    base: PanelConfig = field(default_factory=lambda: PanelConfig(1, 8))
    user: PanelConfig = field(default_factory=PanelConfig)
    # Azimuth in degrees of the user at the base station; uniform.
    azimuths_deg: tuple[float, float] = (-60.0, 60.0)
    # Bearing, downtilt and slant in degrees of the base station's array, and of the
    # user's, which are added to the direction that he goes in.
    base_orientation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    user_orientation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    # Horizontal distance in m, uniform over the area; None: of the scenario.
    distances_m: tuple[float, float] | None = None
    # Heights in m of the antennas; None: of the scenario.
    base_height_m: float | None = None
    user_height_m: float = 1.5
    # Hall of the factory scenario.
    factory: Factory = field(default_factory=Factory)
    # Whether delays include the travel time of the direct path.
    absolute_delays: bool = False
    # "doppler": velocity rotates the phases of one position, valid for few wavelengths;
    # "consistent": delays, angles and powers follow the user too (procedure A), for
    # tracks of metres and seconds.
    mobility: Literal["doppler", "consistent"] = "doppler"
    # "plane", or "spherical": every antenna has its own distance to the source of each
    # wave (near field of large arrays).
    wavefront: Literal["plane", "spherical"] = "plane"
    # Share of a path's length that lies before its first bounce; uniform. The rest lies
    # behind the last one. For spherical waves.
    first_bounce: tuple[float, float] = (0.1, 0.9)
    # Signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (0.0, 30.0)

    def __post_init__(self) -> None:
        tables.parameters(self.scenario, self.spec_version)  # raises where wrong
        if self.state not in ("los", "nlos", "o2i", "drawn"):
            raise ValueError(
                f"state: found {self.state!r}; needed los, nlos, o2i or drawn"
            )
        if self.state == "o2i" and self.scenario.startswith("In"):
            raise ValueError(
                f"state: found 'o2i' with {self.scenario}; needed an outdoor scenario"
            )
        if not 0 <= self.indoor <= 1:
            raise ValueError(f"indoor: found {self.indoor}; needed 0 to 1")
        for name in ("carriers_hz", "time_steps_s", "subcarrier_spacings_hz"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name}: found {values}; needed positive numbers")
        for name, known in (
            ("mobility", ("doppler", "consistent")),
            ("wavefront", ("plane", "spherical")),
        ):
            if (value := getattr(self, name)) not in known:
                raise ValueError(
                    f"{name}: found {value!r}; needed {' or '.join(known)}"
                )
        low, high = self.first_bounce
        if not 0 < low <= high < 1:
            raise ValueError(
                f"first_bounce: found {self.first_bounce}; needed shares above 0 and "
                "below 1, the lower one first"
            )
        for name in ("speeds_kmh", "azimuths_deg", "distances_m", "snr_db"):
            pair = getattr(self, name)
            if pair is not None and pair[0] > pair[1]:
                raise ValueError(f"{name}: found {pair}; needed the lower one first")
        for name in ("num_times", "num_subcarriers"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: found {getattr(self, name)}; needed 1 or more"
                )
