"""Radio KPIs of a phone on the move: RSRP, RSRQ and SINR of its serving cell.

A user drives past the cells of a network. The reported values have path loss to
every cell, shadowing, the fast fading that averaging leaves, the filter of layer 3,
handovers, and a display that is refreshed at intervals in whole dB.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.channels.tr38901.pathloss import los_probability, path_loss_db
from wlam.phy.channels.tr38901.tables import LOS, NLOS
from wlam.simulate.mobility import Draws, gauss_markov, gauss_markov_track, two_state
from wlam.types import Series

Scalar = Float[Array, ""] | float

QUANTITIES = ("rsrp", "rsrq", "sinr")
REPORTED = {"rsrp": (-140.0, -44.0), "rsrq": (-34.0, 2.5), "sinr": (-23.0, 40.0)}
"""Ranges of reports: RSRP of LTE in dBm, RSRQ of LTE and SS-SINR of NR in dB; TS 36.133
clauses 9.1.4 and 9.1.7, TS 38.133 clause 10.1.16."""
HEIGHTS_M = {"UMi": 10.0, "UMa": 25.0, "RMa": 35.0}  # of the sites, TR 38.901 7.2
USER_HEIGHT_M = 1.5
SMALLEST_M = 10.0  # horizontal distance from which the path loss holds
BEAMWIDTH_DEG, BACK_DB = 65.0, 30.0  # of a sector, TR 38.901 table 7.3-1
NOISE_DBM = -174.0 + 10 * np.log10(15e3) + 7.0  # in a resource element; 7 dB figure
ELEMENTS = 12  # resource elements of a resource block in a symbol
PILOT_SHARE = 1 / 6  # of them that an idle cell sends too: two reference signals
EDGE = 0.2  # of the field of obstacles, in which a line of sight comes or goes
SITE_CORRELATION = 0.5  # of the shadowing of two sites, TR 36.942
# Ranges (lo, hi) that are drawn log-uniformly.
LOGARITHMIC = (
    *("speeds_kmh", "stop_s", "inter_site_m", "decorrelation_m", "los_m", "noise_db"),
    *("load_memory_s", "layer_s", "filter_s", "time_to_trigger_s", "refresh_s"),
)
UNIFORM = (
    *("speed_variation", "turn_rates_deg_s", "stop_share", "tx_power_dbm"),
    *("shadowing_std_db", "fading_std_db", "layer_std_db", "load_mean", "load_std"),
    *("margin_db", "missed_share"),
)


@dataclass(frozen=True)
class KpiConfig:
    """A phone that drives through a network; pairs are ranges (lo, hi) of a series."""

    num_times: int = 128  # samples in a series
    time_steps_s: tuple[float, ...] = (0.5, 1.0, 2.0)  # one drawn for a series
    quantities: tuple[str, ...] = QUANTITIES  # channels of a series
    speeds_kmh: tuple[float, float] = (3.0, 120.0)  # mean while moving
    speed_variation: tuple[float, float] = (0.0, 0.5)  # its std over its mean
    turn_rates_deg_s: tuple[float, float] = (0.0, 8.0)  # std of the turn rate
    stop_share: tuple[float, float] = (0.0, 0.4)  # share of time at rest
    stop_s: tuple[float, float] = (5.0, 120.0)  # memory of being at rest
    parked_probability: float = 0.05  # series that do not move at all
    scenarios: tuple[str, ...] = ("UMi", "UMa", "RMa")  # one drawn for a series
    carriers_hz: tuple[float, ...] = (0.8e9, 1.8e9, 2.1e9, 2.6e9, 3.5e9)
    inter_site_m: tuple[float, float] = (300.0, 3000.0)  # distance of two sites
    grid: tuple[int, int] = (4, 4)  # sites in a row, and rows; wrapped around
    displacement: float = 0.25  # std of a site off the hexagons, over their distance
    tx_power_dbm: tuple[float, float] = (5.0, 30.0)  # in a resource element, with gains
    shadowing_std_db: tuple[float, float] = (3.0, 8.0)
    decorrelation_m: tuple[float, float] = (10.0, 500.0)  # shadowing falls to 1/e
    los_m: tuple[float, float] = (30.0, 300.0)  # memory of the line of sight
    fading_std_db: tuple[float, float] = (0.1, 1.5)  # after averaging
    noise_db: tuple[float, float] = (0.05, 1.0)  # std of the measurement error
    load_mean: tuple[float, float] = (-2.0, 1.5)  # cells' load, as a logit
    load_std: tuple[float, float] = (0.2, 1.5)
    load_memory_s: tuple[float, float] = (1.0, 60.0)
    layer_s: tuple[float, float] = (20.0, 1000.0)  # mean stay on a carrier
    layer_std_db: tuple[float, float] = (0.0, 7.0)  # std of a carrier's level
    filter_s: tuple[float, float] = (0.1, 1.5)  # memory of the layer 3 filter
    margin_db: tuple[float, float] = (1.0, 6.0)  # offset and hysteresis of event A3
    time_to_trigger_s: tuple[float, float] = (0.04, 2.56)
    refresh_s: tuple[float, float] = (0.3, 6.0)  # between two values that are shown
    missed_share: tuple[float, float] = (0.0, 0.2)  # refreshes that do not come
    quantum_db: float = 1.0  # step of reported values; 0 for none

    def __post_init__(self) -> None:
        for name in (*UNIFORM, *LOGARITHMIC):
            low, high = getattr(self, name)
            if low > high or (low <= 0 and name in LOGARITHMIC):
                needed = "0 < lo <= hi" if name in LOGARITHMIC else "lo <= hi"
                raise ValueError(f"{name}: found {(low, high)}; needed {needed}")
        if self.num_times < 2 or not all(step > 0 for step in self.time_steps_s):
            raise ValueError(
                f"num_times, time_steps_s: found {self.num_times}, "
                f"{self.time_steps_s}; needed at least 2 and only positive intervals"
            )
        for name, known in (("quantities", QUANTITIES), ("scenarios", HEIGHTS_M)):
            found = getattr(self, name)
            if not found or set(found) - set(known):
                raise ValueError(
                    f"{name}: found {found}; needed one or more of " + ", ".join(known)
                )
        if min(self.grid) < 1 or self.grid[1] % 2:
            raise ValueError(
                f"grid: found {self.grid}; needed 1 or more in a row, rows even"
            )


def site_offsets(
    position: Float[Array, "time 2"],
    displacement: Float[Array, "site 2"],
    grid: tuple[int, int],
    inter_site_m: Scalar,
) -> Float[Array, "time site 2"]:
    """Ways in metres from every site to the user, by the shortest way around.

    Hexagons in rows; the last column and row are neighbours of the first, so that the
    network has no edge.

    Args:
      position: of the user, in metres.
      displacement: of the sites off the hexagonal grid, over their distance.
      grid: sites in a row, and rows.
      inter_site_m: distance of two sites.
    """
    columns, rows = grid
    row, column = np.divmod(np.arange(columns * rows), columns)
    regular = np.stack([column + row % 2 / 2, row * 3**0.5 / 2], axis=-1)
    size = np.array([columns, rows * 3**0.5 / 2], np.float32)[None, None]
    site = regular.astype(np.float32) + displacement
    offset = position[:, None] / inter_site_m - site[None]
    return inter_site_m * (offset - size * jnp.round(offset / size))


def sector_gain_db(
    offset_m: Float[Array, "time site 2"], turned: Float[Array, "site"]
) -> Float[Array, "time site 3"]:
    """Gain of the three sectors of a site below their strongest, TR 38.901 table 7.3-1.

    Args:
      offset_m: from the site to the user.
      turned: azimuth of the first sector in rad; the others are 120 degrees apart.
    """
    azimuth = jnp.arctan2(offset_m[..., 1], offset_m[..., 0]) - turned[None]
    sectors = np.arange(3, dtype=np.float32)[None, None] * 120.0
    off = (jnp.rad2deg(azimuth)[..., None] - sectors + 180.0) % 360.0 - 180.0
    return -jnp.minimum(12 * (off / BEAMWIDTH_DEG) ** 2, BACK_DB)


def loss_db(
    scenario: Int[Array, ""],
    scenarios: Sequence[str],
    carrier_hz: Float[Array, ""],
    distance_m: Float[Array, "time site"],
    obstacles: Float[Array, "time site"],
) -> Float[Array, "time site"]:
    """Path loss with or without a line of sight.

    There is a line of sight where a standard normal field, `obstacles`, stays below the
    quantile of its probability, so that it lasts as long as the field remembers. Losses
    go over into each other, in dB, within about `EDGE` of that: a soft line of sight as
    in TR 38.901 clause 7.6.3.3.

    Args:
      scenario: index into `scenarios`.
      scenarios: names of TR 38.901.
      carrier_hz: carrier frequency.
      distance_m: horizontal distance.
      obstacles: of unit variance.
    """
    far = jnp.maximum(distance_m, SMALLEST_M)
    losses = []
    for name in scenarios:
        height = HEIGHTS_M[name]
        likely = los_probability(name, far, USER_HEIGHT_M, height)
        likely = jnp.clip(likely, 1e-6, 1 - 1e-6)
        clear = jax.nn.sigmoid((ndtri(likely) - obstacles) / EDGE)
        open_db, blocked_db = (
            path_loss_db(name, state, carrier_hz, far, height, USER_HEIGHT_M)
            for state in (LOS, NLOS)
        )
        losses.append(clear * open_db + (1 - clear) * blocked_db)
    return jnp.stack(losses)[scenario]


def serve(
    measured_dbm: Float[Array, "time cell"],
    decay: Scalar,
    margin_db: Scalar,
    wait: Scalar,
) -> tuple[Float[Array, "time cell"], Int[Array, "time"]]:
    """Filtered RSRP of all cells, and the cell that serves.

    The filter of layer 3 (TS 38.331 clause 5.5.3.2), in dB, and event A3 (clause
    5.5.4.4): the phone goes to the strongest of the neighbours that have been
    `margin_db` better than the serving cell for longer than `wait` steps.

    Args:
      measured_dbm: RSRP of every cell.
      decay: weight of the filter's past after a step, 1 - a of the standard.
      margin_db: offset plus hysteresis.
      wait: time to trigger in steps.
    """

    def step(state, now):
        filtered, serving, count = state
        filtered = decay * filtered + (1 - decay) * now
        count = jnp.where(filtered > filtered[serving] + margin_db, count + 1, 0)
        ready = count > wait
        best = jnp.argmax(jnp.where(ready, filtered, -jnp.inf))
        serving = jnp.where(jnp.any(ready), best, serving)
        # Neighbours are compared with another cell from now on.
        count = jnp.where(jnp.any(ready), 0, count)
        return (filtered, serving, count), (filtered, serving)

    first = measured_dbm[0]
    start = (first, jnp.argmax(first), jnp.zeros(first.shape, jnp.int32))
    return jax.lax.scan(step, start, measured_dbm)[1]


def quality(
    power_dbm: Float[Array, "time cell"],
    serving: Int[Array, "time"],
    load: Float[Array, "time cell"],
) -> dict[str, Float[Array, "time"]]:
    """RSRP, RSRQ and SINR of the serving cell, TS 36.214 and TS 38.215 clause 5.1.

    RSRQ is RSRP over the power in a resource block, which an idle cell fills by
    `PILOT_SHARE` and a busy one wholly.

    Args:
      power_dbm: RSRP of every cell, all on one carrier.
      serving: the serving cell.
      load: share of the data elements in use, 0 to 1.
    """
    power = 10 ** ((power_dbm - NOISE_DBM) / 10)  # over the noise
    sent = power * (PILOT_SHARE + (1 - PILOT_SHARE) * load)
    mine = jax.nn.one_hot(serving, power.shape[1])
    signal = jnp.sum(mine * power, axis=1)
    others = jnp.sum((1 - mine) * sent, axis=1) + 1
    block = ELEMENTS * (jnp.sum(mine * sent, axis=1) + others)
    ratios = {"rsrp": signal, "rsrq": signal / block, "sinr": signal / others}
    found = {name: 10 * jnp.log10(ratio) for name, ratio in ratios.items()}
    return found | {"rsrp": found["rsrp"] + NOISE_DBM}


def shown(
    values: Float[Array, "time channel"], fresh: Bool[Array, "time"]
) -> Float[Array, "time channel"]:
    """What a display shows that takes a new value only where `fresh`; the first is."""
    last = jnp.where(fresh, jnp.arange(len(fresh)), 0)
    return values[jax.lax.cummax(last)]


class Way(NamedTuple):
    """Where a user is, and how far he came in every step."""

    position: Float[Array, "time 2"]
    moved_m: Float[Array, "time"]
    moving: Bool[Array, "time"]


def random_way(
    key: PRNGKeyArray, config: KpiConfig, drawn: dict[str, Array], time_step_s: Scalar
) -> Way:
    """A smooth track with stops, from (0, 0)."""
    keys = jax.random.split(key)
    speed = drawn["speeds_kmh"] / 3.6
    position, _ = gauss_markov_track(
        keys[0],
        config.num_times,
        time_step_s,
        speed,
        drawn["heading"],
        speed_std_mps=drawn["speed_variation"] * speed,
        turn_rate_std=jnp.deg2rad(drawn["turn_rates_deg_s"]),
        straight_share=0.3,
    )
    lag = jnp.full(config.num_times, time_step_s / drawn["stop_s"])
    moving = ~two_state(keys[1], lag, drawn["stop_share"]) & (drawn["parked"] == 0)
    steps = jnp.diff(position, axis=0, prepend=position[:1])
    steps = jnp.where(moving[:, None], steps, 0.0)
    return Way(jnp.cumsum(steps, axis=0), jnp.linalg.norm(steps, axis=-1), moving)


def random_walks(
    key: PRNGKeyArray,
    config: KpiConfig,
    drawn: dict[str, Array],
    moved_m: Float[Array, "time"],
    time_step_s: Scalar,
    carrier_hz: Scalar,
) -> dict[str, Float[Array, "time _"]]:
    """All that has a memory, along the way or in time; of unit variance.

    Per site `shadowing`, whose correlation falls with the way as exp(-d / d_corr)
    (Gudmundson, Electron. Lett. 1991), and `obstacles`; per cell `fading`, new after
    half a wavelength, and `load`, which alone changes while the user is at rest.
    """
    sites = config.grid[0] * config.grid[1]
    time_s = jnp.full(moved_m.shape, time_step_s)
    lags = {  # how many, and steps in units of the memory
        "common": (1, moved_m / drawn["decorrelation_m"]),
        "own": (sites, moved_m / drawn["decorrelation_m"]),
        "obstacles": (sites, moved_m / drawn["los_m"]),
        "fading": (3 * sites, moved_m / (SPEED_OF_LIGHT / carrier_hz / 2)),
        "load": (3 * sites, time_s / drawn["load_memory_s"]),
    }
    lag = [jnp.repeat(lag[:, None], count, axis=1) for count, lag in lags.values()]
    ends = np.cumsum([count for count, _ in lags.values()])[:-1]
    walks = jnp.split(gauss_markov(key, jnp.concatenate(lag, axis=1)), ends, axis=1)
    walk = dict(zip(lags, walks, strict=True))
    shadowing = SITE_CORRELATION**0.5 * walk.pop("common")
    shadowing = shadowing + (1 - SITE_CORRELATION) ** 0.5 * walk.pop("own")
    return walk | {"shadowing": shadowing}


def random_series(key: PRNGKeyArray, config: KpiConfig) -> Series:
    """One series, without the axis of samples; see `generate`."""
    keys = jax.random.split(key, 5)
    draws = Draws(keys[0], len(UNIFORM) + len(LOGARITHMIC) + 8)
    drawn = {name: draws.uniform(getattr(config, name)) for name in UNIFORM}
    drawn |= {name: draws.log_uniform(getattr(config, name)) for name in LOGARITHMIC}
    drawn["parked"] = draws.bernoulli(config.parked_probability)
    drawn["heading"] = 2 * jnp.pi * draws.uniform((0.0, 1.0))
    time_step_s = draws.choice(config.time_steps_s)
    carrier_hz = draws.choice(config.carriers_hz)
    choice = len(config.scenarios) * draws.uniform((0.0, 1.0))
    inter_site_m = drawn["inter_site_m"]
    way = random_way(keys[1], config, drawn, time_step_s)

    normals = jax.random.normal(keys[2], (2, config.grid[0] * config.grid[1], 2))
    begin = jnp.stack([size * draws.uniform((0.0, 1.0)) for size in config.grid])
    position = way.position + (inter_site_m * begin)[None]
    displacement = config.displacement * normals[0]
    offset_m = site_offsets(position, displacement, config.grid, inter_site_m)

    walk = random_walks(keys[3], config, drawn, way.moved_m, time_step_s, carrier_hz)
    site_dbm = drawn["tx_power_dbm"] + drawn["shadowing_std_db"] * walk["shadowing"]
    distance_m = jnp.linalg.norm(offset_m, axis=-1)
    scenario, obstacles = choice.astype(jnp.int32), walk["obstacles"]
    site_dbm -= loss_db(scenario, config.scenarios, carrier_hz, distance_m, obstacles)
    power = site_dbm[..., None] + sector_gain_db(offset_m, jnp.pi * normals[1, :, 0])
    power = power.reshape(config.num_times, -1)
    power += drawn["fading_std_db"] * walk["fading"]
    cells = power.shape[1]

    noise = jax.random.normal(keys[4], (config.num_times, cells + 3))
    filtered, serving = serve(
        power + drawn["noise_db"] * noise[:, :cells],
        jnp.exp(-time_step_s / drawn["filter_s"]),
        drawn["margin_db"],
        jnp.round(drawn["time_to_trigger_s"] / time_step_s),
    )
    load = jax.nn.sigmoid(drawn["load_mean"] + drawn["load_std"] * walk["load"])
    found = quality(filtered, serving, load)

    # Every now and then the phone is moved to another carrier, of another level.
    uniforms = ndtr(noise[:, cells:])
    moves = uniforms[:, 0] < -jnp.expm1(-time_step_s / drawn["layer_s"])
    levels = drawn["layer_std_db"] * noise[:, cells + 1]
    found["rsrp"] += levels[jnp.cumsum(moves.at[0].set(False))]
    values = jnp.stack([found[name] for name in config.quantities], axis=-1)

    ticks = time_step_s / drawn["refresh_s"] * jnp.arange(config.num_times)
    ticks = jnp.floor(ticks + draws.uniform((0.0, 1.0)))
    fresh = jnp.diff(ticks, prepend=-1.0) > 0
    fresh &= uniforms[:, 2] >= drawn["missed_share"]
    values = shown(values, fresh)
    if config.quantum_db > 0:
        values = config.quantum_db * jnp.round(values / config.quantum_db)
    low, high = np.array([REPORTED[name] for name in config.quantities], np.float32).T
    labels = {
        "speed_kmh": 3.6 * jnp.mean(way.moved_m[1:]) / time_step_s,
        "time_step_s": time_step_s,
        "carrier_hz": carrier_hz,
        "inter_site_m": inter_site_m,
        "handovers": jnp.sum(jnp.diff(serving) != 0),
        "rest_share": 1 - jnp.mean(way.moving.astype(jnp.float32)),
        "refresh_s": drawn["refresh_s"],
    }
    return Series(jnp.clip(values, low[None], high[None]), time_step_s, labels)


def generate(key: PRNGKeyArray, config: KpiConfig, samples: int) -> Series:
    """What phones show on random drives: series [sample, time, quantity].

    RSRP in dBm, RSRQ and SINR in dB, in the order of `config.quantities`, in multiples
    of `config.quantum_db`, cut off at the ends of `REPORTED`. Pure: same key, same
    bits; jit with `config` and `samples` static.

    Labels [sample]: `speed_kmh` (mean over the series, with stops), `time_step_s`,
    `carrier_hz`, `inter_site_m`, `handovers` (how many), `rest_share` (of time),
    `refresh_s` (between two shown values).
    """
    keys = jax.random.split(key, samples)
    return jax.vmap(lambda key: random_series(key, config))(keys)
