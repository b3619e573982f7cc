"""Rays: delays, powers and angles against their equations."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.drops import direct_path
from wlam.phy.channels.tr38901.large_scale import LargeScale, Link
from wlam.phy.channels.tr38901.rays import _coupling, draw_rays
from wlam.phy.channels.tr38901.tables import LOS, NLOS, O2I

LINKS = 500
SPREAD = 1e-7  # s
K_DB = 9.0


@pytest.fixture(scope="module")
def draw():
    """Many links of one large scale: state -> (rays, direct path)."""

    @jax.jit
    def many(state):
        f = jnp.float32
        link = Link(state, f(3.5e9), f(200.0), f(25.0), f(1.5))
        los = direct_path(link, f(0.5), f(10 ** (K_DB / 10)))
        k_db = jnp.where(state == LOS, K_DB, -jnp.inf)
        spreads = map(f, (SPREAD, 10.0, 30.0, 3.0, 8.0, np.log10(3.0), -5.0))
        scale = LargeScale(f(0.0), k_db, *spreads)

        def one(key):
            return draw_rays(key, "UMa", link, scale, los)

        return jax.vmap(one)(jax.random.split(jax.random.key(0), LINKS)), los

    return cache(lambda state: jax.tree.map(np.asarray, many(jnp.asarray(state))))


@pytest.mark.parametrize("state", [LOS, NLOS, O2I])
def test_delays_rise_from_zero_and_powers_add_to_one(draw, state):
    rays, _ = draw(state)
    assert (rays.delay_s[:, 0] == 0).all()
    assert (np.diff(rays.delay_s, axis=1) >= 0).all()
    total = rays.power.sum(axis=1)
    assert (total > 0.95).all()  # what is weaker than -25 dB was removed
    assert (total < 1 + 1e-5).all()
    present = (rays.power > 0).sum(axis=1)
    assert (present <= tables.parameters("UMa")[state].clusters).all()
    weakest = np.where(rays.power > 0, rays.power, 1.0).min(axis=1)
    assert (weakest >= rays.power.max(axis=1) * 10**-2.5).all()


def test_delays_are_exponential(draw):
    """Of mean r_tau DS each: the largest of N less the least is H(N - 1) times that."""
    rays, _ = draw(NLOS)
    column = tables.parameters("UMa")[NLOS]
    scale = column.delay_scaling * SPREAD
    harmonic = (1 / np.arange(1, column.clusters)).sum()
    last = rays.delay_s[:, column.clusters - 1]
    std = scale * np.sqrt((1 / np.arange(1, column.clusters) ** 2).sum())
    np.testing.assert_allclose(
        last.mean(), scale * harmonic, atol=4 * std / np.sqrt(LINKS)
    )


def test_delay_spread_is_near_the_requested_one(draw):
    """Steps 5 and 6 have the delay spread on average; tables' r_tau are rounded."""
    rays, _ = draw(NLOS)
    power = rays.power / rays.power.sum(axis=1, keepdims=True)
    mean = (power * rays.delay_s).sum(axis=1, keepdims=True)
    spread = np.sqrt((power * (rays.delay_s - mean) ** 2).sum(axis=1))
    np.testing.assert_allclose(spread.mean(), SPREAD, rtol=0.2)


def test_the_first_cluster_is_in_the_line_of_sight(draw):
    """Equation 7.5-12: cluster 1 has the direction of the direct ray."""
    rays, los = draw(LOS)
    spread = np.deg2rad(tables.parameters("UMa")[LOS].cluster_asa_deg)
    middle = rays.arrival_azimuth[:, 0].mean(axis=1)
    np.testing.assert_allclose(middle, los.arrival_azimuth, atol=1e-3)
    assert (abs(rays.arrival_azimuth[:, 0] - los.arrival_azimuth) < 2.16 * spread).all()


def test_azimuths_have_the_requested_spread(draw):
    """Power-weighted deviation of arrival, on average over links, near ASA = 30."""
    rays, los = draw(NLOS)
    power = np.broadcast_to(rays.power[..., None], rays.arrival_azimuth.shape) / 20
    phasor = power * np.exp(1j * (rays.arrival_azimuth - los.arrival_azimuth))
    mean = np.angle(phasor.sum((1, 2)))[:, None, None]
    off = rays.arrival_azimuth - los.arrival_azimuth - mean
    spread = np.sqrt((power * off**2).sum((1, 2)))
    np.testing.assert_allclose(np.rad2deg(spread).mean(), 30.0, rtol=0.25)


def test_zenith_angles_stay_on_the_sphere(draw):
    for state in (LOS, NLOS, O2I):
        rays, _ = draw(state)
        for zenith in (rays.arrival_zenith, rays.departure_zenith):
            assert (zenith >= 0).all()
            assert (zenith <= np.pi + 1e-6).all()


def test_cross_polarisation_has_the_table_s_moments(draw):
    rays, _ = draw(NLOS)
    kappa_db = 10 * np.log10(rays.cross_polarisation)
    mean, std = tables.parameters("UMa")[NLOS].xpr_db
    np.testing.assert_allclose(kappa_db.mean(), mean, atol=0.1)
    np.testing.assert_allclose(kappa_db.std(), std, atol=0.1)


def test_coupling_permutes_and_stays_in_the_sub_cluster():
    words = np.random.default_rng(0).random((3, 2, 20), np.float32)
    order = np.asarray(jax.jit(_coupling)(words, np.array([True, False])))
    np.testing.assert_array_equal(np.sort(order, axis=-1), np.arange(20) + 0 * order)
    group = np.array([0] * 8 + [1] * 4 + [2] * 4 + [1] * 2 + [0] * 2)
    np.testing.assert_array_equal(group[order[:, 0]], group + 0 * order[:, 0])
    assert (group[order[:, 1]] != group).any()
