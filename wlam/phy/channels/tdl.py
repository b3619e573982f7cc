"""Tapped delay lines TDL-A to TDL-E, 3GPP TR 38.901 clause 7.7.2.

The taps of a channel fade independently (`taps`), and the channel is their Fourier
transform (`csi`). `generate` draws whole data sets. All of it is pure and may be jitted
and vmapped.

The base station has the array; the user has one antenna and moves. The standard gives
no angles to the taps: the antennas fade alike as far as a correlation matrix says.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex64, Float, Float32, Int, Num, PRNGKeyArray

from wlam.ops.einsum import einsum
from wlam.ops.phasor import cis
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy import arrays
from wlam.phy.channels import cdl_tables
from wlam.phy.channels.cdl_tables import LOS_POWER, POWER, PROFILES
from wlam.phy.noise import RandomBlock, awgn
from wlam.types import Antennas, Csi

# Tables 7.7.2-1 to 7.7.2-5 have the delays and powers of the clustered delay lines,
# tables 7.7.1-1 to 7.7.1-5, but for the last tap of TDL-E (20.6419 in CDL-E).
DELAY = cdl_tables.DELAY.copy()
DELAY[PROFILES.index("E"), cdl_tables.NUM_CLUSTERS[-1] - 1] = 20.6519

LOS_DOPPLER = 0.7  # the line of sight's shift over the largest, clause 7.7.2


@dataclass(frozen=True, eq=False)
class TapTables:
    """The taps of every profile; the line of sight belongs to the first."""

    power: Float[np.ndarray, "profile tap"]  # of fading; with los_power the sum is 1
    los_power: Float[np.ndarray, "profile"]
    delay: Float[np.ndarray, "profile tap"]  # in units of the delay spread


TABLES = TapTables(POWER, LOS_POWER, DELAY)


@dataclass(frozen=True)
class TdlConfig:
    """What `generate` draws from, sample by sample; ValueError where it could not."""

    # TDL profiles, equally likely.
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
    # Rows and columns of the base station array.
    array: tuple[int, int] = (1, 8)
    # Correlation of the outermost antennas of a row or column: alpha of TS 38.101-4,
    # 0 for low, 0.3 for medium and 0.9 for high correlation.
    correlation: float = 0.0
    # K factor in dB of the profiles with a line of sight; None: as tabulated.
    k_db: float | None = None
    # Plane waves behind every tap; see `rayleigh`.
    num_waves: int = 32
    # Lowest and highest signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (0.0, 30.0)

    def __post_init__(self) -> None:
        for name in self.profiles:
            if name not in PROFILES:
                raise ValueError(f"profiles: found {name!r}; needed A to E")
        if not self.profiles:
            raise ValueError("profiles: found (); needed one or more")
        for name in ("carriers_hz", "time_steps_s", "subcarrier_spacings_hz"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name}: found {values}; needed positive numbers")
        for name in ("speeds_kmh", "delay_spreads_s", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: found {low}, {high}; needed the lower first")
        if (low := self.delay_spreads_s[0]) <= 0:
            raise ValueError(f"delay_spreads_s: found {low}; needed more than 0")
        for name in ("num_times", "num_subcarriers", "num_waves"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed 1 or more")
        if not 0 <= self.correlation <= 1:
            raise ValueError(f"correlation: found {self.correlation}; needed 0 to 1")


def tap_tables(k_db: float | None = None) -> TapTables:
    """Return the profiles with a K factor in dB: clauses 7.7.2 and 7.7.6.

    None leaves it as tabulated. It is the power of the line of sight over that of all
    fading taps; the 13.3 and 22 dB of the tables refer to the first tap alone.
    """
    if k_db is None:
        return TABLES
    return TapTables(*cdl_tables.with_k_factor(k_db, POWER, LOS_POWER, DELAY))


def correlation_matrix(
    num_vertical: int, num_horizontal: int, alpha: float
) -> Float[np.ndarray, "antenna antenna"]:
    """Return the correlation of the antennas of a planar array, TS 38.101-4 B.2.3.

    Antennas i and j of a line of n have the correlation alpha ** ((i - j) / (n - 1))²,
    which is alpha between the ends; TS 36.101 table B.2.3.1-1 has the same. Rows and
    columns multiply (Kronecker). Antennas are in the order of `arrays.upa`.
    """

    def line(n):
        apart = np.subtract.outer(np.arange(n), np.arange(n)) / max(n - 1, 1)
        return alpha ** (apart**2)

    return np.kron(line(num_vertical), line(num_horizontal))


def rayleigh(
    key: PRNGKeyArray,
    max_doppler_hz: Num[ArrayLike, ""],
    time_step_s: Num[ArrayLike, ""],
    num_times: int,
    num_series: int,
    num_waves: int = 32,
) -> Complex64[Array, "time series"]:
    """Draw independent Rayleigh fading of unit power with Jakes' Doppler spectrum.

    A series is the sum of N plane waves from equally spaced directions, which a random
    angle turns. Their amplitudes are circular Gaussian, unlike those of the usual sum
    of sinusoids, which is Gaussian only for many of them; and no filter has to be made
    for every Doppler shift. For any N, every value is CN(0, 1), and over draws the
    autocorrelation is J0(z), z = 2 pi max_doppler t. Given the directions it is J0(z)
    plus terms of J_N(z) and higher orders (the expansion of Jacobi and Anger), which
    vanish up to about z = N - 3 N^(1/3): so long, the fading is a Gaussian process of
    Jakes' spectrum. Later it is Gaussian given the directions, with N spectral lines.

    Args:
        key: Randomness.
        max_doppler_hz: Largest Doppler shift.
        time_step_s: Between two values.
        num_times: Number of values.
        num_series: How many; they share the directions.
        num_waves: N.
    """
    shape = num_waves, num_series
    draws = RandomBlock(key, 1 + 2 * num_waves * num_series)
    direction = (jnp.arange(num_waves) + draws.uniform()) / num_waves
    cycles = cis(direction).real * max_doppler_hz * time_step_s
    # Whole cycles from one value to the next are not seen.
    cycles = (cycles - jnp.round(cycles))[None] * jnp.arange(num_times)[:, None]
    amplitude = jnp.sqrt(draws.exponential(shape)) * cis(draws.uniform(shape))
    return einsum("tw,ws->ts", cis(cycles), amplitude / math.sqrt(num_waves))


def taps(
    key: PRNGKeyArray,
    profile: int | Int[Array, ""],
    max_doppler_hz: Num[ArrayLike, ""],
    time_step_s: Num[ArrayLike, ""],
    num_times: int,
    correlation: Float[np.ndarray, "antenna antenna"],
    tables: TapTables = TABLES,
    num_waves: int = 32,
) -> Complex64[Array, "time tap antenna"]:
    """Draw the taps of one channel: TR 38.901 clause 7.7.2. Its mean power is 1.

    The line of sight of TDL-D and TDL-E has a random phase, the same at all antennas:
    it comes from the broadside.

    Args:
        key: Randomness of everything.
        profile: Index into `PROFILES`; may be traced.
        max_doppler_hz: Largest Doppler shift, speed over wavelength.
        time_step_s: Between two snapshots.
        num_times: Number of snapshots.
        correlation: Of the antennas' fading; any real covariance of unit diagonal.
        tables: From `tap_tables`.
        num_waves: See `rayleigh`.
    """
    num_taps, num_ant = tables.power.shape[1], len(correlation)
    los_key, key = jax.random.split(key)
    series = num_taps * num_ant
    fading = rayleigh(key, max_doppler_hz, time_step_s, num_times, series, num_waves)
    fading = fading.reshape(num_times, num_taps, num_ant)
    if not np.array_equal(correlation, np.eye(num_ant)):
        fading = einsum("tla,ba->tlb", fading, _root(correlation))
    power = jnp.asarray(tables.power, jnp.float32)[profile]
    los_power = jnp.asarray(tables.los_power, jnp.float32)[profile]
    step = jnp.asarray(LOS_DOPPLER * max_doppler_hz * time_step_s)
    cycles = (step - jnp.round(step)) * jnp.arange(num_times)
    line_of_sight = cis(cycles + RandomBlock(los_key, 1).uniform())
    first = jnp.sqrt(los_power) * line_of_sight[:, None]
    return (jnp.sqrt(power)[None, :, None] * fading).at[:, 0].add(first)


def csi(
    gains: Complex64[Array, "time tap antenna"],
    delay_s: Float[Array, "tap"],
    subcarrier_spacing_hz: Num[ArrayLike, ""],
    num_subcarriers: int,
) -> Complex64[Array, "time subcarrier antenna"]:
    """Return the channel at the subcarriers: the sum of gain exp(-j 2 pi delay f).

    Subcarrier s is at (s - num_subcarriers // 2) * spacing from the carrier.

    Args:
        gains: From `taps`.
        delay_s: Of the taps.
        subcarrier_spacing_hz: Between two subcarriers.
        num_subcarriers: Number of subcarriers.
    """
    subcarriers = jnp.arange(num_subcarriers) - num_subcarriers // 2
    turn = cis(-(delay_s * subcarrier_spacing_hz)[:, None] * subcarriers[None])
    return einsum("ls,tla->tsa", turn, gains)


def generate(key: PRNGKeyArray, config: TdlConfig, samples: int) -> Csi:
    """Draw channels of the kind that `config` describes, with noise.

    Every sample has a profile, a carrier and so on of its own. The noise has, in every
    resource element and antenna, the drawn signal-to-noise ratio relative to the
    average power of the sample over times, subcarriers and antennas; it is part of
    `csi` and not of `clean`. Nothing is normalised.

    May be jitted with `config` closed over and `samples` static.

    Args:
        key: Randomness of everything.
        config: What to draw from.
        samples: How many channels.

    Returns:
        Csi with labels speed_kmh, snr_db, carrier_hz, time_step_s, profile (index into
        `PROFILES`), delay_spread_s and max_doppler_hz (speed over wavelength). Antennas
        are half a wavelength apart, which matters to their beamspace alone.
    """
    positions = arrays.upa(*config.array)
    correlation = correlation_matrix(*config.array, config.correlation)
    tables = tap_tables(config.k_db)

    def draw(key):
        parameter_key, tap_key, noise_key = jax.random.split(key, 3)
        draws = RandomBlock(parameter_key, 7)

        def choose(values):
            number = (draws.uniform() * len(values)).astype(jnp.int32)
            return jnp.asarray(values)[jnp.minimum(number, len(values) - 1)]

        def between(low, high):
            return low + (high - low) * draws.uniform()

        profile = choose([PROFILES.index(name) for name in config.profiles])
        carrier = choose(config.carriers_hz)
        time_step = choose(config.time_steps_s)
        spacing = choose(config.subcarrier_spacings_hz)
        speed = between(*config.speeds_kmh)
        low, high = config.delay_spreads_s
        delay_spread = low * jnp.exp(between(0.0, math.log(high / low)))
        snr_db = between(*config.snr_db)
        doppler = speed / 3.6 * carrier / SPEED_OF_LIGHT
        gains = taps(
            tap_key,
            profile,
            doppler,
            time_step,
            config.num_times,
            correlation,
            tables,
            config.num_waves,
        )
        delay = jnp.asarray(tables.delay, jnp.float32)[profile] * delay_spread
        clean = csi(gains, delay, spacing, config.num_subcarriers)
        labels = {
            "speed_kmh": speed,
            "snr_db": snr_db,
            "carrier_hz": carrier,
            "time_step_s": time_step,
            "profile": profile,
            "delay_spread_s": delay_spread,
            "max_doppler_hz": doppler,
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


def _root(matrix: np.ndarray) -> Float32[np.ndarray, "antenna antenna"]:
    """Its square root; high correlations are too close to singular for Cholesky's."""
    power, mode = np.linalg.eigh(matrix)
    root = (mode * np.sqrt(np.maximum(power, 0.0))) @ mode.conj().T
    return root.astype(np.float32)
