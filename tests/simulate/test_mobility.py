"""Tracks have the stated memory at any sampling interval."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.simulate import mobility

CONFIG = mobility.MobilityConfig(num_times=32)
# Unoptimised code compiles three times as fast and runs long enough not to matter.
generate = jax.jit(
    mobility.generate,
    static_argnums=(1, 2),
    compiler_options={"xla_backend_optimization_level": 0},
)


@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def tracks(time_step_s, turn_rate_std, straight_share):
    """4096 tracks at 10 m/s with speed memory 2 s and turn memory 1 s."""

    def one(key):
        return mobility.gauss_markov_track(
            key,
            41,
            time_step_s,
            10.0,
            speed_std_mps=1.0,
            speed_memory_s=2.0,
            turn_rate_std=turn_rate_std,
            turn_memory_s=1.0,
            straight_share=straight_share,
        )

    return jax.vmap(one)(jax.random.split(jax.random.key(0), 4096))


@pytest.mark.parametrize("time_step_s", [0.1, 0.4])
def test_speed_forgets_exponentially(time_step_s):
    speed = np.linalg.norm(tracks(time_step_s, 0.2, 0.0)[1], axis=-1) - 10.0
    np.testing.assert_allclose(np.std(speed), 1.0, atol=0.05)
    for lag in (5, 20):
        got = np.mean(speed[:, lag:] * speed[:, :-lag]) / np.mean(speed**2)
        np.testing.assert_allclose(got, np.exp(-lag * time_step_s / 2), atol=0.05)


def test_statistics_do_not_depend_on_the_time_step():
    fine, coarse = (tracks(step, 0.3, 0.0) for step in (0.1, 0.4))
    # After 4 s: how far along, how far aside, and how the heading has spread.
    for position_index in (0, 1):
        ends = [
            np.asarray(fine[0][:, 40, position_index]),
            np.asarray(coarse[0][:, 10, position_index]),
        ]
        np.testing.assert_allclose(np.mean(ends[0]), np.mean(ends[1]), atol=0.5)
        np.testing.assert_allclose(np.std(ends[0]), np.std(ends[1]), rtol=0.05)
    headings = [
        np.arctan2(v[:, 1], v[:, 0]) for v in (fine[1][:, 40], coarse[1][:, 10])
    ]
    # Variance of the integral of the turn rate, in closed form.
    expected = 0.3 * np.sqrt(2 * (4.0 - 1 + np.exp(-4.0)))
    for heading in headings:
        np.testing.assert_allclose(np.std(heading), expected, rtol=0.05)


def test_track_without_turning_is_a_straight_line():
    position, velocity = tracks(0.4, 0.0, 0.0)
    assert np.all(np.asarray(position[..., 1]) == 0)
    assert np.all(np.asarray(velocity[..., 1]) == 0)


def test_straight_pieces_keep_the_velocity():
    velocity = np.asarray(tracks(0.4, 0.3, 1.0)[1])
    np.testing.assert_allclose(
        velocity, np.broadcast_to(velocity[:, :1], (4096, 41, 2))
    )
    np.testing.assert_allclose(np.std(velocity[:, 0, 0]), 1.0, atol=0.05)


def test_interval_mean_is_that_of_a_finely_sampled_process():
    @jax.jit
    def processes():
        fine = mobility.gauss_markov(jax.random.key(2), jnp.full((65, 8192), 2 / 64))
        lag = jnp.full((2, 8192), 2.0)
        mean = mobility.interval_mean(jax.random.key(3), fine[jnp.array([0, 64])], lag)
        return fine, mean[0]

    fine, got = map(np.asarray, processes())
    wanted = np.mean((fine[1:] + fine[:-1]) / 2, axis=0)
    np.testing.assert_allclose(np.std(got), np.std(wanted), rtol=0.03)
    np.testing.assert_allclose(
        np.mean(got * fine[0]), np.mean(wanted * fine[0]), atol=0.03
    )


def test_two_state_process_has_its_share_and_memory():
    lag = jnp.full(50_000, 0.25)
    on = np.asarray(jax.jit(mobility.two_state)(jax.random.key(4), lag, 0.3), float)
    np.testing.assert_allclose(on.mean(), 0.3, atol=0.02)
    correlation = np.mean((on[4:] - 0.3) * (on[:-4] - 0.3)) / 0.21
    np.testing.assert_allclose(correlation, np.exp(-1.0), atol=0.03)


def test_generated_tracks_pass_in_front_of_the_origin():
    tracks = generate(jax.random.key(5), CONFIG, 64)
    again = generate(jax.random.key(5), CONFIG, 64)
    assert np.array_equal(tracks.series, again.series)
    assert tracks.series.shape == (64, 32, 2)
    assert np.all(np.isfinite(tracks.series))
    middle = np.asarray(tracks.series[:, 16])
    distance = np.linalg.norm(middle, axis=-1)
    assert np.all((distance > 4.9) & (distance < 201))
    assert np.all(np.abs(np.arctan2(middle[:, 0], middle[:, 1])) < np.deg2rad(60.1))
    assert set(np.unique(tracks.time_step_s)) <= set(np.float32(CONFIG.time_steps_s))


@pytest.mark.parametrize("kind", ["straight", "waypoint", "street"])
def test_every_kind_passes_in_front_of_the_origin_below_its_speed(kind):
    config = mobility.MobilityConfig(kind=kind, num_times=16, speeds_kmh=(36.0, 72.0))
    tracks = generate(jax.random.key(6), config, 64)
    position = np.asarray(tracks.series)
    step = np.asarray(tracks.time_step_s)[:, None]
    speed = np.linalg.norm(np.diff(position, axis=1), axis=-1) / step
    # Waypoints: uniform speeds of a deviation of a quarter of their mean at most.
    most = np.asarray(tracks.labels["speed_kmh"])[:, None] / 3.6
    most = most * (1 + 3**0.5 / 4 if kind == "waypoint" else 1.0)
    assert np.all(speed <= most * 1.001)
    if kind == "straight":
        np.testing.assert_allclose(speed, np.broadcast_to(most, speed.shape), rtol=1e-3)
    if kind == "waypoint":
        assert np.all((position[..., 1] >= 4.99) & (position[..., 1] <= 105.01))
        assert np.all(abs(position[..., 0]) <= 50.01)
    else:
        middle = position[:, 8]
        assert np.all(np.abs(np.arctan2(middle[:, 0], middle[:, 1])) < np.deg2rad(60.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "waypoint", "pause_s": -1.0}, "area_m, pause_s: found"),
        ({"kind": "waypoint", "speed_variation": (0.0, 0.6)}, "speed_variation: found"),
        ({"corner_radius_m": 50.0}, "corner_radius_m: found 50"),
        ({"turn_probabilities": (0.6, 0.6)}, "turn_probabilities: found"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        mobility.MobilityConfig(**change)
