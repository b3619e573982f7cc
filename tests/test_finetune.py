"""Adapting a trained model to a file: what moves, what it reaches, that it survives."""

import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from wlam import hub
from wlam.adapt.lora import AdaptConfig
from wlam.config import Config
from wlam.evaluation.forecast import asked
from wlam.finetune import prepare, pretrained
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.serialise import from_json, to_json
from wlam.tasks import task_of
from wlam.tasks.own import OwnFile
from wlam.tasks.windows import cut_windows
from wlam.training.checkpoint import Checkpoints
from wlam.training.optimisers import OptimizerConfig
from wlam.training.sharding import make_mesh, tree_shardings
from wlam.training.state import init_state, model_params

ROOT = Path(__file__).parents[1]
PHI, CONTEXT, HORIZON = 0.8, 12, 4
BASE = Config(
    run="unset",
    mixture={},
    evaluation={},
    model=PredictorConfig(TransformerConfig(width=16, layers=1, heads=2), patch=4),
)


def adapted(init, **more):
    return Config(
        mixture={},
        evaluation={},
        init=str(init),
        steps_per_dispatch=10,
        validate_every=0,
        optimizer=OptimizerConfig(1e-2, warmup_steps=20, weight_decay=0.0),
        **{"steps": 20, "rows": 64, **more},
    )


def save(config, state, step):
    with Checkpoints(config.run) as checkpoints:
        checkpoints.save(step, state, config)


def begin(config):
    """As train.py begins a run."""
    return jax.jit(partial(init_state, config))(pretrained(config))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run's folder, whose model knows nothing."""
    config = replace(BASE, run=str(tmp_path_factory.mktemp("base") / "run"))
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: init_state(config))["params"]
    start = jax.tree.map(
        lambda x: rng.normal(size=x.shape, scale=x.shape[0] ** -0.5).astype(x.dtype),
        shapes,
    )
    save(config, jax.jit(partial(init_state, config))(start), 0)
    return config.run


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A file of AR(1) series, x[t + 1] = phi x[t] + w, w of unit variance."""
    path = tmp_path_factory.mktemp("own") / "ar1.npz"
    rng = np.random.default_rng(0)
    x = np.zeros((320, 48), np.float32)
    x[:, 0] = rng.normal(size=320) / np.sqrt(1 - PHI**2)
    for t in range(1, 48):
        x[:, t] = PHI * x[:, t - 1] + rng.normal(size=320)
    np.savez(path, series=x[..., None], time_step_s=1.0)
    return OwnFile(str(path), context=CONTEXT, horizon=HORIZON)


def squared_errors(config, model):
    """Of every step of the horizon, over all windows that are held out."""
    ((name, evaluator),) = config.evaluation.items()
    case, task = evaluator.case(name), task_of(evaluator.task)
    sequences = task.sequences(case.data)
    windows = cut_windows(sequences, case.context, case.horizon, tail=case.tail)
    assert len(windows.target) == 64 * 9
    forecast = asked(model, task, windows)
    return ((forecast - windows.target) ** 2).mean((0, 2))


@pytest.fixture(scope="module")
def probe(base, own, tmp_path_factory):
    """Heads that are trained to the end: (config, advance, first and last state)."""
    run = str(tmp_path_factory.mktemp("probe") / "run")
    given = adapted(base, run=run, own=own, adapt=AdaptConfig("head"), steps=150)
    config, notes = prepare(given)
    assert "trained on (256, 48, 1), held out (64, 48, 1)" in notes[-1]
    advance = jax.jit(config.learner.build(config).advance)
    first = state = begin(config)
    for _ in range(15):
        state, _ = advance(state)
    save(config, state, 150)
    return given, advance, first, state


def kriging_bound():
    """Of who knows phi and not the mean, which rows are centred on: ordinary kriging.

    h steps ahead (1 - phi^2h) / (1 - phi^2), and (1 - phi^h)^2 times the variance of
    the best unbiased mean of the context.
    """
    h, left = 1 + np.arange(HORIZON), 1 - PHI
    of_mean = 1 / ((CONTEXT - 2) * left**2 + 2 * left)
    return (1 - PHI ** (2 * h)) / (1 - PHI**2) + (1 - PHI**h) ** 2 * of_mean


def test_the_probe_reaches_the_bound_on_what_is_held_out(base, probe):
    config, _ = prepare(probe[0])
    frozen = squared_errors(config, hub.load(base)) / kriging_bound()
    ours = squared_errors(config, hub.load(config.run)) / kriging_bound()
    print("squared error over the bound: frozen", frozen, "adapted", ours)
    assert ours.mean() < 0.8 * frozen.mean()
    np.testing.assert_allclose(ours, np.ones(HORIZON), atol=0.25)


def test_frozen_parameters_do_not_move_and_have_no_optimiser_memory(base, probe):
    config, _, first, last = probe
    config, _ = prepare(config)
    start = pretrained(config)
    merged = model_params(last, config)
    assert jax.tree.structure(merged) == jax.tree.structure(start)
    for part in ("backbone", "embed", "granularity"):
        jax.tree.map(np.testing.assert_array_equal, merged[part], start[part])
    assert any(
        np.any(a != b)
        for a, b in zip(
            *map(jax.tree.leaves, (merged["head"], start["head"])), strict=True
        )
    )
    moments = sum(x.size for x in jax.tree.leaves(last["optimizer"]) if x.ndim)
    count = sum(x.size for x in jax.tree.leaves(start["head"]))
    assert moments == 2 * count
    # The first state is the trained model, whatever moves.
    jax.tree.map(np.testing.assert_array_equal, model_params(first, config), start)


def test_a_resumed_run_needs_no_init_and_gives_the_same_bits(base, probe, tmp_path):
    config, advance, _, _ = probe
    gone = tmp_path / "gone"
    shutil.copytree(base, gone)
    config = replace(config, init=str(gone), run=str(tmp_path / "run"))
    ready, _ = prepare(config)
    half, _ = advance(begin(ready))
    save(ready, half, 10)
    whole, _ = advance(half)

    shutil.rmtree(gone)
    again, _ = prepare(config)
    assert again == ready
    assert from_json(to_json(again)) == ready
    shapes = jax.eval_shape(lambda: init_state(again))
    with Checkpoints(again.run) as checkpoints:
        shardings = tree_shardings(shapes, make_mesh(again.mesh))
        restored = checkpoints.restore(shapes, shardings, again)
    resumed, _ = advance(jax.tree.map(np.asarray, restored))
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    with pytest.raises(ValueError, match="model: no folder"):
        prepare(replace(config, run=str(tmp_path / "other")))


@pytest.fixture(scope="module")
def low_rank(base, own, tmp_path_factory):
    """Low ranks that are not zero any more: (config, state)."""
    run = str(tmp_path_factory.mktemp("low_rank") / "run")
    adapt = AdaptConfig("lora", rank=2)
    config, _ = prepare(adapted(base, run=run, own=own, adapt=adapt))
    state = begin(config)
    jax.tree.map(
        np.testing.assert_array_equal, model_params(state, config), pretrained(config)
    )
    rng = np.random.default_rng(0)
    state["params"] = jax.tree.map(
        lambda x: rng.normal(size=x.shape).astype(np.float32), state["params"]
    )
    save(config, state, 10)
    return config, state


def test_a_step_of_low_ranks_keeps_no_memory_of_the_rest(low_rank):
    config, state = low_rank
    after, metrics = jax.eval_shape(config.learner.build(config).advance, state)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert metrics["loss/own"].shape == (10,)
    moved = sum(x.size for x in jax.tree.leaves(state["params"]))
    assert moved == 2 * (64 + 32 + 80 + 80)
    moments = sum(x.size for x in jax.tree.leaves(state["optimizer"]) if x.ndim)
    assert moments == 2 * moved


def test_what_is_loaded_and_released_is_the_merged_model(
    low_rank, base, tmp_path, monkeypatch
):
    config, state = low_rank
    monkeypatch.setattr(PredictorAPI, "golden", lambda model: {})  # compiles
    hub.release(config.run, tmp_path / "model")
    merged = model_params(state, config)
    for place in (config.run, tmp_path / "model"):
        params, _, step = hub.load_weights(place)
        assert step == 10
        jax.tree.map(np.testing.assert_array_equal, params, merged)
    start = pretrained(config)
    kernels = (t["backbone"]["blocks"][0]["up"]["kernel"] for t in (merged, start))
    assert np.linalg.matrix_rank(np.subtract(*kernels), tol=1e-5) == 2
    # Names of files stay, places on this machine do not.
    text = (tmp_path / "model" / hub.CONFIG).read_text()
    assert '"ar1.npz"' in text
    assert str(Path(str(config.own.data)).parent) not in text
    assert str(Path(base).parent) not in text
    # An adapted model may be adapted again.
    further = adapted(tmp_path / "model", run=str(tmp_path / "more"), own=config.own)
    start = pretrained(prepare(further)[0])
    jax.tree.map(np.testing.assert_array_equal, start, merged)


def test_channels_enter_as_they_will_be_predicted(base, tmp_path):
    rng = np.random.default_rng(0)
    csi = rng.normal(size=(2, 5, 24, 16, 4)).astype(np.float32)
    scalars = {"time_step_s": 1.0, "subcarrier_spacing_hz": 1.0, "carrier_hz": 1.0}
    np.savez(tmp_path / "csi.npz", csi=csi[0] + 1j * csi[1], **scalars)
    own = OwnFile(str(tmp_path / "csi.npz"))
    as_rows, _ = prepare(adapted(base, run=str(tmp_path / "a"), own=own))
    part = as_rows.mixture["own"]
    assert (part.context, part.source.steps, part.rows_per_sample) == (None, 24, 16)
    # A model of another kind, without an init.
    model = replace(BASE.model, channels=ChannelTokenizerConfig())
    whole, _ = prepare(replace(as_rows, init=None, model=model, own=own))
    part = whole.mixture["own"]
    assert (part.context, part.source.steps) == (16, 24)
    (case,) = whole.evaluation.values()
    assert (case.samples, case.context, case.horizon) == (1, 16, 8)
    # Pilots and what lies between them are the same steps.
    combs = OwnFile(own.data, task="csi_pilots_4", context=16, horizon=16)
    part = prepare(replace(whole, mixture={}, own=combs))[0].mixture["own"]
    assert (part.context, part.source.steps) == (16, 16)


def test_full_adaptation_starts_from_the_trained_model(base, own, tmp_path):
    config, _ = prepare(adapted(base, run=str(tmp_path / "run"), own=own))
    state = begin(config)
    assert "frozen" not in state
    jax.tree.map(np.testing.assert_array_equal, state["params"], pretrained(config))


def test_what_cannot_be_adapted_is_named(base, own, tmp_path):
    def problem(config):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            prepare(config)
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    config = adapted(base, run=str(tmp_path / "run"), own=own)
    nowhere = str(tmp_path / "nowhere")
    assert "model: no folder" in problem(replace(config, init=nowhere))
    other = replace(BASE.model, patch=8)
    assert "model: found another than that of" in problem(replace(config, model=other))
    assert prepare(replace(config, model=BASE.model))[0].model == BASE.model
    assert "mixture: found none; needed --data" in problem(
        replace(config, own=OwnFile())
    )
    np.savez(tmp_path / "short.npz", traffic=np.ones((4, 7)), time_step_s=1.0)
    short = OwnFile(str(tmp_path / "short.npz"), context=4, horizon=3)
    assert "needed at least two patches of the model, 8" in problem(
        replace(config, own=short)
    )
    csi = np.ones((3, 1, 8, 2), np.complex64)
    scalars = dict.fromkeys(("time_step_s", "subcarrier_spacing_hz", "carrier_hz"), 1.0)
    np.savez(tmp_path / "pilots.npz", csi=csi, **scalars)
    pilots = OwnFile(str(tmp_path / "pilots.npz"), "csi_estimate")
    assert "task: found csi_estimate, which trains estimators" in problem(
        replace(config, own=pilots)
    )
    with pytest.raises(ValueError, match="found 'lora' without a trained model"):
        replace(config, init=None, adapt=AdaptConfig("lora"))


@pytest.mark.slow  # programs of their own, as a user starts them
def test_from_the_command_line(trained_run, own, program_environment, tmp_path):
    def run(*command, code=0):
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env=program_environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stderr
        return done

    place = tmp_path / "adapted"
    given = ("--init", trained_run, "--data", own.data, "--run", place)
    window = ("--context", CONTEXT, "--horizon", HORIZON)
    command = ("train.py", "configs/adapt.py", *given, *window)
    assert "held out (64, 48, 1)" in run(*command, "--steps", 20).stdout
    assert "resuming" in run(*command, "--steps", 20).stdout
    for model in (place, trained_run):
        done = run("eval.py", model, "--cases", place)
        assert "held_out" in done.stdout
    done = run(*command, "--steps", 20, "--adapt.rank", 3, code=2)
    assert "train.py: adapt.rank: 3 here but 8 in" in done.stderr
    done = run(*command, "--adapt.method", "probe", code=2)
    assert "invalid choice 'probe'" in done.stderr
    done = run("train.py", "configs/adapt.py", *given[:2], code=2)
    assert "train.py: mixture: found none" in done.stderr
