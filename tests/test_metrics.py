"""Metrics against hand-made samples and their closed forms."""

import numpy as np
import pytest

from wlam import metrics

RNG = np.random.default_rng(0)
TARGET = RNG.normal(size=(5, 4, 3))
PREDICTION = TARGET + RNG.normal(size=(5, 4, 3))


def test_nmse_of_known_errors():
    target = np.array([[3.0, 4.0], [0.3, 0.4], [1.0, 0.0]])
    prediction = target + np.array([[0.5, 0.0], [0.25, 0.0], [0.0, 0.0]])
    ratios = [0.01, 0.25, 0.0]
    np.testing.assert_allclose(metrics.nmse_per_sample(prediction, target), ratios)
    mean = metrics.nmse_mean_db(prediction, target)
    assert mean.value == pytest.approx(10 * np.log10(np.mean(ratios)))
    pooled = metrics.nmse_pooled_db(prediction, target)
    assert pooled.value == pytest.approx(10 * np.log10(0.3125 / 26.25))


def test_nmse_of_no_forecast_is_zero_db_and_of_a_perfect_one_minus_infinity():
    target = (TARGET + 1j * TARGET[::-1]).astype(np.complex64)
    for nmse in (metrics.nmse_mean_db, metrics.nmse_pooled_db):
        assert nmse(np.zeros_like(target), target).value == pytest.approx(0)
        assert nmse(target, target).value == -np.inf


def test_nmse_is_taken_in_double_precision():
    target = np.full((1, 4), 1e-30, np.float32)  # its square is zero in float32
    statistic = metrics.nmse_pooled_db(target * np.float32(1.1), target)
    assert statistic.value == pytest.approx(-20, abs=1e-4)


def test_a_silent_target_is_left_out_and_counted():
    target = TARGET.copy()
    target[1] = 0
    kept = [0, 2, 3, 4]
    for nmse in (metrics.nmse_mean_db, metrics.nmse_pooled_db):
        statistic = nmse(PREDICTION, target)
        assert statistic.left_out == 1
        assert statistic.value == nmse(PREDICTION[kept], target[kept]).value
        assert np.isnan(nmse(PREDICTION, 0 * target).value)
    assert np.isnan(metrics.nmse_per_sample(PREDICTION, target)).tolist() == [
        i == 1 for i in range(5)
    ]


def test_coverage_counts_elements_and_both_parts_of_complex_ones():
    target = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    low, high = target - 0.1, target + 0.1
    low[0, 0], high[1] = 0.05, target[1] - 0.05
    found = metrics.coverage(low, high, target)
    np.testing.assert_array_equal(found.numerator, [2, 0])
    assert found.value == pytest.approx(2 / 6)
    turned = metrics.coverage(low - 9j, high + 9j, target + 1j)
    assert turned.value == pytest.approx((2 / 6 + 1) / 2)
    assert metrics.coverage(target, target, target).value == 1  # bounds belong
    assert np.isnan(metrics.coverage(low * np.nan, high, target).value)
    with pytest.raises(ValueError, match="shape"):
        metrics.coverage(low, high[:, :2], target)


def test_mae_and_rmse():
    error = PREDICTION - TARGET
    assert metrics.mae(PREDICTION, TARGET).value == pytest.approx(abs(error).mean())
    assert metrics.rmse(PREDICTION, TARGET).value == pytest.approx(error.std(mean=0))


def test_mase_is_one_for_the_seasonal_naive_on_its_own_history():
    history = RNG.normal(size=(5, 40))
    scale = metrics.seasonal_scale(history, 8)
    statistic = metrics.mase(history[:, :-8], history[:, 8:], scale)
    assert statistic.value == pytest.approx(1)
    scale[2] = 0
    assert metrics.mase(history[:, :-8], history[:, 8:], scale).left_out == 1
    with pytest.raises(ValueError, match="period: 40"):
        metrics.seasonal_scale(history, 40)


def test_beam_metrics_of_known_sweeps():
    target = np.zeros((4, 1, 8))
    target[:, 0, 3] = 10  # dB: best beam 3, the others a tenth of its power
    prediction = np.zeros((4, 1, 8))
    for sample, (first, second) in enumerate([(3, 5), (4, 3), (6, 4), (0, 3)]):
        prediction[sample, 0, [first, second]] = 2, 1
    shares = {1: 1 / 4, 2: 3 / 4, 8: 1.0}
    for k, share in shares.items():
        assert metrics.topk_accuracy(prediction, target, k).value == share
    assert metrics.within_one_beam(prediction, target).value == 2 / 4
    assert metrics.power_ratio(prediction, target).value == pytest.approx(1.3 / 4)
    with pytest.raises(ValueError, match="k: 9, must be 1 to 8"):
        metrics.topk_accuracy(prediction, target, 9)


def test_a_constant_forecast_earns_no_credit_for_ties():
    target = np.eye(8)[:, None, :]
    assert metrics.topk_accuracy(np.zeros((8, 1, 8)), target, 3).value == 3 / 8


EVERY_METRIC = [
    metrics.nmse_mean_db,
    metrics.nmse_pooled_db,
    metrics.mae,
    metrics.rmse,
    lambda p, t: metrics.mase(p, t, np.ones(len(t))),
    lambda p, t: metrics.topk_accuracy(p, t, 1),
    metrics.within_one_beam,
    metrics.power_ratio,
]


@pytest.mark.parametrize("metric", EVERY_METRIC)
def test_nan_forecasts_are_not_hidden(metric):
    broken = PREDICTION.copy()
    broken[1, 2, 0] = np.nan
    assert np.isfinite(metric(PREDICTION, TARGET).value)
    assert np.isnan(metric(broken, TARGET).value)


@pytest.mark.parametrize("metric", EVERY_METRIC)
def test_no_samples_have_no_value(metric):
    assert np.isnan(metric(PREDICTION[:0], TARGET[:0]).value)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"prediction: shape \(5, 4, 1\)"):
        metrics.mae(PREDICTION[..., :1], TARGET)
