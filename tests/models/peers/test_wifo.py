"""The peer WiFo: sizes, patches, masks, what may not be seen, channels of any size."""

import math
from dataclasses import replace
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
from wlam.models.peers.channels import to_channel, to_steps
from wlam.models.peers.wifo import (
    Wifo,
    WifoConfig,
    draw_visible,
    patchify,
    positions,
    unpatchify,
)
from wlam.phy.arrays import upa
from wlam.phy.transforms import steps_first
from wlam.training.checkpoint import Checkpoints
from wlam.training.objective import total_loss
from wlam.training.state import init_state
from wlam.types import FREQUENCY, TIME, Antennas, ChannelBatch, Csi, SeriesBatch

P = 4
CONFIG = WifoConfig(width=16, encoder_layers=2, decoder_layers=1, heads=2)
SIZES = (3, 1, 2)
SHAPE = tuple(P * size for size in SIZES)  # times, antennas, subcarriers
TOKENS = math.prod(SIZES)
SQUARE = Antennas(upa(2, 2), np.zeros(4, np.int32))
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


@pytest.fixture(scope="module")
def model():
    return CONFIG.build(nnx.Rngs(0))


@pytest.fixture(scope="module")
def forward(model):
    graph, params = nnx.split(model)
    return jax.jit(lambda x, visible: nnx.merge(graph, params)(x, visible, SIZES))


@pytest.fixture(scope="module")
def loss(model):
    """(grids, key) -> loss of a model that is only trained on time masks."""
    params = nnx.state(model)
    time_only = replace(CONFIG, masks=("time",)).build(nnx.Rngs(0))
    graph = nnx.graphdef(time_only)
    return jax.jit(lambda grids, key: nnx.merge(graph, params).loss(grids, key))


def grids_of(clean, noisy=None, context=8):
    """Training channels [n, t, a, k], as the task csi_time gives them."""
    values, clean = (
        to_steps(jnp.asarray(x), TIME)
        for x in (clean if noisy is None else noisy, clean)
    )
    about = jnp.ones(len(clean)), TIME, context, SQUARE.geometry
    return ChannelBatch(values, clean, *about)


# Of the authors' module at widths 64 to 512, tables of 172 unused rows included.
PUBLISHED = {64: 366_784, 128: 1_396_992, 256: 5_448_064, 512: 21_512_832}


@pytest.mark.parametrize("width", PUBLISHED)
def test_parameters_are_those_of_the_published_code(width):
    model = nnx.eval_shape(lambda: WifoConfig(width=width).build(nnx.Rngs(0)))
    count = sum(x.size for x in jax.tree.leaves(nnx.state(model)))
    assert count + 172 * width == PUBLISHED[width]


SPLITS = {64: (22, 22, 20), 128: (42, 42, 44), 256: (86, 86, 84), 512: (170, 170, 172)}


@pytest.mark.parametrize("width", SPLITS)
def test_each_axis_has_its_published_share_of_the_position(width):
    place = positions((2, 2, 2), width).reshape(2, 2, 2, width)
    ends = np.cumsum(SPLITS[width])
    for axis, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        moved = np.take(place, 1, axis) - np.take(place, 0, axis)
        (columns,) = np.nonzero(abs(moved).max((0, 1)) > 0)
        # The slowest cosines hardly move.
        assert columns.min() == begin
        assert begin + (end - begin) // 2 <= columns.max() < end
    share = SPLITS[width][0]
    frequency = 1e4 ** (-2 * np.arange(share // 2) / share)
    np.testing.assert_allclose(place[1, 0, 0, : share // 2], np.sin(frequency), 1e-5)
    np.testing.assert_allclose(
        place[1, 0, 0, share // 2 : share], np.cos(frequency), 1e-5
    )


def test_a_token_is_a_patch_and_comes_back():
    x = complex_normal(2, 8, 4, 12)
    patches, sizes = patchify(jnp.asarray(x), P)
    assert sizes == (2, 1, 3)
    assert patches.shape == (2, 6, 2 * P**3)
    cut = x[1, 4:8, 0:4, 8:12].ravel()  # the last of its row, in the second row
    np.testing.assert_array_equal(patches[1, 5], np.concatenate([cut.real, cut.imag]))
    np.testing.assert_array_equal(unpatchify(patches, sizes, P), x)


def test_what_is_hidden_is_not_seen(forward):
    x = jnp.asarray(RNG.normal(size=(2, TOKENS, 2 * P**3)), jnp.float32)
    visible = jnp.array([[True, False, True, True, False, False]] * 2)
    other = jnp.where(visible[..., None], x, jnp.nan)
    np.testing.assert_array_equal(forward(x, visible), forward(other, visible))
    moved = forward(x.at[:, 0].add(1), visible)
    assert (abs(moved - forward(x, visible)).max((0, 2)) > 1e-4).all()


def test_the_encoder_is_that_of_the_visible_patches_alone(model, forward):
    """As published: encode the visible, put mask tokens between, decode all."""
    keep = np.array([0, 2, 3])
    x = jnp.asarray(RNG.normal(size=(1, TOKENS, 2 * P**3)), jnp.float32)
    visible = jnp.zeros((1, TOKENS), bool).at[0, keep].set(True)

    @jax.jit
    def published(x):
        place = jnp.asarray(positions(SIZES, CONFIG.width))[None]
        z = model.embed(x[:, keep]) + place[:, keep]
        for block in model.encoder:
            z = block(z, jnp.ones((1, len(keep)), bool))
        z = model.between(model.norm(z))
        tokens = jnp.tile(model.mask_token[...], (1, TOKENS, 1)).at[:, keep].set(z)
        for block in model.decoder:
            tokens = block(tokens + place, jnp.ones((1, TOKENS), bool))
        return model.head(model.last_norm(tokens))

    np.testing.assert_allclose(published(x), forward(x, visible), atol=1e-5)


def test_a_block_is_attention_and_a_feed_forward(model):
    block, x = model.encoder[0], RNG.normal(size=(5, 16))

    def linear(layer, x):
        return x @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])

    def norm(x):
        return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-6)

    q, k, v = np.split(linear(block.qkv, norm(x)), 3, axis=1)
    mixed = []
    for head in np.split(np.arange(16), 2):
        weights = np.exp(q[:, head] @ k[:, head].T / np.sqrt(8))
        mixed.append(weights / weights.sum(1, keepdims=True) @ v[:, head])
    y = x + linear(block.out, np.concatenate(mixed, axis=1))
    hidden = linear(block.up, norm(y))
    erf = np.vectorize(math.erf)
    want = y + linear(block.down, hidden * (1 + erf(hidden / np.sqrt(2))) / 2)
    found = jax.jit(lambda x: block(x, jnp.ones((1, 5), bool)))(jnp.float32(x)[None])
    np.testing.assert_allclose(found[0], want, atol=1e-4)


def test_masks():
    sizes, kept = (6, 2, 8), (4, 3)
    times, _, subcarriers = np.indices(sizes).reshape(3, -1)

    @partial(jax.jit, static_argnames="masks")
    def draw(key, masks):
        return draw_visible(key, 3, sizes, kept, masks)

    for masks, want in ((("time",), times < 4), (("frequency",), subcarriers < 3)):
        np.testing.assert_array_equal(draw(KEY, masks), np.tile(want, (3, 1)))
    chance = np.asarray(draw(KEY, ("random",)))
    assert (chance.sum(1) == 14).all()  # of 96
    assert (chance[0] != chance[1]).any()
    every = ("random", "time", "frequency")
    counts = {int(draw(jax.random.key(i), every)[0].sum()) for i in range(20)}
    assert counts == {14, 64, 36}


def test_the_loss_is_of_hidden_patches_in_units_of_visible_ones(loss):
    clean = complex_normal(2, *SHAPE)
    noisy = clean + 0.1 * complex_normal(2, *SHAPE)
    expected = loss(grids_of(clean, noisy), KEY)
    seen = np.arange(SHAPE[0])[:, None, None] < 8
    for other in (
        grids_of(clean + 9 * seen, noisy),
        grids_of(clean, noisy + 9 * ~seen),
        grids_of(np.float32(1e-9) * clean, np.float32(1e-9) * noisy),
    ):
        np.testing.assert_allclose(loss(other, KEY), expected, rtol=1e-4)
    assert abs(loss(grids_of(clean, noisy + seen), KEY) / expected - 1) > 0.01
    assert abs(loss(grids_of(clean + ~seen, noisy), KEY) / expected - 1) > 0.01
    half = np.where([[[[True]]], [[[False]]]], clean, 0)
    alone = loss(grids_of(clean[:1], noisy[:1]), KEY)
    silent = grids_of(half, half + (noisy - clean) * (abs(half) > 0))
    np.testing.assert_allclose(loss(silent, KEY), alone, rtol=1e-4)


def test_a_perfect_model_has_no_loss():
    class Constant(Wifo):
        def __call__(self, patches, visible, sizes):
            return jnp.ones_like(patches)

    constant = np.full((2, *SHAPE), 3 + 3j, np.complex64)
    graph, params = nnx.split(Constant(CONFIG, nnx.Rngs(0)))
    loss = jax.jit(lambda grids: nnx.merge(graph, params).loss(grids, KEY))
    assert loss(grids_of(constant)) < 1e-10
    np.testing.assert_allclose(loss(grids_of(-constant)), 4, rtol=1e-5)


@pytest.mark.parametrize("axis", [TIME, FREQUENCY])
def test_the_steps_after_the_context_are_asked_for(axis):
    masks = []

    class Numbered(Wifo):
        """Says where each entry of its answer lies."""

        def __call__(self, patches, visible, sizes):
            masks.append(visible)
            shape = tuple(P * size for size in sizes)
            number = np.arange(math.prod(shape)).reshape(1, *shape)
            return patchify(jnp.asarray(number, jnp.complex64), P)[0]

    model = Numbered(CONFIG, nnx.Rngs(0))

    @jax.jit
    def run(channel, known):
        found = model.continue_steps(channel, known, 3, axis)
        return to_channel(found, axis), masks.pop()

    steps, rows, antennas = 6, 5, 3
    channel = complex_normal(1, steps, rows, antennas)
    known = np.arange(steps)[None] != 3
    asked, visible = run(channel, known)
    sizes = (3, 1, 2) if axis == TIME else (2, 1, 3)
    padded = [P * size for size in sizes]
    number = np.arange(math.prod(padded)).reshape(padded)
    want = number[8:11, :3, :5] if axis == TIME else number[:5, :3, 8:11]
    unit = asked[0, -1, -1, -1].real / want[-1, -1, -1]  # of the context
    np.testing.assert_allclose(asked[0] / unit, want, rtol=1e-3, atol=0.01)
    # Two copies and steps 0 to 5, of which step 3 is unknown, then the future.
    place = np.indices(sizes).reshape(3, -1)[0 if axis == TIME else 2]
    np.testing.assert_array_equal(visible[0], place == 0)


def test_predict(model):
    forecaster = model.model()
    context = complex_normal(6, 8, 8, 4)  # more than one call

    def ask(x):
        return forecaster.predict(Csi(x, time_step_s=1e-3, antennas=SQUARE), 3).csi

    found = ask(context)
    assert found.shape == (6, 3, 8, 4)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found[5:], ask(context[5:]), atol=1e-5)
    small = ask(context * np.float32(1e-9))
    np.testing.assert_allclose(1e9 * small, found, rtol=1e-3, atol=1e-4)
    context[0, :3] = np.nan
    missing = ask(context)
    assert np.isfinite(missing).all()
    assert abs(missing[0] - found[0]).max() > 1e-3


def test_bad_training_data_and_configs_are_named(model):
    rows = jnp.ones((2, 2, 8))
    with pytest.raises(
        ValueError, match="mixture: found an ingredient that is no channel"
    ):
        model.loss(SeriesBatch(rows, rows, jnp.ones(2), TIME, False), KEY)
    pilots = replace(grids_of(complex_normal(1, *SHAPE)), every=4)
    with pytest.raises(ValueError, match=r"mixture: found .* is pilots"):
        model.loss(pilots, KEY)
    with pytest.raises(ValueError, match=r"source: .*\[10, 4, 8\]"):
        model.loss(grids_of(complex_normal(1, 10, 4, 8)), KEY)
    with pytest.raises(ValueError, match=r"source: .* context of 6"):
        model.loss(grids_of(complex_normal(1, *SHAPE), context=6), KEY)
    with pytest.raises(ValueError, match=r"model\.width: found 20"):
        WifoConfig(width=20)
    with pytest.raises(ValueError, match=r"model\.masks: found none"):
        WifoConfig(masks=())


@pytest.mark.slow
def test_gradients_reach_everything_through_the_loss_of_a_mixture(model):
    clean = complex_normal(2, *SHAPE)
    silent = np.stack([0 * clean[0], clean[1]])
    batch = {"one": grids_of(clean), "two": grids_of(silent)}
    graph, params = nnx.split(model)

    @jax.jit
    def gradient(params, batch):
        shares = {"one": 0.25, "two": 0.75}
        function = partial(total_loss, graph, batch=batch, shares=shares, key=KEY)
        (_, (losses, _)), found = jax.value_and_grad(function, has_aux=True)(params)
        return losses, found

    losses, found = gradient(params, batch)
    assert losses.keys() == batch.keys()
    for leaf in jax.tree.leaves(found):
        assert np.isfinite(leaf).all()
        assert np.any(leaf != 0)


@pytest.mark.slow
def test_a_run_is_loaded_and_released(tmp_path):
    run, folder = str(tmp_path / "run"), tmp_path / "released"
    config = Config(run, mixture={}, evaluation={}, model=CONFIG)
    state = jax.jit(lambda: init_state(config))()
    with Checkpoints(run) as checkpoints:
        checkpoints.save(3, state, config)
    loaded, again, step = hub.load_with_config(run)
    assert (again, step) == (config, 3)
    trained = jax.tree.leaves(state["params"])
    assert loaded.num_parameters == sum(x.size for x in trained)
    hub.release(run, folder)
    assert np.load(folder / hub.GOLDEN).files == ["channel_forecast"]
    found = jax.tree.leaves(nnx.state(wlam.load(folder).network))
    for a, b in zip(found, trained, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_path_is_learned_along_time_and_along_frequency():
    """One plane wave a sample, the simplest channel there is."""
    t, a, k = np.indices(SHAPE)

    def waves(key, n):
        turns = jax.random.uniform(key, (4, n, 1, 1, 1), minval=-0.05, maxval=0.05)
        phase = turns[0] * t[None] + turns[1] * a[None] + turns[2] * k[None]
        return jnp.exp(2j * jnp.pi * (phase + 10 * turns[3]))

    config = WifoConfig(32, 1, 1, heads=4, masks=("time", "frequency"))
    graph, params = nnx.split(config.build(nnx.Rngs(0)))
    optimizer = optax.adamw(3e-3)

    @jax.jit
    def train(params, keys):
        def step(carry, key):
            params, memory = carry
            data = grids_of(waves(key, 32))
            gradient = jax.grad(lambda p: nnx.merge(graph, p).loss(data, key))(params)
            updates, memory = optimizer.update(gradient, memory, params)
            return (optax.apply_updates(params, updates), memory), None

        carry = (params, optimizer.init(params))
        return jax.lax.scan(step, carry, keys)[0][0]

    trained = nnx.merge(graph, train(params, jax.random.split(KEY, 600)))
    x = waves(jax.random.key(9), 16)
    forecaster = trained.model()
    for axis, known, ahead in (
        (TIME, x[:, :8], x[:, 8:]),
        (FREQUENCY, x[..., :4], x[..., 4:]),
    ):
        last = np.asarray(to_steps(known, axis))[:, -1:]
        want = np.asarray(to_steps(ahead, axis))
        csi = np.asarray(to_steps(known, TIME))
        asked = Csi(csi, 1e-3, 1e5, antennas=SQUARE)
        found = forecaster.predict(asked, 4, ("time", "frequency")[axis]).csi
        found = steps_first(found, axis)
        error = (abs(found - want) ** 2).sum()
        assert error < 0.4 * (abs(last - want) ** 2).sum()  # 4 dB below hold
