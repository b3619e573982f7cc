"""Features, and tensors as examples, for the builders under `datasets/`.

An example of a generated or simulated set is one sample of a tensor of
`wlam.types`. Complex numbers are stored as (re, im) along a last axis, since
TFDS cannot serialise them. Fields that all samples share are in the metadata.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wlam.types import Antennas, Csi, DataError, Series, Sweeps, Traffic

Data = Csi | Sweeps | Traffic | Series
Example = dict[str, Any]  # feature -> numpy array or scalar; text as bytes

TENSORS: dict[str, type[Data]] = {
    kind.__name__: kind for kind in (Csi, Sweeps, Traffic, Series)
}
TENSORS["Beams"] = Sweeps  # the name in sets that were prepared earlier
# Fields without a sample axis: those of the antennas, in the metadata of the set.
SHARED = {"antenna_positions": np.float32, "antenna_polarisation": np.int32}
UNSTORED = ("labels", "antennas", "receive_antennas", "mask")
# Fields that hold complex numbers.
COMPLEX: dict[type[Data], tuple[str, ...]] = {Csi: ("csi", "clean")}


def tensor(
    shape: tuple[int | None, ...], dtype: Any, *, compress: bool = True
) -> tfds.features.Tensor:
    """A feature that is stored as bytes, compressed by default."""
    # The default encoding keeps float64 as float32 and is slow for integers.
    encoding = tfds.features.Encoding
    return tfds.features.Tensor(
        shape=shape, dtype=dtype, encoding=encoding.ZLIB if compress else encoding.BYTES
    )


def describe(
    builder: tfds.core.DatasetBuilder,
    features: Mapping[str, Any],
    homepage: str,
    license: str,
) -> tfds.core.DatasetInfo:
    """The return value of a builder's `_info`; examples keep the source's order."""
    return builder.dataset_info_from_configs(
        features=tfds.features.FeaturesDict(dict(features)),
        homepage=homepage,
        license=license,
        metadata=tfds.core.MetadataDict(),
        disable_shuffling=True,
    )


def sample_features(data: Data) -> dict[str, Any]:
    """The features of one sample of a tensor.

    Args:
        data: The tensor, or its `jax.eval_shape`; values are not read.
    """
    found: dict[str, Any] = {
        name: _numbers(value, complex=name in COMPLEX.get(type(data), ()))
        for name, value in _columns(data)
    }
    if data.labels:
        found["labels"] = {name: _numbers(data.labels[name]) for name in data.labels}
    return found


def sample_bytes(data: Data) -> int:
    """Bytes of one sample in memory, without labels; values are not read."""
    values = [value for _, value in _columns(data)]
    return sum(math.prod(v.shape[1:]) * np.dtype(v.dtype).itemsize for v in values)


def shared_fields(data: Data) -> dict[str, Any]:
    """Fields that all samples share, as JSON for the metadata of the set."""
    found: dict[str, Any] = {"tensor": type(data).__name__}
    if isinstance(data, Csi) and data.antennas is not None:
        values = data.antennas.positions, data.antennas.polarisation
        for name, value in zip(SHARED, values, strict=True):
            found[name] = np.asarray(value).tolist()
    return found


def samples(data: Data) -> Iterator[Example]:
    """The samples of a tensor of numpy arrays, one after the other, as examples."""
    columns = {name: np.asarray(value) for name, value in _columns(data)}
    for name in COMPLEX.get(type(data), ()):
        if name in columns:
            parts = np.ascontiguousarray(columns[name], np.complex64)[..., None]
            columns[name] = parts.view(np.float32)
    labels = {name: np.asarray(value) for name, value in data.labels.items()}
    for i in range(len(columns["time_step_s"])):
        row: Example = {name: values[i] for name, values in columns.items()}
        if labels:
            row["labels"] = {name: values[i] for name, values in labels.items()}
        yield row


def assemble(rows: Sequence[Example], metadata: Mapping[str, Any]) -> Data:
    """The inverse of `samples` and `shared_fields`: the tensor, in numpy arrays.

    Raises:
        DataError: The metadata name no tensor, or there are no examples.
    """
    kind = TENSORS.get(metadata.get("tensor", ""))
    if kind is None:
        raise DataError(
            f"tensor: found {metadata.get('tensor')!r} in the metadata; needed one of "
            f"{', '.join(TENSORS)}, as prepared from a generator, a simulator or a file"
        )
    if not rows:
        raise DataError("split: found 0 examples; needed 1 or more")
    found: dict[str, Any] = {
        name: np.stack([row[name] for row in rows])
        for name in rows[0]
        if name != "labels"
    }
    for name in COMPLEX.get(kind, ()):
        if name in found:
            found[name] = found[name].view(np.complex64)[..., 0]
    if {*SHARED} <= {*metadata}:
        found["antennas"] = Antennas(
            *(np.asarray(metadata[name], dtype) for name, dtype in SHARED.items())
        )
    found["labels"] = {
        name: np.stack([row["labels"][name] for row in rows])
        for name in rows[0].get("labels", {})
    }
    return kind(**found)


def _columns(data: Data) -> Iterator[tuple[str, Any]]:
    """The fields that are given and have a sample axis, except the labels."""
    for name in (field.name for field in fields(data)):
        value = getattr(data, name)
        if name not in UNSTORED and value is not None:
            yield name, value


def _numbers(value: Any, *, complex: bool = False) -> tfds.features.Tensor:
    # Also single numbers as bytes; TFDS would return float64 or int64.
    if complex:
        return tensor((*value.shape[1:], 2), np.float32, compress=False)
    return tensor(value.shape[1:], value.dtype, compress=False)
