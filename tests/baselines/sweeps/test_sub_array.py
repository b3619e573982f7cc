"""Coarse sweeps of sub-arrays, of single paths with a known best beam."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from wlam import baselines
from wlam.simulate.beams import array_gain, beam_directions

NARROW, COARSE = 64, 16
GRID, WIDE = (np.asarray(beam_directions(number)) for number in (NARROW, COARSE))


@partial(jax.jit, static_argnums=2)
def coarse_sweep_db(direction, beams, num_ant, floor=1e-6):
    return 10 * jnp.log10(array_gain(direction, beams, num_ant) + floor)


def test_a_path_on_a_narrow_beam_is_found():
    coarse = coarse_sweep_db(GRID, WIDE, COARSE)
    forecast = np.asarray(baselines.sub_array_sweep(coarse, NARROW))
    np.testing.assert_array_equal(forecast.argmax(1), np.arange(NARROW))
    # The whole array has its full gain there.
    np.testing.assert_allclose(forecast.max(1), 10 * np.log10(NARROW), atol=0.01)
    assert forecast.min() > 10 * np.log10(NARROW) - 40.01


def test_paths_between_beams_are_found_within_a_beam():
    direction = np.random.default_rng(0).uniform(-1, 1, NARROW).astype(np.float32)
    coarse = coarse_sweep_db(direction, WIDE, COARSE)
    best = np.asarray(baselines.sub_array_sweep(coarse, NARROW)).argmax(1)
    away = np.abs((GRID[best] - direction + 1) % 2 - 1)  # directions wrap around
    assert away.max() < 2 / NARROW
    assert (away <= 1.05 / NARROW).mean() > 0.9  # nearest of all, as a rule


def test_a_noise_floor_common_to_all_beams_has_no_influence():
    quiet, noisy = (
        baselines.sub_array_sweep(coarse_sweep_db(GRID, WIDE, COARSE, floor), NARROW)
        for floor in (1e-6, 3.0)
    )
    np.testing.assert_allclose(quiet, noisy, atol=0.02)


def test_a_sparse_sweep_of_the_whole_array():
    """Every other narrow beam: a path between two has power in both."""
    sparse = GRID[::2]
    coarse = coarse_sweep_db(GRID, sparse, NARROW)
    forecast = baselines.sub_array_sweep(coarse, NARROW, NARROW, jnp.asarray(sparse))
    found = np.asarray(forecast).argmax(1)
    np.testing.assert_array_equal(found, np.arange(NARROW))


def test_a_flat_sweep_has_a_finite_forecast():
    flat = np.full((NARROW, COARSE), -90.0, np.float32)
    assert np.isfinite(baselines.sub_array_sweep(flat, NARROW)).all()
