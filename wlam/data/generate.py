"""Writes a generated set to disk, from the command line.

    python -m wlam.data.generate NAME CONFIG [overrides]
    python -m wlam.data.generate csi_38901 D17 --shards 8
    python -m wlam.data.generate csi_38901 D17 --train 900 --source.snr-db 0 30

NAME is a folder of `datasets/`, CONFIG one of its configs (an unknown one prints the
list). `--help` after the two shows every field of the generator's config.
"""

import dataclasses
import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from wlam.data.builders import find_config, prepare
from wlam.data.generated import SIZES, GeneratedConfig
from wlam.types import DataError


@dataclass(frozen=True)
class Options:
    """Changes to the named config."""

    # Config of the generator.
    source: Any = field()
    # Samples; 0 for no such split.
    train: int = SIZES["train"]
    validation: int = SIZES["validation"]
    test: int = SIZES["test"]
    # Seed of all samples.
    seed: int = 0
    # Samples generated at once; another block size gives other samples.
    block: int = 64
    # Files of each split; None: by their size.
    shards: int | None = None
    # Output folder: <data_dir>/<NAME>/<folder>/<version>.
    data_dir: str = "data"
    # The set's folder; by default CONFIG, with a number if anything differs from it.
    folder: str | None = None
    # Apache Beam's runner, such as "DirectRunner" or "FlinkRunner"; None: this process.
    beam_runner: str | None = None
    # Options of the runner without their dashes, such as flink_master=localhost:8081.
    beam_options: tuple[str, ...] = ()


def requested(named: GeneratedConfig, options: Options) -> GeneratedConfig:
    """The builder config of these options: `named` itself, or one with another name.

    The other name ends in a hash of the recipe, so that each name has one recipe.
    """
    sizes = {split: getattr(options, split) for split in SIZES}
    config = dataclasses.replace(
        named,
        name=options.folder or named.name,
        source=options.source,
        splits={split: size for split, size in sizes.items() if size},
        seed=options.seed,
        block=options.block,
    )
    if options.folder is not None:
        return config
    if config.recipe() == named.recipe():
        return named
    recipe = json.dumps(config.recipe(), sort_keys=True)
    number = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    return dataclasses.replace(config, name=f"{named.name}-{number}")


def main(arguments: list[str] | None = None) -> Path:
    """Prepares the set of a command line; prints and returns its folder.

    Raises:
        DataError: No such builder or config, a set that is not generated, or an error
            of `prepare`.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) < 2 or words[0].startswith("-") or words[1].startswith("-"):
        raise DataError(f"arguments: found {words}; needed NAME CONFIG [overrides]")
    name, config, *rest = words
    named = find_config(name, config)
    if not isinstance(named, GeneratedConfig):
        raise DataError(f"name: found {name}; needed a set that is generated")
    sizes: dict[str, Any] = {name: named.splits.get(name, 0) for name in SIZES}
    options = tyro.cli(
        Options,
        default=Options(named.source, **sizes, seed=named.seed, block=named.block),
        args=rest,
        prog=f"python -m wlam.data.generate {name} {config}",
    )
    folder = prepare(
        name,
        None,
        options.data_dir,
        config=requested(named, options),
        shards=options.shards,
        beam_runner=options.beam_runner,
        beam_options=options.beam_options,
    )
    print(folder)
    return folder


if __name__ == "__main__":
    try:
        main()
    except DataError as error:
        sys.exit(f"wlam.data.generate: {error}")
