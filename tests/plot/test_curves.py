"""Curves show the metrics and intervals that the numbers have."""

import numpy as np
import pytest

from wlam import plot
from wlam.bootstrap import interval
from wlam.metrics import Statistic, decibel, mae, nmse_mean_db
from wlam.types import Csi, DataError

RNG = np.random.default_rng(0)
SAMPLES, HORIZON = 30, 4


def noisy(scale):
    shape = SAMPLES, HORIZON, 3, 2
    noise = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
    spread = RNG.uniform(0.5, 2, size=(SAMPLES, 1, 1, 1))
    return Csi((TRUTH.csi + scale * spread * noise).astype(np.complex64))


SNR = np.repeat([0.0, 10.0, 20.0], SAMPLES // 3)
TRUTH = Csi(
    np.exp(2j * np.pi * RNG.uniform(size=(SAMPLES, HORIZON, 3, 2))).astype(
        np.complex64
    ),
    time_step_s=np.full(SAMPLES, 5e-4),
    labels={"snr_db": SNR},
)
ANSWERS = {"model": noisy(0.1), "repeat last": noisy(0.5)}


def drawn(ax):
    """Predictor -> x, value, low, high."""
    found = {}
    for container in ax.containers:
        (line, _, (bars,)) = container.lines
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        found[container.get_label()] = (*line.get_data(), ends.min(1), ends.max(1))
    return found


def test_points_are_values_and_bars_are_bootstrap_intervals():
    groups = np.arange(SAMPLES) // 2
    ones = np.zeros(SAMPLES)
    statistics = {
        name: [mae(ones + k + RNG.normal(size=SAMPLES), ones) for k in range(3)]
        for name in ("a", "b")
    }
    figure = plot.curve([0, 10, 20], statistics, groups, "SNR (dB)", "MAE (m)")
    (ax,) = figure.axes
    found = drawn(ax)
    assert list(found) == ["a", "b"]
    for name, (x, value, low, high) in found.items():
        np.testing.assert_array_equal(x, [0, 10, 20])
        np.testing.assert_allclose(value, [s.value for s in statistics[name]])
        bounds = [interval(s, groups) for s in statistics[name]]
        np.testing.assert_allclose(np.stack([low, high], -1), bounds)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("SNR (dB)", "MAE (m)")


def test_many_points_have_a_band():
    zeros = np.zeros(SAMPLES)
    statistics = [mae(RNG.normal(size=SAMPLES), zeros) for _ in range(20)]
    (ax,) = plot.curve(range(20), {"a": statistics}).axes
    (area,) = [c for c in ax.collections if len(c.get_paths()) == 1]
    x, y = area.get_paths()[0].vertices.T
    bounds = np.array([interval(s) for s in statistics])
    for place in range(20):
        ends = y[x == place].min(), y[x == place].max()
        np.testing.assert_allclose(ends, bounds[place])


def test_points_without_a_value_are_gaps():
    perfect = Statistic(np.zeros(SAMPLES), np.ones(SAMPLES), decibel)  # -inf dB
    fine = mae(RNG.normal(size=SAMPLES), np.zeros(SAMPLES))
    (ax,) = plot.curve([1, 2], {"a": [perfect, fine]}).axes
    value = np.asarray(ax.lines[0].get_ydata())
    np.testing.assert_allclose(value, [np.nan, fine.value])


def test_nmse_over_the_horizon_is_that_of_each_step():
    (ax,) = plot.nmse_over_horizon(ANSWERS, TRUTH).axes
    for name, (x, value, _, _) in drawn(ax).items():
        np.testing.assert_allclose(x, 0.5 * np.arange(1, HORIZON + 1))
        expected = [
            nmse_mean_db(ANSWERS[name].csi[:, s], TRUTH.csi[:, s]).value
            for s in range(HORIZON)
        ]
        np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert ax.get_xlabel() == "horizon (ms)"


@pytest.mark.parametrize(("axis", "count"), [("frequency", 3), ("antenna", 2)])
def test_nmse_along_other_axes(axis, count):
    (ax,) = plot.nmse_over_horizon(ANSWERS, TRUTH, axis).axes
    x, value, *_ = drawn(ax)["model"]
    assert len(x) == count
    ours, truth = ANSWERS["model"].csi, TRUTH.csi
    last = ours[:, :, -1] if axis == "frequency" else ours[..., -1]
    wanted = truth[:, :, -1] if axis == "frequency" else truth[..., -1]
    np.testing.assert_allclose(value[-1], nmse_mean_db(last, wanted).value, rtol=1e-6)


def test_what_was_not_measured_is_not_scored_and_clean_channels_are():
    mask = np.ones((SAMPLES, HORIZON, 3, 2), bool)
    mask[:, :, 1] = False
    garbage = TRUTH.csi.copy()
    garbage[:, :, 1] = 1e6
    truth = Csi(garbage + 1, mask=mask, clean=garbage)
    (ax,) = plot.nmse_over_horizon(ANSWERS, truth).axes
    _, value, *_ = drawn(ax)["model"]
    seen = [0, 2]
    expected = nmse_mean_db(
        ANSWERS["model"].csi[:, 0][:, seen], TRUTH.csi[:, 0][:, seen]
    )
    np.testing.assert_allclose(value[0], expected.value, rtol=1e-6)


def test_nmse_over_a_label_has_a_point_for_each_value():
    (ax,) = plot.nmse_over("snr_db", ANSWERS, TRUTH).axes
    x, value, low, high = drawn(ax)["repeat last"]
    np.testing.assert_array_equal(x, [0, 10, 20])
    for i, snr in enumerate(x):
        keep = snr == SNR
        expected = nmse_mean_db(ANSWERS["repeat last"].csi[keep], TRUTH.csi[keep])
        np.testing.assert_allclose(value[i], expected.value, rtol=1e-6)
        np.testing.assert_allclose([low[i], high[i]], interval(expected), rtol=1e-6)
    assert ax.get_xlabel() == "SNR (dB)"


def test_many_values_fall_into_five_bins_of_as_many_samples():
    speeds = RNG.permutation(np.arange(SAMPLES, dtype=float))
    errors = mae(speeds, np.zeros(SAMPLES))  # of a sample: its speed
    (ax,) = plot.metric_over(speeds, {"a": errors}, xlabel="speed (m/s)").axes
    x, value, *_ = drawn(ax)["a"]
    np.testing.assert_allclose(x, [2.5, 8.5, 14.5, 20.5, 26.5])
    np.testing.assert_allclose(value, x)


def test_samples_without_a_label_are_left_out():
    values = np.where(SNR == 10, np.nan, SNR)
    (ax,) = plot.nmse_over(values, ANSWERS, TRUTH, np.arange(SAMPLES)).axes
    np.testing.assert_array_equal(drawn(ax)["model"][0], [0, 20])


FINE = mae(RNG.normal(size=SAMPLES), np.zeros(SAMPLES))
EMPTY = Statistic(np.zeros(SAMPLES), np.zeros(SAMPLES))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.curve([1, 2], {"a": [FINE]}), "statistics: found 1 of a"),
        (lambda: plot.curve([1], {}), "statistics: found x of shape"),
        (lambda: plot.curve([1], {"a": [EMPTY]}), "statistics: found no finite"),
        (lambda: plot.curve([1], {"a": [FINE]}, np.zeros(3)), r"groups: shape \(3,\)"),
        (lambda: plot.nmse_over_horizon({}, TRUTH), "answers: found none"),
        (
            lambda: plot.nmse_over_horizon({"a": Csi(TRUTH.csi[:, :2])}, TRUTH),
            r"answers\['a'\]: found shape",
        ),
        (
            lambda: plot.nmse_over("speed_kmh", ANSWERS, TRUTH),
            "values: found 'speed_kmh'; needed one of snr_db",
        ),
        (
            lambda: plot.nmse_over(np.zeros(3), ANSWERS, TRUTH),
            r"values: found shape \(3,\); needed \(30,\)",
        ),
        (
            lambda: plot.nmse_over(np.full(SAMPLES, np.nan), ANSWERS, TRUTH),
            "values: found none that is finite",
        ),
    ],
)
def test_what_cannot_be_drawn_is_named(call, message):
    with pytest.raises(DataError, match=f"^{message}") as error:
        call()
    assert "\n" not in str(error.value)
