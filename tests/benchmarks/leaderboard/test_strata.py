"""Strata hold every window once, and their numbers are those of their windows."""

import numpy as np
import pytest

from benchmarks.leaderboard import strata as of
from wlam.config import Config
from wlam.evaluation.scores import QUARTERS
from wlam.phy.channels.cdl import CdlConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.tasks.mixture import DataSource

SPEED = np.array([0, 5, 10, 29, 60, 120, 300, np.nan, 15, 45, 61, 9.9])
SNR = np.array([-3, 0, 5, 20, 20, 40, 60, np.inf, np.nan, 25, 15, 10.0])
LOS = np.array([0, 1, np.nan] * 4)
SIZE = np.array([8, 16, 32, 33, 64, np.nan] * 2)


@pytest.fixture(scope="module")
def scores(in_db):
    labels = {"speed_kmh": SPEED, "snr_db": SNR, "los": LOS, "antennas": SIZE}
    return in_db({"AR": -3.0, "PAD": -4.0, "zero": 0.0, "mine": -6.0}, **labels)


WAYS = {
    "speed": of.by_speed,
    "SNR": of.by_snr,
    "line of sight": of.by_line_of_sight,
    "size": lambda scores: of.by_size(scores, "antennas", {"antennas": (16, 32)}),
    "one size": lambda scores: of.by_size(scores, "antennas", {"antennas": (32, 32)}),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_window_is_in_one_stratum(scores, way):
    parts = WAYS[way](scores)
    assert len({name for name, _ in parts}) == len(parts)
    np.testing.assert_array_equal(np.sum([keep for _, keep in parts], axis=0), 1)


def test_windows_are_where_they_belong(scores):
    speeds = dict(of.by_speed(scores))
    assert np.flatnonzero(speeds["10 to 30 km/h"]).tolist() == [2, 3, 8]
    assert np.flatnonzero(speeds["120 km/h or more"]).tolist() == [5, 6]
    snrs = dict(of.by_snr(scores))
    assert np.flatnonzero(snrs["clean"]).tolist() == [6, 7]
    assert np.flatnonzero(snrs["below 5 dB"]).tolist() == [0, 1]
    sizes = dict(of.by_size(scores, "antennas", {"antennas": (16, 32)}))
    assert np.flatnonzero(sizes["larger than 32"]).tolist() == [3, 4, 9, 10]


def test_values_are_those_of_the_windows(scores):
    found = of.strata(scores, "speed", of.by_speed(scores), ["mine", "AR"])
    assert sum(s.windows for s in found) == len(SPEED)
    stratum = next(s for s in found if s.name == "10 to 30 km/h")
    ratio = scores.statistics["mine"]["NMSE dB"].numerator[[2, 3, 8]]
    cell = stratum.cells["mine"]
    assert cell.value == pytest.approx(10 * np.log10(ratio.mean()))
    assert cell.low <= cell.value <= cell.high
    # AR is 3 dB behind in every window, so in every stratum too.
    assert stratum.cells["AR"].value - cell.value == pytest.approx(3)


def test_the_best_floors_leave_models_out(scores):
    assert of.best_floors(scores) == ["PAD", "AR"]


def test_one_stratum_says_nothing(scores, in_db):
    ways = {s.by for s in of.all_strata(scores, ["mine"], {"antennas": (1, 99)})}
    assert ways == {"speed", "SNR", "line of sight", "antennas"}
    unknown = in_db({"mine": -1.0})
    assert not list(of.all_strata(unknown, ["mine"], {}))
    # But that every window is larger than in training does.
    large = in_db({"mine": -1.0}, antennas=np.full(12, 64.0))
    (line,) = of.all_strata(large, ["mine"], {"antennas": (4, 32)})
    assert (line.by, line.name, line.windows) == ("antennas", "larger than 32", 12)


def test_quarters_of_the_horizon(in_db):
    levels = {q: -float(i) for i, q in enumerate(QUARTERS)}
    parts = in_db(levels)
    whole = in_db({"mine": -2.0})
    assert of.horizon_strata(whole, ["mine"]) == []
    for name in QUARTERS:
        whole.statistics["mine"][name] = parts.statistics[name]["NMSE dB"]
    found = of.horizon_strata(whole, ["mine"])
    assert [s.name for s in found] == list(QUARTERS)
    assert [s.cells["mine"].value for s in found] == pytest.approx([0, -1, -2, -3])


def test_sizes_of_training_are_those_of_its_samples():
    def part(subcarriers, antennas):
        source = CdlConfig(num_times=24, num_subcarriers=subcarriers, array=antennas)
        return DataSource("csi_time", source, 1.0)

    nowhere = DataSource("csi_time", "a file of somebody else", 1.0)
    series = DataSource("traffic", TrafficConfig(num_times=32), 1.0)
    mixture = {"a": part(16, (1, 4)), "b": part(32, (2, 4)), "c": series, "d": nowhere}
    config = Config(run="unused", mixture=mixture, evaluation={})
    assert of.trained_sizes(config, "csi_time") == {
        "snapshots": (24, 24),
        "subcarriers": (16, 32),
        "antennas": (4, 8),
    }
    assert of.trained_sizes(config, "csi_frequency") == {}
