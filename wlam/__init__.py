"""wlam: foundation models of the wireless physical layer, in JAX.

>>> model = wlam.load("runs/quickstart")
>>> forecast = model.predict(context, interval=0.5e-3, horizon=8)
"""

from pathlib import Path
from typing import TYPE_CHECKING

from wlam.version import __version__ as __version__

if TYPE_CHECKING:
    from wlam.models.base import Model


def load(path: "str | Path") -> "Model":
    """Loads a run or a released model; see `wlam.hub.load`."""
    # Here, not above: importing wlam.phy alone should not import a training stack.
    from wlam import hub

    return hub.load(path)
