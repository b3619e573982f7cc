"""Scores are the result's numbers, in parts, side by side, pooled and on disk."""

from dataclasses import replace

import numpy as np
import pytest

from tests.made_up_scores import Hold
from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.forecast import Case, evaluate
from wlam.evaluation.scores import (
    QUARTERS,
    joined,
    load_scores,
    pooled,
    save_scores,
    scores_of,
)
from wlam.phy.arrays import ula
from wlam.types import Antennas, Csi, DataError

SAMPLES = 4
LABELS = {
    "speed_kmh": np.array([3.0, 30, 60, 90], np.float32),
    "snr_db": np.full(SAMPLES, 20.0, np.float32),
    "state": np.array([0, 1, 2, 0]),
    "position_m": np.zeros((SAMPLES, 3)),
}


@pytest.fixture(scope="module")
def case():
    """Four snapshots, twelve subcarriers and two antennas with noise."""
    rng = np.random.default_rng(0)
    clean, noise = rng.normal(size=(2, SAMPLES, 4, 12, 2, 2)).astype("f4")
    clean, noise = clean.view(np.complex64)[..., 0], noise.view(np.complex64)[..., 0]
    ones = np.ones(SAMPLES, np.float32)
    antennas = Antennas(ula(2), np.zeros(2, np.int32))
    data = Csi(clean + noise, ones, ones, ones, antennas, clean=clean, labels=LABELS)
    return Case("made up", "csi_frequency", data, 6, 6)


@pytest.fixture(scope="module")
def result(case):
    return evaluate(case, Hold())


def test_whole_and_quarters(result):
    scores = scores_of(result)
    for predictor, metrics in result.statistics.items():
        for metric, statistic in metrics.items():
            assert scores.statistics[predictor][metric].value == statistic.value
    assert scores.metrics == result.metrics
    # The horizon of 6 in four parts: 2, 1, 1 and 2 steps.
    edges = [0, 2, 3, 4, 6]
    everyone = np.arange(SAMPLES)
    for i, name in enumerate(QUARTERS):
        part = result.detail.score_slice(MODEL, everyone, slice(edges[i], edges[i + 1]))
        assert scores.statistics[MODEL][name].value == part["NMSE dB"].value


def test_labels_of_drops_and_sizes_of_the_grid(result):
    labels = scores_of(result).labels
    assert labels["los"].tolist() == [1, 0, 0, 1]
    assert labels["speed_kmh"].tolist() == [3, 30, 60, 90]
    assert labels["subcarriers"].tolist() == [12] * 4
    assert labels["snapshots"].tolist() == [4] * 4
    assert labels["antennas"].tolist() == [2] * 4


def test_what_completes_is_as_large_as_its_context(case):
    whole = replace(case, task="csi_estimate", context=12, horizon=12)
    labels = scores_of(evaluate(whole, None)).labels
    assert labels["subcarriers"].tolist() == [12] * 4


def test_files_hold_all_of_it(result, tmp_path):
    scores = scores_of(result)
    save_scores(tmp_path / "a.npz", scores)
    found = load_scores(tmp_path / "a.npz")
    assert found.headline == scores.headline
    np.testing.assert_array_equal(found.groups, scores.groups)
    for name, values in scores.labels.items():
        np.testing.assert_array_equal(found.labels[name], values)
    assert found.statistics.keys() == scores.statistics.keys()
    for predictor, metrics in scores.statistics.items():
        for metric, statistic in metrics.items():
            other = found.statistics[predictor][metric]
            np.testing.assert_array_equal(other.numerator, statistic.numerator)
            assert other.value == statistic.value
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:400])
    with pytest.raises(DataError, match=r"scores: .*b.npz cannot be read"):
        load_scores(tmp_path / "b.npz")


def test_predictors_side_by_side(in_db):
    both = joined([in_db({"AR": -3.0}), in_db({"mine": -5.0})])
    assert both.statistics["mine"]["NMSE dB"].value == pytest.approx(-5)
    assert both.baselines == ["AR"]
    assert both.renamed("mine", "yours").statistics.keys() == {"AR", "yours"}
    with pytest.raises(ValueError, match="needed the same windows"):
        joined([in_db({"AR": -3.0}), in_db({"mine": -5.0}, windows=3)])


def test_pools_keep_groups_apart_and_weigh_windows_alike(in_db):
    first = in_db({"AR": 0.0, "PAD": -1.0}, windows=30)
    second = in_db({"AR": -10.0}, windows=10)
    both = pooled([first, second])
    assert both.statistics.keys() == {"AR"}  # PAD is not everywhere
    expected = 10 * np.log10((30 * 1 + 10 * 0.1) / 40)
    assert both.statistics["AR"]["NMSE dB"].value == pytest.approx(expected)
    assert len(np.unique(both.groups)) == 40
    with pytest.raises(ValueError, match="needed one or more cases"):
        pooled([])
