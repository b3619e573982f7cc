"""wlam: foundation models of the wireless physical layer, in JAX.

>>> model = wlam.load("wlam_little")
>>> csi = wlam.Csi(h, time_step_s=5e-4, antennas=wlam.panel(4, 8, polarisations=2))
>>> forecast = model.predict(csi, horizon=8)

Every name is imported when it is first used: `import wlam` alone imports nothing else.
"""

import importlib
from typing import TYPE_CHECKING, Any

from wlam.version import __version__ as __version__

if TYPE_CHECKING:
    from wlam import plot as plot
    from wlam.data.read import read as read
    from wlam.data.simulated import generate as generate
    from wlam.evaluation.own import evaluate as evaluate
    from wlam.hub import load as load
    from wlam.hub import released as released
    from wlam.phy.arrays import panel as panel
    from wlam.types import Antennas as Antennas
    from wlam.types import Csi as Csi
    from wlam.types import DataError as DataError
    from wlam.types import Series as Series
    from wlam.types import Sweeps as Sweeps
    from wlam.types import Traffic as Traffic

_HOMES = {
    "load": "wlam.hub",
    "released": "wlam.hub",
    "read": "wlam.data.read",
    "panel": "wlam.phy.arrays",
    "generate": "wlam.data.simulated",
    "evaluate": "wlam.evaluation.own",
    **dict.fromkeys(("Csi", "Sweeps", "Series", "Traffic"), "wlam.types"),
    **dict.fromkeys(("Antennas", "DataError"), "wlam.types"),
}
"""Where each name is defined."""
_MODULES = ("plot",)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        found = importlib.import_module(f"wlam.{name}")
    else:
        raise AttributeError(f"module 'wlam' has no attribute {name!r}")
    globals()[name] = found  # so that it is looked up once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
