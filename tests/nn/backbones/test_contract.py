"""The contract of backbones: series at once and by tokens, and sets of tokens."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.models.predictor.sweeps import SweepTokenizerConfig
from wlam.nn.backbones.liquid import CELLS, LiquidBackboneConfig
from wlam.nn.backbones.recurrent import RecurrentConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.training.objective import total_loss
from wlam.types import TIME, ChannelBatch, SweepBatch

B, N, D = 2, 6, 8
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, N, D)).astype(np.float32)
VISIBLE = np.ones((B, N), bool)
VISIBLE[:, 0] = VISIBLE[0, 3] = VISIBLE[1, 4:] = False
# Distinct positions in time and on a grid, and the order of reading.
POSITIONS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1]])
READ = [2, 0, 4, 5, 1, 3]
BACKBONES = {
    "transformer": TransformerConfig(D, layers=2, heads=2),
    "experts": TransformerConfig(D, layers=2, heads=2, experts=3, active=2),
    "lstm": RecurrentConfig(D, layers=2, cell="lstm"),
    "gru": RecurrentConfig(D, layers=2, cell="gru"),
} | {cell: LiquidBackboneConfig(D, layers=2, cell=cell, units=5) for cell in CELLS}
SETS = [name for name in BACKBONES if name not in ("transformer", "experts")]


def built(name):
    backbone = BACKBONES[name].build(nnx.Rngs(0), jnp.dtype("float32"))
    graph, params = nnx.split(backbone)

    def made():
        return nnx.merge(graph, params)

    return backbone, made


@pytest.fixture(scope="module", params=BACKBONES)
def streamed(request):
    """(backbone, call of a series, the same token by token)."""
    backbone, made = built(request.param)
    step = jax.jit(lambda state, *token: made().step(state, *token))

    def stream(x, visible):
        state, outputs = backbone.start(B, N), []
        for i in range(N):
            state, feature = step(state, x[:, i], visible[:, i])
            outputs.append(feature)
        return np.stack(outputs, 1)

    return backbone, jax.jit(lambda x, visible: made()(x, visible)), stream


def test_token_by_token_is_what_a_call_gives(streamed):
    _, call, stream = streamed
    for visible in (np.ones((B, N), bool), VISIBLE):
        expected = call(X, visible)
        np.testing.assert_allclose(stream(X, visible), expected, atol=1e-5)
        assert abs(expected - X).max() > 0.1


def test_hidden_tokens_have_no_influence_on_a_stream(streamed):
    _, _, stream = streamed
    other = np.where(VISIBLE[..., None], X, 7.0).astype(np.float32)
    found, same = (stream(x, VISIBLE)[VISIBLE] for x in (other, X))
    np.testing.assert_array_equal(found, same)


def test_all_tokens_are_visible_by_default(streamed):
    backbone, _, _ = streamed
    state, token = backbone.start(B, N), jnp.asarray(X[:, 0])
    expected = backbone.step(state, token, jnp.ones(B, bool))[1]
    np.testing.assert_array_equal(backbone.step(state, token)[1], expected)


def test_a_memory_that_is_full_is_named():
    backbone, _ = built("transformer")
    token = jnp.asarray(X[:, 0])
    state, _ = backbone.step(backbone.start(B, 1), token)
    with pytest.raises(ValueError, match="length: found token 2 of a memory of 1; nee"):
        backbone.step(state, token)


@pytest.fixture(scope="module", params=SETS)
def of_sets(request):
    """(call of a series, call of a set)."""
    _, made = built(request.param)
    series = jax.jit(lambda x, visible: made()(x, visible))
    return series, jax.jit(lambda x, visible, positions: made()(x, visible, positions))


def per_batch(positions):
    return np.broadcast_to(positions[None], (B, *positions.shape))


def test_sets_are_read_along_the_stated_order_in_both_directions(of_sets):
    series, sets = of_sets
    forward, backward = (
        np.asarray(series(X[:, order], VISIBLE[:, order]))
        for order in (READ, READ[::-1])
    )
    expected = np.zeros_like(X)
    expected[:, READ] = (forward + backward[:, ::-1]) / 2
    np.testing.assert_allclose(
        sets(X, VISIBLE, per_batch(POSITIONS)), expected, atol=1e-5
    )


def test_the_order_in_which_a_set_is_given_does_not_matter(of_sets):
    _, sets = of_sets
    order = np.array([3, 5, 0, 1, 4, 2])
    out = sets(X, VISIBLE, per_batch(POSITIONS))
    found = sets(X[:, order], VISIBLE[:, order], per_batch(POSITIONS[order]))
    np.testing.assert_allclose(found, out[:, order], atol=1e-6)


def test_every_output_of_a_set_depends_on_every_visible_token(of_sets):
    _, sets = of_sets
    shown, positions = np.ones((B, N), bool), per_batch(POSITIONS)
    slopes = jax.jacobian(lambda x: sets(x, shown, positions)[0].sum(-1))(
        jnp.asarray(X)
    )
    size = abs(slopes[:, 0]).sum(-1)  # of output [0], of token [1]
    assert (size > 1e-9).all(), size
    hidden = X.copy()
    hidden[~VISIBLE] = 9
    found, same = (sets(x, VISIBLE, per_batch(POSITIONS)) for x in (hidden, X))
    np.testing.assert_array_equal(found[VISIBLE], same[VISIBLE])


@pytest.mark.parametrize("name", ["gru", "cfc"])
def test_series_backbones_learn_channels_and_sweeps(name):
    """Ten steps on two tones and a moving beam."""
    config = PredictorConfig(
        BACKBONES[name],
        patch=8,
        channels=ChannelTokenizerConfig(patch=4, bins=4),
        sweeps=SweepTokenizerConfig(2, 1),
    )
    graph, params = nnx.split(config.build(nnx.Rngs(0)))
    params = nnx.to_pure_dict(params)
    t, k = np.arange(12.0)[None, :, None, None], np.arange(4.0).reshape(1, 1, 2, 2)
    h = jnp.asarray(np.exp(0.3j * t * (k + 1)) + np.exp(-1j * t), jnp.complex64)
    away = abs(np.arange(4.0) - 0.5 * np.arange(3.0)[:, None])[None]
    beams = jnp.asarray(-70 - 10 * away, jnp.float32)
    batch = {
        "csi": ChannelBatch(h, h, jnp.ones(1), TIME, 8),
        "sweeps": SweepBatch(beams, beams, jnp.ones(1), 2),
    }
    optimizer, key = optax.adam(3e-3), jax.random.key(0)
    shares = {"csi": 0.5, "sweeps": 0.5}

    def step(carry, _):
        params, memory = carry
        found = jax.value_and_grad(
            lambda p: total_loss(graph, p, batch, shares, key)[0]
        )
        loss, gradient = found(params)
        updates, memory = optimizer.update(gradient, memory)
        moves = [abs(x).max() > 0 for x in jax.tree.leaves(gradient["backbone"])]
        return (optax.apply_updates(params, updates), memory), (loss, jnp.stack(moves))

    begin = params, optimizer.init(params)
    losses, moves = jax.jit(lambda c: jax.lax.scan(step, c, length=10)[1])(begin)
    assert losses[-1] < losses[0] - 0.05, losses
    assert moves[-1].all()


def test_configs_of_other_widths_build():
    for config in BACKBONES.values():
        wide = replace(config, width=16)
        PredictorConfig(wide, channels=ChannelTokenizerConfig())
