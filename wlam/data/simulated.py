"""Simulated data by name: `wlam.generate`, for notebooks and first experiments."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from wlam.data import generators
from wlam.phy.channels.cdl import CdlConfig
from wlam.phy.channels.tdl import TdlConfig
from wlam.phy.channels.tr38901.config import LAYOUT, DropConfig, PanelConfig
from wlam.phy.channels.tr38901.presets import PRESETS
from wlam.simulate.beams import BeamConfig
from wlam.simulate.kpi import KpiConfig
from wlam.simulate.mobility import MobilityConfig
from wlam.simulate.sweeps import SweepConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.types import DataError

SOURCES: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: DropConfig(name) for name in LAYOUT},
    **{f"CDL-{p}": lambda p=p: CdlConfig(profiles=(p,)) for p in "ABCDE"},
    **{f"TDL-{p}": lambda p=p: TdlConfig(profiles=(p,)) for p in "ABCDE"},
    **{name: lambda name=name: PRESETS[name] for name in PRESETS},
    "beams": BeamConfig,
    "street sweeps": SweepConfig,
    "traffic": TrafficConfig,
    "kpi": KpiConfig,
    "mobility": MobilityConfig,
}
"""Configs by name: cells, CDL and TDL profiles of TR 38.901, sets of the literature,
sweeps, traffic, KPIs and positions."""

_draw = jax.jit(generators.generate, static_argnums=(1, 2))


def generate(source: Any, samples: int = 1, seed: int = 0, **fields: Any) -> Any:
    """Draws simulated data as numpy arrays.

    >>> csi = wlam.generate("UMa", 8, state="nlos", base=(4, 8), snr_db=20.0)

    Args:
        source: a name of SOURCES, or the config of a generator.
        samples: number of samples.
        seed: the same seed gives the same data.
        **fields: of the config. A number also sets a range or a tuple of one, and a
            pair a panel of rows and columns.

    Returns:
        `wlam.Csi`, `wlam.Sweeps`, `wlam.Traffic` or `wlam.Series`.

    Raises:
        DataError: an unknown name or field, or an invalid value.
    """
    if isinstance(source, str):
        if source not in SOURCES:
            raise DataError(
                f"source: found {source!r}; needed one of {', '.join(SOURCES)}"
            )
        source = SOURCES[source]()
    known = {field.name: getattr(source, field.name) for field in _fields(source)}
    if unknown := sorted(fields.keys() - known.keys()):
        raise DataError(
            f"{unknown[0]}: no field of {type(source).__name__}; needed some of "
            f"{', '.join(known)}"
        )
    if isinstance(samples, bool) or samples < 1:
        raise DataError(f"samples: found {samples}; needed 1 or more")
    given = {name: _like(known[name], value) for name, value in fields.items()}
    try:
        config = dataclasses.replace(source, **given)
    except ValueError as error:
        raise DataError(str(error)) from error
    return jax.tree.map(np.asarray, _draw(jax.random.key(seed), config, samples))


def _fields(source: Any) -> tuple[dataclasses.Field, ...]:
    if not dataclasses.is_dataclass(source):
        raise DataError(
            f"source: found {type(source).__name__}; needed a name, or the config of a "
            "generator"
        )
    return dataclasses.fields(source)


def _like(default: Any, value: Any) -> Any:
    """A value in the form of the field's default."""
    if isinstance(default, PanelConfig) and isinstance(value, tuple | list):
        return PanelConfig(*value)
    if isinstance(default, tuple) and not isinstance(value, tuple | list):
        is_range = len(default) == 2 and not isinstance(value, str)
        return (value, value) if is_range else (value,)
    return tuple(value) if isinstance(value, list) else value
