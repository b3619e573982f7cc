"""Step 4: correlated large-scale parameters of a link, TR 38.901 clause 7.5."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Num, PRNGKeyArray

from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.pathloss import Factory, shadowing_std_db
from wlam.phy.channels.tr38901.tables import LARGE_SCALE, LOS, Parameters
from wlam.phy.noise import RandomBlock

# Spreads above these are set to them, step 4.
LARGEST_AZIMUTH_SPREAD_DEG, LARGEST_ZENITH_SPREAD_DEG = 104.0, 52.0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Link:
    """Positions of the two ends and state of the link; scalars, or batches alike."""

    state: Any  # int, LOS, NLOS or O2I of `tables`
    carrier_hz: Any
    d2d_m: Any  # horizontal distance
    h_bs_m: Any  # heights of the antennas
    h_ut_m: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LargeScale:
    """What is common to all clusters of a link."""

    shadowing_db: Any  # positive where more power arrives than by path loss alone
    k_db: Any  # Rician factor, -inf without a line of sight
    delay_spread_s: Any
    departure_azimuth_spread_deg: Any
    arrival_azimuth_spread_deg: Any
    departure_zenith_spread_deg: Any
    arrival_zenith_spread_deg: Any
    departure_zenith_log_mean: Any  # mu_lgZSD, which step 7 needs
    departure_zenith_offset_deg: Any  # mu_offset,ZOD


def by_state(
    columns: tuple, state: Num[ArrayLike, "*b"], read: Callable[[Parameters], Any]
) -> Num[Array, "..."]:
    """`read(column)`, a number or an array, of the column that belongs to the state."""
    return jnp.asarray([read(column) for column in columns])[jnp.asarray(state)]


def distribution(
    scenario: str,
    link: Link,
    spec_version: str = "19.2",
    factory: Factory | None = None,
) -> tuple[Float[Array, "7"], Float[Array, "7"]]:
    """Mean and std in the order of `tables.LARGE_SCALE`: dB, log10 s and log10 degrees.

    Tables 7.5-6 to 7.5-11. SF has mean 0; K is 0 +- 0 without a line of sight.

    Raises:
        ValueError: unknown scenario or version.
    """
    columns = tables.parameters(scenario, spec_version)
    ghz = jnp.maximum(link.carrier_hz / 1e9, tables.LOWEST_CARRIER_GHZ[scenario])
    log_f = jnp.log10(columns[0].log_offset_ghz + ghz)

    def pick(read):
        return by_state(columns, link.state, read)

    def column(read):
        return pick(lambda c: read(c)[0]) * log_f + pick(lambda c: read(c)[1])

    ds = column(lambda c: c.ds[0])
    if scenario == "InF":
        ds = factory_delay_spread(factory or Factory(), link.state)
    shadowing = shadowing_std_db(
        scenario,
        link.state,
        pick(lambda c: c.shadowing_db),
        link.carrier_hz,
        link.d2d_m,
        link.h_bs_m,
        link.h_ut_m,
        factory,
    )
    mean = {
        "SF": jnp.zeros_like(ds),
        "K": pick(lambda c: c.k_db[0]),
        "DS": ds,
        "ASD": column(lambda c: c.asd[0]),
        "ASA": column(lambda c: c.asa[0]),
        "ZSD": zenith_spread_of_departure(scenario, link, ghz),
        "ZSA": column(lambda c: c.zsa[0]),
    }
    std = {
        "SF": shadowing,
        "K": pick(lambda c: c.k_db[1]),
        "DS": column(lambda c: c.ds[1]),
        "ASD": column(lambda c: c.asd[1]),
        "ASA": column(lambda c: c.asa[1]),
        "ZSD": column(lambda c: c.zsd_std),
        "ZSA": column(lambda c: c.zsa[1]),
    }
    return tuple(  # type: ignore[return-value]
        jnp.stack([values[name] for name in LARGE_SCALE], axis=-1)
        for values in (mean, std)
    )


def factory_delay_spread(
    hall: Factory, state: Num[ArrayLike, "*b"]
) -> Float[Array, "*b"]:
    """Mean lgDS of InF from the hall's volume over its surface, table 7.5-6 part 3."""
    ratio = hall.volume_m3 / hall.surface_m2
    means = [np.log10(26 * ratio + 14) - 9.35, np.log10(30 * ratio + 32) - 9.44]
    return jnp.asarray([means[0], means[1], means[1]], jnp.float32)[jnp.asarray(state)]


def zenith_spread_of_departure(
    scenario: str, link: Link, ghz: Num[Array, "*b"]
) -> Num[Array, "*b"]:
    """Mean lgZSD, tables 7.5-7 to 7.5-11; O2I as NLOS."""
    km, h = link.d2d_m / 1000, link.h_ut_m
    if scenario == "UMi":
        los = jnp.maximum(-0.21, -14.8 * km + 0.01 * abs(h - link.h_bs_m) + 0.83)
        above = jnp.maximum(h - link.h_bs_m, 0)
        nlos = jnp.maximum(-0.5, -3.1 * km + 0.01 * above + 0.2)
    elif scenario == "UMa":
        los = jnp.maximum(-0.5, -2.1 * km - 0.01 * (h - 1.5) + 0.75)
        nlos = jnp.maximum(-0.5, -2.1 * km - 0.01 * (h - 1.5) + 0.9)
    elif scenario == "RMa":
        los = jnp.maximum(-1.0, -0.17 * km - 0.01 * (h - 1.5) + 0.22)
        nlos = jnp.maximum(-1.0, -0.19 * km - 0.01 * (h - 1.5) + 0.28)
    elif scenario == "InH":
        los, nlos = -1.43 * jnp.log10(1 + ghz) + 2.228, jnp.full_like(km, 1.08)
    else:
        los = nlos = jnp.full_like(km, 1.35)
    return jnp.where(link.state == LOS, los, nlos)


def zenith_offset_deg(scenario: str, link: Link) -> Num[Array, "*b"]:
    """mu_offset,ZOD in degrees, tables 7.5-7 to 7.5-11; 0 with a line of sight."""
    h, d = link.h_ut_m, link.d2d_m
    if scenario == "UMi":
        offset = -(10 ** (-1.5 * jnp.log10(jnp.maximum(10.0, d)) + 3.3))
    elif scenario == "UMa":
        log_f = jnp.log10(
            jnp.maximum(link.carrier_hz / 1e9, tables.LOWEST_CARRIER_GHZ["UMa"])
        )
        slope, start = 0.208 * log_f - 0.782, -0.13 * log_f + 2.03
        reach = jnp.log10(jnp.maximum(25.0, d))
        offset = 7.66 * log_f - 5.96 - 10 ** (slope * reach + start - 0.07 * (h - 1.5))
    elif scenario == "RMa":
        offset = jnp.rad2deg(
            jnp.arctan((35 - 3.5) / jnp.maximum(d, 1e-3))
            - jnp.arctan((35 - 1.5) / jnp.maximum(d, 1e-3))
        )
    else:
        offset = jnp.zeros_like(d)
    return jnp.where(link.state == LOS, 0.0, offset)


def large_scale(
    key: PRNGKeyArray,
    scenario: str,
    link: Link,
    spec_version: str = "19.2",
    factory: Factory | None = None,
) -> LargeScale:
    """Draws the seven parameters of one link with their cross-correlations.

    Raises:
        ValueError: unknown scenario or version.
    """
    mean, std = distribution(scenario, link, spec_version, factory)
    columns = tables.parameters(scenario, spec_version)
    root = by_state(columns, link.state, tables.correlation_root).astype(mean.dtype)
    normal = RandomBlock(key, 2 * len(LARGE_SCALE)).normal((len(LARGE_SCALE),))
    drawn = mean + std * jnp.einsum("ij,j->i", root, normal, precision="highest")
    value = dict(zip(LARGE_SCALE, drawn, strict=True))
    return LargeScale(
        shadowing_db=value["SF"],
        k_db=jnp.where(link.state == LOS, value["K"], -jnp.inf),
        delay_spread_s=10 ** value["DS"],
        departure_azimuth_spread_deg=_capped(value["ASD"], LARGEST_AZIMUTH_SPREAD_DEG),
        arrival_azimuth_spread_deg=_capped(value["ASA"], LARGEST_AZIMUTH_SPREAD_DEG),
        departure_zenith_spread_deg=_capped(value["ZSD"], LARGEST_ZENITH_SPREAD_DEG),
        arrival_zenith_spread_deg=_capped(value["ZSA"], LARGEST_ZENITH_SPREAD_DEG),
        departure_zenith_log_mean=mean[LARGE_SCALE.index("ZSD")],
        departure_zenith_offset_deg=zenith_offset_deg(scenario, link),
    )


def _capped(log_spread: Array, largest_deg: float) -> Array:
    return jnp.minimum(10**log_spread, largest_deg)
