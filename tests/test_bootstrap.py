"""The bootstrap against intervals known in closed form."""

import numpy as np
import pytest

from wlam import metrics
from wlam.bootstrap import Pair, difference, interval
from wlam.metrics import Statistic


def mean_of(values, **transform):
    values = np.asarray(values, np.float64)
    return Statistic(values, np.ones_like(values), **transform)


def test_covers_the_mean_of_gaussians_as_often_as_it_says():
    rng = np.random.default_rng(0)
    trials = [
        interval(mean_of(rng.normal(3, 2, 50)), num_resamples=300, level=0.9, seed=i)
        for i in range(300)
    ]
    hits = np.mean([low <= 3 <= high for low, high in trials])
    # Four standard deviations of the count, and the known shortfall at n = 50.
    assert 0.9 - 0.07 - 0.02 < hits < 0.9 + 0.07


def test_is_as_wide_as_the_normal_interval_on_many_samples():
    values = np.random.default_rng(1).normal(5, 2, 4000)
    low, high = interval(mean_of(values))
    half = 1.96 * values.std() / np.sqrt(4000)
    assert (low, high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.2 * half
    )


def test_ratio_of_sums_resamples_pairs():
    """Where every ratio is the same, the ratio of any sums is that ratio too."""
    energy = np.random.default_rng(2).exponential(size=30)
    statistic = Statistic(energy / 4, energy, metrics.decibel)
    assert interval(statistic) == pytest.approx((10 * np.log10(0.25),) * 2)


def test_copies_of_a_sample_are_no_evidence_once_grouped():
    values = np.random.default_rng(3).normal(size=100)
    copies, groups = np.repeat(values, 9), np.repeat(np.arange(100), 9)
    width = np.diff(interval(mean_of(values)))
    clustered = np.diff(interval(mean_of(copies), groups))
    np.testing.assert_allclose(clustered, width, rtol=1e-9)
    naive = np.diff(interval(mean_of(copies)))
    np.testing.assert_allclose(naive, width / 3, rtol=0.15)


def test_groups_may_have_any_names_and_sizes():
    values = np.arange(6.0)
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    numbered = np.array([1, 0, 1, 2, 0, 1])
    assert interval(mean_of(values), groups) == interval(mean_of(values), numbered)


def test_the_seed_decides():
    statistic = mean_of(np.random.default_rng(4).normal(size=20))
    assert interval(statistic) == interval(statistic)
    assert interval(statistic) != interval(statistic, seed=1)


def test_long_sets_are_resampled_piece_by_piece_alike(monkeypatch):
    statistic = mean_of(np.random.default_rng(5).normal(size=20))
    whole = interval(statistic, num_resamples=50)
    monkeypatch.setattr("wlam.bootstrap.CHUNK", 60)
    assert interval(statistic, num_resamples=50) == pytest.approx(whole)


def test_perfect_forecasts_have_an_interval_without_warnings():
    statistic = mean_of(np.zeros(10), transform=metrics.decibel)
    assert interval(statistic) == (-np.inf, -np.inf)


def test_samples_left_out_are_not_drawn():
    values = np.random.default_rng(6).normal(size=10)
    padded = Statistic(np.append(values, 0.0), np.append(np.ones(10), 0.0))
    assert interval(padded) == interval(mean_of(values))


@pytest.mark.parametrize(
    ("statistic", "groups"),
    [
        (mean_of([1.0, 2.0, 3.0]), np.zeros(3, int)),
        (mean_of([1.0]), None),
        (mean_of([]), None),
        (mean_of([1.0, np.nan, 3.0]), None),
    ],
)
def test_nothing_is_claimed_from_one_group_or_from_nan(statistic, groups):
    assert np.isnan(interval(statistic, groups)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"level": 1.0}, "level: 1.0"),
        ({"num_resamples": 0}, "num_resamples: 0"),
    ],
)
def test_wrong_settings_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        interval(mean_of([1.0, 2.0]), **wrong)


def pair(ours, other, groups=None):
    groups = np.arange(len(ours)) if groups is None else groups
    return Pair(mean_of(ours), mean_of(other), groups)


def test_a_paired_difference_is_as_wide_as_that_of_the_differences():
    """What both predictors find hard cancels: sqrt(var(a - b) / n), not of each."""
    rng = np.random.default_rng(7)
    hard = rng.normal(0, 10, 4000)
    ours, other = hard + rng.normal(1, 1, 4000), hard + rng.normal(3, 2, 4000)
    found = difference([pair(ours, other)])
    apart = ours - other
    half = 1.96 * apart.std() / np.sqrt(4000)
    assert found.value == pytest.approx(apart.mean())
    assert found.low == pytest.approx(apart.mean() - half, abs=0.2 * half)
    assert found.high == pytest.approx(apart.mean() + half, abs=0.2 * half)


def test_the_mean_over_cases_has_the_variance_of_a_mean():
    rng = np.random.default_rng(8)
    cases = [rng.normal(k, 1, (2, 2000)) for k in range(4)]
    found = difference([pair(*case) for case in cases])
    expected = np.mean([case[0].mean() - case[1].mean() for case in cases])
    half = 1.96 * np.sqrt(2 / 2000) / np.sqrt(4)
    assert found.value == pytest.approx(expected)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_differences_are_of_the_transformed_metric():
    """A tenth of the error everywhere is 10 dB, however the windows are drawn."""
    error = np.random.default_rng(9).exponential(size=30)
    ones = np.ones(30)
    ours = Statistic(error / 10, ones, metrics.decibel)
    other = Statistic(error, ones, metrics.decibel)
    found = difference([Pair(ours, other, np.arange(30))])
    assert (found.value, found.low, found.high) == pytest.approx((-10, -10, -10))


def test_windows_left_out_by_one_are_left_out_of_both():
    ours, other = mean_of([1.0, 2.0, 4.0]), mean_of([0.0, 0.0, 1.0])
    gap = Statistic(np.array([0.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0]))
    assert difference([Pair(gap, other, np.arange(3))]).value == 3 - 0.5
    assert difference([Pair(ours, other, np.arange(3))]).value == 2.0


def test_a_difference_claims_nothing_from_one_group_or_perfection():
    one = difference([pair([1.0, 2.0], [0.0, 0.0], np.zeros(2, int))])
    assert one.value == 1.5
    assert np.isnan([one.low, one.high]).all()
    perfect = mean_of(np.zeros(4), transform=metrics.decibel)
    found = difference([Pair(perfect, perfect, np.arange(4))])
    assert np.isnan([found.value, found.low, found.high]).all()
    with pytest.raises(ValueError, match="pairs: found none"):
        difference([])
    with pytest.raises(ValueError, match="needed the same in all"):
        difference([Pair(mean_of([1.0]), mean_of([1.0, 2.0]), np.arange(2))])
