"""Sets in the layout of LLM4CP (arXiv 2406.14440): .mat v7.3, speeds times users.

An array, such as H_U_his, H_U_pre or H_D_pre, is [speed, user, time, subcarrier,
antenna, ...]; the antennas of a dual-polarised rectangle take several axes.
"""

import numpy as np

from wlam.data.files import StrPath
from wlam.data.readers.common import MAX_BYTES, Radio, tensor
from wlam.data.readers.matlab73 import opened
from wlam.types import Csi

AXES = ("first", "second", "time", "subcarrier", "antenna", "...")


def read(
    path: StrPath,
    radio: Radio,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> tuple[Csi, list[str]]:
    """Read an array; its first two axes become samples, its last ones antennas.

    The last axis runs fastest in both. History and future lie in two files: read both
    and join them along time.

    Args:
        path: A MATLAB v7.3 file.
        radio: Metadata that the file lacks.
        name: The array; None takes the only complex one.
        max_bytes: The most memory of the result.

    Returns:
        The tensor, labels["first"] and labels["second"] the indices into the two axes
        (speed and user, or user and sample); and notes, one line for each
        assumption.

    Raises:
        DataError: One line with field, what was found, what is needed.
    """
    with opened(path, name, AXES, max_bytes) as array:
        values = array.read(0, array.shape[0])
    first, second, times, subcarriers = values.shape[:4]
    indices = np.indices((first, second), np.int32).reshape(2, -1)
    csi = values.reshape(first * second, times, subcarriers, -1)
    return tensor(path, csi, radio, {"first": indices[0], "second": indices[1]})
