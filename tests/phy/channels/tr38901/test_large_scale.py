"""Moments of the large-scale parameters against an independent implementation."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.channels.tr38901 import tables
from wlam.phy.channels.tr38901.large_scale import Link, distribution, large_scale
from wlam.phy.channels.tr38901.tables import LOS, NLOS

MOMENTS = json.loads((Path(__file__).parent / "lsp_moments.json").read_text())
# Where the drops of the oracle were: horizontal distance and base station height in m.
PLACE = {"UMi": (100.0, 10.0), "UMa": (100.0, 25.0), "RMa": (500.0, 35.0)}
DISTANCE = 100.0
DROPS = 4000


@pytest.fixture(scope="module")
def draw():
    """Large-scale parameters of many drops: (scenario, version, link) -> LargeScale."""

    @jax.jit(static_argnames=("scenario", "version"))
    def many(key, link, scenario, version):
        keys = jax.random.split(key, DROPS)
        return jax.vmap(lambda k: large_scale(k, scenario, link, version))(keys)

    return many


def link_of(scenario, ghz, state):
    number = LOS if state == "los" else NLOS
    values = (ghz * 1e9, *PLACE[scenario], 1.5)
    return Link(jnp.asarray(number), *(jnp.float32(v) for v in values))


@pytest.mark.parametrize("case", MOMENTS)
def test_moments(case, draw):
    """Means and deviations of capped values, within four Monte-Carlo errors of each."""
    version, scenario, ghz, state = case.split("_")
    link = link_of(scenario, float(ghz), state)
    drops = draw(jax.random.key(0), link, scenario, version[1:])
    ours = {
        "lgDS": jnp.log10(drops.delay_spread_s),
        "lgASD": jnp.log10(drops.departure_azimuth_spread_deg),
        "lgASA": jnp.log10(drops.arrival_azimuth_spread_deg),
        "lgZSA": jnp.log10(drops.arrival_zenith_spread_deg),
        "lgZSD": jnp.log10(drops.departure_zenith_spread_deg),
        "SF_dB": drops.shadowing_db,
    }
    if state == "los":
        ours["K_dB"] = drops.k_db
    else:
        assert (drops.k_db == -jnp.inf).all()
    for name, values in ours.items():
        mean, std = MOMENTS[case][name]
        # Both sides are estimates from as many drops.
        error = np.sqrt(2 / DROPS) * std
        np.testing.assert_allclose(values.mean(), mean, atol=4 * error, err_msg=name)
        np.testing.assert_allclose(values.std(), std, atol=4 * error, err_msg=name)


@pytest.mark.parametrize("scenario", tables.SCENARIOS)
def test_cross_correlations(scenario, draw):
    """The drawn parameters have the correlations of table 7.5-6."""
    values = (3.5e9, DISTANCE, 10.0, 1.5)
    link = Link(jnp.asarray(LOS), *(jnp.float32(v) for v in values))
    drops = draw(jax.random.key(1), link, scenario, "19.2")
    drawn = np.stack(
        [
            drops.shadowing_db,
            drops.k_db,
            np.log10(drops.delay_spread_s),
            np.log10(drops.departure_azimuth_spread_deg),
        ]
    )
    column = tables.parameters(scenario)[LOS]
    root = tables.correlation_root(column)
    expected = (root @ root.T)[:4, :4]
    np.testing.assert_allclose(np.corrcoef(drawn), expected, atol=4 / np.sqrt(DROPS))


@pytest.mark.parametrize("scenario", tables.SCENARIOS)
@pytest.mark.parametrize("version", tables.VERSIONS)
def test_every_column_is_a_distribution(scenario, version):
    for state, column in enumerate(tables.parameters(scenario, version)):
        root = tables.correlation_root(column)
        np.testing.assert_allclose((root @ root.T).diagonal(), 1.0)
        values = (6e9, DISTANCE, 10.0, 1.5)
        link = Link(jnp.asarray(state), *(jnp.float32(v) for v in values))
        mean, std = distribution(scenario, link, version)
        assert np.isfinite(mean).all()
        assert (std >= 0).all()
        assert column.clusters in tables.AZIMUTH_SCALING
        assert column.clusters in tables.ZENITH_SCALING


def test_low_carriers_have_the_spreads_of_the_bound():
    spreads = [
        distribution("UMi", link_of("UMi", ghz, "los"))[0] for ghz in (0.7, 2.0, 3.5)
    ]
    np.testing.assert_array_equal(spreads[0], spreads[1])
    assert (spreads[1] != spreads[2]).any()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="spec_version: found '15'"):
        tables.parameters("UMi", "15")
    with pytest.raises(ValueError, match="scenario: found 'UMx'"):
        tables.parameters("UMx")
