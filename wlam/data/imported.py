"""Third-party sets as TFDS configs: files of `wlam.data.readers` as shards."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wlam.data.files import CSI_AXES, StrPath
from wlam.data.readers import Radio, deepmimo, wifo
from wlam.data.readers.common import MAX_BYTES, error, some
from wlam.data.readers.matlab73 import opened
from wlam.data.sharded import Shard, ShardedConfig
from wlam.data.tfds_features import Example, samples
from wlam.phy.arrays import upa
from wlam.types import Antennas, Csi, DataError

# Some files of DeepMIMO lack the positions of users.
NO_POSITION = dict.fromkeys(("x_m", "y_m", "z_m"), np.float32(np.nan))
DEEPMIMO_LABELS: dict[str, Any] = {
    **dict.fromkeys(("user", "los", "file"), np.int32),
    **dict.fromkeys(NO_POSITION, np.float32),
}


@dataclass(eq=False)
class ImportedConfig(ShardedConfig):
    """Metadata that the files lack.

    Raises:
        DataError: A scalar that is not finite and positive, or an empty array.
    """

    # Name or pattern (*) of the files below manual_dir, by split.
    files: Mapping[str, str] = field(default_factory=dict)
    # Name of the variable; None: the only complex one (WiFo), "channels" (DeepMIMO).
    variable: str | None = None
    # Rows and columns of the array, half a wavelength apart, of one polarisation; the
    # columns run fastest, see wlam.phy.arrays.upa.
    array: tuple[int, int] = (1, 1)
    carrier_hz: float = 3.5e9
    subcarrier_spacing_hz: float = 180e3
    num_subcarriers: int = 64

    def __post_init__(self) -> None:
        self.radio()

    def radio(self) -> Radio:
        """The metadata of the readers."""
        positions = upa(*self.array)
        return Radio(
            self._time_step_s(),
            self.subcarrier_spacing_hz,
            self.carrier_hz,
            antenna_positions=positions,
            antenna_polarisation=np.zeros(len(positions), np.int32),
        )

    def _time_step_s(self) -> float:
        raise NotImplementedError

    def _csi(self, num_times: int, labels: Mapping[str, Any]) -> Csi:
        radio, of = self.radio(), jax.ShapeDtypeStruct
        shape = (1, num_times, self.num_subcarriers, len(radio.antenna_positions))
        return Csi(
            csi=of(shape, np.complex64),
            time_step_s=of((1,), np.float32),
            subcarrier_spacing_hz=of((1,), np.float32),
            carrier_hz=of((1,), np.float32),
            antennas=Antennas(radio.antenna_positions, radio.antenna_polarisation),
            labels={name: of((1,), dtype) for name, dtype in labels.items()},
        )

    def _found(self, manual_dir: StrPath) -> dict[str, list[Path]]:
        """The files that exist, in the order of the numbers in their names."""
        found = {
            split: sorted(Path(manual_dir).glob(pattern), key=_numbers)
            for split, pattern in self.files.items()
        }
        if not any(found.values()):
            wanted = some(self.files.values())
            raise DataError(f"manual_dir: {manual_dir} holds none of {wanted}")
        return {split: files for split, files in found.items() if files}


@dataclass(eq=False)
class WifoConfig(ImportedConfig):
    """A set in the layout of WiFo, one file a split; files of splits may be absent."""

    files: Mapping[str, str] = field(
        default_factory=lambda: {
            "train": "X_train.mat",
            "validation": "X_val.mat",
            "test": "X_test.mat",
        }
    )
    # The file's axes, sample first; some sets have antennas before subcarriers.
    axes: tuple[str, ...] = CSI_AXES
    time_step_s: float = 5e-4
    num_times: int = 16

    def _time_step_s(self) -> float:
        return self.time_step_s

    def shapes(self) -> Csi:
        return self._csi(self.num_times, {"index": np.int32})

    def make_shards(
        self, manual_dir: Callable[[], Any], shards: int | None
    ) -> dict[str, list[Shard]]:
        return {
            split: [
                WifoShard(str(files[0]), self.radio(), self.variable, self.axes, *part)
                for part in self.cut(self._count(files[0]), shards)
            ]
            for split, files in self._found(manual_dir()).items()
        }

    def _count(self, path: Path) -> int:
        """Samples of a file; its other axes must be those of this config."""
        shape = self.shapes().csi.shape
        needed = [shape[CSI_AXES.index(axis)] for axis in self.axes[1:]]
        with opened(path, self.variable, self.axes, MAX_BYTES) as array:
            if list(array.shape[1:]) != needed:
                problem = f"has shape {list(array.shape)} ({', '.join(self.axes)})"
                raise error(path, array.name, f"{problem}, must be {['any', *needed]}")
            return array.shape[0]


@dataclass(frozen=True, eq=False)
class WifoShard:
    """Examples of samples `start` to `stop` of a file."""

    path: str
    radio: Radio
    variable: str | None
    axes: tuple[str, ...]
    start: int
    stop: int

    def __call__(self) -> Iterator[tuple[int, Example]]:
        data, _ = wifo.read(
            self.path,
            self.radio,
            name=self.variable,
            axes=self.axes,
            start=self.start,
            stop=self.stop,
        )
        yield from enumerate(samples(data), self.start)


@dataclass(eq=False)
class DeepMimoConfig(ImportedConfig):
    """Path tables of DeepMIMO as one snapshot per user; each file is a shard."""

    files: Mapping[str, str] = field(default_factory=lambda: {"train": "BS1_UE_*.mat"})
    # Transmit power of the ray tracer in dBm; gains are relative to it.
    tx_power_dbm: float = 0.0

    def _time_step_s(self) -> float:
        return 1.0  # one snapshot

    def shapes(self) -> Csi:
        return self._csi(1, DEEPMIMO_LABELS)

    def make_shards(
        self, manual_dir: Callable[[], Any], shards: int | None
    ) -> dict[str, list[Shard]]:
        name = self.variable or "channels"
        options = self.radio(), self.num_subcarriers, name, self.tx_power_dbm
        return {
            split: [
                DeepMimoShard(str(file), number, *options)
                for number, file in enumerate(files)
            ]
            for split, files in self._found(manual_dir()).items()
        }


@dataclass(frozen=True, eq=False)
class DeepMimoShard:
    """Examples of the users of a file; positions that it lacks are NaN."""

    path: str
    number: int
    radio: Radio
    num_subcarriers: int
    variable: str
    tx_power_dbm: float

    def __call__(self) -> Iterator[tuple[int, Example]]:
        data, _ = deepmimo.read(
            self.path,
            self.radio,
            num_subcarriers=self.num_subcarriers,
            name=self.variable,
            tx_power_dbm=self.tx_power_dbm,
        )
        for i, row in enumerate(samples(data)):
            labels = NO_POSITION | row["labels"] | {"file": np.int32(self.number)}
            yield i, row | {"labels": labels}


def _numbers(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)], path.name
