"""Files of other simulators and data sets, read as `wlam.types.Csi`.

  format     file             content
  wifo       .mat v7.3        one complex array [sample, time, subcarrier, antenna]
  llm4cp     .mat v7.3        one [speed, user, time, subcarrier, antenna, ...]
  deepmimo   .mat v5          path tables channels{u}.p of DeepMIMO v2 and v3
  sionna     .npz             impulse responses a and tau

None of these has all fields of a tensor: the rest is a `Radio` from the caller.
"""

from typing import Any

from wlam.data.files import StrPath
from wlam.data.readers import deepmimo, llm4cp, sionna, wifo
from wlam.data.readers.common import Radio
from wlam.types import Csi, DataError

FORMATS = {
    "wifo": wifo.read,
    "llm4cp": llm4cp.read,
    "deepmimo": deepmimo.read,
    "sionna": sionna.read,
}

__all__ = ["FORMATS", "Radio", "read"]


def read(
    path: StrPath, format: str, radio: Radio, **options: Any
) -> tuple[Csi, list[str]]:
    """Read a file of one of `FORMATS`.

    Args:
        path: The file.
        format: wifo, llm4cp, deepmimo or sionna.
        radio: Metadata that the file lacks: scalars and array geometry.
        options: Those of the format's own `read`.

    Returns:
        The tensor, and notes: one line for each assumed, ignored or omitted field, to
        show to the user.

    Raises:
        DataError: One line with field, what was found, what is needed; nothing partial
            is returned.
    """
    if format not in FORMATS:
        raise DataError(f"format: {format!r}, must be one of {', '.join(FORMATS)}")
    return FORMATS[format](path, radio, **options)
