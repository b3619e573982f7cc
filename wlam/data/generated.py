"""Generated sets: any generator of `wlam.data.generators`, any size, reproducible.

Sample i of a split lies in block i // block. A block is one call of the generator with
the key (seed, split, number of the block), compiled once for all blocks, so that
neither shards nor the size of a split change a sample. Equal bits hold for one version
of JAX on one kind of device.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from wlam.data import generators
from wlam.data.sharded import Shard, ShardedConfig
from wlam.data.tfds_features import Data, Example, samples
from wlam.types import DataError

# Sizes of every set of WiFo (arXiv 2412.08908).
SIZES: Mapping[str, int] = {"train": 9000, "validation": 1000, "test": 2000}

# (source, seed, split, block, number of the block) -> its samples, in numpy arrays.
Draw = Callable[[Any, int, str, int, int], Data]

_generate = jax.jit(generators.generate, static_argnums=(1, 2))


@dataclass(eq=False)
class GeneratedConfig(ShardedConfig):
    """The generator, and numbers of samples.

    Raises:
        DataError: A source without a generator, or an invalid size, seed or name of a
            split.
    """

    # Config of a generator, see wlam.data.generators.GENERATORS.
    source: Any = None
    # Samples of every split.
    splits: Mapping[str, int] = field(default_factory=lambda: dict(SIZES))
    # Seed of all samples.
    seed: int = 0
    # Samples generated at once: fewer for large samples. Another block size gives
    # other samples.
    block: int = 64

    def __post_init__(self) -> None:
        of_wlam = type(self.source) in self.sources()
        if not (of_wlam or generators.generates(self.source)):
            known = ", ".join(kind.__name__ for kind in self.sources())
            raise DataError(
                f"source: found {type(self.source).__name__}; needed one of {known}"
            )
        if not self.splits:
            raise DataError("splits: found none; needed 1 or more")
        for split, size in self.splits.items():
            if not split.isidentifier() or split == "all":
                raise DataError(f"splits: found the name {split!r}; needed a word")
            if size < 1:
                raise DataError(f"splits: found {split} = {size}; needed 1 or more")
        if self.block < 1:
            raise DataError(f"block: found {self.block}; needed 1 or more")
        if not 0 <= self.seed < 2**32:
            raise DataError(f"seed: found {self.seed}; needed 0 to 2^32 - 1")

    def sources(self) -> Iterable[type]:
        """The types of configs that `draw` takes."""
        return generators.GENERATORS

    def draw(self) -> Draw:
        """The function that draws a block; of a module, since Beam pickles it."""
        return draw_block

    def shapes(self) -> Data:
        return _shapes(self.source)

    def make_shards(
        self, manual_dir: Callable[[], Any], shards: int | None
    ) -> dict[str, list[Shard]]:
        return {
            split: [
                GeneratedShard(
                    self.draw(), self.source, self.seed, split, self.block, *part
                )
                for part in self.cut(size, shards, self.block)
            ]
            for split, size in self.splits.items()
        }


@dataclass(frozen=True)
class GeneratedShard:
    """Examples `start` to `stop` of a split; `start` is the first of a block."""

    draw: Draw
    source: Any
    seed: int
    split: str
    block: int
    start: int
    stop: int

    def __call__(self) -> Iterator[tuple[int, Example]]:
        for first in range(self.start, self.stop, self.block):
            number = first // self.block
            data = self.draw(self.source, self.seed, self.split, self.block, number)
            yield from zip(range(first, self.stop), samples(data), strict=False)


@functools.cache
def _shapes(source: Any) -> Data:
    kept = {}

    def trace(key):
        data = generators.generate(key, source, 1)
        # Generators return these as numpy arrays, also when traced.
        if antennas := getattr(data, "antennas", None):
            kept["antennas"] = jax.tree.map(np.asarray, antennas)
        return data

    data = jax.eval_shape(trace, jax.random.key(0))
    return dataclasses.replace(data, **kept)


def draw_block(source: Any, seed: int, split: str, block: int, number: int) -> Data:
    """The samples from number * block on, `block` of them, in numpy arrays."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(split.encode()))
    key = jax.random.fold_in(key, number)
    return jax.tree.map(np.asarray, _generate(key, source, block))
