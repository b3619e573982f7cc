"""Path loss against an independent implementation; probabilities and their limits."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.channels.tr38901.pathloss import (
    Factory,
    environment_height_m,
    los_probability,
    path_loss_db,
    penetration_loss_db,
    shadowing_std_db,
)
from wlam.phy.channels.tr38901.tables import LOS, NLOS, O2I

FIXTURE = Path(__file__).parent / "pathloss.json"
CASES = json.loads(FIXTURE.read_text())


@pytest.mark.parametrize("case", CASES)
def test_oracle(case):
    """Sionna 2.2 in double precision; made by benchmarks/remake_oracle.py."""
    scenario, ghz, state = case.split("_")
    oracle = CASES[case]
    with jax.enable_x64(True):
        ours = path_loss_db(
            scenario,
            LOS if state == "los" else NLOS,
            float(ghz) * 1e9,
            np.array(oracle["d2d_m"], float),
            oracle["h_bs"],
            oracle["h_ut"],
        )
    np.testing.assert_allclose(ours, oracle["pathloss_db"], atol=1e-4)


def test_indoor_losses_by_hand():
    """Table 7.4.1-1 at 10 m and 10 GHz, where all logarithms are 1."""
    place = (1e10, np.array([10.0]), 1.0, 1.0)
    np.testing.assert_allclose(path_loss_db("InH", LOS, *place), 32.4 + 17.3 + 20)
    np.testing.assert_allclose(path_loss_db("InH", NLOS, *place), 38.3 + 17.3 + 24.9)
    for hall, loss in (
        (Factory("SL"), 78.5),
        (Factory("DL"), 78.5),
        (Factory("SH"), 75.4),
        (Factory("DH"), 75.53),
    ):
        ours = path_loss_db("InF", NLOS, *place, factory=hall)
        np.testing.assert_allclose(ours, max(loss, 31.84 + 21.5 + 19), rtol=1e-6)


@pytest.mark.parametrize("scenario", ["UMi", "UMa", "RMa", "InH", "InF"])
def test_losses_grow_with_distance_and_blockage(scenario):
    d = np.linspace(40.0, 400.0, 50)
    clear, blocked = (
        path_loss_db(scenario, state, 3.5e9, d, 10.0, 1.5) for state in (LOS, NLOS)
    )
    assert (np.diff(clear) > 0).all()
    assert (np.diff(blocked) > 0).all()
    assert (blocked >= clear).all()


@pytest.mark.parametrize(
    ("scenario", "d2d", "probability"),
    [
        ("UMi", 18.0, 1.0),
        ("UMi", 36.0, 0.5 + 0.5 * np.exp(-1)),
        ("UMa", 18.0, 1.0),
        ("UMa", 63.0, 2 / 7 + 5 / 7 * np.exp(-1)),
        ("RMa", 10.0, 1.0),
        ("RMa", 1010.0, np.exp(-1)),
        ("InH", 1.2, 1.0),
        ("InH", 6.5 + 32.6, 0.32 * np.exp(-1)),
    ],
)
def test_probability_of_a_line_of_sight(scenario, d2d, probability):
    ours = los_probability(scenario, np.array([d2d]))
    np.testing.assert_allclose(ours, probability, rtol=1e-5)


def test_probability_depends_on_height_clutter_and_office():
    d = np.array([100.0])
    assert los_probability("UMa", d, 23.0) > los_probability("UMa", d, 13.0)
    assert los_probability("InH", d, open_office=True) > los_probability("InH", d)
    # k = -d_clutter / ln(1 - r), table 7.4.2-1.
    hall = Factory("DL", clutter_density=0.6, clutter_size_m=2.0)
    expected = np.exp(100 * np.log(0.4) / 2.0)
    np.testing.assert_allclose(
        los_probability("InF", d, factory=hall), expected, rtol=1e-4
    )
    tall = Factory("SH", clutter_height_m=2.0)
    assert los_probability("InF", d, 1.5, 8.0, factory=tall) > los_probability(
        "InF", d, 1.5, 3.0, factory=tall
    )


def test_the_environment_of_high_users_is_drawn():
    """Note 1 of table 7.4.1-1: 1 m with probability 1 / (1 + C), else 12, 15, ... m."""
    grid = (jnp.arange(1000) + 0.5) / 1000
    pairs = jnp.stack(jnp.meshgrid(grid, grid[::50]), axis=-1).reshape(-1, 2)
    draw = jax.jit(jax.vmap(environment_height_m, (0, None, None)))
    assert (draw(pairs, 100.0, 13.0) == 1).all()
    heights = np.asarray(draw(pairs, 150.0, 22.5))
    c = 0.95**1.5 * 1.25 * 1.5**3 * np.exp(-1)
    np.testing.assert_allclose((heights == 1).mean(), 1 / (1 + c), atol=2e-3)
    values, counts = np.unique(heights[heights > 1], return_counts=True)
    np.testing.assert_array_equal(values, [12, 15, 18, 21])
    np.testing.assert_allclose(counts / counts.sum(), 0.25, atol=0.01)


def test_walls():
    """Clause 7.4.3.1 at 1 GHz: concrete 9 dB, glass 2.2 dB, coated glass 23.3 dB."""
    low, std = penetration_loss_db("low", 1e9, np.array([10.0]))
    mix = 0.3 * 10**-0.22 + 0.7 * 10**-0.9
    np.testing.assert_allclose(low, 5 - 10 * np.log10(mix) + 5, rtol=1e-5)
    np.testing.assert_allclose(std, 4.4, rtol=1e-6)
    high, _ = penetration_loss_db("high", 1e9, np.array([10.0]))
    assert high > low
    outside, _ = penetration_loss_db("low", 1e9, np.array([10.0]), NLOS)
    assert outside == 0


def test_shadowing_of_rural_cells_grows_beyond_the_breakpoint():
    d = np.array([100.0, 9000.0])
    std = shadowing_std_db("RMa", LOS, 4.0, 2e9, d, 35.0, 1.5)
    np.testing.assert_allclose(std, [4.0, 6.0])
    assert shadowing_std_db("InF", NLOS, 5.7, 2e9, d, 8.0, 1.5, Factory("DL"))[0] == 7.2


def test_the_state_may_be_traced_and_differentiated():
    states = jnp.array([LOS, NLOS, O2I])
    losses = jax.jit(
        lambda s: path_loss_db("UMa", s, 3.5e9, jnp.full(3, 200.0), 25.0, 1.5)
    )(states)
    assert losses[0] < losses[1] == losses[2]
    slope = jax.grad(lambda d: path_loss_db("UMi", LOS, 3.5e9, d, 10.0, 1.5))
    assert jax.jit(slope)(50.0) > 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="scenario: found 'UMx'"):
        path_loss_db("UMx", LOS, 1e9, np.array([1.0]), 1.0, 1.0)
    with pytest.raises(ValueError, match="clutter_density: found 1"):
        Factory(clutter_density=1.0)
