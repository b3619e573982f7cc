"""A drop of TR 38.901 that lasts a whole track, and the same drop at two carriers."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.coefficients import LineOfSight, Rays
from wlam.phy.channels.tr38901.config import LAYOUT
from wlam.phy.channels.tr38901.consistency import follow
from wlam.phy.channels.tr38901.drops import direct_path
from wlam.phy.channels.tr38901.large_scale import (
    LargeScale,
    Link,
    by_state,
    distribution,
    large_scale,
)
from wlam.phy.channels.tr38901.pathloss import los_probability, path_loss_db
from wlam.phy.channels.tr38901.rays import (
    WEAKEST_DB,
    draw_rays,
    los_delay_scaling,
    power_decay_hz,
)
from wlam.phy.channels.tr38901.tables import LOS, NLOS
from wlam.phy.noise import RandomBlock
from wlam.simulate.mobility import gauss_markov
from wlam.simulate.sweeps.config import SweepConfig

# Distance in m over which the correlation of shadowing falls to 1/e, with a line of
# sight and without, table 7.5-6.
SHADOWING_DISTANCE_M = {
    "UMi": (10.0, 13.0),
    "UMa": (37.0, 50.0),
    "RMa": (37.0, 120.0),
    "InH": (10.0, 6.0),
    "InF": (10.0, 10.0),
}
NEAREST_M = 1.0  # path loss is that of this horizontal distance at least


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scene:
    """A drop at one carrier, at the start of the user's track."""

    link: Link
    scale: LargeScale
    rays: Rays
    los: LineOfSight
    power_decay_hz: Any  # [], for `follow`


def user_places(
    position: Float[Array, "time 2"], user_height_m: float
) -> Float[Array, "time 3"]:
    """Tracks have the array along x, drops along y: the two axes are exchanged."""
    height = jnp.full((len(position), 1), user_height_m)
    return jnp.concatenate([position[:, ::-1], height], axis=-1)


def draw_scene(
    key: PRNGKeyArray,
    config: SweepConfig,
    position: Float[Array, "3"],
    state: Array,
    carrier_hz: Float[Array, ""],
) -> Scene:
    """Steps 4 to 10 for a user at a given position.

    Args:
        key: randomness of large-scale parameters and rays.
        config: the scenario.
        position: of the user, m.
        state: LOS or NLOS.
        carrier_hz: carrier frequency.
    """
    distance = jnp.hypot(position[0], position[1])
    azimuth = jnp.arctan2(position[1], position[0])
    height = config.base_height_m or LAYOUT[config.scenario][0]
    link = Link(state, carrier_hz, distance, height, config.user_height_m)
    scale = _scale(key, config, link)
    los = _direct(link, azimuth, scale)
    key_rays = jax.random.split(key)[1]
    return Scene(
        link=link,
        scale=scale,
        rays=draw_rays(
            key_rays, config.scenario, link, scale, los, config.spec_version
        ),
        los=los,
        power_decay_hz=power_decay_hz(
            config.scenario, link, scale, config.spec_version
        ),
    )


def draw_state(
    config: SweepConfig, position: Float[Array, "3"], uniform: Float[Array, ""]
) -> Array:
    """Step 2 from a uniform number: LOS or NLOS, the same at all carriers."""
    if config.state != "drawn":
        return jnp.asarray({"los": LOS, "nlos": NLOS}[config.state])
    probability = los_probability(
        config.scenario,
        jnp.hypot(position[0], position[1]),
        config.user_height_m,
        config.base_height_m or LAYOUT[config.scenario][0],
        factory=config.factory,
    )
    return jnp.where(uniform <= probability, LOS, NLOS)


def move(
    key: PRNGKeyArray, scene: Scene, places: Float[Array, "time 3"]
) -> tuple[Rays, LineOfSight]:
    """The rays of a scene along a track, with a leading axis of time."""
    rise = scene.link.h_ut_m - scene.link.h_bs_m
    return follow(
        key,
        scene.rays,
        scene.los,
        jnp.sqrt(scene.link.d2d_m**2 + rise**2),
        places - places[:1],
        scene.link.carrier_hz,
        scene.power_decay_hz,
    )


def level_db(
    key: PRNGKeyArray, config: SweepConfig, scene: Scene, places: Float[Array, "time 3"]
) -> Float[Array, "time"]:
    """Path gain along a track: path loss of every position, and shadowing.

    Shadowing starts with that of the scene and forgets it along the travelled distance,
    exponentially (clause 7.6.3.1 has that correlation, by another construction).
    """
    link = scene.link
    distance = jnp.maximum(jnp.hypot(places[:, 0], places[:, 1]), NEAREST_M)
    loss_db = path_loss_db(
        config.scenario,
        link.state,
        link.carrier_hz,
        distance,
        link.h_bs_m,
        link.h_ut_m,
        config.factory,
    )
    _, std = distribution(config.scenario, link, config.spec_version, config.factory)
    memory_m = jnp.asarray(SHADOWING_DISTANCE_M[config.scenario])[link.state]
    steps = jnp.diff(places[:, :2], axis=0, prepend=places[:1, :2])
    lag = jnp.linalg.norm(steps, axis=-1) / memory_m
    process = std[tables.LARGE_SCALE.index("SF")] * gauss_markov(key, lag)
    kept = jnp.exp(-jnp.cumsum(lag))
    shadowing_db = process + kept * (scene.scale.shadowing_db - process[0])
    return shadowing_db - loss_db


def at_carrier(
    key: PRNGKeyArray,
    scale_key: PRNGKeyArray,
    config: SweepConfig,
    scene: Scene,
    carrier_hz: Float[Array, ""],
) -> Scene:
    """The same drop at another carrier, after clause 7.6.5.

    Common are the state, the positions, and delays and angles of all rays: those of the
    scene. Large-scale parameters come from the same normal variables, with the means
    and deviations of the carrier. Powers are those of step 6' of clause 7.6.5.1,
    exp(-g delay) with g = 1 / DS' - 1 / (r_tau DS), of which the terms in angles are
    left out; shadowing of clusters, cross-polarisation and phases are drawn anew.
    Clusters that the scene lacks, and those split in sub-clusters, stay the same.

    Args:
      key: randomness of new draws.
      scale_key: the key that `draw_scene` was given for the scene.
      config: the scenario.
      scene: with the larger delay spread, as that of the lower carrier mostly is;
        where the other spread is more than r_tau times as large, it becomes that.
      carrier_hz: the other carrier frequency.
    """
    link = replace(scene.link, carrier_hz=carrier_hz)
    scale = _scale(scale_key, config, link)
    columns = tables.parameters(config.scenario, config.spec_version)

    def pick(read):
        return by_state(columns, link.state, read)

    rays = scene.rays
    draws = RandomBlock(
        key,
        sum(2 * x.size for x in (rays.power, rays.cross_polarisation))
        + rays.phase.size,
    )
    # With a line of sight delays were divided by this, equation 7.5-3.
    k_db = jnp.where(link.state == LOS, scene.scale.k_db, 0.0)
    delay = rays.delay_s * jnp.where(link.state == LOS, los_delay_scaling(k_db), 1.0)
    r_tau = pick(lambda c: c.delay_scaling)
    decay_hz = 1 / scale.delay_spread_s - 1 / (r_tau * scene.scale.delay_spread_s)
    shadowing_db = pick(lambda c: c.cluster_shadowing_db) * draws.normal(delay.shape)
    power = jnp.exp(-jnp.maximum(decay_hz, 0.0) * delay) * 10 ** (-shadowing_db / 10)
    power = jnp.where(rays.power > 0, power, 0.0)
    weakest = power.max() * 10 ** (WEAKEST_DB / 10)
    power = jnp.where(power >= weakest, power, 0.0)
    mean_db, std_db = (pick(lambda c, i=i: c.xpr_db[i]) for i in (0, 1))
    kappa_db = mean_db + std_db * draws.normal(rays.cross_polarisation.shape)
    return Scene(
        link=link,
        scale=scale,
        rays=replace(
            rays,
            power=power / power.sum(),
            cross_polarisation=10 ** (kappa_db / 10),
            phase=np.pi * (2 * draws.uniform(rays.phase.shape) - 1),
        ),
        los=_direct(link, scene.los.departure_azimuth, scale),
        power_decay_hz=jnp.maximum(decay_hz, 0.0),
    )


def _scale(key, config, link):
    return large_scale(
        jax.random.split(key)[0],
        config.scenario,
        link,
        config.spec_version,
        config.factory,
    )


def _direct(link, azimuth, scale):
    k_factor = jnp.where(link.state == LOS, 10 ** (scale.k_db / 10), 0.0)
    return direct_path(link, azimuth, k_factor)
