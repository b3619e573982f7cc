"""Channels from a base station to its users: white ones, and tracks at 28 GHz.

Tracks are drops of TR 38.901 that follow their users by procedure A of clause 7.6.3.2,
as in `wlam.simulate.sweeps`, each user in a drop of his own. At 28 GHz a walk of 10 ms
is about a wavelength: phases of neighbouring samples are almost independent,
while directions and powers of the paths stay for seconds.
"""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex64, PRNGKeyArray

from wlam.phy.channels.tr38901.coefficients import impulse_response
from wlam.phy.channels.tr38901.config import PanelConfig
from wlam.phy.noise import complex_normal
from wlam.simulate.mobility import random_track, two_state
from wlam.simulate.sweeps.config import SweepConfig
from wlam.simulate.sweeps.scenes import Scene, draw_scene, draw_state, move, user_places
from wlam.types import Downlink

AT_ONCE = 16
"""Samples whose rays are held at once."""


@dataclass(frozen=True)
class DownlinkConfig:
    """Users of one base station; their tracks, arrays and scenario are `tracks`."""

    users: int = 4
    # Clusters that are kept of each drop, the strongest; None: all.
    clusters: int | None = 5
    # 2,000 samples 10 ms apart of users at 1 to 10 m/s; a line of 64 antennas and 2 at
    # every user. Power control makes up for path loss and shadowing.
    tracks: SweepConfig = field(
        default_factory=lambda: SweepConfig(
            num_times=2000,
            time_steps_s=(0.01,),
            speeds_kmh=(3.6, 36.0),
            base=PanelConfig(1, 64),
            user=PanelConfig(1, 2),
            downtilt_deg=0.0,
        )
    )

    def __post_init__(self) -> None:
        if self.users < 1:
            raise ValueError(f"users: found {self.users}; needed 1 or more")
        if self.clusters is not None and self.clusters < 2:
            raise ValueError(
                f"clusters: found {self.clusters}; needed 2 or more, or None"
            )
        if len(self.tracks.time_steps_s) != 1:
            raise ValueError(
                f"tracks.time_steps_s: found {self.tracks.time_steps_s}; needed one, "
                "since all users are sampled at once"
            )


@dataclass(frozen=True)
class RayleighConfig:
    """Channels of independent elements, without memory."""

    users: int = 4
    antennas: int = 64
    user_antennas: int = 2
    num_times: int = 2000
    # Seconds between two samples.
    time_step_s: float = 0.01

    def __post_init__(self) -> None:
        for name in ("users", "antennas", "user_antennas", "num_times"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")


def generate(
    key: PRNGKeyArray, config: DownlinkConfig | RayleighConfig, samples: int
) -> Downlink:
    """Independent base stations with their users: `tracks` or `rayleigh` of each."""
    keys = jax.random.split(key, samples)
    if isinstance(config, RayleighConfig):
        size = config.users, config.user_antennas, config.antennas
        channels = jax.vmap(lambda key: rayleigh(key, config.num_times, *size))(keys)
        step = config.time_step_s
    else:
        channels = jax.lax.map(lambda key: tracks(key, config), keys)
        (step,) = config.tracks.time_steps_s
    return Downlink(channels, jnp.full(samples, step, jnp.float32))


def rayleigh(
    key: PRNGKeyArray, samples: int, users: int = 4, rx: int = 2, tx: int = 64
) -> Complex64[Array, "time user rx tx"]:
    """Channels of independent elements CN(0, 1)."""
    return complex_normal(key, (samples, users, rx, tx))


def tracks(
    key: PRNGKeyArray, config: DownlinkConfig
) -> Complex64[Array, "time user rx tx"]:
    """Channels along the tracks of all users, at the carrier.

    The mean power between two isotropic antennas is 1 in every drop. Pure: same key,
    same bits; jit with `config` static.
    """
    keys = jax.random.split(key, config.users)
    return jnp.swapaxes(jax.lax.map(lambda key: _one_user(key, config), keys), 0, 1)


def activity(
    key: PRNGKeyArray,
    samples: int,
    users: int,
    share: float = 0.5,
    memory: float = 100.0,
) -> Bool[Array, "time user"]:
    """Users who come and go at random, at least one of them there.

    Args:
        key: randomness.
        samples: in time.
        users: largest number of users.
        share: of the time for which each is.
        memory: in samples; a user stays for memory / (1 - share) on average.
    """
    lag = jnp.full(samples, 1 / memory)
    keys = jax.random.split(key, users)
    there = jax.vmap(lambda key: two_state(key, lag, share))(keys).T
    first = jnp.arange(users)[None] == 0
    return there | (first & ~there.any(1, keepdims=True))


def _one_user(
    key: PRNGKeyArray, config: DownlinkConfig
) -> Complex64[Array, "time rx tx"]:
    keys = jax.random.split(key, 5)
    given = config.tracks
    track = random_track(keys[0], given)
    places = user_places(track.position, given.user_height_m)
    state = draw_state(given, places[0], jax.random.uniform(keys[1]))
    scene = draw_scene(
        keys[2], given, places[0], state, jnp.asarray(given.carriers_hz[0])
    )
    if config.clusters is not None:
        scene = _strongest_clusters(scene, config.clusters)
    rays, los = move(keys[3], scene, places)
    base, user = given.base.build(), given.user.build()
    tilt = jnp.array([0.0, jnp.deg2rad(given.downtilt_deg), 0.0])
    bearing = 2 * jnp.pi * jax.random.uniform(keys[4])

    def at(now: tuple) -> Complex64[Array, "rx tx"]:
        rays, los = now
        coefficients, _ = impulse_response(
            rays,
            los,
            base,
            tilt,
            user,
            jnp.stack([bearing, 0.0, 0.0]),
            jnp.zeros(3),  # the Doppler shift is in the phases
            jnp.zeros(1),
            scene.link.carrier_hz,
        )
        return coefficients.sum(0)[..., 0].astype(jnp.complex64)

    return jax.lax.map(at, (rays, los), batch_size=AT_ONCE)


def _strongest_clusters(scene: Scene, number: int) -> Scene:
    """The scene with its strongest clusters, whose powers sum to 1."""
    rays = scene.rays
    power, kept = jax.lax.top_k(rays.power, number)
    per_cluster = (
        "delay_s",
        "arrival_azimuth",
        "arrival_zenith",
        "departure_azimuth",
        "departure_zenith",
        "cross_polarisation",
        "phase",
    )
    fewer = {name: getattr(rays, name)[kept] for name in per_cluster}
    # The two that are split in three are the strongest, which come first now.
    rays = replace(rays, **fewer, power=power / power.sum(), strongest=jnp.arange(2))
    return replace(scene, rays=rays)
