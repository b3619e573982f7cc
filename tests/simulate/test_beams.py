"""RSRP against closed forms; sweeps have the statistics they state."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy import codebooks
from wlam.simulate import beams

# Unoptimised code compiles three times as fast and runs long enough not to matter.
generate = jax.jit(
    beams.generate,
    static_argnums=(1, 2),
    compiler_options={"xla_backend_optimization_level": 0},
)
rsrp = jax.jit(beams.rsrp, static_argnums=3)
path_geometry = jax.jit(beams.path_geometry)
dft_codebook = jax.jit(codebooks.dft_codebook, static_argnums=(0, 1))
steering = jax.jit(codebooks.steering, static_argnums=1)


def beam_directions(*arguments):
    return np.asarray(codebooks.beam_directions(*arguments))


@pytest.mark.parametrize(("num_beams", "num_ant"), [(64, 64), (32, 16)])
def test_rsrp_of_one_path_is_the_dirichlet_kernel(num_beams, num_ant):
    directions = beam_directions(num_beams)
    # Between beams, on a beam, and near one.
    path = np.array([0.123, -0.9, directions[3], directions[5] + 1e-4], np.float32)
    got = rsrp(np.full((4, 1), 2, np.float32), path[:, None], directions, num_ant)
    n = np.arange(num_ant)
    response = np.exp(1j * np.pi * np.float64(path)[:, None] * n)
    weights = np.exp(1j * np.pi * np.float64(directions)[:, None] * n)
    wanted = 2 * np.abs(response @ weights.conj().T) ** 2 / num_ant
    np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-3)
    codebook = np.asarray(dft_codebook(num_beams, num_ant))
    applied = np.asarray(steering(path, num_ant)) @ codebook.conj().T
    np.testing.assert_allclose(2 * np.abs(applied) ** 2, wanted, atol=2e-3 * num_ant)


def test_elements_in_phase_are_the_dirichlet_kernel():
    directions = beam_directions(32, 90.0)
    path, none = np.array([0.123, -0.6, 0.0], np.float32), np.zeros(16, np.float32)
    for num_ant in (16, jnp.float32(12)):  # of the 16, the first ones
        of_both = partial(beams.array_gain, num_ant=num_ant)
        wanted = jax.jit(of_both)(path, directions)
        of_both = partial(beams.array_gain_with_errors, num_ant=num_ant)
        got = jax.jit(of_both)(path, directions, phase_error=none)
        np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_phase_errors_lower_the_main_lobe_by_ruze():
    """On average exp(-std^2) of it remains, and one element's share of the rest."""
    std, num_ant = 0.5, 32

    @jax.jit
    def draw(key):
        errors = std * jax.random.normal(key, (2000, num_ant))
        axis = jnp.zeros(1)
        return jax.vmap(
            lambda error: beams.array_gain_with_errors(axis, axis, num_ant, error)
        )(errors)

    gain = np.asarray(draw(jax.random.key(0)))
    left = np.exp(-(std**2))
    np.testing.assert_allclose(gain.mean(), num_ant * left + 1 - left, rtol=0.01)


def test_arrays_and_codebooks_are_drawn_for_every_track():
    config = beams.BeamConfig(
        num_times=4,
        num_beams=16,
        num_ant=(8, 16),
        field_of_view_deg=(None, 90.0),
        phase_error_deg=(0.0, 30.0),
        dynamic_range_db=(20.0, 40.0),
    )
    tracks = generate(jax.random.key(0), config, 200)
    assert np.isfinite(tracks.rsrp_db).all()
    # Of twice as many antennas the main lobe is half as wide, of 90 degrees wider.
    top = tracks.clean.max(2, keepdims=True)
    width = np.asarray((tracks.clean > top - 3).sum(2)).mean(1)
    assert width.min() < 2 < 4 < width.max()


def test_single_bounce_geometry():
    length, direction = path_geometry(
        np.array([[3.0, 4.0]]), np.array([[0.0, 4.0]]), 12.0
    )
    np.testing.assert_allclose(length, [[13.0, np.hypot(4, 12) + 3]], rtol=1e-6)
    np.testing.assert_allclose(direction, [[3 / 13, 0.0]], rtol=1e-6)


def test_best_beam_points_to_the_user():
    x = np.linspace(-80.0, 80.0, 50, dtype=np.float32)
    position = np.stack([x, np.full_like(x, 20.0)], axis=-1)
    length, direction = map(
        np.asarray, path_geometry(position, np.ones((1, 2), np.float32), 5.0)
    )
    codebook = beam_directions(64)
    power = rsrp(length[:, :1] ** -2, direction[:, :1], codebook, 64)
    best = codebook[np.argmax(power, axis=-1)]
    np.testing.assert_allclose(best, x / np.sqrt(x**2 + 425), atol=1.01 / 64)


def test_shadowing_is_correlated_along_the_track():
    # Unequal steps, 10 m in all.
    position = np.stack([[0.0, 1.0, 4.0, 10.0], np.zeros(4)], axis=-1)
    draw = jax.jit(beams.shadowing, static_argnums=2)
    values = np.asarray(draw(jax.random.key(1), position, 20_000, 3.0, 10.0))
    np.testing.assert_allclose(values.std(axis=1), 3.0, rtol=0.03)
    for index, distance in ((1, 1.0), (2, 4.0), (3, 10.0)):
        correlation = np.mean(values[0] * values[index]) / 9
        np.testing.assert_allclose(correlation, np.exp(-distance / 10), atol=0.04)


def test_blockage_has_its_depth_and_ends():
    time_s = np.arange(101) * 0.1
    loss = np.asarray(jax.jit(beams.blockage)(20.0, 5.0, 2.0, time_s))
    np.testing.assert_allclose(loss[50], 20.0, rtol=0.01)
    np.testing.assert_allclose(loss[[40, 60]], 10.0, rtol=0.01)
    np.testing.assert_allclose(loss[[0, 100]], 0.0, atol=1e-3)


@pytest.mark.slow
def test_full_scenario_is_finite_and_reproducible():
    config = beams.BeamConfig(
        num_times=16, num_ant=(16,), num_beams=32, field_of_view_deg=(90.0,)
    )
    tracks = generate(jax.random.key(2), config, 500)
    again = generate(jax.random.key(2), config, 500)
    assert np.array_equal(tracks.rsrp_db, again.rsrp_db)
    assert tracks.rsrp_db.shape == tracks.clean.shape == (500, 16, 32)
    assert np.all(np.isfinite(tracks.rsrp_db))
    noise = np.std(tracks.rsrp_db - tracks.clean, axis=(1, 2))
    np.testing.assert_allclose(noise, tracks.labels["noise_db"], rtol=0.15)
    np.testing.assert_allclose(np.mean(noise / tracks.labels["noise_db"]), 1, rtol=0.01)
    spread = np.max(tracks.clean, axis=(1, 2)) - np.min(tracks.clean, axis=(1, 2))
    assert np.all(spread < config.dynamic_range_db[1] + 0.1)
    blocked = np.mean(np.asarray(tracks.labels["blockage_db"]) > 0)
    np.testing.assert_allclose(blocked, config.blockage_probability, atol=0.05)
    assert all(value.shape == (500,) for value in tracks.labels.values())
