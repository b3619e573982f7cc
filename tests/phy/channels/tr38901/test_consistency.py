"""A moving user: exact geometry, and agreement with Doppler over short distances."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy import arrays
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.consistency import follow
from wlam.phy.channels.tr38901.drops import draw_drop, generate, respond

CARRIER_HZ = 3.5e9
CONFIG = DropConfig(
    "UMi",
    carriers_hz=(CARRIER_HZ,),
    num_times=8,
    num_subcarriers=4,
    base=PanelConfig(1, 4),
    mobility="consistent",
)
# Four places of a straight way.
STRAIGHT = np.linspace(0.0, 3.0, 4)[:, None] * np.array([[0.6, 0.8, 0.0]])

direction = jax.jit(arrays.direction)


@jax.jit
def walk(drop, displacement):
    key, distance = jax.random.key(0), drop.distance_m
    return follow(key, drop.rays, drop.los, distance, displacement, CARRIER_HZ)


@pytest.fixture(scope="module")
def drop():
    return jax.jit(draw_drop, static_argnums=1)(jax.random.key(2), CONFIG)


@pytest.fixture(scope="module")
def moved(drop):
    return jax.tree.map(np.asarray, walk(drop, STRAIGHT))


def test_nothing_changes_at_the_start(drop, moved):
    rays, los = jax.tree.map(lambda x: x[0], moved)
    for name in ("arrival", "departure"):
        for angle in ("azimuth", "zenith"):
            field = f"{name}_{angle}"
            for now, before in ((rays, drop.rays), (los, drop.los)):
                turn = getattr(now, field) - np.asarray(getattr(before, field))
                np.testing.assert_allclose(np.cos(turn), 1.0, atol=1e-5)
    np.testing.assert_allclose(rays.delay_s, drop.rays.delay_s, atol=1e-12)
    np.testing.assert_allclose(rays.power, drop.rays.power, atol=1e-6)
    np.testing.assert_allclose(rays.phase, drop.rays.phase, atol=1e-4)


def test_the_direct_path_is_the_straight_line_to_the_user(drop, moved):
    base = np.array([0.0, 0.0, 10.0])
    line = np.asarray(drop.labels["position_m"]) + np.asarray(STRAIGHT) - base
    length = np.linalg.norm(line, axis=1)
    los = moved[1]
    seen = direction(los.departure_azimuth, los.departure_zenith)
    np.testing.assert_allclose(seen, line / length[:, None], atol=1e-5)
    back = direction(los.arrival_azimuth, los.arrival_zenith)
    np.testing.assert_allclose(back, -line / length[:, None], atol=1e-5)
    cycles = (length - length[0]) * CARRIER_HZ / SPEED_OF_LIGHT
    found = np.exp(2j * np.pi * np.asarray(los.cycles - los.cycles[0]))
    np.testing.assert_allclose(found, np.exp(2j * np.pi * cycles), atol=0.05)


def test_first_steps_are_those_of_the_standard(drop):
    """Equations 7.6-9 to 7.6-10d: rates of delay and arrival angles at the start."""
    step = np.array([[0.0, 0.0, 0.0], [0.006, 0.008, 0.0]])
    rays, _ = jax.tree.map(np.asarray, walk(drop, step))
    azimuth, zenith = drop.rays.arrival_azimuth, drop.rays.arrival_zenith
    towards = np.asarray(direction(azimuth, zenith), np.float64)
    path = np.asarray(drop.distance_m + SPEED_OF_LIGHT * drop.rays.delay_s)[:, None]
    # The phase is the finest measure of length: Doppler of every ray.
    turn = np.asarray(rays.phase[1] - rays.phase[0])[..., 0] / (2 * np.pi)
    cycles = (towards @ np.asarray(step[1])) * CARRIER_HZ / SPEED_OF_LIGHT
    off = np.exp(2j * np.pi * (turn - cycles))
    np.testing.assert_allclose(np.angle(off), 0, atol=0.01)
    across = np.stack([-np.sin(azimuth), np.cos(azimuth), 0 * azimuth], axis=-1)
    rate = -(across @ np.asarray(step[1])) / (path * np.sin(zenith))
    change = np.asarray(rays.arrival_azimuth[1] - rays.arrival_azimuth[0])
    change = np.angle(np.exp(1j * change))
    off_poles = np.sin(zenith) > 0.3
    np.testing.assert_allclose(change[off_poles], rate[off_poles], atol=2e-6)


def test_departures_move_as_far_as_the_user(drop, moved):
    """Mirrors keep distances: from the base station an image moves 1 m per metre."""
    rays = moved[0]
    start = np.asarray(drop.distance_m + SPEED_OF_LIGHT * drop.rays.delay_s)
    extra = SPEED_OF_LIGHT * np.asarray(rays.delay_s - rays.delay_s[:1], np.float64)
    away = np.asarray(direction(rays.departure_azimuth, rays.departure_zenith))
    image = away.mean(2) * (start[None] + extra)[..., None]
    # Of a whole cluster only the middle is known, so the spread of its rays is left.
    moved_by = np.linalg.norm(image - image[:1], axis=-1)
    wanted = np.linalg.norm(STRAIGHT, axis=1)[:, None]
    assert (moved_by <= 1.1 * wanted + 1e-3).all()
    assert (moved_by[-1] > 0.5 * wanted[-1]).mean() > 0.9


@pytest.mark.slow
def test_over_a_short_distance_there_is_only_a_doppler_shift(drop):
    """Over 2 cm only phases change, so that both kinds of mobility agree."""
    labels = drop.labels | {"time_step_s": jnp.float32(1e-4)}
    labels["velocity_mps"] = jnp.array([20.0, 15.0, 0.0])
    short = replace(drop, labels=labels)
    key = jax.random.key(1)
    channels = [
        jax.jit(partial(respond, config=replace(CONFIG, mobility=kind)))(key, short)
        for kind in ("doppler", "consistent")
    ]
    error = np.abs(channels[1] - channels[0]) ** 2
    assert error.mean() / np.mean(np.abs(channels[0]) ** 2) < 1e-3


@pytest.mark.slow
def test_a_track_of_seconds_is_coherent():
    """Snapshots 10 cm apart for 40 m: beams change slowly, the mean power stays."""
    config = replace(
        CONFIG,
        num_times=400,
        num_subcarriers=1,
        state="los",
        time_steps_s=(0.01,),
        speeds_kmh=(36.0, 36.0),
        base=PanelConfig(1, 16),
        distances_m=(60.0, 100.0),
    )
    data = jax.jit(generate, static_argnums=(1, 2))(jax.random.key(3), config, 4)
    assert jnp.isfinite(data.clean).all()
    beams = np.abs(np.fft.fft(data.clean[:, :, 0], axis=-1))
    best = beams.argmax(-1)
    # A line of sight in UMi is strong: its beam drifts, by neighbours.
    drift = np.abs((np.diff(best, axis=1) + 8) % 16 - 8)
    assert np.mean(drift <= 1) > 0.9
    position = np.asarray(data.labels["position_m"])[:, :2]
    velocity = np.asarray(data.labels["velocity_mps"])[:, :2]
    end = position + velocity * 0.01 * 399
    expected = np.sin(np.arctan2(end[:, 1], end[:, 0])) * 8
    last = (best[:, -20:] + 8) % 16 - 8
    off = np.abs((last - expected[:, None] + 8) % 16 - 8)
    assert np.median(off) < 1.5
