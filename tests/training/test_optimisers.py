"""Optimisers against their equations: schedules, accumulation, averages, Muon."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

from wlam.config import Config
from wlam.hub import load_weights
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.training.checkpoint import Checkpoints
from wlam.training.optimisers import MuonConfig, OptimizerConfig, averaged
from wlam.training.sharding import tree_shardings
from wlam.training.state import model_params

RNG = np.random.default_rng(0)
PARAMS = {
    "backbone": {"kernel": jnp.asarray(RNG.normal(size=(6, 6)), jnp.float32)},
    "head": {
        "kernel": jnp.asarray(RNG.normal(size=(6, 24)), jnp.float32),
        "bias": jnp.asarray(RNG.normal(size=24), jnp.float32),
    },
}
PLAIN = OptimizerConfig(learning_rate=0.1, warmup_steps=0, clip_norm=1e9)


def gradients(seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), PARAMS
    )


def run(config, steps, found, params=PARAMS):
    """The parameters after each gradient, and the last state of the optimiser."""
    optimizer = config.build(steps)
    update, memory, path = jax.jit(optimizer.update), optimizer.init(params), []
    for gradient in found:
        updates, memory = update(gradient, memory, params)
        params = optax.apply_updates(params, updates)
        path.append(params)
    return path, memory


def close(a, b, **more):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **more), a, b)


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_by_default_the_state_is_that_of_older_checkpoints():
    """A clip without a state, then AdamW."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 9, 10)
    adamw = optax.adamw(schedule, b2=0.98, weight_decay=0.05)
    clip = optax.clip_by_global_norm(1.0)
    expected = jax.tree.structure(optax.chain(clip, adamw).init(PARAMS))
    found = OptimizerConfig().build(10).init(PARAMS)
    assert len(jax.tree.leaves(found)) == expected.num_leaves
    names = [
        jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(found)
    ]
    assert names[0] == "[1][0].count"
    assert "[1][0].mu['backbone']['kernel']" in names


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant"])
def test_schedules(kind):
    """Warm-up to the peak in 10 of 110 steps; half of it in the middle of the rest."""
    config = replace(PLAIN, schedule=kind, warmup_steps=10)
    rate = config.learning_rates(110)
    np.testing.assert_allclose([rate(0), rate(5), rate(10)], [0, 0.05, 0.1], atol=1e-7)
    middle, end = {"constant": (0.1, 0.1)}.get(kind, (0.05, 0.0))
    np.testing.assert_allclose([rate(60), rate(110)], [middle, end], atol=1e-7)
    quarter = {"cosine": (2 + 2**0.5) / 4, "linear": 0.75, "constant": 1.0}[kind]
    np.testing.assert_allclose(rate(35), 0.1 * quarter, rtol=1e-5)


def test_two_halves_of_a_batch_give_one_step_of_their_mean_gradient():
    halves = [gradients(i) for i in range(4)]
    mean = [
        jax.tree.map(lambda a, b: (a + b) / 2, *pair)
        for pair in (halves[:2], halves[2:])
    ]
    whole, _ = run(PLAIN, 2, mean)
    found, _ = run(replace(PLAIN, accumulate=2), 4, halves)
    equal(found[0], PARAMS)
    equal(found[1], found[2])
    close(found[1], whole[0], rtol=1e-5, atol=1e-6)
    close(found[3], whole[1], rtol=1e-5, atol=1e-6)


def test_the_average_of_the_parameters_has_its_closed_form():
    """d^n p_0 + (1 - d) sum_k d^(n - k) p_k, once for each update."""
    d, found = 0.7, [gradients(i) for i in range(6)]
    plain, _ = run(PLAIN, 6, found)
    path, memory = run(replace(PLAIN, ema=d), 6, found)
    equal(path, plain)
    expected = jax.tree.map(
        lambda first, *p: (
            d**6 * first + (1 - d) * sum(d ** (5 - k) * x for k, x in enumerate(p))
        ),
        PARAMS,
        *plain,
    )
    close(averaged(memory), expected, rtol=1e-5, atol=1e-6)
    path, memory = run(replace(PLAIN, ema=d, accumulate=3), 6, found)
    expected = jax.tree.map(
        lambda first, a, b: d**2 * first + (1 - d) * (d * a + b),
        *(PARAMS, path[2], path[5]),
    )
    close(averaged(memory), expected, rtol=1e-5, atol=1e-6)
    assert averaged(run(PLAIN, 6, found[:1])[1]) is None


def test_factors_of_the_rate_by_path_freeze_and_scale():
    found = [gradients(i) for i in range(3)]
    plain, _ = run(PLAIN, 3, found[:1])
    config = replace(PLAIN, rates=((r"^backbone/", 0.0), ("kernel$", 0.5)))
    path, _ = run(config, 3, found[:1])
    equal(path[0]["backbone"], PARAMS["backbone"])
    equal(path[0]["head"]["bias"], plain[0]["head"]["bias"])
    half, whole = (
        x[0]["head"]["kernel"] - PARAMS["head"]["kernel"] for x in (path, plain)
    )
    np.testing.assert_allclose(half, whole / 2, rtol=1e-3, atol=1e-6)
    assert abs(whole).min() > 0.01
    path, _ = run(config, 3, found)
    equal(path[-1]["backbone"], PARAMS["backbone"])


def test_updates_of_muon_are_nearly_orthogonal_and_those_of_the_rest_are_adams():
    """Singular values near 1 times rate and shape: 5 iterations leave 0.7 to 1.2."""
    config = MuonConfig(0.1, warmup_steps=0, weight_decay=0.0, clip_norm=1e9)
    assert config.adam_rate == 0.1
    path, _ = run(config, 9, [gradients(0)])
    moved = jax.tree.map(lambda a, b: np.asarray(a - b), path[0], PARAMS)
    for part, scale in (("backbone", 1.0), ("head", 2.0)):
        values = np.linalg.svd(moved[part]["kernel"], compute_uv=False)
        assert (values / 0.1 / scale).min() > 0.65, part
        assert (values / 0.1 / scale).max() < 1.25, part
    raw = np.linalg.svd(gradients(0)["backbone"]["kernel"], compute_uv=False)
    assert raw.max() / raw.min() > 5  # the gradient is not
    adam, _ = run(replace(PLAIN, learning_rate=0.01), 9, [gradients(0)])
    expected = adam[0]["head"]["bias"] - PARAMS["head"]["bias"]
    np.testing.assert_allclose(moved["head"]["bias"], expected, rtol=1e-3)


def test_muon_decays_matrices_only():
    config = MuonConfig(0.1, warmup_steps=0, weight_decay=0.5, schedule="constant")
    nothing = jax.tree.map(jnp.zeros_like, PARAMS)
    path, _ = run(config, 9, [nothing])
    equal(path[0]["head"]["bias"], PARAMS["head"]["bias"])
    close(path[0]["head"]["kernel"], 0.95 * PARAMS["head"]["kernel"], rtol=1e-5)


TINY = Config(
    run="",
    mixture={},
    evaluation={},
    model=PredictorConfig(
        TransformerConfig(width=8, layers=1, heads=2), patch=4, baselines=False
    ),
    optimizer=OptimizerConfig(ema=0.5, accumulate=2, rates=(("head", 0.1),)),
)
MOST = [TINY.optimizer, MuonConfig(ema=0.9, accumulate=2)]


@pytest.mark.parametrize("optimizer", MOST, ids=["adamw", "muon"])
def test_optimiser_state_has_the_sharding_of_its_parameter(optimizer):
    mesh = AbstractMesh((1, 4), ("data", "model"))
    config = replace(TINY, optimizer=optimizer)
    shapes = jax.eval_shape(config.learner.build(config).init)
    found = jax.tree_util.tree_leaves_with_path(tree_shardings(shapes, mesh))
    split = [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, sharding in found
        if sharding.spec == P(None, "model")
    ]
    ends = [path for path in split if path.endswith("backbone/blocks/0/up/kernel")]
    assert ends[-1].startswith("params/")
    # Sums of gradients and the average; one moment of Muon, two of AdamW.
    assert len(ends) == 1 + 2 + (1 if isinstance(optimizer, MuonConfig) else 2)


def test_the_average_is_loaded_and_the_state_can_be_donated(tmp_path):
    config = replace(TINY, run=str(tmp_path / "run"))
    learner = config.learner.build(config)
    state = jax.jit(learner.init)()
    state = jax.jit(lambda s: jax.tree.map(lambda x: x, s), donate_argnums=0)(state)
    average = jax.tree.map(lambda x: x + 1, averaged(state["optimizer"]))
    equal(model_params(state, config), state["params"])
    marked = jax.tree.map(
        lambda x: x._replace(average=average) if hasattr(x, "average") else x,
        state["optimizer"],
        is_leaf=lambda x: hasattr(x, "average"),
    )
    state = state | {"optimizer": marked}
    equal(learner.params(state), average)
    with Checkpoints(config.run) as checkpoints:
        checkpoints.save(2, state, config)
    params, again, _ = load_weights(config.run)
    assert again == config
    equal(params, average)


BAD = [
    ({"accumulate": 0}, r"optimizer\.accumulate: found 0; needed 1 or more"),
    ({"ema": 1.0}, r"optimizer\.ema: found 1\.0; needed a decay between 0 and 1"),
    ({"ema": 0.0}, r"optimizer\.ema: found 0\.0; needed"),
    ({"rates": (("up", -1.0),)}, r"optimizer\.rates: found -1\.0 for 'up'; needed a f"),
    ({"rates": (("up", np.nan),)}, r"optimizer\.rates: found nan for 'up'; needed"),
    ({"rates": (("(", 1.0),)}, r"optimizer\.rates: found '\(', .*; needed a pattern"),
    ({"momentum": 1.0}, r"optimizer\.momentum: found 1\.0; needed at least 0"),
    ({"adam_rate": -1.0}, r"optimizer\.adam_rate: found -1\.0; needed a factor"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_options_are_named(change, message):
    with pytest.raises(ValueError, match=message) as error:
        MuonConfig(**change)
    assert "\n" not in str(error.value)


def test_unused_patterns_and_too_short_runs_are_named():
    typo = replace(PLAIN, rates=(("backbome", 0.1),))
    with pytest.raises(
        ValueError, match=r"rates: found 'backbome', which is in no path"
    ):
        typo.build(9).init(PARAMS)
    with pytest.raises(ValueError, match=r"accumulate: found 4 in a run of 3 steps"):
        replace(PLAIN, accumulate=4).build(3)
