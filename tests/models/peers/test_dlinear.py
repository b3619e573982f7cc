"""The peer DLinear: two parts, windows, roll-outs, missing values, what it takes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import wlam
from wlam import hub
from wlam.config import Config
from wlam.evaluation.forecast import Case, evaluate, why_not
from wlam.models.peers.dlinear import DLinearConfig, last_steps, moving_average
from wlam.tasks import task_of
from wlam.training.checkpoint import Checkpoints
from wlam.training.objective import total_loss
from wlam.training.state import init_state
from wlam.types import (
    TIME,
    ChannelBatch,
    Csi,
    DataError,
    Series,
    SeriesBatch,
    Sweeps,
    Traffic,
)

L, H = 12, 4
CONFIG = DLinearConfig(context=L, horizon=H, kernel=5)
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def with_weights(trend, remainder, config=CONFIG):
    """A model with the given matrices [context, horizon]."""
    model = config.build(nnx.Rngs(0))
    model.trend.kernel = nnx.Param(jnp.float32(trend))
    model.remainder.kernel = nnx.Param(jnp.float32(remainder))
    return model


@pytest.fixture(scope="module")
def model():
    return CONFIG.build(nnx.Rngs(0))


@pytest.fixture(scope="module")
def predict(model):
    """(context, horizon) -> forecast."""
    asked = model.model()
    return lambda x, horizon=H: asked.predict(Series(x, 1.0), horizon).series


@pytest.fixture(scope="module")
def loss(model):
    """rows -> loss."""
    graph, params = nnx.split(model)
    return jax.jit(lambda rows: nnx.merge(graph, params).loss(rows, KEY))


def rows_of(values, clean=None):
    clean = values if clean is None else clean
    return SeriesBatch(
        *map(jnp.float32, (values, clean)), jnp.ones(len(values)), TIME, True
    )


def test_trend_is_the_mean_around_and_both_parts_are_the_whole():
    config = DLinearConfig(context=L, horizon=L, kernel=5)
    x, same, none = normal(3, L), np.eye(L), np.zeros((L, L))
    padded = np.pad(x, ((0, 0), (2, 2)), "edge")
    mean = np.stack([padded[:, i : i + 5].mean(1) for i in range(L)], axis=1)
    for trend, remainder, want in (
        (same, none, mean),
        (none, same, x - mean),
        (same, same, x),
    ):
        found = with_weights(trend, remainder, config)(jnp.asarray(x))
        np.testing.assert_allclose(found, want, atol=1e-6)


def test_a_line_is_its_own_trend_away_from_the_edges():
    line = 3 - 0.5 * jnp.arange(40.0)[None]
    found = moving_average(line, 25)
    np.testing.assert_allclose(found[:, 12:-12], line[:, 12:-12], atol=1e-5)
    assert found[0, 0] < line[0, 0]  # copies of the edge are no line


def test_weights_that_copy_the_last_step_repeat_it():
    copy = np.zeros((L, H))
    copy[-1] = 1
    forecaster = with_weights(copy, copy).model()
    context = 5 + 3 * normal(6, 20, 2)
    found = forecaster.predict(Series(context, 1.0), 11).series
    want = np.broadcast_to(context[:, -1:], (6, 11, 2))
    np.testing.assert_allclose(found, want, rtol=1e-5)
    assert found.dtype == np.float32


def test_longer_horizons_go_on_from_their_own_forecasts(predict):
    context = normal(5, L)
    found = predict(context, 2 * H + 1)
    np.testing.assert_allclose(found[:, :H], predict(context), atol=1e-5)
    # Statistics are those of the given context: the step is linear up to its bias.
    mean, spread = context.mean(1, keepdims=True), context.std(1, keepdims=True)
    seen, parts = (context - mean) / spread, []
    layers = CONFIG.build(nnx.Rngs(0))
    for _ in range(3):
        parts.append(layers(jnp.asarray(seen)))
        seen = np.concatenate([seen, parts[-1]], axis=1)[:, -L:]
    want = mean + spread * np.concatenate(parts, axis=1)[:, : 2 * H + 1]
    np.testing.assert_allclose(found, want, atol=1e-5)


def test_forecasts_move_with_shift_and_scale_of_the_context(predict):
    context = normal(3, L)
    found = predict(context)
    for scale, shift in ((1e-7, 0), (40, -90), (1e6, 1e5)):
        moved = predict(np.float32(scale) * context + np.float32(shift))
        np.testing.assert_allclose((moved - shift) / scale, found, atol=2e-4)
    constant = predict(np.full((1, L), 7))
    np.testing.assert_array_equal(constant, np.full((1, H), 7))


def test_missing_short_and_long_contexts(predict):
    x = normal(2, L)
    assert (
        abs(predict(np.concatenate([normal(2, 9), x], axis=1)) - predict(x)).max() == 0
    )
    short = np.concatenate([np.repeat(x[:, 5:6], 5, axis=1), x[:, 5:]], axis=1)
    np.testing.assert_array_equal(predict(x[:, 5:]), predict(short))
    with_nan, filled = x.copy(), x.copy()
    with_nan[0, [0, 1, 6, 7, 11]] = np.nan
    filled[0, [0, 1, 6, 7, 11]] = x[0, [2, 2, 5, 5, 10]]
    np.testing.assert_array_equal(predict(with_nan), predict(filled))
    long_ago = np.full((1, 3 * L), np.nan)
    long_ago[0, 2] = 4
    np.testing.assert_array_equal(predict(long_ago), np.full((1, H), 4))
    known = np.array([[False, True, False, True]])
    found = last_steps(np.arange(4.0)[None], known, 6)
    np.testing.assert_array_equal(found, [[1, 1, 1, 1, 1, 3]])


def test_shapes_follow_the_context(predict):
    x = normal(3, L, 2)
    found = predict(x)
    assert found.shape == (3, H, 2)
    np.testing.assert_allclose(predict(x[..., 1]), found[..., 1], atol=1e-5)
    np.testing.assert_allclose(predict(x[2, :, 0]), found[2, :, 0], atol=1e-5)


def test_the_loss_is_of_what_follows_in_units_of_the_context(loss):
    values = normal(4, 1, L + H)  # one place for a window
    clean = values + 0.1 * normal(4, 1, L + H)
    expected = loss(rows_of(values, clean))
    after = np.arange(L + H)[None, None] >= L
    for other in (
        rows_of(values + 9 * after, clean),
        rows_of(values, clean + 9 * ~after),
        rows_of(1e3 * values - 20, 1e3 * clean - 20),
    ):
        np.testing.assert_allclose(loss(other), expected, rtol=1e-3)
    assert abs(loss(rows_of(values, clean + after)) / expected - 1) > 0.01
    # A constant context has no unit; the linear part of Huber's loss ends at a limit.
    dead = np.concatenate([values, np.ones_like(values)])
    np.testing.assert_allclose(
        loss(rows_of(dead, np.concatenate([clean, clean]))), expected, rtol=1e-3
    )
    far = loss(rows_of(values, clean + 1e9 * after))
    np.testing.assert_allclose(loss(rows_of(values, clean + 1e6 * after)), far)


def test_windows_lie_at_every_place(model):
    """A step that only a window at one place has as a target is missed now and then."""
    graph, params = nnx.split(model)
    rows = np.tile(normal(1, 1, L + H + 3), (64, 1, 1))
    run = jax.jit(
        lambda clean: nnx.merge(graph, params).loss(rows_of(rows, clean), KEY)
    )
    base = run(rows)
    for step in range(L, L + H + 3):
        other = rows.copy()
        other[..., step] += 5
        assert abs(run(other) - base) > 1e-3, step
    other = rows.copy()
    other[..., : L - 1] += 5
    np.testing.assert_array_equal(run(other), base)


def test_a_few_steps_on_sines_lower_the_loss(model):
    graph, params = nnx.split(model)
    optimizer = optax.adamw(1e-2)

    def loss_of(params, key):
        phase = jax.random.uniform(key, (32, 1, 1), maxval=2 * jnp.pi)
        rows = jnp.sin(0.7 * jnp.arange(2.0 * L)[None, None] + phase)
        part = SeriesBatch(rows, rows, jnp.ones(32), TIME, True)
        graph_loss = partial(total_loss, graph, shares={"sine": 1.0}, key=key)
        return graph_loss(params, {"sine": part})[0]

    @jax.jit
    def train(params, keys):
        def step(carry, key):
            params, memory = carry
            value, gradient = jax.value_and_grad(loss_of)(params, key)
            updates, memory = optimizer.update(gradient, memory, params)
            return (optax.apply_updates(params, updates), memory), value

        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[1]

    losses = train(params, jax.random.split(KEY, 20))
    assert losses[-1] < 0.3 * losses[0]


X = normal(2, L)
BAD = [
    ({"question": Series(X + 0j, 1.0)}, "series: found complex64"),
    ({"question": Sweeps(X, 1.0)}, "series: found Sweeps; needed wlam.Series"),
    ({"question": Csi(X[..., None, None] + 0j, 1.0)}, "series: found Csi; needed wlam"),
    ({"horizon": 0}, "horizon: found 0; needed a whole number of at least 1"),
    ({"question": Series(X, -1.0)}, "time_step_s: found"),
    (
        {"question": Series(X * np.nan, 1.0)},
        "sample 0 has nothing measured; needed one",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_requests_are_named(model, change, message):
    good = {"question": Series(X, 1.0), "horizon": H}
    with pytest.raises(DataError, match=message) as error:
        model.model().predict(**good | change)
    assert "\n" not in str(error.value)


def test_bad_training_data_and_configs_are_named(model):
    with pytest.raises(ValueError, match="mixture: found an ingredient of channels or"):
        model.loss(rows_of(normal(2, 2, 30)), KEY)
    grid = jnp.ones((1, 6, 2, 2), jnp.complex64)
    with pytest.raises(ValueError, match="mixture: found an ingredient of channels or"):
        model.loss(ChannelBatch(grid, grid, jnp.ones(1), TIME, 3), KEY)
    with pytest.raises(ValueError, match=r"source: found .* 15 steps; .* 12 \+ 4"):
        model.loss(rows_of(normal(2, 1, 15)), KEY)
    for name in ("context", "horizon", "kernel", "windows"):
        with pytest.raises(ValueError, match=rf"model\.{name}: found 0; needed at"):
            DLinearConfig(**{name: 0})
    with pytest.raises(ValueError, match=r"model\.kernel: found 24; needed an odd"):
        DLinearConfig(kernel=24)
    with pytest.raises(DataError, match="complete: found DLinear, which cannot"):
        model.model().complete(Series(normal(8, 16), 1.0))


def test_series_are_judged_and_other_cases_named(model):
    ones = np.ones(2, np.float32)
    asked = model.model()
    for name, kind in (("csi_time", "Csi"), ("beam", "Sweeps")):
        said = f"the model takes wlam.Series, not {kind}"
        assert why_not(task_of(name), asked) == said
    for case in (
        Case("cell", "traffic", Traffic(normal(2, 40), ones), 16, 6),
        Case("track", "series", Series(normal(2, 40, 3), ones), 16, 6),
    ):
        assert why_not(task_of(case.task), asked) == ""
        found = evaluate(case, asked, baselines=False).statistics
        assert all(np.isfinite(x.value) for x in found["wlam"].values())


@pytest.mark.slow
def test_a_run_is_loaded_and_released(tmp_path):
    run, folder = str(tmp_path / "run"), tmp_path / "released"
    config = Config(run, mixture={}, evaluation={}, model=CONFIG)
    state = jax.jit(lambda: init_state(config))()
    with Checkpoints(run) as checkpoints:
        checkpoints.save(3, state, config)
    loaded, again, step = hub.load_with_config(run)
    assert (again, step) == (config, 3)
    assert loaded.num_parameters == 2 * H * (L + 1)
    hub.release(run, folder)
    with np.load(folder / hub.GOLDEN) as archive:
        golden = dict(archive)
    assert list(golden) == ["forecast"]
    found = wlam.load(folder).golden()["forecast"]
    np.testing.assert_allclose(found, golden["forecast"], atol=1e-5)
