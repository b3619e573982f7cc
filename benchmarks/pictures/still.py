"""Pictures of channels at one time: spectra, large-scale parameters, delay lines."""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pictures.style import BLUE, ORANGE, STATES, WIDTH, db
from wlam.phy.channels import cdl_tables
from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.config import DropConfig
from wlam.phy.channels.tr38901.drops import Drop, draw_drop
from wlam.phy.channels.tr38901.large_scale import Link, distribution, large_scale

FLOOR_DB = -55.0


def spectra() -> Figure:
    """Where the power of UMi lies over delay and over azimuth at the base station."""
    keys = jax.random.split(jax.random.key(1), 4000)
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.6), sharex="col", sharey="row")
    for row, state in zip(axes, STATES, strict=True):
        name = state.upper()
        config = DropConfig("UMi", state=state, carriers_hz=(28e9,))
        draw = jax.jit(jax.vmap(lambda key, c=config: draw_drop(key, c)))
        drop = jax.tree.map(np.asarray, draw(keys))
        cluster, delay_ns, azimuth_deg = _clusters(drop)
        ray = np.hstack([np.repeat(cluster[:, :-1] / 20, 20, 1), cluster[:, -1:]])
        _mean(row[0], delay_ns, cluster, np.linspace(0, 500, 101))
        _mean(row[1], azimuth_deg, ray, np.linspace(-120, 120, 121))
        # The two rays in the middle of a cluster stand for all of it.
        middle = azimuth_deg[0, :-1].reshape(-1, 20)[:, :2].mean(1)
        _one(row[0], delay_ns[0], cluster[0], 500.0)
        _one(row[1], np.append(middle, 0.0), cluster[0], 120.0)
        row[0].set(title=f"UMi {name}, 28 GHz: delay", ylabel="power in dB")
        row[1].set(title=f"UMi {name}, 28 GHz: azimuth at the base station")
        row[0].legend(loc="upper right")
        mean = (cluster * delay_ns).sum(1)
        spread = np.sqrt((cluster * delay_ns**2).sum(1) - mean**2)
        z = abs((ray * np.exp(1j * np.deg2rad(azimuth_deg))).sum(1))  # annex A
        azimuth_spread = np.rad2deg(np.sqrt(-2 * np.log(z)))
        print(
            f"spectra, {name}: median delay spread {np.median(spread):.1f} ns of the "
            f"rays, {1e9 * np.median(drop.scale.delay_spread_s):.1f} ns drawn; median "
            f"azimuth spread {np.median(azimuth_spread):.1f} and "
            f"{np.median(drop.scale.departure_azimuth_spread_deg):.1f} degrees; "
            f"{100 * cluster[:, -1].mean():.0f} % of the power on the straight line"
        )
    axes[0, 0].set(xlim=(-8, 500), ylim=(FLOOR_DB, 4))
    axes[1, 0].set(xlabel="delay after the first path in ns", ylim=(FLOOR_DB, 4))
    axes[0, 1].set(xlim=(-120, 120))
    axes[1, 1].set(xlabel="azimuth off the straight line in degrees")
    return figure


def _clusters(drop: Drop) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Powers and delays of clusters, and azimuths of rays; the direct one is last."""
    k = drop.los.k_factor[:, None]
    turn = drop.rays.departure_azimuth - drop.los.departure_azimuth[:, None, None]
    offset = np.rad2deg(np.angle(np.exp(1j * turn))).reshape(len(k), -1)
    one_more = ((0, 0), (0, 1))
    return (
        np.hstack([drop.rays.power / (k + 1), k / (k + 1)]),
        1e9 * np.pad(drop.rays.delay_s, one_more),
        np.pad(offset, one_more),
    )


def _mean(axis: Axes, place, power, edges) -> None:
    total, _ = np.histogram(place, edges, weights=power)
    mean = total / len(power) / np.diff(edges)
    label = f"mean of {len(power)} drops, per ns or degree"
    axis.stairs(db(mean), edges, baseline=None, color=BLUE, label=label)


def _one(axis: Axes, place, power, largest: float) -> None:
    shown = (power > 0) & (abs(place) <= largest)
    place, power_db = place[shown], db(power[shown])
    axis.vlines(place, FLOOR_DB, power_db, color=ORANGE, linewidth=1.2)
    axis.plot(place, power_db, "o", color=ORANGE, ms=3, label="clusters of one drop")


def large_scale_parameters() -> Figure:
    """Histograms of both releases against the normal densities of the tables."""
    link = Link(jnp.asarray(tables.LOS), jnp.asarray(10e9), jnp.asarray(50.0), 10, 1.5)
    keys = jax.random.split(jax.random.key(3), 20000)
    titles = {
        "DS": "lg delay spread in s",
        "ASD": "lg azimuth spread, departure, in °",
        "ASA": "lg azimuth spread, arrival, in °",
        "ZSA": "lg zenith spread, arrival, in °",
        "K": "K factor in dB",
        "SF": "shadowing in dB",
    }
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 4.8))
    for version, colour in (("16.1", BLUE), ("19.2", ORANGE)):
        draw = jax.jit(
            jax.vmap(lambda key, v=version: large_scale(key, "UMi", link, v))
        )
        scale = jax.tree.map(np.asarray, draw(keys))
        drawn = {
            "DS": np.log10(scale.delay_spread_s),
            "ASD": np.log10(scale.departure_azimuth_spread_deg),
            "ASA": np.log10(scale.arrival_azimuth_spread_deg),
            "ZSA": np.log10(scale.arrival_zenith_spread_deg),
            "K": scale.k_db,
            "SF": scale.shadowing_db,
        }
        means, stds = (np.asarray(x) for x in distribution("UMi", link, version))
        for axis, (name, title) in zip(axes.flat, titles.items(), strict=True):
            values, i = drawn[name], tables.LARGE_SCALE.index(name)
            mean, std = means[i], stds[i]
            u = np.linspace(-4, 4, 201)
            axis.hist(
                values,
                mean + std * u[::5],
                density=True,
                histtype="stepfilled",
                color=colour,
                alpha=0.35,
            )
            density = np.exp(-(u**2) / 2) / (std * np.sqrt(2 * np.pi))
            axis.plot(mean + std * u, density, color=colour, label=f"version {version}")
            axis.set(title=title, yticks=[])
            print(
                f"large_scale, {version} {name}: {values.mean():.3f} +- "
                f"{values.std():.3f} drawn, {mean:.3f} +- {std:.3f} in the table"
            )
    axes[0, 0].legend(loc="upper left", fontsize=8)
    for axis in axes[:, 0]:
        axis.set_ylabel("density")
    figure.suptitle(f"UMi LOS, 10 GHz: {len(keys)} draws, and the tables' normals")
    return figure


def delay_lines() -> Figure:
    """Delays and powers of the five clustered delay lines."""
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 4.8))
    floor_db, spreads = -38.0, []
    for p, name in enumerate(cdl_tables.PROFILES):
        axis, alive = axes.flat[p], slice(cdl_tables.NUM_CLUSTERS[p])
        delay, power = cdl_tables.DELAY[p, alive], cdl_tables.POWER[p, alive]
        axis.vlines(delay, floor_db, db(power), color=BLUE, linewidth=1)
        axis.plot(delay, db(power), "o", color=BLUE, ms=3)
        if (los := cdl_tables.LOS_POWER[p]) > 0:
            axis.vlines(0, floor_db, db(los), color=ORANGE)
            axis.plot(0, db(los), "o", color=ORANGE, ms=4, label="line of sight")
            axis.legend(loc="upper right")
        # Powers and that of the line of sight, whose delay is 0, sum to 1.
        mean = (power * delay).sum()
        spreads.append(np.sqrt((power * delay**2).sum() - mean**2))
        axis.set(title=f"CDL-{name}", ylim=(floor_db, 3), xlabel="delay over DS")
        print(f"delay_lines, {name}: RMS delay spread {spreads[-1]:.4f}")
    for axis in axes[:, 0]:
        axis.set_ylabel("power in dB")
    last = axes.flat[-1]
    last.vlines(cdl_tables.PROFILES, 0, spreads, color=BLUE)
    last.plot(cdl_tables.PROFILES, spreads, "o", color=BLUE)
    last.set(title="RMS delay spread over DS", xlabel="profile", ylim=(0, 1.2))
    return figure
