"""Channels of cells and delay lines that Sionna generates, as cases that need none."""

from dataclasses import dataclass

from benchmarks.leaderboard.simulated import Simulated


@dataclass(frozen=True)
class Setting:
    """One kind of channel."""

    model: str  # UMi, UMa, RMa or CDL-A ... CDL-E
    state: str  # NLOS, LOS, or "" for CDL
    ghz: float

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.model, self.state, f"{self.ghz:g} GHz")))

    @property
    def is_nlos(self) -> bool:
        """In a cell without a line of sight: the hard half of the benchmark."""
        return self.state == "NLOS"


SETTINGS = (
    *(
        Setting(model, state, ghz)
        for model, carriers in (("UMi", (3.5, 28.0)), ("UMa", (2.0, 28.0)))
        for state in ("NLOS", "LOS")
        for ghz in carriers
    ),
    *(Setting("RMa", state, 2.0) for state in ("NLOS", "LOS")),
    *(Setting(f"CDL-{letter}", "", 3.5) for letter in "ABCDE"),
)
CHANNELS = Simulated(
    title="Sionna",
    settings=SETTINGS,
    program="benchmarks/leaderboard/sionna_channels.py",
    extra="peers",
    variable="WLAM_SIONNA_DIR",
    usual="data/sionna_csi",
)
