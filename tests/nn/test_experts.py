"""Mixture of experts: routing, gates, load balance."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.adapt.lora import AdaptConfig, split_params
from wlam.nn.backbones.recurrent import RecurrentConfig
from wlam.nn.backbones.transformer import TransformerBlock, TransformerConfig
from wlam.nn.experts import Experts, Load, in_all, in_layers

B, N, D, H, E = 2, 5, 4, 6, 3
FLOAT = jnp.dtype("float32")
PLAIN = TransformerConfig(width=D, layers=2, heads=2)
SEEN = jnp.ones((B, N), bool)
balance = jax.jit(Load.balance)


def normal(seed, *shape):
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return jnp.asarray(x)


def layer(experts, active):
    return Experts(D, H, experts, active, 0.01, nnx.Rngs(0), FLOAT)


@pytest.fixture(scope="module")
def forward():
    """(params, x, visible, active) -> output and load."""
    graphs = {
        k: nnx.graphdef(nnx.eval_shape(lambda k=k: layer(E, k))) for k in (1, 2, 3)
    }

    def call(params, x, visible, active):
        return nnx.merge(graphs[active], params)(x, visible)

    return jax.jit(call, static_argnames="active")


@pytest.fixture(scope="module")
def params():
    draw = jax.jit(lambda: nnx.to_pure_dict(nnx.state(layer(E, 1), nnx.Param)))
    return draw()


def gelu(x):
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def reference(params, x, gates):
    """sum_e g_e W2_e gelu(W1_e x), expert by expert."""
    y = np.zeros(x.shape)
    for e in range(E):
        hidden = gelu(np.asarray(x) @ np.asarray(params["up"]["kernel"][e]))
        y += gates[..., e, None] * (hidden @ np.asarray(params["down"]["kernel"][e]))
    return y


def probabilities(params, x):
    z = np.exp(np.asarray(x) @ np.asarray(params["router"]["kernel"]))
    return z / z.sum(-1, keepdims=True)


def test_the_router_chooses_the_expert_of_the_largest_logit(params, forward):
    """Token i points along axis i, and the router sends axes 0, 1, 2 to 2, 0, 1."""
    kernel = np.zeros((D, E), np.float32)
    kernel[np.arange(3), np.array([2, 0, 1])] = 2.0
    told = params | {"router": {"kernel": jnp.asarray(kernel)}}
    x = jnp.asarray(np.eye(3, D, dtype=np.float32)[None])
    y, load = forward(told, x, jnp.ones((1, 3), bool), active=1)
    chance = np.exp(2) / (np.exp(2) + 2)
    gates = chance * np.eye(3)[np.array([2, 0, 1])][None]
    np.testing.assert_allclose(y, reference(params, x, gates), atol=1e-6)
    np.testing.assert_array_equal(load.used, [1, 1, 1])
    np.testing.assert_allclose(load.wished, np.ones(3), rtol=1e-6)


def test_several_experts_share_a_token_in_the_ratio_of_their_probabilities(
    params, forward
):
    x = normal(1, B, N, D)
    chance = probabilities(params, x)
    for active in (2, 3):
        least = np.sort(chance, axis=-1)[..., -active, None]
        gates = np.where(chance >= least, chance, 0)
        gates /= gates.sum(-1, keepdims=True)
        y, load = forward(params, x, SEEN, active=active)
        np.testing.assert_allclose(y, reference(params, x, gates), atol=1e-5)
        np.testing.assert_array_equal(load.used, (gates > 0).sum((0, 1)))
        np.testing.assert_allclose(load.wished, chance.sum((0, 1)), rtol=1e-5)


def test_experts_that_are_all_alike_are_the_plain_layer(params, forward):
    """All are used: gates sum to 1 for any router."""
    same = {
        name: {"kernel": jnp.repeat(params[name]["kernel"][:1], E, axis=0)}
        for name in ("up", "down")
    }
    x = normal(1, B, N, D)
    y, _ = forward(params | same, x, SEEN, active=3)
    hidden = gelu(np.asarray(x) @ np.asarray(same["up"]["kernel"][0]))
    want = hidden @ np.asarray(same["down"]["kernel"][0])
    np.testing.assert_allclose(y, want, atol=1e-5)


def test_one_expert_is_the_plain_layer_to_the_bit():
    """The same parameters, from the same draws, and the same sums."""
    default = TransformerBlock(PLAIN, nnx.Rngs(0), FLOAT)
    block = TransformerBlock(replace(PLAIN, experts=1, balance=9.0), nnx.Rngs(0), FLOAT)
    jax.tree.map(np.testing.assert_array_equal, nnx.state(block), nnx.state(default))
    assert block.up.kernel.shape == (D, 4 * D)

    @jax.jit
    def both(x):
        after = x + block.attention(block.norm1(x), SEEN, None)
        plain = after + block.down(jax.nn.gelu(block.up(block.norm2(after))))
        y, load = block(x, SEEN, None)
        assert load is None
        return plain, y

    np.testing.assert_array_equal(*both(normal(1, B, N, D)))


def test_the_order_of_experts_does_not_matter(params, forward):
    order = np.array([2, 0, 1])
    kernels = {name: np.asarray(part["kernel"]) for name, part in params.items()}
    turned = {
        "router": {"kernel": jnp.asarray(kernels["router"][:, order])},
        "up": {"kernel": jnp.asarray(kernels["up"][order])},
        "down": {"kernel": jnp.asarray(kernels["down"][order])},
    }
    x = normal(1, B, N, D)
    for active in (1, 2):
        y, load = forward(params, x, SEEN, active=active)
        same, turned_load = forward(turned, x, SEEN, active=active)
        np.testing.assert_allclose(same, y, atol=1e-6)
        used = np.asarray(load.used)
        np.testing.assert_array_equal(turned_load.used, used[order])
        np.testing.assert_allclose(balance(turned_load), balance(load), rtol=1e-6)


def test_hidden_tokens_do_not_count(params, forward):
    x = normal(1, B, N, D)
    visible = SEEN.at[0, :3].set(False)
    _, load = forward(params, x, visible, active=2)
    assert load.used.sum() == 2 * 7
    np.testing.assert_allclose(load.wished.sum(), 7, rtol=1e-6)
    other = jnp.where(visible[..., None], x, 100.0)
    _, same = forward(params, other, visible, active=2)
    np.testing.assert_array_equal(same.used, load.used)
    np.testing.assert_array_equal(same.wished, load.wished)
    _, none = forward(params, x, ~SEEN, active=2)
    assert balance(none) == 0  # and not 0 / 0


def test_the_balance_is_1_for_uniform_use_and_e_for_a_single_expert():
    """Fedus et al., eq. 4: N sum_i f_i P_i."""
    even = Load(jnp.full(4, 25.0), jnp.full(4, 25.0), 0.01)
    assert balance(even) == 1
    one = Load(jnp.array([8.0, 0, 0, 0]), jnp.array([8.0, 0, 0, 0]), 0.01)
    assert balance(one) == 4
    # Uses of two experts a token: shares of 1/2, 1/4, 1/4.
    some = Load(jnp.array([8.0, 4, 4]), jnp.array([4.0, 3, 1]), 0.01)
    np.testing.assert_array_equal(some.shares(), [0.5, 0.25, 0.25])
    assert balance(some) == 3 * (0.5 * 0.5 + 0.25 * 0.375 + 0.25 * 0.125)
    layers = in_layers([one, even])
    np.testing.assert_array_equal(balance(layers), [4, 1])
    # Two sets of tokens, each with an expert of its own, are even together.
    other = Load(one.used[::-1], one.wished[::-1], 0.01)
    together = in_all([in_layers([one, even]), in_layers([other, even])])
    np.testing.assert_array_equal(balance(together), [2, 1])
    assert together.weight == 0.01


def test_gradients_reach_the_router_and_used_experts_alone(params, forward):
    """Also of a single expert, whose gate is its probability."""
    kernel = np.array(params["router"]["kernel"])
    kernel[:, 0] = -50.0
    x = abs(normal(1, B, N, D))  # so that nobody uses expert 0

    def error(params, active):
        y, load = forward(params, x, SEEN, active=active)
        return (y**2).sum(), load.used

    gradients = jax.jit(jax.grad(error, has_aux=True), static_argnums=1)
    for active in (1, 2):
        given = params | {"router": {"kernel": jnp.asarray(kernel)}}
        found, uses = jax.tree.map(np.asarray, gradients(given, active))
        assert all(np.isfinite(g).all() for g in jax.tree.leaves(found))
        assert uses[0] == 0
        assert not found["up"]["kernel"][0].any()
        used = uses > 0
        assert used.sum() >= active
        assert (abs(found["down"]["kernel"][used]).max((1, 2)) > 0).all()
        assert abs(found["router"]["kernel"][:, 1:]).max() > 1e-4


def test_a_transformer_of_experts():
    config = replace(PLAIN, experts=E, active=2)
    model = config.build(nnx.Rngs(0), FLOAT)
    x, positions = normal(1, B, N, D), jnp.arange(B * N).reshape(B, N, 1)

    @jax.jit
    def run(x, visible):
        y, load = model.features_and_load(x, visible)
        return (
            y,
            load,
            model(x, visible),
            model.features_and_load(x, visible, positions)[1],
        )

    y, load, same, other = run(x, SEEN)
    np.testing.assert_array_equal(y, same)
    assert load.used.shape == load.wished.shape == (2, E)
    np.testing.assert_array_equal(load.used.sum(1), [2 * B * N] * 2)
    np.testing.assert_array_equal(other.used.sum(1), [2 * B * N] * 2)
    # Causal, and independent of hidden tokens, as without experts.
    changed, _, _, _ = run(x.at[:, 3].add(1.0), SEEN)
    np.testing.assert_array_equal(changed[:, :3], y[:, :3])
    hidden = SEEN.at[:, 0].set(False)
    before, _, _, _ = run(x, hidden)
    after, _, _, _ = run(x.at[:, 0].add(1.0), hidden)
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])
    # Every expert has low-rank changes of its own.
    tree = {"backbone": nnx.to_pure_dict(nnx.state(model, nnx.Param))}
    moved, _ = split_params(tree, AdaptConfig("lora", rank=2), jax.random.key(0))
    up = moved["backbone"]["blocks"][0]["experts"]["up"]["kernel"]
    assert (up["a"].shape, up["b"].shape) == ((E, D, 2), (E, 2, 4 * D))


def test_other_backbones_have_no_load():
    model = RecurrentConfig(width=D, layers=1).build(nnx.Rngs(0), FLOAT)
    x = normal(1, B, N, D)
    both = jax.jit(lambda x: (model(x, SEEN), model.features_and_load(x, SEEN)))
    y, (same, load) = both(x)
    np.testing.assert_array_equal(same, y)
    assert load is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"active": 2}, "backbone.active: found 2 of 1 experts; needed at least 1"),
        ({"active": 0}, "backbone.active: found 0 of 1 experts"),
        ({"experts": 0}, "backbone.active: found 1 of 0 experts"),
        ({"balance": -0.1}, "backbone.balance: found -0.1; needed at least 0"),
    ],
)
def test_impossible_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**arguments)
