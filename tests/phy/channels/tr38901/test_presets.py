"""Every named data set makes a batch of the shape that its paper states."""

import jax
import numpy as np
import pytest

from wlam.phy.channels.tr38901.drops import generate
from wlam.phy.channels.tr38901.presets import PRESETS

# Tracing takes a second each, so that only some are in the fast tests.
FEW = ("D1", "D16", "H7", "LLM4CP")


@pytest.mark.parametrize(
    "name",
    [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in PRESETS],
)
def test_shapes(name):
    config = PRESETS[name]
    antennas = config.base.rows * config.base.columns
    antennas *= 2 if config.base.polarisation == "cross" else 1
    data = jax.eval_shape(lambda key: generate(key, config, 3), jax.random.key(0))
    shape = (3, config.num_times, config.num_subcarriers, antennas)
    assert data.csi.shape == data.clean.shape == shape


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_batch(name):
    data = jax.jit(lambda key: generate(key, PRESETS[name], 2))(jax.random.key(0))
    assert np.isfinite(data.csi).all()
    assert (abs(data.clean) > 0).any()


def test_all_data_sets_are_there():
    names = {f"D{i + 1}" for i in range(19)} | {f"H{i + 1}" for i in range(12)}
    assert set(PRESETS) == names | {"LLM4CP"}
