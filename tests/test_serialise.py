"""Configs as JSON: every released one loads, wherever its classes are now."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

from wlam.config import Config
from wlam.serialise import MOVED, from_json, to_json

MODELS = Path(__file__).parents[1] / "models"
RELEASED = sorted(MODELS.rglob("config.json"))


@pytest.mark.parametrize(
    "file", RELEASED, ids=lambda f: str(f.parent.relative_to(MODELS))
)
def test_the_config_of_every_released_model_loads(file):
    config = from_json(json.loads(file.read_text())["config"])
    assert isinstance(config, Config)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize("path", MOVED.values())
def test_every_class_is_where_it_is_said_to_be(path):
    module, _, name = path.partition(":")
    assert dataclasses.is_dataclass(getattr(importlib.import_module(module), name))


def test_no_class_has_moved_on_from_where_another_went():
    assert not MOVED.keys() & set(MOVED.values())


@pytest.mark.parametrize("path", ["os:system", "wlam.nowhere:Config", "wlam.hub:load"])
def test_only_dataclasses_of_wlam_are_made(path):
    with pytest.raises(ValueError, match="config: "):
        from_json({"_": path})
