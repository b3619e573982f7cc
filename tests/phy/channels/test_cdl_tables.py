"""Tables of the CDL against the standard, and their scaling."""

import numpy as np
import pytest

from wlam.phy.channels import cdl_tables
from wlam.phy.channels.cdl_tables import (
    DELAY,
    LOS_POWER,
    POWER,
    PROFILES,
    RAY_OFFSETS,
    TABLES,
    Scaling,
    _scaled_angles,
    angle_spread,
    scaled,
    with_k_factor,
)


def test_cluster_counts_and_padding():
    assert list(cdl_tables.NUM_CLUSTERS) == [23, 23, 24, 13, 14]
    np.testing.assert_array_equal(
        np.isfinite(cdl_tables.POWER_DB).sum(1), cdl_tables.NUM_CLUSTERS
    )


@pytest.mark.parametrize(
    ("profile", "cluster", "row"),
    [
        ("A", 1, (0.0, -13.4, -178.1, 51.3, 50.2, 125.4)),
        ("A", 23, (9.6586, -29.7, -56.2, 55.2, 144.9, 156.1)),
        ("B", 16, (1.7842, -1.9, 30.6, -139.1, 103.0, 78.0)),
        ("C", 6, (0.6366, 0.0, 0.3, 170.4, 99.2, 75.3)),
        ("C", 24, (8.6523, -22.8, -123.8, 33.6, 107.8, 57.0)),
        ("D", 13, (12.525, -27.7, 77.2, -83.8, 86.5, 72.9)),
        ("E", 14, (20.6419, -29.2, 57.6, -26.0, 104.6, 78.3)),
    ],
)
def test_rows_of_the_standard(profile, cluster, row):
    t = cdl_tables
    columns = (t.DELAY, t.POWER_DB, t.AOD_DEG, t.AOA_DEG, t.ZOD_DEG, t.ZOA_DEG)
    place = PROFILES.index(profile), cluster - 1
    assert tuple(column[place] for column in columns) == row


def test_ray_offsets_have_unit_spread():
    assert len(cdl_tables.RAY_OFFSETS) == 20
    assert np.mean(cdl_tables.RAY_OFFSETS) == pytest.approx(0, abs=1e-12)
    assert np.std(cdl_tables.RAY_OFFSETS) == pytest.approx(1, abs=1e-3)


# Other K factors and angles.


def test_angle_spread_is_circular():
    two = np.array([-170.0, 170.0])  # ten degrees to either side of 180
    spread, mean = angle_spread(two, np.ones(2))
    assert spread == pytest.approx(np.rad2deg(np.sqrt(-2 * np.log(np.cos(np.pi / 18)))))
    assert abs(mean) == pytest.approx(180)
    spread, mean = angle_spread(np.array([40.0, 40.0]), np.ones(2))
    assert (spread, mean) == pytest.approx((0, 40), abs=1e-5)


@pytest.mark.parametrize("profile", range(5))
def test_spreads_and_means_as_wanted(profile):
    tables = scaled(Scaling(k_db=6.0, asa_deg=14.0, aoa_deg=-60.0, zsd_deg=2.0))
    power = np.float64(tables.amplitude[profile]) ** 2

    def measured(tables, angle):
        centre, width = tables.angles_deg[profile], tables.spreads_deg[profile]
        rays = centre[angle][:, None] + width[angle][:, None] * RAY_OFFSETS
        return angle_spread(rays, power)

    np.testing.assert_allclose(measured(tables, 0), (14, -60), atol=1e-4)
    mean = measured(TABLES, 3)[1]
    np.testing.assert_allclose(measured(tables, 3), (2, mean), atol=1e-4)
    # Nothing was wanted of the others.
    for changed, before in (
        (tables.angles_deg, TABLES.angles_deg),
        (tables.spreads_deg, TABLES.spreads_deg),
    ):
        np.testing.assert_array_equal(changed[profile, 1:3], before[profile, 1:3])


def test_no_scaling_keeps_the_tables():
    assert scaled(Scaling()) is TABLES


@pytest.mark.parametrize("k_db", [-3.0, 9.0])
def test_k_factor_and_unit_delay_spread(k_db):
    power, los, delay = with_k_factor(k_db, POWER, LOS_POWER, DELAY)
    np.testing.assert_allclose(power.sum(1) + los, 1)
    np.testing.assert_array_equal(power[:3], POWER[:3])
    np.testing.assert_array_equal(delay[:3], DELAY[:3])
    ratio = 10 * np.log10(los[3:] / power[3:].sum(1))
    np.testing.assert_allclose(ratio, k_db)
    # Nothing changes among the paths without a line of sight.
    np.testing.assert_allclose(power[3] / power[3, 0], POWER[3] / POWER[3, 0])
    mean = (power * delay).sum(1)
    spread = np.sqrt((power * delay**2).sum(1) - mean**2)
    np.testing.assert_allclose(spread[3:], 1)


def test_small_spreads_have_the_ratio_of_equation_7_7_5():
    half, one = (scaled(Scaling(asa_deg=deg)).spreads_deg[:, 0] for deg in (0.5, 1.0))
    np.testing.assert_allclose(half * 2, one, rtol=1e-3)


@pytest.mark.parametrize(
    ("centres", "spread", "factor"),
    [
        (cdl_tables.AOD_DEG, 5.0, 0.3231),
        (cdl_tables.ZOD_DEG, 1.0, 0.4477),
        (cdl_tables.ZOA_DEG, 5.0, 4.3268),
    ],
)
def test_factors_of_release_19(centres, spread, factor):
    # Table 7.7.5.1-1 has those of CDL-D without the offsets of the rays.
    los = centres[3, 0]  # comes from where the first cluster does
    centre, power = np.append(centres[3], los), np.append(POWER[3], LOS_POWER[3])
    power = np.column_stack([power, np.zeros((25, 19))])
    got, _ = _scaled_angles(centre, np.zeros(25), power, spread, None, "")
    ratio = (got[1] - got[-1]) / (centre[1] - los)
    assert ratio == pytest.approx(factor, rel=1e-4)


def test_impossible_spreads_are_refused():
    # A line of sight of 20 dB holds the spread of CDL-D down, but CDL-A has none.
    wide = Scaling(asa_deg=30.0, k_db=20.0)
    with pytest.raises(ValueError, match=r"^asa_deg: CDL-D found 30"):
        scaled(wide, ("A", "D"))
    scaled(wide, ("A",))
    with pytest.raises(ValueError, match=r"^zsd_deg: found -1"):
        Scaling(zsd_deg=-1.0)
