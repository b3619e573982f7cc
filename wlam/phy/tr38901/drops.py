"""Steps 1 to 3, and whole data sets: drops of users around one base station.

`generate` is what the training stream calls. Every sample is a drop of its own, with
its own user, large-scale parameters and rays; base station at the departure side.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, PRNGKeyArray

from wlam.data.tensors import Csi
from wlam.phy.constants import SPEED_OF_LIGHT
from wlam.phy.noise import RandomBlock, awgn
from wlam.phy.tr38901 import tables
from wlam.phy.tr38901.antennas import POLARISATIONS, Antennas, Element, panel
from wlam.phy.tr38901.coefficients import (
    LineOfSight,
    frequency_response,
    impulse_response,
)
from wlam.phy.tr38901.large_scale import Link, large_scale
from wlam.phy.tr38901.pathloss import (
    Factory,
    los_probability,
    path_loss_db,
    penetration_loss_db,
)
from wlam.phy.tr38901.rays import draw_rays
from wlam.phy.tr38901.tables import LOS, NLOS, O2I

State = Literal["los", "nlos", "o2i", "drawn"]

# Height of the base station and horizontal distances of users, tables 7.2-1 to 7.2-4.
LAYOUT: dict[str, tuple[float, tuple[float, float]]] = {
    "UMi": (10.0, (10.0, 100.0)),
    "UMa": (25.0, (35.0, 250.0)),
    "RMa": (35.0, (35.0, 1000.0)),
    "InH": (3.0, (1.0, 50.0)),
    "InF": (3.0, (1.0, 60.0)),
}


@dataclass(frozen=True)
class PanelConfig:
    """An array, see `wlam.phy.tr38901.antennas.panel`."""

    # Positions along z and y.
    rows: int = 1
    columns: int = 1
    # "V", "H", "VH" or "cross" (-45 and +45 degrees).
    polarisation: str = "V"
    # "isotropic" or "38.901" (8 dBi).
    element: Element = "isotropic"
    # Between neighbours, in wavelengths.
    spacing: float = 0.5

    def __post_init__(self) -> None:
        self.build()  # names what is wrong

    def build(self) -> Antennas:
        return panel(
            self.rows, self.columns, self.polarisation, self.element, self.spacing
        )


@dataclass(frozen=True)
class DropConfig:
    """What `generate` draws from, sample by sample; pairs are (lowest, highest)."""

    # "UMi", "UMa", "RMa", "InH" or "InF".
    scenario: str = "UMi"
    # Version of TR 38.901: "16.1" or "19.2".
    spec_version: str = "19.2"
    # "los", "nlos", "o2i", or "drawn" by the probability of a line of sight.
    state: State = "drawn"
    # Share of users inside buildings, outdoor scenarios with a drawn state.
    indoor: float = 0.0
    # Loss of the buildings' walls: "low" or "high".
    penetration: Literal["low", "high"] = "low"
    # Carrier frequencies in Hz, equally likely.
    carriers_hz: tuple[float, ...] = (3.5e9,)
    # Times in s between two snapshots, equally likely.
    time_steps_s: tuple[float, ...] = (5e-4,)
    # Speed of the user in km/h; uniform.
    speeds_kmh: tuple[float, float] = (3.0, 120.0)
    # Snapshots per sample.
    num_times: int = 16
    # Subcarriers per sample.
    num_subcarriers: int = 32
    # Spacings in Hz of the subcarriers, equally likely.
    subcarrier_spacings_hz: tuple[float, ...] = (180e3,)
    # Arrays of the base station and of the user.
    base: PanelConfig = field(default_factory=lambda: PanelConfig(1, 8))
    user: PanelConfig = field(default_factory=PanelConfig)
    # Azimuth in degrees of the user as the base station's array sees it; uniform.
    azimuths_deg: tuple[float, float] = (-60.0, 60.0)
    # Downtilt of the base station in degrees.
    downtilt_deg: float = 0.0
    # Horizontal distance in m, uniform over the area; None: of the scenario.
    distances_m: tuple[float, float] | None = None
    # Heights in m of the antennas; None: of the scenario.
    base_height_m: float | None = None
    user_height_m: float = 1.5
    # Hall of the factory scenario.
    factory: Factory = field(default_factory=Factory)
    # Whether delays include the travel time of the direct path.
    absolute_delays: bool = False
    # Signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (0.0, 30.0)

    def __post_init__(self) -> None:
        tables.parameters(self.scenario, self.spec_version)  # names what is wrong
        if self.state not in ("los", "nlos", "o2i", "drawn"):
            raise ValueError(
                f"state: found {self.state!r}; needed los, nlos, o2i or drawn"
            )
        if self.state == "o2i" and self.scenario.startswith("In"):
            raise ValueError(
                f"state: found 'o2i' with {self.scenario}; needed an outdoor scenario"
            )
        if not 0 <= self.indoor <= 1:
            raise ValueError(f"indoor: found {self.indoor}; needed 0 to 1")
        for name in ("carriers_hz", "time_steps_s", "subcarrier_spacings_hz"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name}: found {values}; needed positive numbers")
        for name in ("speeds_kmh", "azimuths_deg", "distances_m", "snr_db"):
            pair = getattr(self, name)
            if pair is not None and pair[0] > pair[1]:
                raise ValueError(f"{name}: found {pair}; needed the lower one first")
        for name in ("num_times", "num_subcarriers"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name}: found {getattr(self, name)}; needed 1 or more"
                )


def direct_path(link: Link, azimuth: Array, k_factor: Array) -> LineOfSight:
    """Directions and length of the straight line, the user at `azimuth` in rad."""
    rise = link.h_ut_m - link.h_bs_m
    length = jnp.sqrt(link.d2d_m**2 + rise**2)
    zenith = jnp.arctan2(link.d2d_m, rise)
    return LineOfSight(
        arrival_azimuth=azimuth + jnp.pi,
        arrival_zenith=jnp.pi - zenith,
        departure_azimuth=azimuth,
        departure_zenith=zenith,
        cycles=jnp.mod(length * link.carrier_hz / SPEED_OF_LIGHT, 1.0),
        k_factor=k_factor,
    )


def generate(key: PRNGKeyArray, config: DropConfig, num_samples: int) -> Csi:
    """Draws channels of the kind that `config` describes, with noise.

    The mean power of the channel between two isotropic antennas is 1: path loss and
    shadowing are labels. The noise has the drawn signal-to-noise ratio relative to the
    mean power of the sample, per resource element and receive antenna.

    May be jitted with `config` closed over and `num_samples` static.

    Args:
        key: randomness of everything.
        config: what to draw from.
        num_samples: how many channels.

    Returns:
        Csi; its antennas are the pairs (user, base), the base station's running
        fastest. Labels: speed_kmh, snr_db, carrier_hz, time_step_s, max_doppler_hz,
        state (0 LOS, 1 NLOS, 2 O2I), distance_m, azimuth_rad, path_loss_db (with
        walls), shadowing_db, delay_spread_s and k_db.
    """
    base, user = config.base.build(), config.user.build()
    height, near_and_far = LAYOUT[config.scenario]
    height = config.base_height_m or height
    near, far = config.distances_m or near_and_far

    def draw(keys):
        """Steps 1 to 10: where everything is, and its rays."""
        draws = RandomBlock(keys[0], 12)

        def choose(values):
            number = (draws.uniform() * len(values)).astype(jnp.int32)
            return jnp.asarray(values, jnp.float32)[
                jnp.minimum(number, len(values) - 1)
            ]

        def between(low, high):
            return low + (high - low) * draws.uniform()

        carrier = choose(config.carriers_hz)
        time_step = choose(config.time_steps_s)
        spacing = choose(config.subcarrier_spacings_hz)
        speed = between(*config.speeds_kmh)
        snr_db = between(*config.snr_db)
        azimuth = jnp.deg2rad(between(*config.azimuths_deg))
        heading = between(0.0, 2 * math.pi)
        d2d = jnp.sqrt(between(near**2, far**2))
        depth = jnp.minimum(between(0.0, 25.0), d2d)  # of users inside, 7.4.3.1
        state = _state(config, d2d, height, draws)
        link = Link(state, carrier, d2d, height, config.user_height_m)

        scale = large_scale(
            keys[1], config.scenario, link, config.spec_version, config.factory
        )
        k_factor = jnp.where(state == LOS, 10 ** (scale.k_db / 10), 0.0)
        los = direct_path(link, azimuth, k_factor)
        rays = draw_rays(
            keys[2], config.scenario, link, scale, los, config.spec_version
        )
        wall_db, _ = penetration_loss_db(config.penetration, carrier, depth, state)
        loss_db = path_loss_db(
            config.scenario,
            state,
            carrier,
            d2d,
            height,
            config.user_height_m,
            config.factory,
        )
        labels = {
            "speed_kmh": speed,
            "snr_db": snr_db,
            "carrier_hz": carrier,
            "time_step_s": time_step,
            "max_doppler_hz": speed / 3.6 * carrier / SPEED_OF_LIGHT,
            "state": state,
            "distance_m": d2d,
            "azimuth_rad": azimuth,
            "path_loss_db": loss_db + wall_db,
            "shadowing_db": scale.shadowing_db,
            "delay_spread_s": scale.delay_spread_s,
            "k_db": scale.k_db,
        }
        return rays, los, heading, spacing, labels

    def respond(key, rays, los, heading, spacing, labels):
        """Step 11, the sum over paths at every subcarrier, and noise."""
        coefficients, delays = impulse_response(
            rays,
            los,
            base,
            jnp.array([0.0, math.radians(config.downtilt_deg), 0.0]),
            user,
            jnp.stack([heading, 0.0, 0.0]),  # the user's array looks where he goes
            jnp.stack([jnp.cos(heading), jnp.sin(heading), 0.0])
            * (labels["speed_kmh"] / 3.6),
            labels["time_step_s"] * jnp.arange(config.num_times),
            labels["carrier_hz"],
        )
        if config.absolute_delays:
            rise = config.user_height_m - height
            length = jnp.sqrt(labels["distance_m"] ** 2 + rise**2)
            delays = delays + length / SPEED_OF_LIGHT
        response = frequency_response(
            coefficients, delays, spacing, config.num_subcarriers
        )
        clean = rearrange(response, "t f u s -> t f (u s)").astype(jnp.complex64)
        return clean, awgn(key, clean, labels["snr_db"])

    keys = jax.vmap(lambda key: jax.random.split(key, 4))(
        jax.random.split(key, num_samples)
    )
    drops = jax.vmap(draw)(keys)
    *_, spacing, labels = drops = _fence(drops, drops[-1]["carrier_hz"][0] > 0)
    clean, noisy = jax.vmap(respond)(keys[:, 3], *drops)
    return Csi(
        csi=noisy,
        time_step_s=labels["time_step_s"],
        subcarrier_spacing_hz=spacing,
        carrier_hz=labels["carrier_hz"],
        antenna_positions=np.tile(base.positions, (len(user.slant), 1)),
        antenna_polarisation=_pairs(config),
        clean=clean,
        labels=labels,
    )


def _fence(values, always: Array):
    """The same values, computed before anything that uses them.

    XLA would compute rays anew in every loop over antennas, since that is cheap for one
    element. It cannot look through a branch whose condition it does not know.
    """
    return jax.lax.cond(
        always, lambda x: x, lambda x: jax.tree.map(jnp.zeros_like, x), values
    )


def _state(config, d2d, base_height, draws):
    """Step 2: how the two ends see each other."""
    fixed = {"los": LOS, "nlos": NLOS, "o2i": O2I}
    if config.state in fixed:
        return jnp.asarray(fixed[config.state])
    probability = los_probability(
        config.scenario,
        d2d,
        config.user_height_m,
        base_height,
        factory=config.factory,
    )
    state = jnp.where(draws.uniform() <= probability, LOS, NLOS)
    if config.scenario.startswith("In"):
        return state
    return jnp.where(draws.uniform() <= config.indoor, O2I, state)


def _pairs(config: DropConfig) -> np.ndarray:
    """A number for every pair of a user's antenna and a polarisation of the base."""
    kinds = len(POLARISATIONS[config.base.polarisation])
    places = config.base.rows * config.base.columns
    users = config.user.rows * config.user.columns
    users *= len(POLARISATIONS[config.user.polarisation])
    return np.repeat(np.arange(users * kinds), places).astype(np.int32)
