"""Sparse sweeps of known paths, and lines between beams."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam import baselines
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain

BEAMS = 32
RNG = np.random.default_rng(0)

filled_sweeps = jax.jit(baselines.filled_sweeps)
smoothed_sweep = jax.jit(baselines.smoothed_sweep)


@partial(jax.jit, static_argnums=(1, 2))
def sweeps_db(fine, num_ant, view, floor, strength):
    direction = beam_directions(9 * BEAMS, view)[fine]
    gain = array_gain(direction, beam_directions(BEAMS, view), num_ant)
    return 10 * jnp.log10(strength * gain + floor)


def sweeps(positions, num_ant, view=None, floor=1e-3, strength=1.0):
    """Sweeps of single paths at positions between beams, in dB."""
    fine = np.round((positions + 0.5) * 9 - 0.5).astype(int)
    return np.asarray(sweeps_db(fine, num_ant, view, floor, strength))


@pytest.mark.parametrize(
    ("num_ant", "view", "every"), [(32, None, 1), (16, None, 2), (8, 90.0, 4)]
)
def test_a_path_is_found_with_its_sweep(num_ant, view, every):
    """Noise floor and strength are unknown; every beam with its power is needed."""
    positions = RNG.integers(18, 9 * (BEAMS - 2), 20) / 9.0
    db = sweeps(positions, num_ant, view, floor=0.02, strength=3.0)
    measured = np.broadcast_to(np.arange(BEAMS) % every == every // 2, db.shape)
    shown = np.where(measured, db, np.float32(99.0))
    fit = jax.tree.map(np.asarray, baselines.fit_path(shown, measured, num_ant, view))
    np.testing.assert_allclose(
        fit.position, positions, atol=0.23
    )  # two fine directions
    np.testing.assert_array_equal(
        np.argmax(fit.sweep_db, axis=1), np.argmax(db, axis=1)
    )
    strong = db > db.max(1, keepdims=True) - 10
    np.testing.assert_allclose(fit.sweep_db[strong], db[strong], atol=1.0)
    assert (fit.unexplained < 1e-2).all()


def test_another_array_explains_less():
    db = sweeps(np.array([10.0, 20.0]), 32)
    everything = np.ones(db.shape, bool)
    right, wrong = (
        np.asarray(baselines.fit_path(db, everything, n).unexplained) for n in (32, 8)
    )
    assert (right < 1e-3).all()
    assert (wrong > 0.1).all()


def test_a_sweep_without_measurements_has_no_path():
    flat = np.full((2, BEAMS), -90.0, np.float32)
    for measured in (np.ones(flat.shape, bool), np.zeros(flat.shape, bool)):
        fit = baselines.fit_path(flat, measured, BEAMS)
        assert np.isfinite(fit.sweep_db).all()
        assert np.isfinite(fit.position).all()


def test_lines_between_beams_and_held_edges():
    line = np.broadcast_to(-60.0 - np.arange(8.0, dtype=np.float32), (1, 1, 8))
    measured = np.zeros((1, 1, 8), bool)
    measured[..., [1, 4, 6]] = True
    shown = np.where(measured, line, np.float32(7.0))
    found = np.asarray(filled_sweeps(shown, measured))
    expected = -60.0 - np.clip(np.arange(8.0), 1, 6)
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-6)


def test_sweeps_without_measured_beams_repeat_the_one_before_or_the_first():
    values = RNG.normal(size=(1, 5, 8)).astype(np.float32)
    known = np.array([False, True, False, True, False])[None, :, None]
    measured = np.broadcast_to(known, values.shape)
    found = np.asarray(filled_sweeps(values, measured))
    np.testing.assert_array_equal(found[0], values[0, [1, 1, 1, 3, 3]])


def test_a_smooth_sweep_interpolates_and_may_peak_between_beams():
    beam = np.arange(24)
    peaks_at = np.array([8.0, 10.0, 13.0])[:, None]
    sweeps = -70 + 20 * np.exp(-((beam - peaks_at) ** 2) / 40)
    measured = np.broadcast_to(beam % 4 == 0, sweeps.shape)
    shown = np.where(measured, sweeps, 5.0).astype(np.float32)  # without influence
    found = np.asarray(smoothed_sweep(shown, measured))
    np.testing.assert_allclose(found[measured], sweeps[measured], atol=1.0)
    assert abs(found - sweeps)[:, :21].max() < 2.0  # beyond 20 nothing was measured
    np.testing.assert_array_equal(found.argmax(1), peaks_at[:, 0])
    # A unit and a level come back.
    again = smoothed_sweep(2 * shown + 30, measured)
    np.testing.assert_allclose(again, 2 * found + 30, rtol=1e-4)
