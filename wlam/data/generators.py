"""Every generator of data, by the type of its config."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import PRNGKeyArray

from wlam.data import own
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
    own.FileConfig: own.generate,
}
"""(key, config, samples) -> tensor, by the type of the config."""


def generate(key: PRNGKeyArray, source: Any, samples: int) -> Any:
    """`samples` draws of the tensor that `source`, a generator's config, describes."""
    if type(source) not in GENERATORS:
        known = ", ".join(kind.__name__ for kind in GENERATORS)
        raise ValueError(
            f"source: found {type(source).__name__}; needed one of {known}"
        )
    return GENERATORS[type(source)](key, source, samples)
