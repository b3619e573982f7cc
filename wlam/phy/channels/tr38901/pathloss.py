"""Path loss, shadowing, line-of-sight probability and walls, TR 38.901 clause 7.4.

Losses are in dB and positive. Distances and heights are in metres and may be traced;
scenarios are static. `d2d` is the horizontal distance, `d3d` that between the antennas.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Num

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.channels.tr38901.tables import LOS, O2I, SCENARIOS

STREET_WIDTH_M, BUILDING_HEIGHT_M = 20.0, 5.0  # of RMa, table 7.4.1-1

Clutter = Literal["SL", "DL", "SH", "DH"]


@dataclass(frozen=True)
class Factory:
    """A hall of the InF scenario, tables 7.2-4 and 7.4.2-1."""

    # Sparse or dense clutter, low or high base station.
    clutter: Clutter = "SL"
    # Share of the floor that clutter covers.
    clutter_density: float = 0.2
    # Height and size of the clutter in m.
    clutter_height_m: float = 2.0
    clutter_size_m: float = 10.0
    # Volume in m^3, and surface of walls, floor and ceiling in m^2.
    volume_m3: float = 120.0 * 60.0 * 10.0
    surface_m2: float = 2 * (120.0 * 60.0 + 120.0 * 10.0 + 60.0 * 10.0)

    def __post_init__(self) -> None:
        if self.clutter not in ("SL", "DL", "SH", "DH"):
            raise ValueError(
                f"clutter: found {self.clutter!r}; needed SL, DL, SH or DH"
            )
        if not 0 < self.clutter_density < 1:
            raise ValueError(
                f"clutter_density: found {self.clutter_density}; needed 0 to 1, open"
            )


def _checked(scenario: str) -> None:
    if scenario not in SCENARIOS:
        raise ValueError(
            f"scenario: found {scenario!r}; needed one of {', '.join(SCENARIOS)}"
        )


def los_probability(
    scenario: str,
    d2d_m: Num[ArrayLike, "*b"],
    h_ut_m: Num[ArrayLike, "*#b"] = 1.5,
    h_bs_m: Num[ArrayLike, "*#b"] = 10.0,
    open_office: bool = False,
    factory: Factory | None = None,
) -> Num[Array, "*b"]:
    """Probability of a line of sight, table 7.4.2-1.

    Args:
        scenario: "UMi", "UMa", "RMa", "InH" or "InF".
        d2d_m: horizontal distance; outdoors only, for users inside buildings.
        h_ut_m, h_bs_m: antenna heights, which matter in UMa and InF.
        open_office: the open instead of the mixed office of InH.
        factory: the hall of InF; the standard one if not given.

    Raises:
        ValueError: unknown scenario.
    """
    _checked(scenario)
    d = jnp.asarray(d2d_m)
    far = jnp.maximum(d, 1e-3)
    if scenario == "UMi":
        p = 18 / far + jnp.exp(-d / 36) * (1 - 18 / far)
        return jnp.where(d <= 18, 1.0, p)
    if scenario == "UMa":
        p = 18 / far + jnp.exp(-d / 63) * (1 - 18 / far)
        p *= 1 + _above_roofs(d, h_ut_m)
        return jnp.where(d <= 18, 1.0, jnp.minimum(p, 1.0))
    if scenario == "RMa":
        return jnp.where(d <= 10, 1.0, jnp.exp(-(d - 10) / 1000))
    if scenario == "InH":
        if open_office:
            near = jnp.exp(-(d - 5) / 70.8)
            p = jnp.where(d <= 49, near, 0.54 * jnp.exp(-(d - 49) / 211.7))
            return jnp.where(d <= 5, 1.0, p)
        near = jnp.exp(-(d - 1.2) / 4.7)
        p = jnp.where(d < 6.5, near, 0.32 * jnp.exp(-(d - 6.5) / 32.6))
        return jnp.where(d <= 1.2, 1.0, p)
    hall = factory or Factory()
    scale = -hall.clutter_size_m / jnp.log(1 - hall.clutter_density)
    if hall.clutter.endswith("H"):
        scale *= (jnp.asarray(h_bs_m) - h_ut_m) / (hall.clutter_height_m - h_ut_m)
    return jnp.exp(-d / scale)


def _above_roofs(d2d_m, h_ut_m):
    """C' of UMa, tables 7.4.1-1 and 7.4.2-1: larger above 13 m."""
    above = jnp.clip((jnp.asarray(h_ut_m) - 13.0) / 10.0, 0.0, 1.0)
    curve = above**1.5 * 1.25 * (d2d_m / 100) ** 3 * jnp.exp(-d2d_m / 150)
    return jnp.where(d2d_m <= 18, 0.0, curve)


def environment_height_m(
    uniforms: Num[Array, "2"], d2d_m: Num[ArrayLike, ""], h_ut_m: Num[ArrayLike, ""]
) -> Num[Array, ""]:
    """A random h_E of UMa, table 7.4.1-1, note 1.

    1 m with probability 1 / (1 + C), else one of 12, 15, ... up to h_UT - 1.5 m. Users
    up to 13 m high have 1 m.

    Args:
        uniforms: in (0, 1]: which of the two, and which height.
        d2d_m, h_ut_m: horizontal distance and height of the user.
    """
    low = uniforms[0] <= 1 / (1 + _above_roofs(jnp.asarray(d2d_m), h_ut_m))
    floors = jnp.floor((jnp.asarray(h_ut_m) - 13.5) / 3) + 1
    high = 12 + 3 * jnp.maximum(jnp.ceil(uniforms[1] * floors) - 1, 0.0)
    return jnp.where(low, 1.0, high)


def path_loss_db(
    scenario: str,
    state: Num[ArrayLike, "*#b"],
    carrier_hz: Num[ArrayLike, "*#b"],
    d2d_m: Num[ArrayLike, "*b"],
    h_bs_m: Num[ArrayLike, "*#b"],
    h_ut_m: Num[ArrayLike, "*#b"],
    factory: Factory | None = None,
    h_e_m: Num[ArrayLike, "*#b"] = 1.0,
) -> Num[Array, "*b"]:
    """Basic path loss, table 7.4.1-1; without shadowing and without walls.

    Args:
        scenario: "UMi", "UMa", "RMa", "InH" or "InF".
        state: LOS, NLOS or O2I of `tables`; O2I has the outdoor loss of NLOS.
        carrier_hz: carrier frequency.
        d2d_m: horizontal distance.
        h_bs_m, h_ut_m: antenna heights.
        factory: the hall of InF; the standard one if not given.
        h_e_m: height of the environment in UMa, see `environment_height_m`.

    Raises:
        ValueError: unknown scenario.
    """
    _checked(scenario)
    log10 = jnp.log10
    ghz = jnp.asarray(carrier_hz) / 1e9
    d2d = jnp.asarray(d2d_m)
    d3d = jnp.sqrt(d2d**2 + (jnp.asarray(h_bs_m) - h_ut_m) ** 2)
    log_d, log_f = log10(d3d), log10(ghz)

    if scenario in ("UMi", "UMa"):
        height = 1.0 if scenario == "UMi" else h_e_m
        breakpoint_m = _breakpoint_m(carrier_hz, h_bs_m, h_ut_m, height)
        bend = log10(breakpoint_m**2 + (jnp.asarray(h_bs_m) - h_ut_m) ** 2)
        if scenario == "UMi":
            near = 32.4 + 21 * log_d + 20 * log_f
            beyond = 32.4 + 40 * log_d + 20 * log_f - 9.5 * bend
            blocked = 35.3 * log_d + 22.4 + 21.3 * log_f - 0.3 * (h_ut_m - 1.5)
        else:
            near = 28.0 + 22 * log_d + 20 * log_f
            beyond = 28.0 + 40 * log_d + 20 * log_f - 9 * bend
            blocked = 13.54 + 39.08 * log_d + 20 * log_f - 0.6 * (h_ut_m - 1.5)
        clear = jnp.where(d2d < breakpoint_m, near, beyond)
    elif scenario == "RMa":
        breakpoint_m = rural_breakpoint_m(carrier_hz, h_bs_m, h_ut_m)
        beyond = _rural(breakpoint_m, ghz) + 40 * log10(d3d / breakpoint_m)
        clear = jnp.where(d2d < breakpoint_m, _rural(d3d, ghz), beyond)
        ratio = BUILDING_HEIGHT_M / jnp.asarray(h_bs_m)
        blocked = (
            161.04
            - 7.1 * log10(STREET_WIDTH_M)
            + 7.5 * log10(BUILDING_HEIGHT_M)
            - (24.37 - 3.7 * ratio**2) * log10(h_bs_m)
            + (43.42 - 3.1 * log10(h_bs_m)) * (log_d - 3)
            + 20 * log_f
            - (3.2 * log10(11.75 * jnp.asarray(h_ut_m)) ** 2 - 4.97)
        )
    elif scenario == "InH":
        clear = 32.4 + 17.3 * log_d + 20 * log_f
        blocked = 38.3 * log_d + 17.3 + 24.9 * log_f
    else:
        clear = 31.84 + 21.5 * log_d + 19 * log_f
        sparse_low = 33 + 25.5 * log_d + 20 * log_f
        blocked = {
            "SL": sparse_low,
            "DL": jnp.maximum(18.6 + 35.7 * log_d + 20 * log_f, sparse_low),
            "SH": 32.4 + 23 * log_d + 20 * log_f,
            "DH": 33.63 + 21.9 * log_d + 20 * log_f,
        }[(factory or Factory()).clutter]
    return jnp.where(state == LOS, clear, jnp.maximum(clear, blocked))


def _breakpoint_m(carrier_hz, h_bs_m, h_ut_m, h_e_m):
    """d'_BP of UMi and UMa, table 7.4.1-1, note 1."""
    above = (jnp.asarray(h_bs_m) - h_e_m) * (jnp.asarray(h_ut_m) - h_e_m)
    # The standard rounds c to 3e8 here, which changes a loss by at most 0.006 dB.
    return 4 * above * carrier_hz / SPEED_OF_LIGHT


def rural_breakpoint_m(
    carrier_hz: Num[ArrayLike, "*#b"],
    h_bs_m: Num[ArrayLike, "*#b"],
    h_ut_m: Num[ArrayLike, "*#b"],
) -> Num[Array, "*b"]:
    """d_BP of RMa, table 7.4.1-1, note 5."""
    heights = jnp.asarray(h_bs_m) * h_ut_m
    return 2 * jnp.pi * heights * carrier_hz / SPEED_OF_LIGHT


def _rural(d3d, ghz):
    """PL1 of RMa."""
    h = BUILDING_HEIGHT_M
    return (
        20 * jnp.log10(40 * jnp.pi * d3d * ghz / 3)
        + min(0.03 * h**1.72, 10) * jnp.log10(d3d)
        - min(0.044 * h**1.72, 14.77)
        + 0.002 * jnp.log10(h) * d3d
    )


def shadowing_std_db(
    scenario: str,
    state: Num[ArrayLike, "*#b"],
    std_db: Num[ArrayLike, "*#b"],
    carrier_hz: Num[ArrayLike, "*#b"],
    d2d_m: Num[ArrayLike, "*b"],
    h_bs_m: Num[ArrayLike, "*#b"],
    h_ut_m: Num[ArrayLike, "*#b"],
    factory: Factory | None = None,
) -> Num[Array, "*b"]:
    """Shadowing, `std_db` of the tables but for RMa and InF, table 7.4.1-1."""
    std_db = jnp.broadcast_to(jnp.asarray(std_db), jnp.shape(d2d_m))
    if scenario == "RMa":
        beyond = jnp.asarray(d2d_m) > rural_breakpoint_m(carrier_hz, h_bs_m, h_ut_m)
        return jnp.where((state == LOS) & beyond, 6.0, std_db)
    if scenario == "InF":
        clutter = (factory or Factory()).clutter
        blocked = {"SL": 5.7, "DL": 7.2, "SH": 5.9, "DH": 4.0}[clutter]
        return jnp.where(state == LOS, std_db, blocked)
    return std_db


def penetration_loss_db(
    model: Literal["low", "high"],
    carrier_hz: Num[ArrayLike, "*#b"],
    d2d_indoor_m: Num[ArrayLike, "*b"],
    state: Num[ArrayLike, "*#b"] = O2I,
) -> tuple[Num[Array, "*b"], Num[Array, "*b"]]:
    """Mean and standard deviation of the loss into a building, clause 7.4.3.1.

    0 where the state is not O2I. Low: walls of 70 % concrete and 30 % plain glass;
    high: 30 % concrete and 70 % coated glass. Half a dB for every metre indoors.

    Raises:
        ValueError: unknown model.
    """
    if model not in ("low", "high"):
        raise ValueError(f"penetration: found {model!r}; needed low or high")
    ghz = jnp.asarray(carrier_hz) / 1e9
    glass, coated, concrete = 2 + 0.2 * ghz, 23 + 0.3 * ghz, 5 + 4 * ghz
    if model == "low":
        through = 0.3 * 10 ** (-glass / 10) + 0.7 * 10 ** (-concrete / 10)
        std = 4.4
    else:
        through = 0.7 * 10 ** (-coated / 10) + 0.3 * 10 ** (-concrete / 10)
        std = 6.5
    loss = 5 - 10 * jnp.log10(through) + 0.5 * jnp.asarray(d2d_indoor_m)
    inside = jnp.asarray(state) == O2I
    return jnp.where(inside, loss, 0.0), jnp.where(inside, std, 0.0) * jnp.ones_like(
        loss
    )
