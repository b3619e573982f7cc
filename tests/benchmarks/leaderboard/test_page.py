"""The page says what was met, missed and not there, and leaves no row out."""

import json
import re

import numpy as np
import pytest

from benchmarks.leaderboard.benchmark import (
    GENERATED,
    MEASURED,
    RAYTRACED,
    SIONNA,
    Entry,
    Judged,
    Model,
    Results,
)
from benchmarks.leaderboard.goals import COVER, GOALS
from benchmarks.leaderboard.page import html_page, markdown


def model(name, hold, parameters=400_000):
    sizes = {"csi_time": {"antennas": (4, 8)}}
    return Model(name, f"{name}-of-files", hold(), parameters, sizes, step=7)


@pytest.fixture(scope="module")
def judged(in_db, of_values):
    """Channels the model wins, a set it loses, one of which nothing is known."""
    levels = {"AR": -10.0, "PAD": -9.0, "ours": -12.0, "wifo": -11.0, "again": -12.4}
    time = [
        Judged(
            Entry(f"{name}_time", GENERATED, "csi_time", "8→8"),
            in_db(levels, seed=i, antennas=antennas),
        )
        for i, (name, antennas) in enumerate(
            zip(("D17", "D18", "D19"), SIZES, strict=True)
        )
    ]
    rsrp = {
        "repeat last": {"MAE": 3.35},
        "ours": {"MAE": 4.0, COVER: 0.9},
        "again": {"MAE": 4.5},
    }
    return [
        *time,
        Judged(Entry("csi_time CDL-A", SIONNA, "csi_time"), None, "no file"),
        Judged(
            Entry("csi_time munich clean", RAYTRACED, "csi_time", "16→8"),
            in_db(levels, snr_db=[np.inf] * 12),
        ),
        Judged(Entry("ucc_rsrp", MEASURED, "series", "32→8"), of_values(rsrp)),
        Judged(Entry("milan_10min", MEASURED, ""), None, "no prepared | data"),
    ]


SIZES = [[4.0] * 12, [8.0] * 12, [32.0] * 12]


@pytest.fixture(scope="module")
def results(judged):
    return lambda hold, **more: Results(judged, [model("ours", hold)], **more)


def row_of(text, start):
    (line,) = (x for x in text.splitlines() if x.startswith(f"| {start}"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_figures_are_met_missed_or_not_there(results, hold):
    peers = [model("wifo", hold)]
    text = markdown(results(hold, peers=peers))
    peer = row_of(text, "time, D17 to D19")
    assert peer[1] == "at most -0.5, interval clear of 0"
    # One dB apart in every window: the interval has no width.
    assert [float(x) for x in peer[3].split(" … ")] == pytest.approx([-1, -1])
    assert peer[4:] == ["met by 0.5", "3 cases against wifo, worst -1.00"]
    assert row_of(text, "UCC RSRP")[2:5] == ["4.00", "4.00 … 4.00", "missed by 0.75"]
    assert row_of(text, "Milan 144→6")[4] == "not there: milan_10min"
    assert row_of(text, "generated, 16→64")[4] == "not there: beam_scan_4"
    assert "1 met, 1 missed" in text
    for goal in GOALS:
        assert row_of(text, goal.what)
    assert "no peer given" not in text
    assert "no peer given" in row_of(markdown(results(hold)), "time, D17 to D19")[4]


def test_results_show_models_beside_the_best_floor(results, hold):
    text = markdown(results(hold, peers=[model("wifo", hold)]))
    cells = row_of(text, "D17_time")
    assert cells[1:3] == ["8→8", "NMSE dB"]
    assert cells[3].startswith("-12.00 [")
    assert cells[4].startswith("-11.00 [")
    assert cells[5] == "AR"
    assert cells[6].startswith("-10.00 [")
    # The peer was judged on no measured set and has no column; floors no coverage.
    assert row_of(text, "ucc_rsrp")[4] == "repeat last"
    covered = next(x for x in text.splitlines() if f"| {COVER} | 0.900" in x)
    assert covered.count("·") == 2


def test_what_is_not_there_is_a_row_and_a_line(results, hold):
    text = markdown(results(hold, absent=["models/x: no such folder"]))
    assert row_of(text, "csi_time CDL-A")[2] == "not there: no file"
    assert "not there: no prepared \\| data" in text
    assert "- Sionna sets: no file" in text  # all of them
    assert "- milan_10min: no prepared | data" in text
    assert "- models/x: no such folder" in text
    assert "- no peer with wifo in its name was given" in text
    alone = markdown(Results([], []))
    assert alone.count("no model given") == len(GOALS) + 1
    assert "Runs of other training seeds: 0 given" in alone


def test_sets_and_strata(results, hold):
    text = markdown(results(hold))
    assert row_of(text, "Generated, csi_time |")[1:] == [
        "3", "AR", "-10.00", "-2.00 [-2.00 … -2.00]"
    ]  # fmt: skip
    assert row_of(text, "Sionna, csi_time, clean")[1:3] == ["0", "not there"]
    traced = "Ray-traced, csi_time"
    assert row_of(text, f"{traced}, clean")[1:] == [
        "1", "AR", "-10.00", "-2.00 [-2.00 … -2.00]"
    ]  # fmt: skip
    assert row_of(text, f"{traced}, 20 dB")[1:3] == ["0", "not there"]
    assert f"### {traced}, by SNR" in text
    section = text[text.index("## Ray-traced sets") :]
    assert row_of(section, "csi_time munich clean")[1:3] == ["16→8", "NMSE dB"]
    strata = row_of(text, "antennas | 4 to 8, as trained")
    assert strata[-1] == "24"
    assert float(strata[2].split()[0]) == pytest.approx(-12, abs=0.01)
    assert "| larger than 8 |" in text


def test_seeds_lie_apart_by_their_standard_deviation(results, hold):
    text = markdown(results(hold, seeds=[model("ours", hold), model("again", hold)]))
    seeds = text[text.index("## Training seeds") :]
    cells = row_of(seeds, "Generated, csi_time")
    # -12 and -12.4: mean -12.2, deviation .4 / sqrt(2).
    assert cells[2:] == ["-12.00", "-12.40", "-12.20", "0.283"]
    assert row_of(seeds, "ucc_rsrp")[2:] == ["4.00", "4.50", "4.25", "0.354"]


def test_the_html_needs_no_other_file(results, hold):
    text = html_page(results(hold))
    assert text.count("data:image/png;base64,") == 2  # of each section with channels
    assert not re.search(r'src="(?!data:)', text)
    assert '<tr class="lose"><td>UCC RSRP' in text
    assert "<th>PAD</th>" in text  # every floor has a column
    assert "<code>NMSE noisy dB</code>" in text


def test_the_program_writes_all_three_files(program, tmp_path):
    cases = tmp_path / "mine.py"
    cases.write_text(CASES)
    arguments = ("--cases", cases, "--sionna", tmp_path, "--raytraced", tmp_path,
                 "--cache", tmp_path / "c", "--json", tmp_path / "r.jsonl",
                 "--page", tmp_path / "p")  # fmt: skip
    program("benchmarks/leaderboard/__main__.py", tmp_path / "none", *arguments)
    pages = [(tmp_path / f"p.{kind}").read_text() for kind in ("md", "html")]
    assert f"- {tmp_path / 'none'}: model: " in pages[0]
    lines = [json.loads(x) for x in (tmp_path / "r.jsonl").read_text().splitlines()]
    daily = {x["predictor"] for x in lines if x["case"] == "daily"}
    assert daily >= {"repeat last", "seasonal AR"}
    assert {x["case"] for x in lines if "missing" in x} >= {"milan_10min", "ucc_rsrp"}
    kept = sorted((tmp_path / "c").iterdir())
    assert len(kept) == 1
    done = program("benchmarks/leaderboard/__main__.py", tmp_path / "none", *arguments)
    assert "…" not in done.stderr  # nothing was judged again
    again = [(tmp_path / f"p.{kind}").read_text() for kind in ("md", "html")]
    assert again == pages


CASES = """
from wlam.evaluation.forecast import Forecast
from wlam.config import Config
from wlam.simulate.traffic import TrafficConfig

source = TrafficConfig(num_times=64)
daily = Forecast("traffic", source, context=24, horizon=8, samples=8)
config = Config(run="unused", mixture={}, evaluation={"daily": daily})
"""
