"""Models on disk: load a run or a released model, and release a run.

A released model is a folder with `config.json`, `weights/` (orbax), `README.md` (the
card) and a golden pair: an input and the output it must give. Loading it runs no code
from the folder and asks no network.
"""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from orbax.checkpoint import v1 as ocp

from wlam.config import Config
from wlam.data.files import write_npz_atomic
from wlam.models.base import Card, Model
from wlam.serialise import RENAMED_PARAMETERS, from_json, to_json
from wlam.training.checkpoint import FOLDER, load_params
from wlam.training.state import init_state, model_params

CONFIG, WEIGHTS, GOLDEN = "config.json", "weights", "golden.npz"
PACKAGED = Path(__file__).with_name("released")
"""Where a wheel has the released models, see setup.py."""
RELEASED = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[1] / "models"
"""Where released models are, here or in a checkout, so that their names are enough."""


def load(path: str | Path) -> Model:
    """Loads a model that predicts.

    Args:
        path: a run's folder (the newest checkpoint is taken), a released model's, or
            the name of one in the checkout's models/.

    Raises:
        ValueError: there is no model at the path, or its files do not fit.
    """
    return load_with_config(path)[0]


def load_with_config(path: str | Path) -> tuple[Model, Config, int]:
    """Like `load`, with the experiment's config and the step of the weights."""
    params, config, step = load_weights(path)
    graph = nnx.graphdef(nnx.eval_shape(lambda: config.model.build(nnx.Rngs(0))))
    model = nnx.merge(graph, params).model()
    model.card = card_of(model_folder(path), step)
    return model, config, step


def card_of(folder: Path, step: int = 0) -> Card:
    """What a model's folder says of it: its name, and the card's first paragraph."""
    about, readme = "", folder / "README.md"
    if readme.is_file():
        parts = readme.read_text().split("\n\n")
        texts = (part for part in parts if not part.startswith(("#", "|", "-", "```")))
        about = " ".join(next(texts, "").split())
    return Card(folder.absolute().name, about, step)


def model_folder(path: str | Path) -> Path:
    """The folder of a run or of a released model, which may be given by its name.

    Raises:
        ValueError: there is none.
    """
    for folder in (Path(path), RELEASED / path):
        if folder.is_dir():
            return folder
    raise ValueError(
        f"model: no folder {path}; needed a run, a released model's folder, or the "
        f"name of a released model ({', '.join(released()) or 'there is none here'})"
    )


def released() -> list[str]:
    """Names of the models that `load` finds by name: those of models/, or of the wheel.

    Peers, seeds and ablations have folders of their own there, and are not among them.
    """
    return sorted(file.parent.name for file in RELEASED.glob(f"*/{CONFIG}"))


def load_weights(path: str | Path) -> tuple[dict[str, Any], Config, int]:
    """The parameters alone, as a nested dict; else like `load_with_config`."""
    path = model_folder(path)
    if (path / FOLDER).is_dir():
        return load_params(path, state_shapes)
    if (path / CONFIG).is_file():
        return _load_released(path)
    raise ValueError(
        f"model: {path} holds neither {FOLDER}/ (a run) nor {CONFIG} (a released model)"
    )


def state_shapes(config: Config) -> Any:
    """Shapes of the training state; nothing is allocated."""
    return jax.eval_shape(lambda: init_state(config))


def release(run: str | Path, folder: str | Path) -> None:
    """Writes a run's newest weights as a model folder; the card is written by hand.

    Raises:
        ValueError: the folder exists already, or the run has no checkpoint.
    """
    folder = Path(folder).absolute()
    if folder.exists():
        raise ValueError(
            f"folder: {folder} exists; a released model is not overwritten"
        )
    model, config, step = load_with_config(run)
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    saved = _without_folders(to_json(replace(config, run=folder.name)))
    text = json.dumps({"step": step, "config": saved}, indent=1)
    (draft / CONFIG).write_text(text + "\n")
    ocp.save(str(draft / WEIGHTS), nnx.to_pure_dict(nnx.state(model.network)))
    # Orbax writes there which folder of this machine it was.
    for mark in (draft / WEIGHTS).glob("commit_success.txt"):
        mark.write_text("")
    write_npz_atomic(draft / GOLDEN, **model.golden())
    os.replace(draft, folder)


def _without_folders(node: Any) -> Any:
    """A config's JSON with the names of files, but not where they lay."""
    if isinstance(node, list):
        return [_without_folders(value) for value in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _without_folders(value) for name, value in node.items()}
    for name in ("init", "data"):
        if isinstance(kept.get(name), str):
            kept[name] = Path(kept[name]).name
    return kept


def _load_released(path: Path) -> tuple[Any, Config, int]:
    try:
        saved = json.loads((path / CONFIG).read_text())
        config, step = from_json(saved["config"]), int(saved["step"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"model: {path / CONFIG} cannot be used: {error}") from error
    home = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    # Those of the model: what was released of an adapted one is whole.
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=home),
        jax.eval_shape(lambda: model_params(init_state(config), config)),
    )
    names = RENAMED_PARAMETERS.get(saved["config"]["model"]["_"], {})
    try:
        found = ocp.load(str((path / WEIGHTS).absolute()), _as_named(shapes, names))
    except Exception as error:  # of many kinds, one of them Exception itself
        why = " ".join(str(error).split())[:200]
        raise ValueError(
            f"model: {path / WEIGHTS} is incomplete or of another model than {CONFIG} "
            f"says: {why}"
        ) from error
    return _as_placed(found, names), config, step


def _as_named(tree: dict[str, Any], names: dict[str, tuple[str, ...]]) -> Any:
    """Parameters by the names that they had in a file: old name -> where they are."""
    tree = dict(tree)
    for old, place in names.items():
        if len(place) == 1 and place[0] in tree:
            tree[old] = tree.pop(place[0])
        elif place[0] in tree and place[-1] in tree[place[0]]:
            tree[old] = tree[place[0]][place[-1]]
    for place in names.values():
        if len(place) > 1:
            tree.pop(place[0], None)
    return tree


def _as_placed(tree: dict[str, Any], names: dict[str, tuple[str, ...]]) -> Any:
    """The inverse of `_as_named`."""
    tree = dict(tree)
    for old, place in names.items():
        if old in tree:
            inside = tree
            for name in place[:-1]:
                inside = inside.setdefault(name, {})
            inside[place[-1]] = tree.pop(old)
    return tree
