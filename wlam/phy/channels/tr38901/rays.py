"""Steps 5 to 10: delays, powers and angles of clusters and their rays, clause 7.5.

One link; vmap for more. The number of clusters is that of the scenario's richest state;
those that a state lacks have power 0, so that the state may be traced.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from wlam.phy.channels.cdl_tables import RAY_OFFSETS
from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.coefficients import SUB_CLUSTERS, LineOfSight, Rays
from wlam.phy.channels.tr38901.large_scale import LargeScale, Link, by_state
from wlam.phy.channels.tr38901.tables import LOS, O2I
from wlam.phy.noise import RandomBlock

WEAKEST_DB = -25.0  # weaker clusters than this below the strongest are removed, step 6


def draw_rays(
    key: PRNGKeyArray,
    scenario: str,
    link: Link,
    scale: LargeScale,
    los: LineOfSight,
    spec_version: str = "19.2",
) -> Rays:
    """Draws the scattered rays of a link.

    Args:
        key: randomness of everything.
        scenario: "UMi", "UMa", "RMa", "InH" or "InF".
        link: state, carrier and geometry.
        scale: its large-scale parameters.
        los: the direct direction, about which clusters lie, also when it is blocked.

    Raises:
        ValueError: unknown scenario or version.
    """
    columns = tables.parameters(scenario, spec_version)
    most = max(column.clusters for column in columns)
    num_rays = len(RAY_OFFSETS)
    # For a cluster a delay, a normal, and a sign and a normal for each angle; for a ray
    # an order for three angles, a normal and four phases. A normal takes two numbers.
    draws = RandomBlock(key, most * (1 + 2 + 4 * 3) + most * num_rays * (3 + 2 + 4))

    def pick(read):
        return by_state(columns, link.state, read)

    count = pick(lambda c: c.clusters)
    cluster = jnp.arange(most)
    is_los = link.state == LOS
    k_db = jnp.where(is_los, scale.k_db, 0.0)

    # ---- step 5: delays --------------------------------------------------------------
    # The gaps between the sorted values of N exponential variables are exponential with
    # rates N - 1, N - 2, ..., which spares the sort.
    gaps = draws.exponential((most,)) / jnp.maximum(count - cluster, 1)
    unit_delay = jnp.cumsum(jnp.where(cluster > 0, gaps, 0.0))
    r_tau = pick(lambda c: c.delay_scaling)
    delay = r_tau * scale.delay_spread_s * unit_delay

    # ---- step 6: powers --------------------------------------------------------------
    shadowing_db = pick(lambda c: c.cluster_shadowing_db) * draws.normal((most,))
    power = _cluster_powers(unit_delay * (r_tau - 1), shadowing_db, cluster < count)

    # ---- step 7: angles --------------------------------------------------------------
    centres = _cluster_angles(draws, columns, link, scale, los, power)

    # ---- step 8: coupling ------------------------------------------------------------
    strongest = _two_strongest(power)
    is_strong = (cluster[:, None] == strongest[None]).any(-1)
    words = draws.uniform((3, most, num_rays))
    offsets = jnp.asarray(RAY_OFFSETS, power.dtype)
    shuffled = offsets[_coupling(words, is_strong)]
    fixed = jnp.broadcast_to(offsets, shuffled.shape[1:])
    zsd_deg = 3 / 8 * 10**scale.departure_zenith_log_mean  # 7.5-20

    def spread(name, spread_deg, units):
        return jnp.deg2rad(centres[name][:, None] + spread_deg * units)

    # ---- steps 9 and 10: polarisation ------------------------------------------------
    mean_db, std_db = (pick(lambda c, i=i: c.xpr_db[i]) for i in (0, 1))
    kappa_db = mean_db + std_db * draws.normal((most, num_rays))
    phase = np.pi * (2 * draws.uniform((most, num_rays, 4)) - 1)
    return Rays(
        delay_s=jnp.where(is_los, delay / los_delay_scaling(k_db), delay),
        power=power,
        arrival_azimuth=spread("aoa", pick(lambda c: c.cluster_asa_deg), fixed),
        arrival_zenith=_folded(
            spread("zoa", pick(lambda c: c.cluster_zsa_deg), shuffled[0])
        ),
        departure_azimuth=spread("aod", pick(lambda c: c.cluster_asd_deg), shuffled[1]),
        departure_zenith=_folded(spread("zod", zsd_deg, shuffled[2])),
        cross_polarisation=10 ** (kappa_db / 10),
        phase=phase,
        strongest=strongest,
        cluster_delay_spread_s=_cluster_delay_spread_s(columns, link),
    )


def _cluster_powers(
    decay: Float[Array, "cluster"],
    shadowing_db: Float[Array, "cluster"],
    exists: Bool[Array, "cluster"],
) -> Float[Array, "cluster"]:
    """Powers of sum 1 before the weakest are removed, equations 7.5-5 and 7.5-6."""
    power = jnp.exp(-decay) * 10 ** (-shadowing_db / 10)
    power = jnp.where(exists, power, 0.0)
    power = power / power.sum()
    return jnp.where(power >= power.max() * 10 ** (WEAKEST_DB / 10), power, 0.0)


def _two_strongest(power: Float[Array, "cluster"]) -> Int[Array, "2"]:
    first = jnp.argmax(power)
    second = jnp.argmax(jnp.where(jnp.arange(len(power)) == first, -1.0, power))
    return jnp.stack([first, second])


def _cluster_delay_spread_s(
    columns: tuple[tables.Parameters, ...], link: Link
) -> Float[Array, ""]:
    a, b, c = (
        by_state(columns, link.state, lambda p, i=i: p.cluster_ds_ns[i])
        for i in range(3)
    )
    return 1e-9 * jnp.maximum(a, b - c * jnp.log10(link.carrier_hz / 1e9))


def _cluster_angles(
    draws: RandomBlock,
    columns: tuple[tables.Parameters, ...],
    link: Link,
    scale: LargeScale,
    los: LineOfSight,
    power: Float[Array, "cluster"],
) -> dict[str, Float[Array, "cluster"]]:
    """Angles of the clusters in degrees, by name, from their powers."""
    most, is_los = len(power), link.state == LOS
    k_db = jnp.where(is_los, scale.k_db, 0.0)
    k = jnp.where(is_los, 10 ** (k_db / 10), 0.0)
    first = jnp.where(jnp.arange(most) == 0, k / (k + 1), 0.0)
    with_los = power / (k + 1) + first  # 7.5-8
    # Removed clusters have finite angles without effect. The strongest is put below 1,
    # where the square root of equation 7.5-9 has no slope and rounding may exceed it.
    relative = jnp.clip(with_los / with_los.max(), 1e-6, 1 - 1e-6)

    def pick(read):
        return by_state(columns, link.state, read)

    azimuth_scaling = pick(lambda c: tables.AZIMUTH_SCALING[c.clusters]) * jnp.where(
        is_los, 1.1035 - 0.028 * k_db - 0.002 * k_db**2 + 0.0001 * k_db**3, 1.0
    )
    zenith_scaling = pick(lambda c: tables.ZENITH_SCALING[c.clusters]) * jnp.where(
        is_los, 1.3086 + 0.0339 * k_db - 0.0077 * k_db**2 + 0.0002 * k_db**3, 1.0
    )
    azimuth_reach = 2 / 1.4 * jnp.sqrt(-jnp.log(relative)) / azimuth_scaling  # 7.5-9
    zenith_reach = -jnp.log(relative) / zenith_scaling  # 7.5-14

    def centres(reach, spread_deg, direct):
        """Cluster angles in degrees, equations 7.5-11, 7.5-12, 7.5-16 and 7.5-17."""
        offset = spread_deg * (draws.sign((most,)) * reach + draws.normal((most,)) / 7)
        return offset - jnp.where(is_los, offset[0], 0.0) + direct

    to_deg = jnp.rad2deg
    inside = link.state == O2I
    return {
        "aoa": centres(
            azimuth_reach,
            scale.arrival_azimuth_spread_deg,
            to_deg(los.arrival_azimuth),
        ),
        "aod": centres(
            azimuth_reach,
            scale.departure_azimuth_spread_deg,
            to_deg(los.departure_azimuth),
        ),
        "zoa": centres(
            zenith_reach,
            scale.arrival_zenith_spread_deg,
            jnp.where(inside, 90.0, to_deg(los.arrival_zenith)),
        ),
        "zod": centres(
            zenith_reach,
            scale.departure_zenith_spread_deg,
            to_deg(los.departure_zenith) + scale.departure_zenith_offset_deg,
        ),
    }


def los_delay_scaling(k_db: Num[Array, "*b"]) -> Num[Array, "*b"]:
    """C_tau, by which a line of sight shortens the delays, equation 7.5-3."""
    return 0.7705 - 0.0433 * k_db + 0.0002 * k_db**2 + 0.000017 * k_db**3


def power_decay_hz(
    scenario: str, link: Link, scale: LargeScale, spec_version: str = "19.2"
) -> Float[Array, ""]:
    """How fast powers fall with delay in step 6, (r_tau - 1) / (r_tau DS).

    Raises:
        ValueError: unknown scenario or version.
    """
    columns = tables.parameters(scenario, spec_version)
    r_tau = by_state(columns, link.state, lambda c: c.delay_scaling)
    return (r_tau - 1) / (r_tau * scale.delay_spread_s)


def _folded(zenith: Array) -> Array:
    """Zenith angles beyond a pole come back on the other side, equation 7.5-18."""
    return jnp.abs(zenith - 2 * jnp.pi * jnp.round(zenith / (2 * jnp.pi)))


# Which rays may be coupled in a strong cluster: those of the same sub-cluster.
_SUB_CLUSTER = SUB_CLUSTERS.argmax(axis=0)
_BY_SUB_CLUSTER = np.argsort(_SUB_CLUSTER, kind="stable")


def _coupling(
    words: Float[Array, "angle cluster ray"], is_strong: Array
) -> Int[Array, "angle cluster ray"]:
    """A random order of the rays of every cluster, or sub-cluster where it is strong.

    The rank of a word among its cluster's; ranks are counted, since XLA sorts short
    rows slowly on the CPU.
    """
    group = jnp.asarray(_SUB_CLUSTER, words.dtype)[None, None]
    grouped = words + jnp.where(is_strong[None, :, None], group, 0.0)
    rank = (grouped[..., None, :] < grouped[..., :, None]).sum(-1)
    by_group = jnp.asarray(_BY_SUB_CLUSTER)[rank]
    return jnp.where(is_strong[None, :, None], by_group, rank)
