"""Waypoints are stationary and stay in their area; streets form a grid."""

from functools import partial

import jax
import numpy as np
import pytest

from wlam.simulate import tracks

# Unoptimised code compiles three times as fast and runs long enough not to matter.
FAST = {"xla_backend_optimization_level": 0}
AREA = (60.0, 100.0)


@partial(jax.jit, compiler_options=FAST)
def waypoints(pause_s, time_step_s):
    def one(key):
        return tracks.waypoint_track(
            key, 41, time_step_s, (5.0, 15.0), AREA, pause_s, num_legs=40
        )

    return jax.vmap(one)(jax.random.split(jax.random.key(0), 2000))


@partial(jax.jit, static_argnums=1, compiler_options=FAST)
def streets(time_step_s, turn_probabilities):
    def one(key):
        return tracks.street_track(
            key,
            41,
            time_step_s,
            10.0,
            block_m=50.0,
            corner_radius_m=8.0,
            turn_probabilities=turn_probabilities,
            num_crossings=14,
        )

    return jax.vmap(one)(jax.random.split(jax.random.key(1), 200))


def test_mean_distance_in_a_square_and_in_a_line():
    np.testing.assert_allclose(
        tracks.mean_distance((2.0, 2.0)), 2 * 0.521405, rtol=1e-5
    )
    np.testing.assert_allclose(tracks.mean_distance((300.0, 1.0)), 100.0, rtol=1e-2)
    ends = np.random.default_rng(0).uniform(size=(2, 100_000, 2)) * AREA
    mean = np.linalg.norm(ends[0] - ends[1], axis=-1).mean()
    np.testing.assert_allclose(tracks.mean_distance(AREA), mean, rtol=0.01)


def test_waypoints_are_in_their_steady_state_from_the_start():
    position, velocity = map(np.asarray, waypoints(5.0, 1.0))
    assert np.all((position >= -1e-3) & (position <= np.array(AREA) + 1e-3))
    speed = np.linalg.norm(velocity, axis=-1)
    leg_s = tracks.mean_distance(AREA) * np.log(3) / 10
    share = 5.0 / (5.0 + leg_s)
    moving_mean = 10 / np.log(3)  # harmonic: slow legs last longer
    for time in (0, 20, 40):
        moving = speed[:, time] > 0
        np.testing.assert_allclose(1 - moving.mean(), share, atol=0.045)
        np.testing.assert_allclose(speed[moving, time].mean(), moving_mean, rtol=0.04)
    assert np.all((speed < 15.01) & ((speed == 0) | (speed > 4.99)))
    # Users are more often in the middle, at all times alike.
    spread = position.std(0) / AREA
    np.testing.assert_allclose(spread[0], spread[40], atol=0.02)
    assert np.all(spread < 0.27)  # uniform: 0.289


def test_waypoint_velocity_is_the_derivative_of_position():
    position, velocity = map(np.asarray, waypoints(0.0, 0.05))
    steps = np.diff(position, axis=1) / 0.05
    same = np.all(velocity[:, 1:] == velocity[:, :-1], axis=-1)
    assert same.mean() > 0.95
    np.testing.assert_allclose(steps[same], velocity[:, :-1][same], atol=5e-3)


def test_waypoint_tracks_do_not_depend_on_the_time_step():
    fine, coarse = waypoints(5.0, 0.5), waypoints(5.0, 1.0)
    np.testing.assert_allclose(fine[0][:, ::2], coarse[0][:, :21], atol=1e-3)


def test_streets_are_a_grid():
    position, velocity = map(np.asarray, streets(1.0, (0.25, 0.25)))
    np.testing.assert_allclose(np.linalg.norm(velocity, axis=-1), 10.0, rtol=1e-4)
    # Off the turns the heading is a multiple of 90 degrees.
    quarter = np.arctan2(velocity[..., 1], velocity[..., 0]) / (np.pi / 2)
    straight = abs(quarter - np.round(quarter)) < 1e-4
    assert 0.7 < straight.mean() < 0.95
    along_x = straight & (np.round(quarter).astype(int) % 2 == 0)
    along_y = straight & ~along_x
    # Streets along x: 50 m apart, one of them through the start.
    off = position[..., 1][along_x] / 50
    np.testing.assert_allclose(off, np.round(off), atol=1e-4)
    # Streets along y: 50 m apart, each track's grid at its own place.
    for track in range(50):
        x = position[track, along_y[track], 0]
        if len(x):
            off = (x - x[0]) / 50
            np.testing.assert_allclose(off, np.round(off), atol=1e-4)
    turned = np.any(along_y, axis=1)
    assert 0.9 < turned.mean() <= 1.0  # 1 - 2 ** -8 or so


def test_street_velocity_is_continuous_and_the_derivative_of_position():
    position, velocity = map(np.asarray, streets(0.1, (0.5, 0.5)))
    steps = np.diff(position, axis=1) / 0.1
    middle = (velocity[:, 1:] + velocity[:, :-1]) / 2
    np.testing.assert_allclose(steps, middle, atol=0.16)  # a dt / 8
    # The acceleration of a turn is v^2 / r.
    change = np.linalg.norm(np.diff(velocity, axis=1), axis=-1) / 0.1
    assert change.max() < 100 / 8 * 1.01
    assert change.max() > 100 / 8 * 0.95


def test_turns_have_their_probabilities():
    _, velocity = map(np.asarray, streets(0.5, (1.0, 0.0)))
    heading = np.unwrap(np.arctan2(velocity[..., 1], velocity[..., 0]), axis=1)
    assert np.all(np.diff(heading, axis=1) > -1e-4)  # always left
    assert np.all(heading[:, -1] > np.pi)
    _, velocity = map(np.asarray, streets(0.5, (0.0, 0.0)))
    np.testing.assert_allclose(velocity[..., 0], 10.0, rtol=1e-5)


@pytest.mark.parametrize("step", [0.5, 1.0])
def test_street_tracks_do_not_depend_on_the_time_step(step):
    fine, coarse = streets(step / 2, (0.25, 0.25)), streets(step, (0.25, 0.25))
    np.testing.assert_allclose(fine[0][:, ::2], coarse[0][:, :21], atol=1e-3)
