"""MIMO channels of a few scattered paths, Gaussian given their covariance.

Each path has a power and a mean angle at either end, and arrives spread around it by a
Laplace density, as the spatial channel model of 3GPP TR 25.996 has it. For estimators,
the covariance of every channel is known, which gives a bound (the genie estimator), and
it differs from channel to channel, so that the bound is far below the error with one
covariance for all.

The set on which Koller, Fesl, Turan & Utschick, "An asymptotically MSE-optimal
estimator based on Gaussian mixture models" (IEEE Trans. Signal Process. 70, 2022) and
Fesl et al., arXiv 2403.03545, are evaluated is this with its defaults.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.ops.einsum import einsum
from wlam.ops.solve import eigh_each
from wlam.phy import arrays
from wlam.phy.noise import complex_normal
from wlam.types import Antennas, Csi

ANGLES = 7200
"""Directions over which densities are summed, 0.05 degrees apart."""


@dataclass(frozen=True)
class KroneckerConfig:
    """Two lines of antennas half a wavelength apart; ValueError where impossible."""

    # Antennas of the receiver (base station) and of the transmitter (phone).
    num_rx: int = 64
    num_tx: int = 16
    # Paths; powers are uniform numbers over their sum, angles uniform over 180 degrees.
    num_paths: int = 3
    # Standard deviation of the angle within a path, in degrees, at either end.
    spread_rx_deg: float = 2.0
    spread_tx_deg: float = 35.0
    # Lowest and highest signal-to-noise ratio in dB; uniform.
    snr_db: tuple[float, float] = (-20.0, 40.0)
    # Of the phone's signal; no number depends on it.
    carrier_hz: float = 3.5e9

    def __post_init__(self) -> None:
        for name in ("num_rx", "num_tx", "num_paths"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name}: found {value}; needed at least 1")
        for name in ("spread_rx_deg", "spread_tx_deg", "carrier_hz"):
            if (value := getattr(self, name)) <= 0:
                raise ValueError(f"{name}: found {value}; needed more than 0")
        if self.snr_db[0] > self.snr_db[1]:
            low, high = self.snr_db
            raise ValueError(f"snr_db: found {low}, {high}; needed the lower first")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Covariances:
    """Of channels [rx, tx]: the covariance of two elements is a product of these."""

    rx: Complex[Array, "n r r"]
    tx: Complex[Array, "n t t"]


def first_column(
    centre_deg: Float[Array, "n path"],
    power: Float[Array, "n path"],
    spread_deg: float,
    num_ant: int,
) -> Complex[Array, "n a"]:
    """Correlation of a half-wavelength line's antennas 0, 1, ... with the first.

    Under paths with Laplace densities: that of antenna a is the sum over directions of
    the density times exp(-j pi a sin(direction)). A line does not
    resolve front from back.

    Args:
        centre_deg, power: of the paths, powers adding up to 1.
        spread_deg: standard deviation of a path's angle.
    """
    direction = (np.arange(ANGLES) + 0.5) * 360 / ANGLES - 180
    # [angle, lag]: contribution of a path from a direction to the correlation at a lag.
    phase = np.pi * np.sin(np.radians(direction))[:, None] * np.arange(num_ant)[None]
    away = jnp.asarray(direction)[None, None] - centre_deg[..., None]
    away = (away + 180) % 360 - 180
    density = jnp.exp(-abs(away) * np.sqrt(2) / spread_deg)
    density = density / density.sum(-1, keepdims=True)
    spectrum = (power[..., None] * density).sum(1)
    waves = [f(phase).astype(np.float32) for f in (np.cos, np.sin)]
    real, minus = (jnp.matmul(spectrum, wave, precision="highest") for wave in waves)
    return jax.lax.complex(real, -minus)


def toeplitz(first: Complex[Array, "n a"]) -> Complex[Array, "n a a"]:
    """Hermitian matrices with constant diagonals, by their first columns."""
    lags = np.arange(first.shape[1])
    away = lags[:, None] - lags[None]
    return jnp.where(away[None] >= 0, first[:, abs(away)], first[:, abs(away)].conj())


def toeplitz_covariance(
    centre_deg: Float[Array, "n path"],
    power: Float[Array, "n path"],
    spread_deg: float,
    num_ant: int,
) -> Complex[Array, "n a a"]:
    """Covariance of such a line; see `first_column` for the arguments."""
    return toeplitz(first_column(centre_deg, power, spread_deg, num_ant))


def draw_covariances(
    key: PRNGKeyArray, config: KroneckerConfig, samples: int
) -> Covariances:
    """Covariances of channels with mean power 1 in every element."""
    keys, shape = jax.random.split(key, 3), (samples, config.num_paths)
    power = jax.random.uniform(keys[0], shape)
    power = power / power.sum(1, keepdims=True)
    angles = [180 * (jax.random.uniform(k, shape) - 0.5) for k in keys[1:]]
    return Covariances(
        toeplitz_covariance(angles[0], power, config.spread_rx_deg, config.num_rx),
        toeplitz_covariance(angles[1], power, config.spread_tx_deg, config.num_tx),
    )


def draw_channels(
    key: PRNGKeyArray, covariances: Covariances
) -> Complex[Array, "n r t"]:
    """Gaussian channels with those covariances: roots of both around a white matrix."""
    roots = [root(side) for side in (covariances.rx, covariances.tx)]
    white = complex_normal(key, (len(roots[0]), roots[0].shape[-1], roots[1].shape[-1]))
    return jnp.einsum(
        "nab,nbc,ndc->nad", roots[0], white, roots[1], precision="highest"
    )


def root(covariance: Complex[Array, "n a a"]) -> Complex[Array, "n a a"]:
    """R with R R^H = covariance, which may be singular, as those of few paths are."""
    power, vectors = eigh_each(covariance)
    return vectors * jnp.sqrt(jnp.maximum(power, 0))[:, None]


def generate(key: PRNGKeyArray, config: KroneckerConfig, samples: int) -> Csi:
    """Draw channels: one snapshot, transmit antennas on the axis of subcarriers.

    Returns:
        Channels of mean power 1 in every element, [sample, 1, tx, rx], in noise of a
        random SNR. Labels: snr_db and tx_antennas.
    """
    keys = jax.random.split(key, 4)
    channels = draw_channels(keys[1], draw_covariances(keys[0], config, samples))
    clean = channels.swapaxes(1, 2)[:, None]
    low, high = config.snr_db
    snr_db = jax.random.uniform(keys[2], (samples,), minval=low, maxval=high)
    # The SNR is that of all channels together: a weak one has more noise.
    deviation = (10 ** (-snr_db / 20))[:, None, None, None]
    nothing = jnp.ones(samples, jnp.float32)
    return Csi(
        csi=clean + deviation * complex_normal(keys[3], clean.shape),
        time_step_s=nothing,
        subcarrier_spacing_hz=nothing,
        carrier_hz=nothing * config.carrier_hz,
        antennas=Antennas(arrays.ula(config.num_rx), np.zeros(config.num_rx, np.int32)),
        clean=clean,
        labels={"snr_db": snr_db, "tx_antennas": nothing * config.num_tx},
    )


def lmmse_known(
    observed: Complex[Array, "n r t"],
    noise_variance: Float[Array, " n"],
    covariances: Covariances,
) -> Complex[Array, "n r t"]:
    """The genie: each channel by its own covariance, through the eigenvectors of both.

    Kay, "Fundamentals of statistical signal processing: estimation theory", theorem
    12.1. No estimator with unknown angles has a lower mean error.

    Args:
        observed: channels in white noise.
        noise_variance: of every element.
    """
    rx, us = eigh_each(covariances.rx)
    tx, vs = eigh_each(covariances.tx)
    inside = einsum("nra,nrt,ntb->nab", us.conj(), observed, vs.conj())
    power = jnp.maximum(rx, 0)[:, :, None] * jnp.maximum(tx, 0)[:, None]
    total = power + noise_variance[:, None, None]
    inside = jnp.where(total > 0, power / jnp.where(total > 0, total, 1), 0) * inside
    return einsum("nra,nab,ntb->nrt", us, inside, vs)
