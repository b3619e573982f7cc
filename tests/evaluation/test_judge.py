"""The judge, the table and the report, with a forecaster that knows the answer."""

from dataclasses import replace

import numpy as np
import pytest

from wlam.evaluation.judge import MODEL, EvalCase, judge
from wlam.evaluation.table import number, rows_of, text_table
from wlam.phy.arrays import ula
from wlam.types import Antennas, Csi, Traffic

T = np.arange(400)
SERIES = np.stack([2 + T / 1000 + np.sin(2 * np.pi * T / 24 + k) for k in range(4)])
TRAFFIC = Traffic(SERIES.astype(np.float32), np.full(4, 3600.0, np.float32))
CASE = EvalCase("daily", "traffic", TRAFFIC, context=48, horizon=6, about="a <sine>")


class Sine:
    """Continues the series above exactly; stands in for a trained model."""

    error = 0.0

    def predict(self, context, interval, horizon, axis, joint, grid, array_shape):
        windows = len(context) // 4
        starts = 320 + 6 * np.arange(windows)
        steps = starts[:, None] + np.arange(horizon)
        truth = SERIES[:, steps].reshape(len(context), horizon, 1)
        return truth.astype(np.float32) + self.error


class Bounded(Sine):
    """Has intervals that hold the first of every three steps."""

    has_intervals = True

    def predict_interval(self, context, interval, horizon, axis, joint, grid, coverage):
        assert coverage == 0.9
        assert len(context) <= 20
        truth = np.zeros((len(context), horizon, 1))
        low = np.where(np.arange(horizon) % 3 == 0, truth[..., 0], 100.0)[..., None]
        return low, truth + 100


@pytest.fixture(scope="module")
def verdict():
    return judge(CASE, Sine())


def test_every_predictor_is_scored_on_every_metric(verdict):
    predictors = {r.predictor for r in verdict.results}
    assert predictors > {MODEL, "zero", "repeat last", "AR", "seasonal naive"}
    assert len(verdict.results) == len(predictors) * len(verdict.metrics)
    assert verdict.value("MAE", MODEL).value == pytest.approx(0, abs=1e-6)
    assert verdict.value("MAE", "seasonal naive").value == pytest.approx(0.024)
    assert verdict.value("MASE", "seasonal naive").value == pytest.approx(1, abs=1e-3)
    assert verdict.value("MAE", "zero").value == pytest.approx(2.36, abs=0.1)
    for result in verdict.results:
        assert result.windows == 4 * 13
        assert result.low <= result.value + 1e-9
        assert result.value <= result.high + 1e-9


def test_a_floor_that_is_nan_is_not_the_best(verdict):
    broken = [
        replace(r, value=float("nan")) if r.predictor == "zero" else r
        for r in verdict.results
    ]
    broken.sort(key=lambda r: r.predictor != "zero")  # nothing is less than NaN
    found = replace(verdict, results=broken)
    assert found.best_baseline("MAE") == verdict.best_baseline("MAE")
    assert found.model_wins("MAE")


def test_the_best_is_named_whoever_it_is(verdict):
    assert verdict.model_wins("MAE")
    worse = Sine()
    worse.error = 0.5
    loser = judge(CASE, worse)
    assert not loser.model_wins("MAE")
    assert loser.best_baseline("MAE").predictor in ("seasonal AR", "AR")
    header, rows = rows_of([verdict, loser])
    best = header.index("best")
    assert rows[0][best] == MODEL
    assert rows[len(verdict.metrics)][best] != MODEL


def test_intervals_are_judged_by_what_they_cover(monkeypatch):
    """On some windows where there are many; floors have no intervals."""
    monkeypatch.setattr("wlam.evaluation.judge.COVERED", 20)
    verdict = judge(CASE, Bounded())
    found = verdict.value("cover 90 %", MODEL)
    assert found.value == pytest.approx(1 / 3)
    assert found.left_out == 4 * 13 - 20
    assert found.low == found.high == pytest.approx(1 / 3)
    assert verdict.best_baseline("cover 90 %") is None
    assert verdict.model_wins("cover 90 %") is None
    header, rows = rows_of([verdict])
    row = dict(zip(header, rows[-1], strict=True))
    assert (row["metric"], row[MODEL], row["best"]) == ("cover 90 %", "0.333", "·")
    assert row["repeat last"] == row["AR"] == "·"


def test_the_table_lines_up_and_leaves_nothing_out(verdict):
    lines = text_table([verdict]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + len(verdict.metrics)
    for baseline in ("zero", "repeat last", "context mean", "AR", "seasonal naive"):
        assert f" {baseline} |" in lines[0]


def test_nmse_is_against_the_clean_channel():
    rng = np.random.default_rng(0)
    clean, noise = rng.normal(size=(2, 3, 12, 4, 2)) + 1j * rng.normal(
        size=(2, 3, 12, 4, 2)
    )
    ones = np.ones(3, np.float32)
    data = Csi(
        csi=(clean + 3 * noise).astype(np.complex64),
        time_step_s=ones,
        subcarrier_spacing_hz=ones,
        carrier_hz=ones,
        antennas=Antennas(ula(2), np.zeros(2, np.int32)),
        clean=clean.astype(np.complex64),
    )

    class Hold:
        def predict(self, context, interval, horizon, axis, joint, grid, array_shape):
            assert (grid, array_shape) == ((4, 2), ((1, 2, 1),))
            return np.repeat(context[:, -1:], horizon, axis=1)

    verdict = judge(EvalCase("noisy", "csi_time", data, 9, 3), Hold())
    held = (clean + 3 * noise)[:, 8:9]
    ratio = (abs(held - clean[:, 9:]) ** 2).sum((1, 2, 3))
    ratio /= (abs(clean[:, 9:]) ** 2).sum((1, 2, 3))
    expected = 10 * np.log10(ratio.mean())
    assert verdict.value("NMSE dB", MODEL).value == pytest.approx(expected, abs=1e-3)
    # And, under its own name, against what was measured.
    measured = (clean + 3 * noise)[:, 9:]
    ratio = (abs(held - measured) ** 2).sum((1, 2, 3))
    ratio /= (abs(measured) ** 2).sum((1, 2, 3))
    found = verdict.value("NMSE noisy dB", MODEL).value
    assert found == pytest.approx(10 * np.log10(ratio.mean()), abs=1e-3)
    # One step of two samples: the noisy target is cut like the clean one.
    cut = verdict.score_slice(MODEL, np.array([0, 2]), slice(1, 2))["NMSE noisy dB"]
    ratio = (abs(held - measured[:, 1:2]) ** 2).sum((1, 2, 3))
    ratio /= (abs(measured[:, 1:2]) ** 2).sum((1, 2, 3))
    assert cut.value == pytest.approx(10 * np.log10(ratio[[0, 2]].mean()), abs=1e-3)
    # Without noise there is no second target.
    data = replace(data, csi=data.clean)
    quiet = judge(EvalCase("quiet", "csi_time", data, 9, 3), Hold())
    assert quiet.metrics == ["NMSE dB", "NMSE pooled dB"]


def test_steps_that_are_skipped_are_forecast_but_not_scored(verdict):
    last = judge(replace(CASE, skip=5), Sine())
    assert last.windows.horizon == 1
    for baseline in ("repeat last", "seasonal AR"):
        everyone = np.arange(len(verdict.windows.source))
        step = verdict.score_slice(baseline, everyone, slice(5, 6))["MAE"]
        assert last.value("MAE", baseline).value == pytest.approx(step.value)


def test_the_model_and_the_floors_can_be_judged_apart(verdict):
    ours, baselines = judge(CASE, Sine(), baselines=False), judge(CASE, None)
    assert list(ours.statistics) == [MODEL]
    assert ours.results + baselines.results == verdict.results


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (-0.1234, "-0.123"),
        (12.345, "12.35"),
        (1234.5, "1234"),
        (3e7, "3.00e+07"),
        (1e-5, "1.00e-05"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text
