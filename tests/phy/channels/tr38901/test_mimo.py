"""Drops as matrices of two arrays."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest

from wlam.phy.channels.tr38901 import drops
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.mimo import MimoConfig, generate
from wlam.tasks.estimate import CsiEstimate

ONE = DropConfig(
    "UMi",
    state="los",
    num_times=1,
    num_subcarriers=1,
    base=PanelConfig(1, 4),
    user=PanelConfig(1, 3),
)


@partial(jax.jit, static_argnames="config")
def draw(key, config):
    return generate(key, config, 5), drops.generate(key, config.drops, 5)


def test_elements_are_those_of_the_pairs_of_antennas():
    found, pairs = draw(jax.random.key(0), MimoConfig(ONE))
    assert found.clean.shape == (5, 1, 3, 4)
    for user in range(3):
        for base in range(4):
            np.testing.assert_array_equal(
                found.clean[:, 0, user, base], pairs.clean[:, 0, 0, 4 * user + base]
            )
    # A line along y, half a wavelength apart: that of the base station alone.
    np.testing.assert_allclose(np.diff(found.antennas.positions[:, 1]), 0.5, rtol=1e-6)
    np.testing.assert_array_equal(found.labels["tx_antennas"], 3.0)
    np.testing.assert_array_equal(
        found.labels["distance_m"], pairs.labels["distance_m"]
    )


def test_training_has_two_arrays_and_no_subcarriers():
    found, _ = draw(jax.random.key(0), MimoConfig(ONE))
    batch = CsiEstimate().batch(jax.random.key(1), found, 1, None)
    assert not batch.frequency
    assert batch.clean.shape == (5, 3, 4)
    np.testing.assert_allclose((abs(batch.clean) ** 2).mean((1, 2)), 1.0, rtol=1e-5)


def test_a_line_of_sight_alone_is_a_product_of_two_waves():
    """A matrix of rank one up to the scattered rays."""
    found, _ = draw(jax.random.key(0), MimoConfig(ONE))
    k_db = np.asarray(found.labels["k_db"])
    matrix = np.asarray(found.clean[k_db.argmax(), 0], np.complex128)
    strength = np.linalg.svd(matrix, compute_uv=False) ** 2
    # What is not the direct path is 1 / (1 + K) of the mean power.
    assert strength[1:].sum() / strength.sum() < 3 / (1 + 10 ** (k_db.max() / 10))


@pytest.mark.parametrize("name", ["num_times", "num_subcarriers"])
def test_more_than_one_matrix_a_sample_is_refused(name):
    with pytest.raises(ValueError, match=rf"drops.{name}: found 2; needed 1"):
        MimoConfig(replace(ONE, **{name: 2}))
