"""Impairments of receivers: phase, timing and gain of each packet, as in Wi-Fi cards.

Every packet is received with its own phase, timing and gain: the oscillators of both
ends drift apart, the start of the packet is estimated to a fraction of a sample, and
the amplifier is set again. All subcarriers and antennas of a packet share them. Models
and measurements: Xie, Li & Li, "Precise power delay profiling with commodity Wi-Fi",
MobiCom 2015; Ma, Zhou & Wang, "WiFi sensing with channel state information: a survey",
ACM Comput. Surv. 52(3), 2019, section 3.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from wlam.ops.phasor import cis
from wlam.phy.noise import RandomBlock
from wlam.types import Csi


@dataclass(frozen=True)
class HardwareConfig:
    """Channels of another config with receiver impairments; pairs are (low, high)."""

    # Config of the generator of the channels.
    source: Any
    # Whether each snapshot, a packet, has a random phase.
    packet_phase: bool = True
    # Standard deviation of a packet's timing in s, drawn uniformly for a sample.
    timing_s: tuple[float, float] = (0.0, 0.0)
    # Step of the gain control in dB, drawn uniformly for a sample: it sets the power of
    # each packet to 1 within half a step. 0 leaves the power alone.
    agc_step_db: tuple[float, float] = (0.0, 0.0)
    # What is kept: complex gains, their magnitudes (real numbers in a complex array),
    # or products with the conjugate of the first antenna, which no phase or timing of a
    # packet changes.
    view: Literal["complex", "magnitude", "conjugate"] = "complex"

    def __post_init__(self) -> None:
        for name in ("timing_s", "agc_step_db"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(
                    f"{name}: found {(low, high)}; needed 0 <= low <= high"
                )
        if self.view not in ("complex", "magnitude", "conjugate"):
            raise ValueError(
                f"view: found {self.view!r}; needed complex, magnitude or conjugate"
            )


def receive(key: PRNGKeyArray, channels: Csi, config: HardwareConfig) -> Csi:
    """The channels as the receiver shows them; `clean` gets the same phases and gains.

    Args:
        key: randomness of phases, timings and steps.
        channels: with noise, whose power the gain control includes.
        config: the impairments; its `source` is not used.
    """
    x = channels.csi
    n, times, subcarriers, _ = x.shape
    draws = RandomBlock(key, n * (2 + 3 * times))

    def between(bounds: tuple[float, float]) -> Float[Array, "n 1"]:
        low, high = bounds
        return low + (high - low) * draws.uniform((n, 1))

    step_db, spread_s = between(config.agc_step_db), between(config.timing_s)
    cycles = draws.uniform((n, times)) * config.packet_phase
    late = spread_s * draws.normal((n, times)) * channels.subcarrier_spacing_hz[:, None]
    # From the middle of the band, where the phase is the packet's alone.
    offset = jnp.arange(subcarriers) - (subcarriers - 1) / 2
    rotation = cis(cycles[..., None] - late[..., None] * offset[None, None])
    power_db = 10 * jnp.log10((abs(x) ** 2).mean((2, 3)) + 1e-30)
    least = jnp.maximum(step_db, 1e-6)
    set_db = jnp.where(step_db > 0, -least * jnp.round(power_db / least), 0.0)
    gain = (10 ** (set_db / 20))[..., None] * rotation

    def impaired(csi: Complex[Array, "n t s a"]) -> Complex[Array, "n t s a"]:
        csi = csi * gain[..., None]
        if config.view == "magnitude":
            return abs(csi).astype(csi.dtype)
        if config.view == "conjugate":
            return csi * csi[..., :1].conj()
        return csi

    clean = None if channels.clean is None else impaired(channels.clean)
    return replace(channels, csi=impaired(x), clean=clean)
