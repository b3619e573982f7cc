"""Every generator of data, by the type of its config."""

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
    """Channels of the config's source as a receiver shows them."""
    source_key, key = jax.random.split(key)
    channels = generate(source_key, config.source, samples)
    return hardware.receive(key, channels, config)


def now_and_then(
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
    irregular.IrregularConfig: now_and_then,
    kpi.KpiConfig: kpi.generate,
    kronecker.KroneckerConfig: kronecker.generate,
    mimo.MimoConfig: mimo.generate,
    mobility.MobilityConfig: mobility.generate,
}
"""(key, config, samples) -> tensor, by the type of the config. Configs that have a
method `generate` need no place here."""


def generates(source: Any) -> bool:
    """Whether a config of the user's own is a generator, see `generate`."""
    made = is_dataclass(source) and not isinstance(source, type)
    return made and callable(getattr(source, "generate", None))


def generate(key: PRNGKeyArray, source: Any, samples: int) -> Any:
    """`samples` draws of the tensor that `source`, a generator's config, describes.

    Args:
        key: of the draws, the only source of randomness.
        source: a config of wlam; or of your own, a frozen dataclass with a method
            `generate(key, samples)` that returns one of wlam.types and, if it is to
            be trained on, can be compiled by `jax.jit`.
        samples: how many.

    Raises:
        ValueError: the source is neither.
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
