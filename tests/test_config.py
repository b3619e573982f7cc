"""Configs: every one builds, overrides work, JSON gives back what was written."""

import runpy
from dataclasses import replace
from pathlib import Path

import jax
import pytest
from flax import nnx

from wlam.config import Config, load_config
from wlam.evaluation.evaluator import Evaluator
from wlam.serialise import from_json, to_json
from wlam.tasks import TASKS
from wlam.tasks.mixture import samples_per_step, shares
from wlam.training.state import init_state

FOLDER = Path(__file__).parents[1] / "configs"
QUICKSTART, TINY, LITTLE, PEERS, ABLATIONS, BACKBONES, IRREGULAR, *MORE = (
    str(FOLDER / f"{name}.py")
    for name in (
        *("quickstart", "tiny", "little", "peers", "ablations"),
        *("backbones", "irregular", "tracker", "beamformer"),
        *("beamforming", "estimation"),
    )
)
TRACKER, BEAMFORMER, BEAMFORMING, ESTIMATION = MORE
SEVERAL = {PEERS, ABLATIONS, BACKBONES, IRREGULAR, *MORE}
# Of the peers one of each kind; the others differ in their task.
CONFIGS = [
    str(path) for path in sorted(FOLDER.glob("*.py")) if str(path) not in SEVERAL
]
CONFIGS += [
    f"{PEERS}:{name}"
    for name in ("wifo", "lstm_csi_time", "gru_beam", "dlinear_traffic")
]
CONFIGS += [f"{ABLATIONS}:{name}" for name in ("without_time", "four_settings")]
CONFIGS += [f"{BACKBONES}:lrc", f"{IRREGULAR}:ode_lstm", f"{TRACKER}:cfc"]
CONFIGS += [f"{BEAMFORMER}:liquid", f"{BEAMFORMING}:tracks", f"{ESTIMATION}:mimo"]


def stem(path):
    return path.removeprefix(f"{FOLDER}/")


@pytest.mark.parametrize("path", CONFIGS, ids=stem)
def test_every_config_builds(path):
    """Shapes only; and the header tells what a run takes and gives."""
    config = load_config(path, [])
    state = jax.eval_shape(lambda: init_state(config))
    assert sum(x.size for x in jax.tree.leaves(state["params"])) > 1000
    for source in config.mixture.values():
        assert source.task in TASKS
    for case in config.evaluation.values():
        assert isinstance(case, Evaluator)
    header = Path(path.partition(":")[0]).read_text().split('"""')[1]
    for word in ("command", "hardware", "time", "expected"):
        assert word in header, f"{stem(path)}: the header lacks '{word}'"


def test_peers_are_as_large_as_their_models_and_see_as_many_samples():
    tiny, little = load_config(TINY, []), load_config(LITTLE, [])
    share = shares(tiny.mixture, tiny.temperature)
    samples = samples_per_step(tiny.mixture, share, tiny.rows)
    peers = runpy.run_path(PEERS)["configs"]
    assert len(peers) == 2 + 3 * 4 + 2
    for name, config in peers.items():
        share = shares(config.mixture, config.temperature)
        found = samples_per_step(config.mixture, share, config.rows)
        assert found.items() <= samples.items(), name
        beside = little if name == "wifo_little" else tiny
        assert config.steps == beside.steps
        tasks = {part.task for part in config.mixture.values()}
        assert len(tasks) == (2 if name.startswith("wifo") else 1), name
    sizes = {"wifo_little": (1_370_000, 1_380_000)}
    for name in ("wifo", "wifo_little", "transformer_beam", "lstm_beam", "gru_beam"):
        make = peers[name].model.build
        model = nnx.eval_shape(lambda make=make: make(nnx.Rngs(0)))
        count = sum(x.size for x in jax.tree.leaves(nnx.state(model)))
        low, high = sizes.get(name, (340_000, 420_000))
        assert low < count < high, name


def test_compared_backbones_are_equally_large_and_see_the_same():
    configs = runpy.run_path(BACKBONES)["configs"]
    sizes = {}
    for name, config in configs.items():
        params = jax.eval_shape(lambda config=config: init_state(config))["params"]
        sizes[name] = sum(x.size for x in jax.tree.leaves(params))
        same = replace(config, model=configs["lstm"].model, run="")
        assert same == replace(configs["lstm"], run="")
    assert max(sizes.values()) < 1.1 * min(sizes.values())


def test_ablations_keep_as_many_samples_of_what_they_keep():
    tiny = load_config(TINY, [])
    share = shares(tiny.mixture, tiny.temperature)
    samples = samples_per_step(tiny.mixture, share, tiny.rows)
    for name, config in runpy.run_path(ABLATIONS)["configs"].items():
        share = shares(config.mixture, config.temperature)
        found = samples_per_step(config.mixture, share, config.rows)
        assert found.items() <= samples.items(), name
        assert len(found) < len(samples), name
        assert (config.steps, config.model) == (tiny.steps, tiny.model), name


@pytest.mark.parametrize("path", CONFIGS, ids=stem)
def test_json_round_trip(path):
    config = load_config(path, [])
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
    wifo = load_config(f"{PEERS}:wifo", ["--model.width", "128"])
    assert wifo.model.width == 128


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "15"], "steps: found 15"),
        (["--rows", "0"], "rows: found 0"),
        (["--checkpoint.keep", "0"], "keep: found 0; needed 1 or more"),
        (["--checkpoint.every-minutes", "0"], "every_minutes: found 0.0; needed more"),
        (["--mesh.data", "0"], "mesh: found 0 x 1 devices; needed 1 or more"),
        (["--conflicts-every", "7"], "conflicts_every: found 7; needed a multiple"),
    ],
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
    for wrong in (PEERS, f"{PEERS}:nobody"):
        with pytest.raises(
            ValueError, match=r"CONFIG: .*:NAME, one of wifo, wifo_little, transf"
        ):
            load_config(wrong, [])
    with pytest.raises(ValueError, match=r"CONFIG: .*tiny.py:NAME, one of none"):
        load_config(f"{TINY}:tiny", [])


def test_a_config_from_elsewhere_cannot_name_foreign_code():
    with pytest.raises(ValueError, match="needed one of wlam's"):
        from_json({"_": "nowhere_imported:System"})
    with pytest.raises(ValueError, match="no dataclass"):
        from_json({"_": "os:system"})  # imported, but no class
    with pytest.raises(ValueError, match="no dataclass"):
        from_json({"_": "wlam.config:load_config"})
    with pytest.raises(ValueError, match="no dataclass of this wlam version"):
        from_json({"_": "wlam.nn.gone:X"})
    with pytest.raises(ValueError, match="no field"):
        from_json({"_": "wlam.training.sharding:MeshConfig", "colour": 1})
    assert isinstance(from_json(to_json(load_config(QUICKSTART, []))), Config)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (f"{BEAMFORMER}:liquid", "white.source.num-times", 1500),
        (f"{TRACKER}:cfc", "tracks_5mps.samples", 7),
        (str(FOLDER / "generator.py"), "drawn.number", 7),
        (str(FOLDER / "array_estimator.py"), "far.channels", 7),
        (str(FOLDER / "estimator.py"), "slot.channels", 7),
    ],
)
def test_fields_of_evaluators_are_overridden(path, field, value):
    config = load_config(path, [f"--evaluation.{field}", str(value)])
    name, *inside = field.replace("-", "_").split(".")
    found = config.evaluation[name]
    for part in inside:
        found = getattr(found, part)
    assert found == value
