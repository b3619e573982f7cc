"""The liquid backbone: cells, causality, masks, invalid sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.nn.backbones.liquid import CELLS, LiquidBackboneConfig
from wlam.nn.liquid.cell import LiquidCell

B, N, D = 2, 6, 8
X = np.random.default_rng(0).normal(size=(B, N, D)).astype(np.float32)
SHOWN = np.ones((B, N), bool)


@pytest.fixture(scope="module", params=CELLS)
def case(request):
    """The config, a backbone of two blocks and its compiled forward pass."""
    config = LiquidBackboneConfig(D, layers=2, cell=request.param, units=5)
    backbone = config.build(nnx.Rngs(0), jnp.dtype("float32"))
    graph, params = nnx.split(backbone)
    run = jax.jit(lambda x, visible: nnx.merge(graph, params)(x, visible))
    return config, backbone, run


def test_a_block_is_its_cell_step_by_step_between_residuals(case):
    _, backbone, run = case
    x, one = jnp.asarray(X), jnp.ones((B, N))
    for block in backbone.blocks:
        normed = block.norm1(x)
        cell = block.cell
        _, read = LiquidCell.unroll(cell, cell.start(B), normed, one, None)
        x = x + read @ block.out.kernel[...]
        up = block.norm2(x) @ block.up.kernel[...] + block.up.bias[...][None, None]
        x = x + jax.nn.gelu(up) @ block.down.kernel[...]
        x = x + block.down.bias[...][None, None]
    np.testing.assert_allclose(run(X, SHOWN), x, atol=2e-5)


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
    moved = np.concatenate([X[1, 2:], X[1, :2]])[None].repeat(B, 0)
    np.testing.assert_allclose(run(moved, SHOWN)[0, :4], out[1, 2:], atol=1e-6)


def test_a_hidden_token_is_a_longer_elapsed_time(case):
    _, _, run = case
    visible = SHOWN.copy()
    visible[0, 2] = False
    shorter = np.concatenate([X[0, :2], X[0, 3:], X[0, :1]])[None].repeat(B, 0)
    out, without = run(X, visible)[0], run(shorter, SHOWN)[0]
    np.testing.assert_allclose(out[:2], without[:2], atol=1e-6)
    assert abs(out[3:] - without[2:5]).max() > 1e-3


def test_sizes_are_checked():
    with pytest.raises(ValueError, match=r"backbone\.units: found 0; needed 1"):
        LiquidBackboneConfig(units=0)
