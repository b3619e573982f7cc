"""Recurrent backbones: equations, causality, masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.backbones.recurrent import RecurrentConfig

B, N, D = 2, 6, 8
X = np.random.default_rng(0).normal(size=(B, N, D)).astype(np.float32)
SHOWN = np.ones((B, N), bool)


@pytest.fixture(scope="module", params=["lstm", "gru"])
def case(request):
    """The config, a backbone of two layers and its compiled forward pass."""
    config = RecurrentConfig(width=D, layers=2, cell=request.param)
    backbone = config.build(nnx.Rngs(0), jnp.dtype("float32"))
    graph, params = nnx.split(backbone)
    run = jax.jit(lambda x, visible: nnx.merge(graph, params)(x, visible))
    return config, backbone, run


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def equations(layer, x, cell):
    """The layer on one sequence [n, d], gate by gate."""
    w, b = (np.asarray(p[...]) for p in (layer.inward.kernel, layer.inward.bias))
    u, a = (np.asarray(p[...]) for p in (layer.around.kernel, layer.around.bias))
    hidden, memory, outputs = np.zeros(D), np.zeros(D), []
    gates = [slice(i * D, i * D + D) for i in range(4)]
    for token in x:
        at = [token @ w[:, s] + b[s] for s in gates[: w.shape[1] // D]]
        by = [hidden @ u[:, s] + a[s] for s in gates[: w.shape[1] // D]]
        if cell == "lstm":
            i, f, g, o = (p + q for p, q in zip(at, by, strict=True))
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(memory)
        else:
            r, z = sigmoid(at[0] + by[0]), sigmoid(at[1] + by[1])
            hidden = (1 - z) * np.tanh(at[2] + r * by[2]) + z * hidden
        outputs.append(hidden)
    return np.stack(outputs)


def test_the_equations(case):
    config, backbone, run = case
    want = X[1]
    for layer in backbone.layers:
        want = equations(layer, want, config.cell)
    np.testing.assert_allclose(run(X, SHOWN)[1], want, atol=1e-5)


def test_an_untrained_layer_keeps_its_memory(case):
    config, backbone, _ = case
    for layer in backbone.layers:
        square = np.asarray(layer.around.kernel[...]).reshape(D, -1, D)[:, 0]
        np.testing.assert_allclose(square @ square.T, np.eye(D), atol=1e-5)
        bias = np.asarray(layer.around.bias[...]).reshape(-1, D)
        want = [0, 1, 0, 0] if config.cell == "lstm" else [0, 0, 0]
        np.testing.assert_array_equal(bias, np.outer(want, np.ones(D)))


def test_no_output_depends_on_later_tokens(case):
    _, _, run = case
    other = X.copy()
    other[:, 4:] = 9
    same, found = run(X, SHOWN), run(other, SHOWN)
    np.testing.assert_array_equal(found[:, :4], same[:, :4])
    assert (abs(found - same)[:, 4:] > 1e-4).any(-1).all()


def test_hidden_tokens_have_no_influence_and_padding_changes_nothing(case):
    _, _, run = case
    visible = SHOWN.copy()
    visible[:, :2] = visible[0, 4] = False
    nan = np.where(visible[..., None], X, np.nan)
    out = run(X, visible)
    np.testing.assert_array_equal(run(nan, visible), out)
    # The state of a hidden token is that of the one before.
    np.testing.assert_array_equal(out[0, 4], out[0, 3])
    moved = np.concatenate([X[1, 2:], X[1, :2]])[None].repeat(B, 0)
    np.testing.assert_allclose(run(moved, SHOWN)[0, :4], out[1, 2:], atol=1e-6)
