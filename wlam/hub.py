"""Models on disk: load a run or a released model, and release a run.

A released model is a folder with `config.json`, `weights/` (orbax), `README.md` (the
card) and a golden pair: an input and the output it must give. Loading it runs no code
from the folder and asks no network.
"""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from orbax.checkpoint import v1 as ocp

from wlam.config import Config
from wlam.data.files import write_npz_atomic
from wlam.models.base import Model, Network
from wlam.models.beam_tracker.network import BeamTrackerForecaster
from wlam.models.continuous.network import ContinuousForecaster
from wlam.models.deq_estimator.network import CombinedEstimator
from wlam.models.estimator.api import ChannelEstimator
from wlam.models.generator.network import ChannelGenerator
from wlam.models.peers.channels import ChannelForecaster
from wlam.models.peers.dlinear import SeriesForecaster
from wlam.models.predictor.api import PredictorAPI
from wlam.serialise import RENAMED_PARAMETERS, from_json, to_json
from wlam.training.checkpoint import FOLDER, load_params
from wlam.training.state import init_state, model_params

Loaded = (
    PredictorAPI
    | ChannelEstimator
    | CombinedEstimator
    | ChannelGenerator
    | ChannelForecaster
    | SeriesForecaster
    | ContinuousForecaster
    | BeamTrackerForecaster
    | Model
)
"""What predicts, estimates or draws: a model of this repository, or a peer."""
CONFIG, WEIGHTS, GOLDEN = "config.json", "weights", "golden.npz"
RELEASED = Path(__file__).parents[1] / "models"
"""Where a checkout keeps released models, so that their names are enough."""


def load(path: str | Path) -> Loaded:
    """Loads a model that predicts.

    Args:
        path: a run's folder (the newest checkpoint is taken), a released model's, or
            the name of one in the checkout's models/.

    Raises:
        ValueError: there is no model at the path, or its files do not fit.
    """
    return load_with_config(path)[0]


def load_with_config(path: str | Path) -> tuple[Loaded, Config, int]:
    """Like `load`, with the experiment's config and the step of the weights."""
    params, config, step = load_weights(path)
    graph = nnx.graphdef(nnx.eval_shape(lambda: config.model.build(nnx.Rngs(0))))
    model = nnx.merge(graph, params)
    if isinstance(model, Network):
        return model.model(), config, step
    return PredictorAPI(model), config, step


def model_folder(path: str | Path) -> Path:
    """The folder of a run or of a released model, which may be given by its name.

    Raises:
        ValueError: there is none.
    """
    for folder in (Path(path), RELEASED / path):
        if folder.is_dir():
            return folder
    names = ", ".join(sorted(p.parent.name for p in RELEASED.glob(f"*/{CONFIG}")))
    raise ValueError(
        f"model: no folder {path}; needed a run, a released model's folder, or a "
        f"name of models/ ({names or 'there is none here'})"
    )


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


def golden_context() -> np.ndarray:
    """[4, 100, 1] float32, the input of every golden pair: tones, a trend, a step."""
    t = np.arange(100)
    rows = [np.sin(0.3 * t), np.cos(0.05 * t) + 0.02 * t, 0.1 * t, 1.0 * (t > 60)]
    return np.stack(rows)[..., None].astype(np.float32)


def golden_channel() -> np.ndarray:
    """[1, 16, 32] complex64, the same for channels: two tones in each of 4 x 8 bins.

    And what looks like noise, since fits of bare tones hang on the last bit.
    """
    t, k = np.arange(16.0)[:, None], np.arange(32.0)
    tones = np.exp(0.06j * k * t) + 0.5 * np.exp(0.6j * k - 1j * (1.2 - 0.03 * k) * t)
    noise = 0.1 * np.exp(2j * np.pi * (0.37 * t**2 + 1.618 * k**2 + 0.731 * t * k**2))
    return np.asarray((tones + noise) / (1 + k), np.complex64)[None]


def golden_pilots() -> np.ndarray:
    """[1, 16, 32] complex64, the same channel where every fourth step is known."""
    channel = golden_channel()
    channel[:, np.arange(channel.shape[1]) % 4 != 0] = np.nan
    return channel


def golden_sweeps() -> np.ndarray:
    """[1, 8, 32] float32, the same for sweeps: a beam moves, and some are missing."""
    t, k = np.arange(8.0)[:, None], np.arange(32.0)
    noise = 0.3 * np.cos(2 * np.pi * (0.37 * t**2 + 1.618 * k**2 + 0.731 * t * k**2))
    sweeps = -70 - 20 * np.tanh(abs(k - 9.3 - 0.7 * t) / 6) + noise
    sweeps[1, ::2] = np.nan
    return np.asarray(sweeps, np.float32)[None]


def golden_outputs(model: Loaded) -> dict[str, np.ndarray]:
    """What a model makes of the golden inputs, by the name of the array."""
    if isinstance(model, Model):
        return model.golden()
    if isinstance(model, ChannelEstimator):
        blocks = golden_channel()[:, None]
        told, blind = model.estimate(blocks, 0.01), model.estimate(blocks)
        return {"estimate": told, "blind_estimate": blind}
    if isinstance(model, CombinedEstimator):
        k = np.arange(math.prod(model.receiver.sensing.shape[:2]))
        seen = np.exp(2j * np.pi * (0.37 * k + 1e-3 * k**2)).astype(np.complex64)
        white = seen.reshape(1, *model.receiver.sensing.shape[:2])
        return {"estimate": model.estimate(white, 0.1)}
    if isinstance(model, ChannelGenerator):
        line_of_sight = {"state": "los"}
        return {"draws": model.draw(2, line_of_sight, guidance=2.0, calls=4)}
    found = {}
    if model.takes_rows:
        context = golden_channel() if model.only == "channels" else golden_context()
        rows = model.predict(context, interval=1e-3, horizon=24)
        found["forecast"] = rows
    if model.takes_channels:
        channel = model.predict(golden_channel(), interval=1e-3, horizon=8, grid=(4, 8))
        found["channel_forecast"] = channel
        if model.only is None:  # peers that forecast channels complete none
            found["channel_completed"] = model.complete(
                golden_pilots(), 1e5, "frequency", (4, 8)
            )
    if model.takes_sweeps or model.only == "sweeps":  # trackers complete none
        sweeps = model.predict(golden_sweeps(), interval=0.1, horizon=10, joint=True)
        found["sweep_forecast"] = sweeps
    return found


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
    network = model.network if isinstance(model, Model) else model.model
    ocp.save(str(draft / WEIGHTS), nnx.to_pure_dict(nnx.state(network)))
    # Orbax writes there which folder of this machine it was.
    for mark in (draft / WEIGHTS).glob("commit_success.txt"):
        mark.write_text("")
    write_npz_atomic(draft / GOLDEN, **golden_outputs(model))
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
