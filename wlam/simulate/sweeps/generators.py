"""Sweeps and pairs of two carriers in drops of TR 38.901, from (key, config)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Float, PRNGKeyArray

from wlam.phy.channels.tr38901.coefficients import (
    LineOfSight,
    Rays,
    frequency_response,
    impulse_response,
)
from wlam.phy.codebooks import every_nth, random_subset
from wlam.phy.noise import awgn
from wlam.simulate.mobility import Draws, Track, random_track
from wlam.simulate.sweeps.config import PairConfig, SweepConfig
from wlam.simulate.sweeps.scenes import (
    Scene,
    at_carrier,
    draw_scene,
    draw_state,
    level_db,
    move,
    user_places,
)
from wlam.simulate.sweeps.waves import beam_power, incident_waves
from wlam.types import Antennas, Csi, Sweeps


def generate(key: PRNGKeyArray, config: SweepConfig, samples: int) -> Sweeps:
    """Beam sweeps along random tracks of users in drops of TR 38.901.

    RSRP in dBm is transmit power, path gain and the power of the beam, and a noise
    floor, constant along the track, that lies the drawn dynamic range below the
    strongest beam; `rsrp_db` adds Gaussian measurement noise in dB to `clean`. Pure:
    same key, same bits; jit with `config` and `samples` static.

    Args:
      key: PRNG key.
      config: ranges of the scenario.
      samples: number of tracks.

    Returns:
      Beams, rsrp_db and clean [track, time, beam], all beams whether a sparse sweep
      measures them or not. Labels [track]: `speed_kmh` (mean), `carrier_hz`,
      `time_step_s`, `noise_db` (std of the measurement noise), `floor_dbm` (power
      of the noise floor), `distance_m` (mean horizontal), `state` (0 LOS, 1 NLOS),
      `measured` [track, beam], the beams of the sparse sweep, `best_beam` [track,
      time], the strongest of `clean`, and `position_m` [track, time, 3].
    """
    keys = jax.random.split(key, samples)

    def prepare(key):
        key_own, key_scene, key_next = jax.random.split(key, 3)
        draws = Draws(key_own, 3)
        carrier_hz = draws.choice(config.carriers_hz)
        track, places, state = _begin(key_next, config)
        scene = draw_scene(key_scene, config, places[0], state, carrier_hz)
        return track, places, scene

    tracks, places, scenes = jax.vmap(prepare)(keys)
    return _sweep(key, config, tracks, places, scenes)


def generate_pair(
    key: PRNGKeyArray, config: PairConfig, samples: int
) -> tuple[Csi, Sweeps]:
    """The channel at a lower carrier and the sweeps at a higher, of the same drops.

    Drops are drawn at the lower carrier; `wlam.simulate.sweeps.scenes.at_carrier` lists
    what the two have in common. Both are sampled at the same times. Pure:
    same key, same bits; jit with `config` and `samples` static.

    Args:
      key: PRNG key.
      config: ranges of the scenario.
      samples: number of tracks.

    Returns:
      Csi, antennas and normalisation as of `wlam.phy.channels.tr38901.drops.generate`.
      Labels: speed_kmh, snr_db, carrier_hz, time_step_s, state, distance_m,
      `position_m`. Beams, as of `generate`.
    """
    keys = jax.random.split(key, samples)

    def prepare(key):
        key_own, key_scene, key_next, key_high = jax.random.split(key, 4)
        draws = Draws(key_own, 4)
        carriers = (
            draws.choice(config.low_carriers_hz),
            draws.choice(config.carriers_hz),
        )
        spacing = draws.choice(config.subcarrier_spacings_hz)
        snr_db = draws.uniform(config.snr_db)
        track, places, state = _begin(key_next, config)
        low = draw_scene(key_scene, config, places[0], state, carriers[0])
        high = at_carrier(key_high, key_scene, config, low, carriers[1])
        return track, places, low, high, spacing, snr_db

    tracks, places, lows, highs, spacing, snr_db = jax.vmap(prepare)(keys)
    beams = _sweep(key, config, tracks, places, highs)
    clean, noisy = jax.vmap(partial(_respond, config))(
        _keys(key, samples), places, lows, spacing, snr_db
    )
    shared = ("speed_kmh", "time_step_s", "state", "distance_m", "position_m")
    labels = {name: beams.labels[name] for name in shared}
    csi = Csi(
        csi=noisy,
        time_step_s=tracks.time_step_s,
        subcarrier_spacing_hz=spacing,
        carrier_hz=lows.link.carrier_hz,
        antennas=_antennas(config),
        clean=clean,
        labels=labels | {"snr_db": snr_db, "carrier_hz": lows.link.carrier_hz},
    )
    return csi, beams


def _respond(
    config: PairConfig,
    keys: Array,
    places: Float[Array, "time 3"],
    scene: Scene,
    spacing: Float[Array, ""],
    snr_db: Float[Array, ""],
) -> tuple[Array, Array]:
    """The channel [time, subcarrier, antenna] of one track, clean and in noise."""
    base, user = config.low_base.build(), config.user.build()
    rays, los = move(keys[0], scene, places)
    bearing = _bearing(keys[2])

    def at(rays: Rays, los: LineOfSight) -> Array:
        coefficients, delays = impulse_response(
            rays,
            los,
            base,
            jnp.array([0.0, np.deg2rad(config.downtilt_deg), 0.0]),
            user,
            jnp.stack([bearing, 0.0, 0.0]),
            jnp.zeros(3),  # the Doppler shift is in the phases
            jnp.zeros(1),
            scene.link.carrier_hz,
        )
        response = frequency_response(
            coefficients, delays, spacing, config.num_subcarriers
        )
        return rearrange(response, "1 f u s -> f (u s)").astype(jnp.complex64)

    clean = jax.vmap(at)(rays, los)
    return clean, awgn(keys[4], clean, snr_db)


def _antennas(config: PairConfig) -> Antennas:
    """Of the low carrier: every pair of a user's antenna and one of the base."""
    base, user = config.low_base.build(), config.user.build()
    elements = config.low_base.rows * config.low_base.columns
    groups = len(base.slant) // elements * len(user.slant)
    return Antennas(
        np.tile(base.positions, (len(user.slant), 1)),
        np.repeat(np.arange(groups), elements).astype(np.int32),
    )


def _begin(
    key: PRNGKeyArray, config: SweepConfig
) -> tuple[Track, Float[Array, "time 3"], Array]:
    """The track, its positions in the coordinates of drops, and its state."""
    key_track, key_state = jax.random.split(key)
    track = random_track(key_track, config)
    places = user_places(track.position, config.user_height_m)
    state = draw_state(config, places[0], jax.random.uniform(key_state))
    return track, places, state


def _keys(key: PRNGKeyArray, samples: int) -> Array:
    """Per track: mirrors of the rays, shadowing, bearing, measurement, channel."""
    return jax.random.split(jax.random.fold_in(key, 1), (samples, 5))


def _bearing(key: PRNGKeyArray) -> Float[Array, ""]:
    """The direction that the user's array faces."""
    return 2 * jnp.pi * jax.random.uniform(key)


def _sweep(
    key: PRNGKeyArray,
    config: SweepConfig,
    tracks: Track,
    places: Float[Array, "track time 3"],
    scenes: Scene,
) -> Sweeps:
    """RSRP of the scenes along their tracks, all with a leading axis of tracks."""
    keys = _keys(key, len(places))

    def waves_along(keys, scene, places):
        rays, los = move(keys[0], scene, places)
        return incident_waves(config, rays, los, _bearing(keys[2]))

    waves = jax.vmap(waves_along)(keys, scenes, places)
    # Or XLA would compute every wave anew for every beam.
    waves = jax.lax.optimization_barrier(waves)
    power = jax.vmap(lambda waves: beam_power(config, waves))(waves)

    def measure(keys, power, scene, places, track):
        key_draws, key_noise, key_subset = jax.random.split(keys[3], 3)
        draws = Draws(key_draws, 3)
        level = level_db(keys[1], config, scene, places)
        # Relative to the strongest place, float32 is safe whatever the distance.
        peak_db = jnp.max(level)
        power = power * 10 ** ((level - peak_db) / 10)[:, None]
        range_db = draws.uniform(config.dynamic_range_db)
        floor = jnp.max(power) / 10 ** (range_db / 10)
        tx_dbm = draws.uniform(config.tx_power_dbm)
        clean = tx_dbm + peak_db + 10 * jnp.log10(power + floor)
        noise_db = draws.log_uniform(config.noise_db)
        noisy = clean + noise_db * jax.random.normal(key_noise, clean.shape)
        measured = jnp.asarray(every_nth(config.num_beams, config.measured_every))
        if config.num_measured is not None:
            measured = random_subset(key_subset, len(measured), config.num_measured)
        labels = {
            "speed_kmh": track.speed_kmh,
            "carrier_hz": scene.link.carrier_hz,
            "time_step_s": track.time_step_s,
            "noise_db": noise_db,
            "floor_dbm": tx_dbm + peak_db + 10 * jnp.log10(floor),
            "distance_m": jnp.mean(jnp.hypot(places[:, 0], places[:, 1])),
            "state": scene.link.state,
            "measured": measured,
            "best_beam": jnp.argmax(clean, axis=-1),
            "position_m": places,
        }
        return Sweeps(noisy, track.time_step_s, clean, labels)

    return jax.vmap(measure)(keys, power, scenes, places, tracks)
