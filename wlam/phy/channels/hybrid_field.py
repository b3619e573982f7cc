"""Channels of large arrays whose paths are partly near, partly far, and their pilots.

A path that starts within the Rayleigh distance arrives as a spherical wave, one from
farther away as a plane wave. `generate` draws channels, `combiner` an analogue combiner
and `observe` what is seen through it.

The defaults are the array of sub-arrays at 300 GHz of Yu et al., "An adaptive and
robust deep learning framework for THz ultra-massive MIMO channel estimation", IEEE J.
Sel. Topics Signal Process. 17(4), 2023 (arXiv 2211.15939), with the constants of the
authors' published generator. `linear` makes a plain line at 28 GHz.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Complex64, Float, Float32, Num, PRNGKeyArray

from wlam.ops.phasor import cis
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy import arrays
from wlam.phy.noise import RandomBlock, awgn
from wlam.types import Antennas, Csi

# Where a plane wave comes from, in wavelengths: float32 sees no curvature.
_FAR = 1e12


@dataclass(frozen=True)
class HybridFieldConfig:
    """An array, what it sees, and how it is observed; ValueError where impossible."""

    # Carrier frequency in Hz.
    carrier_hz: float = 300e9
    # Rows and columns of sub-arrays, one RF chain each.
    sub_arrays: tuple[int, int] = (2, 2)
    # Rows and columns of antennas in a sub-array.
    antennas: tuple[int, int] = (16, 16)
    # Between neighbouring antennas of a sub-array, in wavelengths; 0.5 makes the
    # angular domain sparse in place of band-limited.
    spacing: float = 0.2
    # From the last antenna of a sub-array to the first of the next, in wavelengths.
    gap: float = 56.0
    # Paths of a channel, the line of sight included.
    num_paths: int = 5
    # Length of the line of sight in m; None: there is none, and gains are CN(0, 1).
    los_distance_m: float | None = 30.0
    # Lowest and highest distance of the last scatterers in m; uniform.
    scatterer_distances_m: tuple[float, float] = (10.0, 25.0)
    # Share of the paths that are plane waves; None: those beyond the Rayleigh distance.
    far_share: float | None = None
    # Refractive index (less j times the extinction) and RMS roughness in m of what
    # reflects.
    refractive_index: float = 2.24
    extinction: float = 0.025
    roughness_m: float = 8.8e-5
    # What the combiner observes; a multiple of the number of sub-arrays.
    num_measurements: int = 512
    # Bits of its phase shifters; None: any phase.
    phase_bits: int | None = 1
    # Lowest and highest signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (0.0, 20.0)

    def __post_init__(self) -> None:
        for name in ("sub_arrays", "antennas"):
            if min(pair := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {pair}; needed 1 or more of each")
        for name in ("carrier_hz", "spacing", "num_paths", "num_measurements"):
            if (value := getattr(self, name)) <= 0:
                raise ValueError(f"{name}: found {value}; needed more than 0")
        for name in ("scatterer_distances_m", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: found {low}, {high}; needed the lower first")
        if (low := self.scatterer_distances_m[0]) <= 0:
            raise ValueError(f"scatterer_distances_m: found {low}; needed more than 0")
        if self.far_share is not None and not 0 <= self.far_share <= 1:
            raise ValueError(f"far_share: found {self.far_share}; needed 0 to 1")
        if self.phase_bits is not None and self.phase_bits < 1:
            raise ValueError(f"phase_bits: found {self.phase_bits}; needed 1 or more")
        if self.num_measurements % math.prod(self.sub_arrays):
            raise ValueError(
                f"num_measurements: found {self.num_measurements}; needed a multiple "
                f"of the {math.prod(self.sub_arrays)} sub-arrays"
            )


def linear(far_share: float = 0.5) -> HybridFieldConfig:
    """Return a line of 256 antennas at 28 GHz that sees six paths of CN(0, 1) gains.

    The scatterers are 5 to 30 m away, and as many of the paths as `far_share` says are
    plane waves all the same; 128 measurements have random phases.
    """
    return HybridFieldConfig(
        carrier_hz=28e9,
        sub_arrays=(1, 1),
        antennas=(1, 256),
        spacing=0.5,
        num_paths=6,
        los_distance_m=None,
        scatterer_distances_m=(5.0, 30.0),
        far_share=far_share,
        num_measurements=128,
        phase_bits=None,
    )


def positions(config: HybridFieldConfig) -> Float32[np.ndarray, "antenna 3"]:
    """Return where the antennas are, in wavelengths; the first is at the origin.

    Sub-array by sub-array, each in the order of `arrays.upa`; the array looks along +x.
    """
    inside = arrays.upa(*config.antennas, config.spacing)
    # From one sub-array to the next along x, y and z.
    rows, columns = config.antennas
    stride = config.gap + config.spacing * np.array([0, columns - 1, rows - 1])
    corners = arrays.upa(*config.sub_arrays, 1.0) * stride
    every = corners[:, None] + inside[None]
    return every.reshape(-1, 3).astype(np.float32)


def rayleigh_distance_m(config: HybridFieldConfig) -> float:
    """Return 2 D² / wavelength, where D is the diagonal of the array."""
    diagonal = np.linalg.norm(np.ptp(positions(config).astype(np.float64), axis=0))
    return float(2 * diagonal**2 * SPEED_OF_LIGHT / config.carrier_hz)


def reflection_coefficient(
    incidence: Float[Array, "*shape"],
    carrier_hz: float,
    refractive_index: complex,
    roughness_m: float,
) -> Complex64[Array, "*shape"]:
    """Return the field that a rough surface reflects over what it receives.

    Fresnel's coefficient of a field perpendicular to the plane of incidence times
    Rayleigh's roughness factor: Piesiewicz et al., "Scattering analysis for the
    modeling of THz communication systems", IEEE Trans. Antennas Propag. 55(11), 2007.

    Args:
        incidence: Angle to the surface's normal, in rad.
        carrier_hz: Carrier frequency.
        refractive_index: Of what is behind the surface.
        roughness_m: Standard deviation of the surface's height.
    """
    wave = cis(incidence / (2 * jnp.pi))
    cosine, sine = wave.real, wave.imag
    # Times the index: n cos(refraction), by the law of Snell.
    inside = jnp.sqrt(jnp.complex64(refractive_index**2) - sine**2)
    smooth = (cosine - inside) / (cosine + inside)
    rough = 2 * jnp.pi * carrier_hz / SPEED_OF_LIGHT * roughness_m * cosine
    return smooth * jnp.exp(-2 * rough**2)


def channel(
    gain: Complex64[Array, "path"],
    towards: Float[Array, "path 3"],
    distance: Float[Array, "path"],
    places: Num[ArrayLike, "antenna 3"],
) -> Complex64[Array, "antenna"]:
    """Return the sum of the paths, each of the phase of its gain at the origin.

    Args:
        gain: Of the paths.
        towards: Unit vectors to where they start.
        distance: In wavelengths; a plane wave comes from very far.
        places: Of the antennas, in wavelengths.
    """
    wave = cis(arrays.spherical_cycles(places, towards, distance))
    return jnp.einsum("p,pn->n", gain, wave, precision="highest")


def draw_paths(
    draws: RandomBlock, config: HybridFieldConfig, places: Num[ArrayLike, "antenna 3"]
) -> tuple[
    Complex64[Array, "path"],
    Float[Array, "path 3"],
    Float[Array, "path"],
    Bool[Array, "path"],
]:
    """Return gain, unit vector, distance in wavelengths, and whether a wave is plane.

    Args:
        draws: Random numbers, six for each path.
        config: What to draw from.
        places: Of the antennas, in wavelengths.
    """
    num_paths, wavelength_m = config.num_paths, SPEED_OF_LIGHT / config.carrier_hz
    is_line = np.count_nonzero(np.ptp(places, axis=0)) < 2

    def between(low, high):
        return low + (high - low) * draws.uniform((num_paths,))

    polar, azimuth = between(-0.25, 0.25), between(-0.5, 0.5)  # in cycles
    azimuth = jnp.zeros_like(azimuth) if is_line else azimuth
    polar, azimuth = cis(polar), cis(azimuth)
    towards = jnp.stack(
        [polar.real, polar.imag * azimuth.real, polar.imag * azimuth.imag], axis=-1
    )
    distance_m = between(*config.scatterer_distances_m)
    phase = between(0.0, 1.0)
    incidence, power = between(0.0, math.pi / 2), draws.exponential((num_paths,))
    if config.los_distance_m is None:
        gain = jnp.sqrt(power) * cis(phase)
    else:
        reflected = reflection_coefficient(
            incidence,
            config.carrier_hz,
            config.refractive_index - 1j * config.extinction,
            config.roughness_m,
        )
        gain = jnp.abs(reflected) * cis(phase)
        cycles = math.fmod(config.los_distance_m / wavelength_m, 1.0)
        gain = gain.at[0].set(cis(jnp.float32(-cycles)))
        distance_m = distance_m.at[0].set(config.los_distance_m)
    if config.far_share is None:
        is_far = distance_m > rayleigh_distance_m(config)
    else:
        is_far = jnp.arange(num_paths) < round(config.far_share * num_paths)
    return gain, towards, jnp.where(is_far, _FAR, distance_m / wavelength_m), is_far


def generate(key: PRNGKeyArray, config: HybridFieldConfig, samples: int) -> Csi:
    """Draw channels of the kind that `config` describes, with noise.

    Paths arrive from polar angles uniform in +-90 degrees off the broadside and from
    azimuths about it uniform all round; a single line of antennas is seen in its plane.
    The line of sight has the phase of its length. Others are weaker by the magnitude of
    `reflection_coefficient` at an angle uniform in 0 to 90 degrees and have uniform
    phases: the paper's lengths differ by up to a tenth, thousands of wavelengths. Every
    channel is scaled so that its squared norm is the number of antennas; the paper's
    spreading and absorption losses, which all paths share, drop out.

    May be jitted with `config` closed over and `samples` static.

    Args:
        key: Randomness of everything.
        config: What to draw from.
        samples: How many channels.

    Returns:
        Csi of one time and one subcarrier, whose time step (1 s) and subcarrier spacing
        (1 Hz) mean nothing. `csi` has white noise at every antenna, `clean` has none.
        The polarisation is the number of the sub-array, so that `arrays.beamspace` is
        the two-dimensional DFT of each. Labels: snr_db and far_paths, how many paths
        were plane waves.
    """
    places, sub_arrays = positions(config), math.prod(config.sub_arrays)

    def draw(key):
        path_key, noise_key = jax.random.split(key)
        draws = RandomBlock(path_key, 1 + 6 * config.num_paths)
        gain, towards, distance, is_far = draw_paths(draws, config, places)
        clean = channel(gain, towards, distance, places)
        power = jnp.mean(jnp.abs(clean) ** 2)
        clean = (clean / jnp.sqrt(power))[None, None]
        low, high = config.snr_db
        snr_db = low + (high - low) * draws.uniform()
        labels = {"snr_db": snr_db, "far_paths": is_far.sum()}
        return clean, awgn(noise_key, clean, snr_db), labels

    clean, noisy, labels = jax.vmap(draw)(jax.random.split(key, samples))
    return Csi(
        csi=noisy,
        time_step_s=jnp.ones(samples),
        subcarrier_spacing_hz=jnp.ones(samples),
        carrier_hz=jnp.full(samples, config.carrier_hz, jnp.float32),
        # Left as numpy, so that a caller inside jit can still compute a beamspace.
        antennas=Antennas(
            places,
            np.repeat(np.arange(sub_arrays, dtype=np.int32), len(places) // sub_arrays),
        ),
        clean=clean,
        labels=labels,
    )


def combiner(
    key: PRNGKeyArray, config: HybridFieldConfig
) -> Complex64[Array, "antenna measurement"]:
    """Draw W: phase shifters at the antennas of each RF chain, anew in every slot.

    A slot has one measurement of each sub-array, which sees only its own antennas:
    measurement = slot * sub-arrays + sub-array. Phases are uniform, of `phase_bits`
    bits; the squared norm of W is the number of antennas.
    """
    sub_arrays, each = math.prod(config.sub_arrays), math.prod(config.antennas)
    slots = config.num_measurements // sub_arrays
    shape = sub_arrays, each, slots
    cycles = RandomBlock(key, math.prod(shape)).uniform(shape)
    if config.phase_bits is not None:
        levels = 2**config.phase_bits
        cycles = jnp.ceil(cycles * levels) / levels
    weight = cis(cycles) * math.sqrt(sub_arrays / config.num_measurements)
    own = jnp.eye(sub_arrays)[:, None, None, :]
    blocks = weight[..., None] * own  # [sub-array, antenna, slot, sub-array]
    return blocks.reshape(sub_arrays * each, config.num_measurements)


def observe(
    key: PRNGKeyArray,
    clean: Complex64[Array, "*sample antenna"],
    weights: Complex64[Array, "antenna measurement"],
    snr_db: Num[ArrayLike, "*sample"],
) -> Complex64[Array, "*sample measurement"]:
    """Return W^H (h + n), n white: the noise of the measurements has the colour of W.

    Args:
        key: Randomness of the noise.
        clean: h, as of `generate`.
        weights: W, as of `combiner`.
        snr_db: Mean power of h over its antennas to the variance of n in each.
    """
    noisy = awgn(key, clean, jnp.asarray(snr_db)[..., None], axes=-1)
    return jnp.einsum("nm,...n->...m", weights.conj(), noisy, precision="highest")
