"""Clustered delay line channels CDL-A to CDL-E, 3GPP TR 38.901 clause 7.7.1.

A drop is a set of rays (`paths`), and the channel of a drop is their sum on a grid of
times, subcarriers and antennas (`csi`). `generate` draws whole data sets. All of it is
pure and may be jitted and vmapped.

The base station has the array and is at the departure side; the user has one isotropic
antenna and moves. Both are vertically polarised and upright, so of the polarisation
matrix in equation 7.5-28 only the entry theta-theta is seen, exp(j phase): the
cross-polarisation ratio, which scales the two entries off the diagonal, drops out.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax.typing import ArrayLike
from jaxtyping import Array, Complex64, Float, Int, Num, PRNGKeyArray

from wlam.ops.einsum import einsum
from wlam.ops.phasor import cis
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy import arrays
from wlam.phy.channels import cdl_tables
from wlam.phy.channels.cdl_tables import PROFILES, TABLES, PathTables, Scaling
from wlam.phy.noise import awgn, random_words, unit_interval
from wlam.types import Antennas, Csi

Element = Literal["isotropic", "38.901"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CdlPaths:
    """The rays of one drop; a path is a cluster or the line of sight.

    The line of sight is ray 0 of the last path. Rays that a profile lacks have gain 0.
    """

    gain: Any  # complex64 [path, ray], with the random initial phase
    delay_s: Any  # float32 [path]
    doppler_hz: Any  # float32 [path, ray]
    azimuth: Any  # float32 [path, ray], of departure in rad, as the array sees it
    zenith: Any  # float32 [path, ray], of departure in rad


@dataclass(frozen=True)
class CdlConfig:
    """What `generate` draws from, sample by sample; ValueError where it could not."""

    # CDL profiles, equally likely.
    profiles: tuple[str, ...] = PROFILES
    # Carrier frequencies in Hz, equally likely.
    carriers_hz: tuple[float, ...] = (3.5e9,)
    # Times in s between two snapshots, equally likely, whatever the carrier.
    time_steps_s: tuple[float, ...] = (5e-4,)
    # Lowest and highest speed of the user in km/h; uniform.
    speeds_kmh: tuple[float, float] = (3.0, 120.0)
    # Lowest and highest delay spread in s; log-uniform.
    delay_spreads_s: tuple[float, float] = (3e-8, 3e-7)
    # Snapshots per sample.
    num_times: int = 16
    # Subcarriers per sample.
    num_subcarriers: int = 32
    # Spacings in Hz of the subcarriers, equally likely.
    subcarrier_spacings_hz: tuple[float, ...] = (180e3,)
    # Rows and columns of the base station array, half a wavelength apart.
    array: tuple[int, int] = (1, 8)
    # Pattern of a base station element: "isotropic" or "38.901" (8 dBi).
    element: Element = "isotropic"
    # K factor and angles other than the tabulated ones.
    scaling: Scaling = Scaling()
    # Lowest and highest signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (0.0, 30.0)

    def __post_init__(self):
        drawn = "profiles", "carriers_hz", "time_steps_s", "subcarrier_spacings_hz"
        for name in drawn:
            if not getattr(self, name):
                raise ValueError(f"{name}: () leaves nothing to draw; give one or more")
        for profile in self.profiles:
            if profile not in PROFILES:
                raise ValueError(f"profiles: {profile!r} is unknown; there are A to E")
        for name in ("speeds_kmh", "delay_spreads_s", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: {low} is above {high}; swap the two")
        if (low := self.delay_spreads_s[0]) <= 0:
            raise ValueError(f"delay_spreads_s: {low} has no logarithm; go above 0")
        cdl_tables.scaled(self.scaling, self.profiles)  # names what is out of reach


def paths(
    key: PRNGKeyArray,
    profile: int | Int[Array, ""],
    delay_spread_s: Num[ArrayLike, ""],
    carrier_hz: Num[ArrayLike, ""],
    velocity: Num[ArrayLike, "3"],
    bearing: Num[ArrayLike, ""] = 0.0,
    element: Element = "isotropic",
    tables: PathTables = TABLES,
) -> CdlPaths:
    """Draw the rays of one channel: TR 38.901 clause 7.7.1, steps 1 to 4.

    The initial phases (the line of sight's too) and the coupling of angles within a
    cluster are random. The mean power of an isotropic antenna's channel is 1; with the
    38.901 element it is the mean gain towards the rays.

    Args:
        key: Randomness of phases and coupling.
        profile: Index into `PROFILES`; may be traced.
        delay_spread_s: Scales the delays (clause 7.7.3).
        carrier_hz: Carrier frequency.
        velocity: Of the user in m/s, in the coordinates of the arrival angles.
        bearing: Azimuth in rad that the array faces; taken off the departure azimuths.
        element: Pattern of the base station's elements.
        tables: The profiles; `cdl_tables.scaled` makes others than the standard's.

    Raises:
        ValueError: `element` is not one of the two.
    """
    if element not in ("isotropic", "38.901"):
        raise ValueError(f"element: {element!r} is unknown; use isotropic or 38.901")
    _, num_paths, num_rays = tables.amplitude.shape
    couple_departure, couple_zenith, couple_arrival, phase = (
        words
        for pair in range(2)
        for words in random_words(jax.random.fold_in(key, pair), (num_paths, num_rays))
    )
    # One of the four angles keeps the order of the table, which loses nothing: the rays
    # of a cluster differ in nothing else.
    offsets = jnp.asarray(cdl_tables.RAY_OFFSETS, jnp.float32)
    unit_offsets = jnp.stack(
        [
            jnp.broadcast_to(offsets, (num_paths, num_rays)),
            offsets[_permutation(couple_arrival)],
            offsets[_permutation(couple_departure)],
            offsets[_permutation(couple_zenith)],
        ]
    )
    centres = jnp.asarray(tables.angles_deg)[profile][..., None]
    spreads = jnp.asarray(tables.spreads_deg)[profile][..., None]
    angles = centres + spreads * unit_offsets  # equation 7.7-0a
    arrival_azimuth, arrival_zenith, azimuth, zenith = jnp.deg2rad(angles)
    azimuth = azimuth - bearing

    towards = arrays.direction(arrival_azimuth, arrival_zenith)
    speed_of_approach = (towards * jnp.asarray(velocity).reshape(1, 1, 3)).sum(-1)
    amplitude = jnp.asarray(tables.amplitude)[profile]
    if element == "38.901":
        amplitude = amplitude * 10.0 ** (arrays.element_gain_db(azimuth, zenith) / 20)
    return CdlPaths(
        gain=amplitude * cis(unit_interval(phase)),
        delay_s=jnp.asarray(tables.delay)[profile] * delay_spread_s,
        doppler_hz=speed_of_approach * (carrier_hz / SPEED_OF_LIGHT),
        azimuth=azimuth,
        zenith=zenith,
    )


def _permutation(words: Array) -> Array:
    """Turn random words [path, ray] into a random order of the rays of every path.

    The rank of a word among its row. Ranks are counted, since XLA sorts short rows
    slowly on the CPU (130 us a channel against 6).
    """
    num_rays = words.shape[-1]
    # The lowest bits become the ray's number, so that no two words are equal.
    low_bits = 2 ** (num_rays - 1).bit_length() - 1
    ray = jnp.arange(num_rays, dtype=jnp.uint32)[None]
    words = (words & jnp.uint32(0xFFFFFFFF ^ low_bits)) | ray
    return (words[:, None, :] < words[:, :, None]).sum(-1)


def csi(
    rays: CdlPaths,
    time_step_s: Num[ArrayLike, ""],
    num_times: int,
    subcarrier_spacing_hz: Num[ArrayLike, ""],
    num_subcarriers: int,
    positions: Float[ArrayLike, "antenna 3"],
) -> Complex64[Array, "time subcarrier antenna"]:
    """Return the channel of one drop: TR 38.901 equations 7.5-28 to 7.5-30, at f.

    h(t, f, n) is the sum over rays of gain exp(j 2 pi (doppler t - delay f)) a_n, where
    a_n is the response of antenna n in the direction of departure. Time starts at 0;
    subcarrier s is at (s - num_subcarriers // 2) * spacing from the carrier.

    Args:
        rays: From `paths`, or made by hand with any number of paths and rays.
        time_step_s: Between two snapshots.
        num_times: Number of snapshots.
        subcarrier_spacing_hz: Between two subcarriers.
        num_subcarriers: Number of subcarriers.
        positions: Of the antennas, in wavelengths.
    """
    # Times are split into blocks, t = (b * block + i) * step. The phases of offset i
    # and antenna n add up, so a ray is a plane wave over the grid (i, n), turned by a
    # phase of its own from block to block. A block is a power of two long, so that
    # whole cycles come off without rounding.
    rays, positions = jax.tree.map(jnp.asarray, rays), jnp.asarray(positions)
    block = 1 << ((num_times.bit_length() - 1) // 2)
    num_blocks = -(-num_times // block)
    step = _fraction(rays.doppler_hz * time_step_s)[..., None]
    blocks = cis(_fraction(step * block) * jnp.arange(num_blocks)[None, None])
    wave = jnp.concatenate([step, arrays.direction(rays.azimuth, rays.zenith)], axis=-1)
    offsets = jnp.repeat(jnp.arange(block, dtype=jnp.float32), len(positions))
    grid = jnp.column_stack([offsets, jnp.tile(positions, (block, 1))])
    inside = rays.gain[..., None] * cis(einsum("prc,mc->prm", wave, grid))
    # First the rays of a path are summed, then the paths.
    summed = einsum("prb,prm->pbm", blocks, inside)
    summed = rearrange(summed, "p b (i n) -> p (b i) n", i=block)[:, :num_times]

    subcarriers = jnp.arange(num_subcarriers) - num_subcarriers // 2
    turn = cis(-(rays.delay_s * subcarrier_spacing_hz)[:, None] * subcarriers[None])
    channel = einsum("ps,pm->sm", turn, rearrange(summed, "p t n -> p (t n)"))
    return rearrange(channel, "s (t n) -> t s n", t=num_times)


def _fraction(cycles: Array) -> Array:
    return cycles - jnp.round(cycles)


def generate(key: PRNGKeyArray, config: CdlConfig, samples: int) -> Csi:
    """Draw channels of the kind that `config` describes, with noise.

    Every sample has a drop, a profile, a carrier and so on of its own. The user moves
    horizontally in a random direction and the array faces a random one. The noise has,
    in every resource element and antenna, the drawn signal-to-noise ratio relative to
    the average power of the sample over times, subcarriers and antennas; it is part of
    `csi` and not of `clean`. Nothing is normalised.

    May be jitted with `config` closed over and `samples` static.

    Args:
        key: Randomness of everything.
        config: What to draw from.
        samples: How many channels.

    Returns:
        Csi with labels speed_kmh, snr_db, carrier_hz, time_step_s, profile (index into
        `PROFILES`), delay_spread_s and max_doppler_hz (speed over wavelength).
    """
    positions = arrays.upa(*config.array)
    tables = cdl_tables.scaled(config.scaling, config.profiles)

    def draw(key):
        parameter_key, path_key, noise_key = jax.random.split(key, 3)
        draws = iter(jax.random.uniform(parameter_key, (9,)))

        def choose(values):
            return jnp.asarray(values)[(next(draws) * len(values)).astype(jnp.int32)]

        def between(low, high):
            return low + (high - low) * next(draws)

        profile = choose([PROFILES.index(name) for name in config.profiles])
        carrier = choose(config.carriers_hz)
        time_step = choose(config.time_steps_s)
        spacing = choose(config.subcarrier_spacings_hz)
        speed = between(*config.speeds_kmh)
        low, high = config.delay_spreads_s
        delay_spread = low * jnp.exp(between(0.0, math.log(high / low)))
        snr_db = between(*config.snr_db)
        heading, bearing = between(0.0, 2 * math.pi), between(0.0, 2 * math.pi)
        # Nobody moves up or down: the velocity lies in the horizontal plane.
        velocity = speed / 3.6 * arrays.direction(heading, jnp.float32(math.pi / 2))
        rays = paths(
            path_key,
            profile,
            delay_spread,
            carrier,
            velocity,
            bearing,
            config.element,
            tables,
        )
        times, subcarriers = config.num_times, config.num_subcarriers
        clean = csi(rays, time_step, times, spacing, subcarriers, positions)
        labels = {
            "speed_kmh": speed,
            "snr_db": snr_db,
            "carrier_hz": carrier,
            "time_step_s": time_step,
            "profile": profile,
            "delay_spread_s": delay_spread,
            "max_doppler_hz": speed / 3.6 * carrier / SPEED_OF_LIGHT,
        }
        return clean, awgn(noise_key, clean, snr_db), spacing, labels

    clean, noisy, spacing, labels = jax.vmap(draw)(jax.random.split(key, samples))
    return Csi(
        csi=noisy,
        time_step_s=labels["time_step_s"],
        subcarrier_spacing_hz=spacing,
        carrier_hz=labels["carrier_hz"],
        # Left as numpy, so that a caller inside jit can still compute a beamspace.
        antennas=Antennas(positions, np.zeros(len(positions), np.int32)),
        clean=clean,
        labels=labels,
    )
