"""Contexts, targets and the loss."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.series_loss import draw_context, next_patches, series_loss
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.training.objective import total_loss
from wlam.types import TIME, SeriesBatch

N, P = 6, 4


def test_every_context_length_occurs():
    hidden, n = draw_context(jax.random.key(0), 20_000, N, P)
    first = hidden.sum(1)
    length = n * P - first
    assert set(np.unique(length)) == set(range(1, (N - 1) * P + 1))
    # Hidden samples come first, and none of them later.
    np.testing.assert_array_equal(hidden, jnp.arange(N * P)[None] < first[:, None])
    assert (first == 0).mean() > 0.1  # whole contexts are common


def test_next_patches():
    x = jnp.arange(12.0)[None]
    target, exists = next_patches(x, patch=4, horizon=6)
    np.testing.assert_array_equal(target[0, 0], jnp.arange(4.0, 10.0))
    np.testing.assert_array_equal(exists[0], True)
    np.testing.assert_array_equal(exists[1], [1, 1, 1, 1, 0, 0])
    assert not exists[2].any()


@pytest.fixture(scope="module")
def loss_of():
    """The loss of rows under an untrained model, compiled once for every shape."""
    config = PredictorConfig(TransformerConfig(width=8, layers=1, heads=2), patch=P)
    model = config.build(nnx.Rngs(0))
    loss = jax.jit(lambda rows: series_loss(model, rows, jax.random.key(0))[0])

    def of(values, clean=None, **more):
        clean, interval = values if clean is None else clean, np.full(len(values), 1e-3)
        about = (jnp.asarray(interval, jnp.float32), TIME, True)
        return loss(SeriesBatch(values, clean, *about, **more))

    return of


def test_the_loss_has_no_unit(loss_of):
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))
    np.testing.assert_allclose(loss_of(x), loss_of(1e-6 * x), rtol=1e-4)
    np.testing.assert_allclose(loss_of(x), loss_of(100 * x + 50), rtol=1e-3)


def test_beyond_the_bound_errors_count_linearly(loss_of):
    """Huber's slope is the bound, 2; near 0 it is that of the median, 1.

    But for rows of so little spread that their targets are cut.
    """
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))

    def slope(**more):
        return float(loss_of(x, x + 9, **more) - loss_of(x, x + 8, **more))

    assert slope() == pytest.approx(2 * slope(linear_beyond=1e-3), rel=0.05)


def test_constant_rows_are_left_out(loss_of):
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))
    constant = jnp.ones((64, 1, N * P))
    assert loss_of(constant) == 0
    assert jnp.isfinite(loss_of(jnp.where(jnp.arange(N * P) > 12, x, 1.0)))


def test_what_was_not_measured_is_hidden_and_what_nobody_knows_does_not_count(loss_of):
    values = np.random.default_rng(3).normal(size=(64, 1, N * P)).astype(np.float32)
    clean = values.copy()
    holes = values.copy()
    holes[:, :, ::3] = np.nan
    holes, values, clean = map(jnp.asarray, (holes, values, clean))
    found = loss_of(holes, clean)
    assert np.isfinite(found)
    assert abs(found - loss_of(values, clean)) > 1e-4
    # A row without targets is left out like one that is constant.
    unknown, constant = clean.at[0].set(jnp.nan), values.at[0].set(1.0)
    np.testing.assert_allclose(
        loss_of(values, unknown), loss_of(constant, clean), rtol=1e-5
    )


@pytest.mark.parametrize("steps", [P, N * P - 1])
def test_sequences_that_are_no_patches_are_named(loss_of, steps):
    with pytest.raises(ValueError, match=f"source: sequences of {steps} steps"):
        loss_of(jnp.zeros((2, 1, steps)))


def test_targets_are_the_clean_series(loss_of):
    x = jax.random.normal(jax.random.key(0), (64, 1, N * P))
    assert loss_of(x, clean=jnp.zeros_like(x)) != loss_of(x)


# Guesses and quantiles would be compiled too.
EXPERTS = PredictorConfig(
    TransformerConfig(width=8, layers=2, heads=2, experts=4, balance=0.3),
    patch=P,
    quantiles=(),
    baselines=False,
)
ADAM = optax.adam(1e-2)
KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def skewed():
    """A model of four experts, two of which the routers know: (graph, parameters)."""
    model = EXPERTS.build(nnx.Rngs(0))
    for block in model.backbone.blocks:
        kernel = block.experts.router.kernel
        one = 3 * kernel[...][:, :1]
        kernel[...] = jnp.concatenate([one, -one, 0 * one, 0 * one], axis=1)
    graph, params = nnx.split(model)
    return graph, nnx.to_pure_dict(params)


@pytest.fixture(scope="module")
def mixture():
    """Two tasks: (batch, shares)."""
    x = jax.random.normal(jax.random.key(0), (24, 1, N * P))
    interval = jnp.full(24, 1e-3)
    one, other = (SeriesBatch(v, v, interval, TIME, center=True) for v in (x, abs(x)))
    return {"one": one, "other": other}, {"one": 0.25, "other": 0.75}


@pytest.fixture(scope="module")
def learned(skewed, mixture):
    """What each of 60 steps found: the loss, those of the tasks, figures of experts."""
    graph, params = skewed
    step = jax.value_and_grad(
        lambda p: total_loss(graph, p, *mixture, KEY), has_aux=True
    )

    def advance(carry, _):
        params, memory = carry
        (loss, (losses, figures)), gradient = step(params)
        updates, memory = ADAM.update(gradient, memory)
        return (optax.apply_updates(params, updates), memory), (loss, losses, figures)

    start = params, ADAM.init(params)
    return jax.jit(lambda carry: jax.lax.scan(advance, carry, length=60)[1])(start)


def test_experts_add_their_imbalance_to_the_loss_and_training_mends_it(
    mixture, learned
):
    loss, losses, figures = learned
    shares = mixture[1]
    tasks = sum(shares[name] * losses[name] for name in shares)
    # The weight times the sum over two layers, of which the mean is logged.
    added = 0.3 * 2 * figures["experts/balance"]
    np.testing.assert_allclose(loss, tasks + added, rtol=1e-5)
    balance, largest = figures["experts/balance"], figures["experts/largest_share"]
    print("balance", balance[9::10], "largest share", largest[9::10])
    assert balance[0] > 1.8  # two experts share everything
    assert largest[0] >= 0.5
    assert balance[-10:].mean() < 1.1
    assert largest[-10:].mean() < 0.4
    assert np.isfinite(loss).all()
    assert tasks[-1] < tasks[0]


def test_experts_of_all_tasks_are_balanced_together(skewed, mixture, learned):
    """The load of a mixture is that of its parts as one set of tokens."""
    graph, params = skewed
    batch, _ = mixture

    @jax.jit
    def loads_of(params):
        model = nnx.merge(graph, params)
        keys = (jax.random.fold_in(KEY, i) for i in range(2))
        parts = zip(sorted(batch), keys, strict=True)
        return [series_loss(model, batch[name], key)[1] for name, key in parts]

    loads = loads_of(params)
    used = np.sum([load.used for load in loads], axis=0)
    wished = np.sum([load.wished for load in loads], axis=0)
    share, chance = (x / x.sum(1, keepdims=True) for x in (used, wished))
    balance = 4 * (share * chance).sum(1).mean()
    found = {name: x[0] for name, x in learned[2].items()}  # of the first step
    np.testing.assert_allclose(found["experts/balance"], balance, rtol=1e-4)
    np.testing.assert_allclose(found["experts/largest_share"], share.max(), rtol=1e-4)
    # Tokens of hidden patches are not counted.
    assert used.sum(1).max() < 2 * 24 * N


def test_without_experts_nothing_is_added(mixture):
    plain = replace(EXPERTS, backbone=TransformerConfig(width=8, layers=1, heads=2))
    graph, params = nnx.split(nnx.eval_shape(lambda: plain.build(nnx.Rngs(0))))
    _, (losses, figures) = jax.eval_shape(
        lambda p: total_loss(graph, p, *mixture, KEY), params
    )
    assert losses.keys() == {"one", "other"}
    assert figures == {}
