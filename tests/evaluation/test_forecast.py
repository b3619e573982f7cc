"""Windows, tables and the report, with a forecaster that has the answer."""

from dataclasses import replace

import numpy as np
import pytest

from wlam.bootstrap import Pair, difference
from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.forecast import Case, evaluate
from wlam.evaluation.report import html_report
from wlam.evaluation.table import gain, number, short_table, text, wide_table
from wlam.models.base import Card, Model
from wlam.phy.arrays import ula
from wlam.types import Antennas, Csi, Series, Traffic

T = np.arange(400)
SERIES = np.stack([2 + T / 1000 + np.sin(2 * np.pi * T / 24 + k) for k in range(4)])
TRAFFIC = Traffic(SERIES.astype(np.float32), np.full(4, 3600.0, np.float32))
CASE = Case("daily", "traffic", TRAFFIC, context=48, horizon=6, about="a <sine>")


class Sine(Model):
    """Continues the series above exactly; stands in for a trained model."""

    accepts = frozenset({Series})
    error = 0.0

    def __init__(self):
        self.card = Card("sine")

    def predict(self, question, horizon, axis="time"):
        assert axis == "time"
        assert set(question.time_step_s) == {3600.0}
        count = len(question.series)
        starts = 320 + 6 * np.arange(count // 4)
        steps = starts[:, None] + np.arange(horizon)
        truth = SERIES[:, steps].reshape(count, horizon, 1)
        return replace(question, series=truth.astype(np.float32) + self.error)


class Bounded(Sine):
    """Has intervals that hold the first of every three steps."""

    def predict_interval(self, question, horizon, axis="time", coverage=0.9):
        assert coverage == 0.9
        count = len(question.series)
        assert count <= 20
        truth = np.zeros((count, horizon, 1))
        low = np.where(np.arange(horizon) % 3 == 0, truth[..., 0], 100.0)[..., None]
        return replace(question, series=low), replace(question, series=truth + 100)


@pytest.fixture(scope="module")
def result():
    return evaluate(CASE, Sine())


def test_every_predictor_is_scored_on_every_metric(result):
    assert result.statistics.keys() > {MODEL, "zero", "repeat last", "AR"}
    assert next(iter(result.statistics)) == MODEL
    records = result.records()
    assert len(records) == len(result.statistics) * len(result.metrics)
    assert result.figure("MAE", MODEL).value == pytest.approx(0, abs=1e-6)
    assert result.figure("MAE", "seasonal naive").value == pytest.approx(0.024)
    scaled = result.figure("MASE", "seasonal naive")
    assert scaled.value == pytest.approx(1, abs=1e-3)
    assert result.figure("MAE", "zero").value == pytest.approx(2.36, abs=0.1)
    for record in records:
        assert record["windows"] == 4 * 13
        assert record["low"] <= record["value"] + 1e-9
        assert record["value"] <= record["high"] + 1e-9


def test_a_baseline_that_is_nan_is_not_the_best(result):
    mae = result.statistics["zero"]["MAE"]
    broken = {"MAE": replace(mae, numerator=mae.numerator * np.nan)}
    # Nothing is less than NaN, wherever it stands.
    found = replace(result, statistics={"broken": broken, **result.statistics})
    assert np.isnan(found.figure("MAE", "broken").value)
    assert found.best_baseline("MAE") == result.best_baseline("MAE")
    assert found.model_wins("MAE")


def test_the_best_is_named_whoever_it_is(result):
    assert result.model_wins("MAE")
    worse = Sine()
    worse.error = 0.5
    loser = evaluate(CASE, worse)
    assert not loser.model_wins("MAE")
    assert loser.best_baseline("MAE") in ("seasonal AR", "AR")
    header, rows, _ = wide_table([result, loser])
    best = header.index("best")
    assert rows[0][best] == MODEL
    assert rows[len(result.metrics)][best] == loser.best_baseline("MAE")


def test_intervals_are_judged_by_what_they_cover(monkeypatch):
    """On some windows where there are many; baselines have no intervals."""
    monkeypatch.setattr("wlam.evaluation.forecast.COVERED", 20)
    result = evaluate(CASE, Bounded())
    found = result.figure("cover 90 %", MODEL)
    assert found.value == pytest.approx(1 / 3)
    assert found.left_out == 4 * 13 - 20
    assert found.low == found.high == pytest.approx(1 / 3)
    assert result.best_baseline("cover 90 %") is None
    assert result.model_wins("cover 90 %") is None
    assert gain(result, "cover 90 %") == "·"
    header, rows, _ = wide_table([result])
    row = dict(zip(header, rows[-1], strict=True))
    assert (row["metric"], row[MODEL], row["best"]) == ("cover 90 %", "0.333", "·")
    assert row["repeat last"] == row["AR"] == "·"


def test_what_is_skipped_is_not_covered_either(monkeypatch):
    monkeypatch.setattr("wlam.evaluation.forecast.COVERED", 20)
    found = evaluate(replace(CASE, skip=4), Bounded())
    assert found.figure("cover 90 %", MODEL).value == 0  # steps 4 and 5 of 6


def test_the_wide_table_lines_up_and_leaves_nothing_out(result):
    lines = text(wide_table([result])).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 2 + len(result.metrics)
    for baseline in ("zero", "repeat last", "context mean", "AR", "seasonal naive"):
        assert f" {baseline} |" in lines[0]


def test_the_short_table_has_the_headline_and_the_gain_of_a_paired_bootstrap(result):
    header, rows, _ = short_table([result])
    assert len(rows) == 1
    assert rows[0][:3] == ["daily", "48→6", "MAE"]
    best = result.best_baseline("MAE")
    assert best in rows[0]
    ours, theirs = (result.statistics[name]["MAE"] for name in (MODEL, best))
    found = difference([Pair(theirs, ours, result.groups)])  # of an error
    bounds = f"[{found.low:+.2g}, {found.high:+.2g}]"
    assert rows[0][-1] == f"{found.value:+.3g} {bounds}"
    assert found.value == pytest.approx(theirs.value - ours.value)
    assert header[-1] == "gain [95 %]"


def test_the_report_stands_alone(result):
    page = html_report(
        "title", ["a fact"], [result], ["skipped x: not there"], (MODEL,)
    )
    assert page.count("data:image/png;base64,") >= 1
    assert "a &lt;sine&gt;" in page
    assert "skipped x: not there" in page


def test_nmse_is_against_the_clean_channel(hold):
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

    result = evaluate(Case("noisy", "csi_time", data, 9, 3), hold())
    held = (clean + 3 * noise)[:, 8:9]
    ratio = (abs(held - clean[:, 9:]) ** 2).sum((1, 2, 3))
    ratio /= (abs(clean[:, 9:]) ** 2).sum((1, 2, 3))
    expected = 10 * np.log10(ratio.mean())
    assert result.figure("NMSE dB", MODEL).value == pytest.approx(expected, abs=1e-3)
    # And, under its own name, against what was measured.
    measured = (clean + 3 * noise)[:, 9:]
    ratio = (abs(held - measured) ** 2).sum((1, 2, 3))
    ratio /= (abs(measured) ** 2).sum((1, 2, 3))
    found = result.figure("NMSE noisy dB", MODEL).value
    assert found == pytest.approx(10 * np.log10(ratio.mean()), abs=1e-3)
    # One step of two samples: the noisy target is cut like the clean one.
    cut = result.detail.score_slice(MODEL, np.array([0, 2]), slice(1, 2))
    cut = cut["NMSE noisy dB"]
    ratio = (abs(held - measured[:, 1:2]) ** 2).sum((1, 2, 3))
    ratio /= (abs(measured[:, 1:2]) ** 2).sum((1, 2, 3))
    assert cut.value == pytest.approx(10 * np.log10(ratio[[0, 2]].mean()), abs=1e-3)
    # Without noise there is no second target.
    data = replace(data, csi=data.clean)
    quiet = evaluate(Case("quiet", "csi_time", data, 9, 3), hold())
    assert quiet.metrics == ["NMSE dB", "NMSE pooled dB"]


def test_steps_that_are_skipped_are_forecast_but_not_scored(result):
    last = evaluate(replace(CASE, skip=5), Sine())
    assert last.detail.windows.horizon == 1
    for baseline in ("repeat last", "seasonal AR"):
        everyone = np.arange(len(result.groups))
        step = result.detail.score_slice(baseline, everyone, slice(5, 6))["MAE"]
        assert last.figure("MAE", baseline).value == pytest.approx(step.value)


def test_the_model_and_the_baselines_can_be_judged_apart(result):
    ours, baselines = evaluate(CASE, Sine(), baselines=False), evaluate(CASE, None)
    assert list(ours.statistics) == [MODEL]
    assert MODEL not in baselines.statistics
    assert ours.records() + baselines.records() == result.records()


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
