"""Adaptation: no change at first, and the trained parameters of each method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.traverse_util import flatten_dict

from wlam.adapt.lora import AdaptConfig, merge_params, split_params
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig

MODEL = PredictorConfig(
    TransformerConfig(width=8, layers=1, heads=2),
    patch=4,
    channels=ChannelTokenizerConfig(),
)
LORA = AdaptConfig("lora", rank=2, alpha=3.0)
KEY = jax.random.key(0)
BOTH = ("kernel", "bias")


@pytest.fixture(scope="module")
def params():
    """Random parameters of a model with both tokenizers."""
    shapes = nnx.eval_shape(lambda: MODEL.build(nnx.Rngs(0)))
    tree = nnx.to_pure_dict(nnx.state(shapes, nnx.Param))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), tree)


def names(tree):
    return {"/".join(map(str, path)) for path in flatten_dict(tree)}


@pytest.mark.parametrize("method", ["full", "head", "lora"])
def test_at_first_the_model_is_the_trained_one_to_the_bit(params, method):
    config = AdaptConfig(method)
    merged = merge_params(*split_params(params, config, KEY), config)
    jax.tree.map(np.testing.assert_array_equal, merged, params)


def test_every_method_trains_its_parameters(params):
    moved, frozen = split_params(params, AdaptConfig("full"), KEY)
    assert (names(moved), names(frozen)) == (names(params), set())

    moved, frozen = split_params(params, AdaptConfig("head"), KEY)
    layers = ("norm/scale", *(f"w{i}/{x}" for i in (1, 2, 3) for x in BOTH))
    heads = {f"{way}head/{layer}" for way in ("", "channels/") for layer in layers}
    assert names(moved) == heads
    assert names(frozen) == names(params) - heads

    moved, frozen = split_params(params, LORA, KEY)
    block = "backbone/blocks/0"
    layers = ("attention/qkv", "attention/out", "up", "down")
    assert names(moved) == {f"{block}/{x}/kernel/{f}" for x in layers for f in "ab"}
    assert names(frozen) == names(params)
    # rank (in + out) numbers a matrix: 8 -> 24, 8 -> 8, 8 -> 32, 32 -> 8.
    assert sum(x.size for x in jax.tree.leaves(moved)) == 2 * (32 + 16 + 40 + 40)


def test_low_ranks_are_a_parallel_path_to_the_matrix(params):
    """Hu et al., eq. 3: h = W x + alpha / r B (A x), here for rows x."""
    moved, frozen = split_params(params, LORA, KEY)
    factors = moved["backbone"]["blocks"][0]["up"]["kernel"]
    factors["b"] = jax.random.normal(KEY, factors["b"].shape)
    merged = merge_params(moved, frozen, LORA)
    w = frozen["backbone"]["blocks"][0]["up"]["kernel"]
    x = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    detour = x @ w + 1.5 * ((x @ factors["a"]) @ factors["b"])
    found = x @ merged["backbone"]["blocks"][0]["up"]["kernel"]
    np.testing.assert_allclose(found, detour, atol=1e-5)
    change = merged["backbone"]["blocks"][0]["up"]["kernel"] - w
    assert np.linalg.matrix_rank(change, tol=1e-4) == 2
    # Every other parameter is unchanged.
    unchanged = flatten_dict(merged)
    for path, value in flatten_dict(frozen).items():
        if path[-2:] != ("up", "kernel"):
            np.testing.assert_array_equal(unchanged[path], value)


def test_the_first_gradient_is_that_of_the_matrix_projected_by_a(params):
    """dL/dB = alpha / r A^T dL/dW, and dL/dA = 0 while B is."""
    moved, frozen = split_params(params, LORA, KEY)

    def kernel(tree):
        return tree["backbone"]["blocks"][0]["down"]["kernel"]

    def loss(moved):
        return jnp.sum(jnp.sin(kernel(merge_params(moved, frozen, LORA))))

    found = kernel(jax.jit(jax.grad(loss))(moved))
    expected = 1.5 * kernel(moved)["a"].T @ np.cos(kernel(params))
    np.testing.assert_allclose(found["b"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found["a"], np.zeros_like(found["a"]))


def test_each_matrix_of_a_stack_has_its_factors():
    tree = {"backbone": {"experts": {"kernel": np.ones((3, 4, 6), np.float32)}}}
    moved, frozen = split_params(tree, LORA, KEY)
    factors = moved["backbone"]["experts"]["kernel"]
    assert (factors["a"].shape, factors["b"].shape) == ((3, 4, 2), (3, 2, 6))
    factors["b"] = jnp.zeros((3, 2, 6)).at[1].set(1.0)
    change = merge_params(moved, frozen, LORA)["backbone"]["experts"]["kernel"] - 1
    assert np.any(change[1] != 0)
    assert not np.any(change[::2])


def test_a_is_gaussian_with_variance_one_over_inputs():
    tree = {"backbone": {"kernel": np.ones((400, 3), np.float32)}}
    moved, _ = split_params(tree, AdaptConfig("lora", rank=50), KEY)
    a = np.asarray(moved["backbone"]["kernel"]["a"]) * np.sqrt(400)
    assert abs(a.mean()) < 0.03
    assert a.var() == pytest.approx(1, abs=0.04)
    assert (a**4).mean() == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lora", 0), "adapt.rank: found 0; needed at least 1"),
        (("lora", 4, 0.0), "adapt.alpha: found 0.0; needed more than 0"),
        (("lora", 4, float("inf")), "adapt.alpha: found inf"),
    ],
)
def test_invalid_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptConfig(*arguments)


def test_an_unknown_method_is_named():
    config = AdaptConfig()
    object.__setattr__(config, "method", "probe")  # types are checked under pytest
    with pytest.raises(ValueError, match="method: found 'probe'; needed one of full"):
        config.__post_init__()


@pytest.mark.parametrize("method", ["head", "lora"])
def test_a_model_without_such_parameters_is_named(method):
    tree = {"trunk": {"kernel": np.ones((2, 2), np.float32)}}
    with pytest.raises(ValueError, match=f"adapt.method: found '{method}' for a model"):
        split_params(tree, AdaptConfig(method), KEY)
