"""TFDS builders of sets of any size: shards are made and written independently.

TFDS's other kind of builder holds a split in memory and needs TensorFlow beyond 1 GB.
Here one shard is in memory at a time, and Beam workers may write shards in parallel.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core import splits

from wlam.data.tfds_features import (
    Data,
    Example,
    describe,
    sample_bytes,
    sample_features,
    shared_fields,
)
from wlam.serialise import to_json

SHARD_BYTES = 2**28

Shard = Callable[[], Iterator[tuple[int, Example]]]  # pickled where Beam runs it


@dataclass(eq=False)
class ShardedConfig(tfds.core.BuilderConfig):
    """The recipe of a set: fields of subclasses determine its examples."""

    def recipe(self) -> dict[str, Any]:
        """The fields that determine the examples, as JSON (`wlam.serialise`)."""
        others = {field.name for field in dataclasses.fields(tfds.core.BuilderConfig)}
        return {
            field.name: to_json(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in others
        }

    def shapes(self) -> Data:
        """The tensor with shapes [any number, ...] instead of values.

        Only the fields that all samples share hold arrays.
        """
        raise NotImplementedError

    def make_shards(
        self, manual_dir: Callable[[], Any], shards: int | None
    ) -> dict[str, list[Shard]]:
        """Iterators over the examples of every shard, by split.

        Args:
            manual_dir: Gives the folder of the fetched files.
            shards: Largest number of files of a split; None: by their size.
        """
        raise NotImplementedError

    def cut(
        self, total: int, shards: int | None, block: int = 1
    ) -> list[tuple[int, int]]:
        """(start, stop) of the shards of a split; all start at a whole block.

        Args:
            total: Samples of the split.
            shards: Largest number; None: shards of about SHARD_BYTES each.
            block: Samples that are generated at once.
        """
        if shards is None:
            shards = -(-total * sample_bytes(self.shapes()) // SHARD_BYTES)
        blocks = -(-total // block)
        count = min(shards, blocks)
        edges = [block * (blocks * i // count) for i in range(count)] + [total]
        return list(itertools.pairwise(edges))


class ShardedBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """A set that its config determines; an example is a sample of a tensor."""

    HOMEPAGE: ClassVar[str] = "https://github.com/wlam/wlam"
    LICENSE: ClassVar[str] = "Apache-2.0"

    def _info(self) -> tfds.core.DatasetInfo:
        config: Any = self.builder_config
        features = sample_features(config.shapes())
        return describe(self, features, self.HOMEPAGE, self.LICENSE)

    def _download_and_prepare(
        self, dl_manager: Any, download_config: Any = None
    ) -> None:
        config: Any = self.builder_config
        metadata: Any = self.info.metadata
        metadata |= shared_fields(config.shapes()) | {"recipe": config.recipe()}
        # Split by split: TFDS keeps one pipeline of Beam, and would run its contents
        # again for every further split.
        done = []
        count = download_config.num_shards if download_config else None
        found = config.make_shards(lambda: dl_manager.manual_dir, count)
        for split, shards in found.items():
            self._shards = {split: shards}
            super()._download_and_prepare(dl_manager, download_config)
            done += self.info.splits.values()
        self.info.set_splits(splits.SplitDict(done))

    def _shard_iterators_per_split(self, dl_manager: Any) -> dict[str, list[Shard]]:
        return self._shards
