"""Beam sweeps by a geometric model: one line of sight and single-bounce scatterers.

No channel is computed, only RSRP per path; `wlam.simulate.sweeps` has sweeps of panels
in drops of TR 38.901 instead, at a higher cost. A user moves along a track.
The base station has a uniform linear array (ULA) of half-wavelength spacing along the x
axis at the origin. Directions are given as sin(theta), theta off broadside (the y
axis); such an array does not resolve front from back, nor height.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.ops.phasor import cis
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy.codebooks import beam_directions
from wlam.simulate.mobility import Draws, MobilityConfig, gauss_markov, random_track
from wlam.types import Sweeps


@dataclass(frozen=True)
class BeamConfig(MobilityConfig):
    """Sweeps of a line array by the geometric model; pairs are (lo, hi)."""

    time_steps_s: tuple[float, ...] = (0.02, 0.04, 0.08, 0.1, 0.16)  # between sweeps
    course_spread_deg: float = 30.0  # largest angle between road and array
    num_ant: tuple[int, ...] = (64,)  # elements of the array, one drawn for a track
    num_beams: int = 64  # beams of a sweep
    # One drawn for a track. None: DFT beams, uniform in sin(theta) over the half plane;
    # else uniform in theta over this many degrees about broadside.
    field_of_view_deg: tuple[float | None, ...] = (None,)
    # Std of the phase errors of the elements, the same for all beams of an array.
    phase_error_deg: tuple[float, float] = (0.0, 0.0)
    carriers_hz: tuple[float, ...] = (3.5e9, 28e9, 60e9)  # one drawn for a track
    tx_power_dbm: tuple[float, float] = (10.0, 40.0)  # transmit power
    heights_m: tuple[float, float] = (0.0, 15.0)  # of the array above the user
    num_scatterers: int = 6  # single-bounce paths beside the line of sight
    scatter_spread: float = 0.7  # std of their place over the distance of the user
    reflection_std_db: float = 6.0  # spread of the reflection losses
    rician_k_db: tuple[float, float] = (3.0, 20.0)  # line of sight over all the rest
    shadowing_std_db: tuple[float, float] = (0.0, 4.0)  # on every path
    shadowing_distance_m: tuple[float, float] = (5.0, 50.0)  # its correlation falls 1/e
    blockage_probability: float = 0.15  # share of tracks with one blockage of the LOS
    blockage_db: tuple[float, float] = (5.0, 25.0)  # its depth
    blockage_s: tuple[float, float] = (0.2, 3.0)  # its duration
    dynamic_range_db: tuple[float, float] = (5.0, 40.0)  # best RSRP over noise floor
    noise_db: tuple[float, float] = (0.05, 2.0)  # std of measurement noise, log-uniform


def array_gain(
    direction: Float[Array, "*batch"],
    beams: Float[Array, "beam"],
    num_ant: int | Float[Array, ""],
) -> Float[Array, "*batch beam"]:
    """Power gain |w_b^H a(theta)|^2 of unit-norm beams, `num_ant` at the most.

    The squared Dirichlet kernel sin^2(N x) / (N sin^2(x)) with x = pi / 2 times the
    difference of the two sines, taken apart by the addition theorem so that a sine is
    evaluated per direction and per beam, but not per pair.
    """
    path = jnp.pi / 2 * direction[..., None]
    beam = (jnp.pi / 2 * beams).reshape((1,) * direction.ndim + (-1,))

    def sine_of_difference(a, b):
        return jnp.sin(a) * jnp.cos(b) - jnp.cos(a) * jnp.sin(b)

    # Where both sines vanish the limit is N; this small number leads there.
    small = 1e-8
    top = sine_of_difference(num_ant * path, num_ant * beam) ** 2
    bottom = sine_of_difference(path, beam) ** 2
    return (top + num_ant**2 * small) / (num_ant * (bottom + small))


def rsrp(
    power: Float[Array, "*batch path"],
    direction: Float[Array, "*batch path"],
    beams: Float[Array, "beam"],
    num_ant: int | Float[Array, ""],
    phase_error: Float[Array, " antenna"] | None = None,
) -> Float[Array, "*batch beam"]:
    """Received power of every beam: incoherent sum over paths, linear.

    Averaged over a wide band the paths do not interfere, so that powers add.

    Args:
      power: power of every path at one antenna, linear.
      direction: sin(theta) of the paths.
      beams: sin(theta) of the beams (`beam_directions`).
      num_ant: elements of the array.
      phase_error: see `array_gain_with_errors`; None: there is none.
    """
    if phase_error is None:
        gain = array_gain(direction, beams, num_ant)
    else:
        gain = array_gain_with_errors(direction, beams, num_ant, phase_error)
    return jnp.sum(power[..., None] * gain, axis=-2)


def array_gain_with_errors(
    direction: Float[Array, "*batch"],
    beams: Float[Array, "beam"],
    num_ant: int | Float[Array, ""],
    phase_error: Float[Array, " antenna"],
) -> Float[Array, "*batch beam"]:
    """`array_gain` of an array whose elements are not in phase.

    Calibration errors fill the nulls and raise the side lobes, by the
    share 1 - exp(-std^2) of the power that the main lobe loses (Ruze, "The effect of
    aperture errors on the antenna radiation pattern", 1952).

    Args:
      direction, beams, num_ant: see `array_gain`.
      phase_error: of each element, in rad; of `num_ant` elements or more.
    """
    element = jnp.arange(len(phase_error))
    alone = (1,) * direction.ndim
    path = cis(direction[..., None] / 2 * element.reshape(*alone, -1))
    path = path * cis(phase_error / (2 * jnp.pi)).reshape(*alone, -1)
    weights = jnp.where(
        (element < num_ant)[:, None],
        cis(-beams[None] / 2 * element[:, None]) / jnp.sqrt(1.0 * num_ant),
        0,
    )
    return abs(jnp.matmul(path, weights, precision="highest")) ** 2


def path_geometry(
    position: Float[Array, "time 2"],
    scatterers: Float[Array, "scatterer 2"],
    height_m: Float[Array, ""],
) -> tuple[Float[Array, "time path"], Float[Array, "time path"]]:
    """Length in metres and sin(theta) at the array of LOS (first) and bounced paths.

    User and scatterers are in the plane, the array is `height_m` above its origin.
    """
    to_user = jnp.sqrt(jnp.sum(position**2, axis=-1) + height_m**2)
    to_scatterer = jnp.sqrt(jnp.sum(scatterers**2, axis=-1) + height_m**2)
    between = jnp.linalg.norm(position[:, None] - scatterers[None], axis=-1)
    length = jnp.concatenate([to_user[:, None], to_scatterer[None] + between], axis=-1)
    bounced = jnp.broadcast_to((scatterers[:, 0] / to_scatterer)[None], between.shape)
    direction = jnp.concatenate([(position[:, 0] / to_user)[:, None], bounced], axis=-1)
    return jnp.maximum(length, 1.0), direction


def shadowing(
    key: PRNGKeyArray,
    position: Float[Array, "time 2"],
    num_paths: int,
    std_db: Float[Array, ""] | float,
    distance_m: Float[Array, ""] | float,
) -> Float[Array, "time path"]:
    """Shadowing in dB, independent per path, correlated along the travelled distance.

    The correlation after d metres is exp(-d / distance_m) (Gudmundson, Electronics
    Letters 1991).
    """
    moved = jnp.linalg.norm(jnp.diff(position, axis=0, prepend=position[:1]), axis=-1)
    lag = jnp.broadcast_to((moved / distance_m)[:, None], (len(moved), num_paths))
    return std_db * gauss_markov(key, lag)


def blockage(
    depth_db: Float[Array, ""],
    middle_s: Float[Array, ""],
    duration_s: Float[Array, ""],
    time_s: Float[Array, "time"],
) -> Float[Array, "time"]:
    """Loss in dB of a blocked path; its edges last a fourth of the blockage."""
    edge = duration_s / 8
    rise = jnp.tanh((time_s - middle_s + duration_s / 2) / edge)
    fall = jnp.tanh((time_s - middle_s - duration_s / 2) / edge)
    return depth_db * (rise - fall) / 2


def path_power_db(
    key: PRNGKeyArray,
    config: BeamConfig,
    position: Float[Array, "time 2"],
    carrier_hz: Float[Array, ""],
    time_s: Float[Array, "time"],
) -> tuple[Float[Array, "time path"], Float[Array, "time path"], dict[str, Array]]:
    """Power in dBm at one antenna and sin(theta) of every path along a track.

    Free-space gain over the true length of each path. Scatterers stand still, Gaussian
    about the middle of the track. Their reflection losses are random, and together such
    that the line of sight has the drawn Rician K, averaged over the track without
    shadowing.
    """
    keys = jax.random.split(key, 3)
    draws = Draws(keys[0], 9)
    middle = position[config.num_times // 2]
    spread = config.scatter_spread * jnp.linalg.norm(middle)
    normals = jax.random.normal(keys[1], (config.num_scatterers, 3))
    length, direction = path_geometry(
        position,
        middle[None] + spread * normals[:, :2],
        draws.uniform(config.heights_m),
    )

    k_db = draws.uniform(config.rician_k_db)
    loss_db = config.reflection_std_db * normals[:, 2]
    spreading = length[:, 1:] ** -2 * 10 ** (-loss_db / 10)[None]
    wanted = jnp.mean(length[:, 0] ** -2) / 10 ** (k_db / 10)
    got = jnp.mean(jnp.sum(spreading, axis=-1))
    loss_db = jnp.concatenate([jnp.zeros(1), loss_db - 10 * jnp.log10(wanted / got)])

    wavelength = SPEED_OF_LIGHT / carrier_hz
    power_db = 20 * jnp.log10(wavelength / (4 * jnp.pi * length)) - loss_db[None]
    power_db += draws.uniform(config.tx_power_dbm)
    std_db = draws.uniform(config.shadowing_std_db)
    distance_m = draws.log_uniform(config.shadowing_distance_m)
    power_db += shadowing(keys[2], position, length.shape[1], std_db, distance_m)

    depth_db = draws.uniform(config.blockage_db)
    depth_db *= draws.bernoulli(config.blockage_probability)
    blocked_db = blockage(
        depth_db,
        draws.uniform((0.0, 1.0)) * time_s[-1],
        draws.log_uniform(config.blockage_s),
        time_s,
    )
    power_db = power_db.at[:, 0].add(-blocked_db)
    labels = {"distance_m": jnp.mean(length[:, 0]), "rician_k_db": k_db}
    return power_db, direction, labels | {"blockage_db": jnp.max(blocked_db)}


def generate(key: PRNGKeyArray, config: BeamConfig, samples: int) -> Sweeps:
    """Beam sweeps along random tracks of users passing the array.

    RSRP in dBm is the power of all paths and of a noise floor, constant along the
    track, that lies the drawn dynamic range below the strongest sweep; `rsrp_db` adds
    Gaussian measurement noise in dB to `clean`. Pure: same key, same bits; jit with
    `config` and `samples` static.

    Args:
      key: PRNG key.
      config: ranges of the scenario.
      samples: number of tracks.

    Returns:
      Beams, rsrp_db and clean [track, time, beam]. Labels [track]: `speed_kmh` (mean of
      the speed process), `carrier_hz`, `time_step_s`, `noise_db` (std of the
      measurement noise), `distance_m` (mean length of the line of sight),
      `rician_k_db`, `blockage_db` (its largest loss, 0 if never blocked).
    """
    codebooks = jnp.stack(
        [beam_directions(config.num_beams, fov) for fov in config.field_of_view_deg]
    )

    def one(key):
        keys = jax.random.split(key, 4)
        array_key, error_key = jax.random.split(jax.random.fold_in(key, 4))
        draws, array = Draws(keys[0], 3), Draws(array_key, 3)
        carrier_hz = draws.choice(config.carriers_hz)
        num_ant = array.choice(tuple(map(float, config.num_ant)))
        number = array.choice(tuple(map(float, range(len(codebooks)))))
        beams = codebooks[number.astype(int)]
        error = None
        if config.phase_error_deg[1] > 0:
            error = jax.random.normal(error_key, (max(config.num_ant),))
            error = jnp.deg2rad(array.uniform(config.phase_error_deg)) * error
        track = random_track(keys[1], config)
        time_s = track.time_step_s * jnp.arange(config.num_times)
        power_db, direction, labels = path_power_db(
            keys[2], config, track.position, carrier_hz, time_s
        )
        # Relative to the strongest path, float32 is safe whatever the distance.
        peak_db = jnp.max(power_db)
        relative = 10 ** ((power_db - peak_db) / 10)
        power = rsrp(relative, direction, beams, num_ant, error)
        range_db = draws.uniform(config.dynamic_range_db)
        floor = jnp.max(power) / 10 ** (range_db / 10)
        clean = peak_db + 10 * jnp.log10(power + floor)
        noise_db = draws.log_uniform(config.noise_db)
        noisy = clean + noise_db * jax.random.normal(keys[3], clean.shape)
        labels |= {"speed_kmh": track.speed_kmh, "carrier_hz": carrier_hz}
        labels |= {"time_step_s": track.time_step_s, "noise_db": noise_db}
        return Sweeps(noisy, track.time_step_s, clean, labels)

    return jax.vmap(one)(jax.random.split(key, samples))
