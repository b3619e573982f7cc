"""Pictures of every task: figures that can be saved, with what they are to show."""

import io
from dataclasses import replace

import numpy as np
import pytest

from wlam.evaluation import pictures
from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.forecast import Case, evaluate
from wlam.phy.arrays import ula
from wlam.tasks import TASKS
from wlam.types import Antennas, Csi, Sweeps, Traffic

RNG = np.random.default_rng(0)
SAMPLES = 6
ONES = np.ones(SAMPLES, np.float32)
LABELS = {
    "speed_kmh": np.array([3, 3, 30, 30, 90, 90], np.float32),
    "snr_db": np.full(SAMPLES, 20.0, np.float32),
}
PARTS = RNG.normal(size=(2, SAMPLES, 12, 16, 4)).astype(np.float32)
CSI = Csi(
    PARTS[0] + 1j * PARTS[1],
    1e-3 * ONES,
    15e3 * ONES,
    3e9 * ONES,
    Antennas(ula(4), np.zeros(4, np.int32)),
    labels=LABELS,
)
SWEEPS = Sweeps(RNG.normal(size=(SAMPLES, 12, 8)).astype(np.float32), 0.1 * ONES)
TRAFFIC = Traffic(RNG.uniform(size=(SAMPLES, 60)).astype(np.float32), 3600 * ONES)
CASES = {
    "csi_time": (CSI, 8, 4),
    "csi_frequency": (CSI, 8, 8),
    "csi_pilots_4": (CSI, 16, 16),
    "csi_estimate": (CSI, 16, 16),
    "beam": (SWEEPS, 6, 3),
    "beam_scan_4": (SWEEPS, 3, 1),
    "traffic": (TRAFFIC, 24, 6),
}


def result_of(task, model=None):
    data, context, horizon = CASES[task]
    return evaluate(Case("made up", task, data, context, horizon, tail=1.0), model)


@pytest.mark.parametrize("task", CASES)
def test_every_picture_can_be_saved_and_says_what_it_shows(task):
    found = result_of(task).pictures()
    headline = TASKS[task].headline
    has_horizon = TASKS[task].verb == "predict"
    expected = {"an example"}
    expected |= {f"{headline} over the horizon"} if has_horizon else set()
    # The speed differs between windows; the SNR is that of all of them.
    expected |= {f"{headline} over speed"} if task.startswith("csi") else set()
    assert found.keys() == expected
    for title, figure in found.items():
        page = io.BytesIO()
        figure.savefig(page, format="png", dpi=40)
        assert len(page.getvalue()) > 1000, title
    if has_horizon:
        (panel,) = found[f"{headline} over the horizon"].axes
        assert panel.get_ylabel() == headline


def test_the_curve_over_the_horizon_is_the_metric_of_each_step(hold):
    result = result_of("csi_time", hold())
    (panel,) = result.pictures()["NMSE dB over the horizon"].axes
    lines = {c.get_label(): c for c in panel.containers}
    x, y = lines[MODEL].lines[0].get_data()
    np.testing.assert_array_equal(x, [1, 2, 3, 4])
    everyone = np.arange(SAMPLES)
    for step, value in enumerate(y):
        part = result.detail.score_slice(MODEL, everyone, slice(step, step + 1))
        assert value == pytest.approx(part["NMSE dB"].value)
    assert next(iter(lines)) == MODEL
    assert len(lines) == pictures.LINES


def test_steps_that_are_not_scored_are_not_drawn(hold):
    data, context, horizon = CASES["csi_time"]
    case = Case("made up", "csi_time", data, context, horizon, skip=2)
    found = evaluate(case, hold()).pictures()
    (panel,) = found["NMSE dB over the horizon"].axes
    np.testing.assert_array_equal(panel.containers[0].lines[0].get_xdata(), [3, 4])


def test_the_best_are_drawn_and_no_baseline_without_a_number():
    judged = result_of("beam").detail
    chosen = pictures.shown(judged)
    everyone = np.arange(len(judged.windows.source))
    values = [judged.score_slice(n, everyone)["top-1"].value for n in chosen[1:]]
    assert values == sorted(values, reverse=True)
    broken = {**judged.forecasts, "broken": judged.forecasts["AR"] * np.nan}
    judged = replace(result_of("traffic").detail)
    broken = {**judged.forecasts, "broken": judged.forecasts["AR"] * np.nan}
    assert "broken" not in pictures.shown(replace(judged, forecasts=broken))
