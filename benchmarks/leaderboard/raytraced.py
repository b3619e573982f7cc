"""Channels of cities that Sionna RT traces, as cases that need no tracer."""

from dataclasses import dataclass

from benchmarks.leaderboard.simulated import Simulated


@dataclass(frozen=True)
class Setting:
    """Users of one city, all equally fast, on one carrier."""

    scene: str  # of wlam.data.raytraced.SCENES
    ghz: float
    speed_kmh: float

    @property
    def name(self) -> str:
        return f"{self.scene} {self.ghz:g} GHz {self.speed_kmh:g} km/h"


# Every city has both carriers and both speeds, and all four pairs of them are there.
SETTINGS = tuple(
    Setting(scene, ghz, speed_kmh)
    for scene, speeds in (
        ("munich", (5.0, 40.0)),
        ("etoile", (40.0, 5.0)),
        ("florence", (5.0, 40.0)),
        ("san_francisco", (40.0, 5.0)),
    )
    for ghz, speed_kmh in zip((2.6, 3.5), speeds, strict=True)
)
CHANNELS = Simulated(
    title="Ray-traced",
    settings=SETTINGS,
    program="benchmarks/leaderboard/raytraced_channels.py",
    extra="rt",
    variable="WLAM_RAYTRACED_DIR",
    usual="data/raytraced_csi",
)
