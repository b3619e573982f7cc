"""Configs: every one builds, overrides work, JSON gives back what was written."""

from pathlib import Path

import jax
import pytest

from wlam.config import Config, from_json, load_config, to_json
from wlam.tasks import TASKS
from wlam.training.state import init_state

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
QUICKSTART = str(Path(__file__).parents[1] / "configs" / "quickstart.py")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds(path):
    """Shapes only; and the header tells what a run takes and gives."""
    config = load_config(str(path), [])
    state = jax.eval_shape(lambda: init_state(config))
    assert sum(x.size for x in jax.tree.leaves(state["params"])) > 1000
    for case in [*config.mixture.values(), *config.evaluation.values()]:
        assert case.task in TASKS
    header = path.read_text().split('"""')[1]
    for word in ("command", "hardware", "time", "expected"):
        assert word in header, f"{path.name}: the header lacks '{word}'"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_json_round_trip(path):
    config = load_config(str(path), [])
    assert from_json(to_json(config)) == config


def test_training_and_evaluation_share_no_carrier_profile_interval_or_spacing():
    """Zero-shot means unseen."""
    config = load_config(QUICKSTART, [])
    fields = ("carriers_hz", "profiles", "time_steps_s", "subcarrier_spacings_hz")
    for case in config.evaluation.values():
        for part in config.mixture.values():
            if part.task != case.task:
                continue
            for field in fields:
                if field == "time_steps_s" and case.task == "csi_frequency":
                    continue  # along frequency the interval is the spacing
                if field == "subcarrier_spacings_hz" and case.task == "csi_time":
                    continue
                seen = set(getattr(part.source, field, ()))
                assert not seen & set(getattr(case.source, field, ())), field
            if hasattr(case.source, "speeds_kmh"):
                assert case.source.speeds_kmh[0] >= part.source.speeds_kmh[1]


def test_overrides_reach_every_depth():
    arguments = ["--steps", "40", "--model.backbone.width", "64", "--run", "x"]
    config = load_config(QUICKSTART, arguments)
    assert (config.steps, config.model.backbone.width, config.run) == (40, 64, "x")
    other = load_config(QUICKSTART, ["--mixture.beam.source.num-beams", "8"])
    assert other.mixture["beam"].source.num_beams == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--steps", "15"], "steps: found 15"), (["--rows", "0"], "rows: found 0")],
)
def test_impossible_values_are_named(arguments, message, capsys):
    with pytest.raises((ValueError, SystemExit)) as error:
        load_config(QUICKSTART, arguments)
    assert message in str(error.value) + capsys.readouterr().err


def test_missing_file_and_wrong_file(tmp_path):
    with pytest.raises(ValueError, match="CONFIG: no file"):
        load_config(str(tmp_path / "none.py"), [])
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match=r"CONFIG: .* defines config of type NoneType"):
        load_config(str(tmp_path / "empty.py"), [])


def test_a_config_from_elsewhere_cannot_name_foreign_code():
    with pytest.raises(ValueError, match="needed one of wlam's"):
        from_json({"_": "os:system"})
    with pytest.raises(ValueError, match="no dataclass"):
        from_json({"_": "wlam.config:load_config"})
    with pytest.raises(ValueError, match="no field"):
        from_json({"_": "wlam.config:MeshConfig", "colour": 1})
    assert isinstance(from_json(to_json(load_config(QUICKSTART, []))), Config)
