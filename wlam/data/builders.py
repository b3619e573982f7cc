"""Data sets through TFDS builders that are run by path.

`datasets/<name>/<name>_dataset_builder.py` turns fetched files, or a generator's
config, into a prepared folder of array records. `prepare` runs that builder; `read`,
`read_csi` and similar functions need the prepared folder alone. TensorFlow is
never imported and the network is not used.
"""

import contextlib
import functools
import importlib
import importlib.util
import io
import json
import warnings
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core import registered

from wlam.data.files import BROKEN
from wlam.data.tfds_features import Data, Example, assemble
from wlam.types import Csi, DataError, Sweeps, Traffic

DATASETS_DIR = Path(__file__).parents[2] / "datasets"

Config = str | tfds.core.BuilderConfig


def load_builder(
    name: str,
    *,
    data_dir: str | Path,
    config: Config | None = None,
    datasets_dir: str | Path | None = None,
) -> Any:
    """The TFDS builder of `datasets/<name>/`, set to write array records.

    Args:
      name: folder below `datasets_dir`, for example "traffic_uomo".
      data_dir: where prepared data are written, as <name>/[<config>/]<version>/.
      config: which builder config, where the builder has several; None: its first. An
        object, such as `wlam.data.generated.GeneratedConfig`, needs a name of its own.
      datasets_dir: a checkout's `datasets/`; None: the one beside this package.

    Raises:
      DataError: no such builder, no such config, or a config whose name is taken.
    """
    builder = _find_builder(name, datasets_dir)
    if isinstance(config, str):
        config = find_config(name, config, datasets_dir=datasets_dir)
    elif config is not None:
        taken = builder.builder_configs.get(config.name, config)
        if taken is not config:
            raise DataError(
                f"config: found {config.name!r}, the name of another config of {name}; "
                "needed a name of its own"
            )
    with _quiet():
        return builder(data_dir=data_dir, config=config, file_format="array_record")


def find_config(
    name: str, config: str, *, datasets_dir: str | Path | None = None
) -> Any:
    """The config of that name, an object with the fields of its kind.

    Raises:
      DataError: no such builder or no such config.
    """
    configs = _find_builder(name, datasets_dir).builder_configs
    if config not in configs:
        raise DataError(
            f"config: {name} has no {config!r}; "
            f"needed is {sorted(configs) or 'no config'}"
        )
    return configs[config]


def prepare(
    name: str,
    manual_dir: str | Path | None = None,
    data_dir: str | Path = "data",
    *,
    config: Config | None = None,
    datasets_dir: str | Path | None = None,
    shards: int | None = None,
    beam_runner: str | None = None,
    beam_options: Sequence[str] = (),
) -> Path:
    """Runs a builder once and returns its prepared folder, `<data_dir>/<name>/...`.

    An existing folder is returned without reading `manual_dir`; delete it to prepare
    again. TFDS writes beside it and renames at the end, so a killed run leaves an
    `incomplete.*` folder, which is never read.

    Args:
      manual_dir: the folder that holds the fetched files (see the builder's README);
        None for generated sets.
      data_dir, config, datasets_dir: as in `load_builder`.
      shards: files of every split; None: by their size. They do not change the
        examples.
      beam_runner: Apache Beam's runner for the shards of generated and imported sets,
        such as "DirectRunner" or "FlinkRunner"; None: this process, one by one.
      beam_options: options of the runner without their dashes, such as
        "flink_master=localhost:8081".

    Raises:
      DataError: no such builder, a file or array is missing from `manual_dir`, Beam is
        requested and not installed, or the folder was prepared from another recipe.
    """
    builder = load_builder(
        name, data_dir=data_dir, config=config, datasets_dir=datasets_dir
    )
    if shards is not None and shards < 1:
        raise DataError(f"shards: found {shards}; needed 1 or more")
    folder = Path(builder.data_path)
    if (folder / "dataset_info.json").is_file():
        _check_recipe(builder, folder)
        return folder
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        _check_manual_dir(name, manual_dir)
    download = tfds.download.DownloadConfig(
        manual_dir=manual_dir,
        num_shards=shards,
        try_download_gcs=False,
        compute_stats=tfds.download.ComputeStatsMode.SKIP,
        **_beam(beam_runner, beam_options),
    )
    with _quiet():
        try:
            builder.download_and_prepare(download_config=download)
        except OSError:
            # Another process has finished the same folder in the meantime.
            if not (folder / "dataset_info.json").is_file():
                raise
    return folder


def prepared_dir(name: str, data_dir: str | Path, config: str | None = None) -> Path:
    """The newest prepared version of a dataset below `data_dir`.

    Raises:
      DataError: none is prepared.
    """
    parent = Path(data_dir) / name / (config or "")
    versions = [
        (tuple(int(part) for part in info.parent.name.split(".")), info.parent)
        for info in parent.glob("[0-9]*.[0-9]*.[0-9]*/dataset_info.json")
    ]
    if not versions:
        raise DataError(
            f"data_dir: no prepared {name} in {parent}; run "
            f"wlam.data.builders.prepare({name!r}, manual_dir, data_dir"
            + (f", config={config!r})" if config else ")")
        )
    return max(versions)[1]


def read(prepared_dir: str | Path, split: str) -> list[Example]:
    """All examples of a split, in the order of the source.

    Args:
      prepared_dir: from `prepare` or `prepared_dir`; no builder code is read.
      split: a name or a TFDS sub-split such as "train[:10%]".

    Returns:
      One dict an example: feature -> numpy array or scalar; text as bytes.

    Raises:
      DataError: the folder holds no prepared data or no such split.
    """
    folder = Path(prepared_dir)
    if not (folder / "dataset_info.json").is_file():
        raise DataError(f"prepared_dir: {folder} holds no dataset_info.json")
    with _quiet():
        builder: Any = tfds.builder_from_directory(folder)
        if split.split("[")[0] not in builder.info.splits:
            raise DataError(
                f"split: {folder.parent.name} has no {split!r}; "
                f"needed is one of {sorted(builder.info.splits)}"
            )
        source: Any = builder.as_data_source(split)
        # By index: slices and src[-1] of a TFDS source need TensorFlow.
        return [source[i] for i in range(len(source))]


def read_csi(prepared_dir: str | Path, split: str) -> Csi:
    """The CSI of a split, in numpy arrays; args and errors as in `read`.

    Raises:
      DataError: the set holds another type.
    """
    return _read_tensor(prepared_dir, split, Csi)


def read_beams(prepared_dir: str | Path, split: str) -> Sweeps:
    """The beam sweeps of a split; as `read_csi`."""
    return _read_tensor(prepared_dir, split, Sweeps)


def read_traffic(prepared_dir: str | Path, split: str) -> Traffic:
    """The traffic series of a split; as `read_csi`."""
    return _read_tensor(prepared_dir, split, Traffic)


def open_arrays(
    manual_dir: str | PathLike[str], file: str, arrays: Sequence[str], source: str
) -> dict[str, np.ndarray]:
    """For builders: the named arrays of a fetched .npz file.

    Args:
      manual_dir: the folder with the file.
      file: its name.
      arrays: the arrays that are needed.
      source: where to get it, for the error.

    Raises:
      DataError: the file or one of the arrays is missing.
    """
    path = Path(manual_dir) / file
    if not path.is_file():
        raise DataError(f"manual_dir: {path} is missing; get it from {source}")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as npz:
            names = npz.files
            found = {name: npz[name] for name in arrays if name in names}
    except BROKEN as error:
        raise DataError(
            f"manual_dir: {path} cannot be read; get it again from {source}"
        ) from error
    if missing := [name for name in arrays if name not in found]:
        raise DataError(f"{path}: lacks the arrays {missing}; found {names}")
    return found


def read_card(manual_dir: str | PathLike[str], file: str) -> str:
    """For builders: the text of the JSON card that lies beside the data, or "".

    It is kept in the metadata of the prepared folder, since the MIT and BSD licences
    require their text to stay with the data.
    """
    path = Path(manual_dir) / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def read_tensor(prepared_dir: str | Path, split: str) -> Data:
    """The data of a split, in numpy arrays; args and errors as in `read`."""
    rows = read(prepared_dir, split)
    file = Path(prepared_dir) / "metadata.json"
    metadata = json.loads(file.read_text()) if file.is_file() else {}
    return assemble(rows, metadata)


def _read_tensor(prepared_dir: str | Path, split: str, kind: type[Data]) -> Any:
    data = read_tensor(prepared_dir, split)
    if type(data) is not kind:
        raise DataError(
            f"prepared_dir: found {type(data).__name__} in {prepared_dir}; "
            f"needed {kind.__name__}"
        )
    return data


def _check_manual_dir(name: str, manual_dir: str | Path | None) -> None:
    if manual_dir is None or not Path(manual_dir).is_dir():
        raise DataError(f"manual_dir: {manual_dir} is no folder; needed by {name}")
    if not any(Path(manual_dir).iterdir()):
        raise DataError(f"manual_dir: {manual_dir} is empty; needed by {name}")


def _check_recipe(builder: Any, folder: Path) -> None:
    """DataError: the folder was prepared from another recipe of the same name."""
    recipe = getattr(builder.builder_config, "recipe", dict)()
    found = builder.info.metadata.get("recipe", {})
    other = sorted(name for name in recipe if recipe[name] != found.get(name))
    if other:
        raise DataError(
            f"config: {folder} was prepared with another {', '.join(other)}; needed is "
            "another name of the config, or to delete the folder"
        )


def _beam(runner: str | None, options: Sequence[str]) -> dict[str, Any]:
    """Arguments of TFDS for Apache Beam."""
    if runner is None:
        return {}
    try:
        options_module = importlib.import_module("apache_beam.options.pipeline_options")
    except ImportError as cause:
        raise DataError(
            "beam_runner: apache_beam cannot be imported; needed is pip install "
            "apache-beam"
        ) from cause
    parsed = options_module.PipelineOptions([f"--{option}" for option in options])
    return {"beam_runner": runner, "beam_options": parsed}


def _find_builder(name: str, datasets_dir: str | Path | None) -> Any:
    if datasets_dir is None and not DATASETS_DIR.is_dir():
        raise DataError(
            f"datasets_dir: found no {DATASETS_DIR}, wlam is not used from a checkout; "
            "needed is datasets_dir, the datasets folder of one"
        )
    folder = Path(datasets_dir or DATASETS_DIR).resolve() / name
    file = folder / f"{name}_dataset_builder.py"
    if not file.is_file():
        raise DataError(
            f"name: no builder for {name!r} in {folder.parent}; needed is "
            f"{name}/{file.name} (give datasets_dir, a checkout's datasets folder)"
        )
    return _builder_class(file)


@functools.cache
def _builder_class(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Unregistered, so that two checkouts may be used in one process.
    with _quiet(), registered.skip_registration():
        spec.loader.exec_module(module)
    return module.Builder


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences prints, logs, warnings and progress bars of TFDS; errors stay."""
    verbosity = logging.get_verbosity()
    tfds.disable_progress_bar()  # for the whole process: TFDS has no getter
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
