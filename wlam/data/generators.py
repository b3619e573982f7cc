"""Generators of data, by the type of their config."""

from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from wlam.phy.channels import cdl, hardware, hybrid_field, kronecker, tdl
from wlam.phy.channels.tr38901 import drops, mimo
from wlam.simulate import beams, downlink, irregular, kpi, mobility, sweeps, traffic

Generator = Callable[[PRNGKeyArray, Any, int], Any]


def received(key: PRNGKeyArray, config: hardware.HardwareConfig, samples: int) -> Any:
    """Channels of the config's source with the impairments of a receiver."""
    source_key, key = jax.random.split(key)
    channels = generate(source_key, config.source, samples)
    return hardware.receive(key, channels, config)


def irregularly_sampled(
    key: PRNGKeyArray, config: irregular.IrregularConfig, samples: int
) -> Any:
    """Channels of the config's source, measured at irregular times."""
    source_key, key = jax.random.split(key)
    return irregular.hide(key, generate(source_key, config.source, samples), config)


GENERATORS: dict[type, Generator] = {
    cdl.CdlConfig: cdl.generate,
    tdl.TdlConfig: tdl.generate,
    hybrid_field.HybridFieldConfig: hybrid_field.generate,
    drops.DropConfig: drops.generate,
    beams.BeamConfig: beams.generate,
    downlink.DownlinkConfig: downlink.generate,
    downlink.RayleighConfig: downlink.generate,
    sweeps.SweepConfig: sweeps.generate,
    traffic.TrafficConfig: traffic.generate,
    hardware.HardwareConfig: received,
    irregular.IrregularConfig: irregularly_sampled,
    kpi.KpiConfig: kpi.generate,
    kronecker.KroneckerConfig: kronecker.generate,
    mimo.MimoConfig: mimo.generate,
    mobility.MobilityConfig: mobility.generate,
}
"""(key, config, samples) -> tensor, by the type of the config. Configs with a
method `generate` are not listed."""


def generates(source: Any) -> bool:
    """Whether a user-defined config is a generator, see `generate`."""
    is_config = is_dataclass(source) and not isinstance(source, type)
    return is_config and callable(getattr(source, "generate", None))


def generate(key: PRNGKeyArray, source: Any, samples: int) -> Any:
    """`samples` samples of the generator with the config `source`.

    Args:
        key: the only source of randomness.
        source: a config of wlam, or your own: a frozen dataclass with a method
            `generate(key, samples)` that returns one of wlam.types. For training,
            `jax.jit` must be able to compile it.
        samples: number of samples.

    Raises:
        ValueError: the source is none of these.
    """
    kind = type(source)
    if kind in GENERATORS:
        return GENERATORS[kind](key, source, samples)
    if generates(source):
        return source.generate(key, samples)
    known = ", ".join(kind.__name__ for kind in GENERATORS)
    raise ValueError(
        f"source: found {kind.__name__}; needed a dataclass with a method "
        f"generate(key, samples), or one of {known}"
    )
