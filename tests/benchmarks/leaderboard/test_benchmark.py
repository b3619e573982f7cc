"""Scores that are kept are those that would be made, and are made once."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leaderboard import benchmark as of
from benchmarks.leaderboard import raytraced, sionna
from benchmarks.leaderboard.benchmark import Entry, Judged, Model, Results
from wlam.evaluation.forecast import Case
from wlam.types import Series

ROOT = Path(__file__).parents[3]
VALUES = np.random.default_rng(0).normal(size=(6, 20, 1)).astype(np.float32)
DATA = Series(VALUES, np.ones(6, np.float32))
CASE = Case("made up", "series", DATA, context=12, horizon=4)
CITY = raytraced.SETTINGS[0].name


def entry_of(case, made):
    def make():
        made.append(case.name)
        return case

    return Entry("made up", of.MEASURED, "series", "12→4", of.digest_case(case), make)


def model_of(name, predicts, fingerprint=None):
    return Model(name, fingerprint or name, predicts, 1000, {})


def same(one, other):
    assert one.scores.statistics.keys() == other.scores.statistics.keys()
    for predictor, metrics in one.scores.statistics.items():
        for metric, statistic in metrics.items():
            there = other.scores.statistics[predictor][metric]
            np.testing.assert_array_equal(statistic.numerator, there.numerator)
            assert statistic.value == there.value


def test_kept_scores_are_the_fresh_ones(tmp_path, hold):
    made, mine = [], hold()
    entry, models = entry_of(CASE, made), [model_of("mine", mine)]
    fresh = of.judge_entry(entry, models, tmp_path)
    assert (made, mine.calls) == (["made up"], 1)
    kept = of.judge_entry(entry, models, tmp_path)
    assert (made, mine.calls) == (["made up"], 1)  # nothing was made again
    same(fresh, kept)
    hold_last = fresh.scores.statistics["repeat last"]["MAE"].value
    assert fresh.scores.statistics["mine"]["MAE"].value == hold_last


def test_one_more_model_costs_its_own_forecasts(tmp_path, hold):
    made, first, second = [], hold(), hold(0.5)
    entry = entry_of(CASE, made)
    alone = of.judge_entry(entry, [model_of("first", first)], tmp_path)
    files = set(tmp_path.iterdir())
    models = [model_of("first", first), model_of("second", second)]
    both = of.judge_entry(entry, models, tmp_path)
    assert (first.calls, second.calls) == (1, 1)
    assert len(set(tmp_path.iterdir()) - files) == 1
    assert both.scores.statistics.keys() - alone.scores.statistics.keys() == {"second"}
    # The same files under another folder's name are the same model.
    renamed = model_of("renamed", second, fingerprint="second")
    found = of.judge_entry(entry, [renamed], tmp_path)
    assert second.calls == 1
    assert "renamed" in found.scores.statistics


def test_a_broken_file_is_made_again(tmp_path, hold):
    entry, models = entry_of(CASE, []), [model_of("mine", hold())]
    fresh = of.judge_entry(entry, models, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    same(fresh, of.judge_entry(entry, models, tmp_path))


def test_other_data_or_questions_have_other_keys():
    other = Series(VALUES + 1e-6, DATA.time_step_s)
    more = [
        Case("made up", "series", other, 12, 4),
        Case("made up", "series", DATA, 11, 4),
        Case("made up", "series", DATA, 12, 4, skip=3),
    ]
    keys = {of.digest_case(case) for case in [CASE, *more]}
    assert len(keys) == 4
    same_again = Case("made up", "series", Series(VALUES.copy(), np.ones(6, "f4")),
                          12, 4, about="in other words")  # fmt: skip
    assert of.digest_case(same_again) in keys


def test_a_model_that_fails_is_said_to(tmp_path, hold):
    class Fails(hold):
        def predict(self, question, horizon, axis="time"):
            raise ValueError("context: too short")

    models = [model_of("bad", Fails()), model_of("good", hold())]
    found = of.judge_entry(entry_of(CASE, []), models, tmp_path)
    assert found.failed == (("bad", "context: too short"),)
    assert "good" in found.scores.statistics
    gone = of.judge_entry(Entry("gone", of.MEASURED, "", missing="no file"), models,
                          tmp_path)  # fmt: skip
    assert (gone.scores, gone.missing) == (None, "no file")


def test_a_member_of_a_family_is_judged_on_its_tasks(tmp_path, hold):
    series, traffic = hold(), hold(0.5)
    models = [
        replace(model_of("peers", series, "one"), tasks=("series",)),
        replace(model_of("peers", traffic, "two"), tasks=("traffic",)),
    ]
    found = of.judge_entry(entry_of(CASE, []), models, tmp_path)
    assert (series.calls, traffic.calls) == (1, 0)
    assert "peers" in found.scores.statistics
    results = Results([found], models=[], peers=models)
    assert results.shown == ["peers"]


@pytest.mark.slow
def test_a_folder_of_models_is_a_family(tmp_path, monkeypatch):
    monkeypatch.setattr(of, "trained_sizes", lambda *_: {})  # would trace all sources
    family = tmp_path / "transformers"
    family.mkdir()
    with pytest.raises(ValueError, match="transformers"):
        of.open_models(str(family))
    shutil.copytree(ROOT / "models" / "wifo", family / "csi")
    (member,) = of.open_models(str(family))
    assert (member.name, member.folder) == ("transformers", family / "csi")
    assert member.tasks == ("csi_time", "csi_frequency")
    assert member.judged_on("csi_time", of.GENERATED)
    assert not member.judged_on("csi_time", of.SIONNA)
    assert not member.judged_on("traffic", of.MEASURED)
    (alone,) = of.open_models("wifo")
    assert (alone.name, alone.tasks) == ("wifo", None)
    assert alone.fingerprint == member.fingerprint
    shutil.copytree(family / "csi", family / "more")
    with pytest.raises(ValueError, match="needed one model for each"):
        of.open_models(str(family))


def test_every_case_has_an_entry_though_nothing_is_there(tmp_path, monkeypatch):
    for name in ("WLAM_DATA_DIR", "WLAM_PREPARED_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    folders = {of.SIONNA: tmp_path, of.RAYTRACED: tmp_path / "none"}
    entries = of.all_entries(str(ROOT / "configs" / "benchmark.py"), folders)
    sections = [entry.section for entry in entries]
    assert sections.count(of.GENERATED) == 2 * 15 + 1 + 12 + 3 + 2 + 4
    assert sections.count(of.SIONNA) == 4 * len(sionna.SETTINGS)
    assert sections.count(of.RAYTRACED) == 4 * len(raytraced.SETTINGS)
    # A file that is not there is named; of a folder one line says enough.
    reasons = {e.missing for e in entries if e.section == of.SIONNA}
    assert len(reasons) == len(sionna.SETTINGS)
    (reason,) = {e.missing for e in entries if e.section == of.RAYTRACED}
    assert reason.startswith("no folder of Ray-traced channels; see benchmarks/leader")
    assert {"milan_10min", "deepsense_h3"} <= {e.name for e in entries}
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert (entry.make is None) == bool(entry.missing)
        assert (entry.make is None) == (entry.section != of.GENERATED)
    keys = [entry.key for entry in entries if entry.key]
    assert len(set(keys)) == len(keys)


def test_a_model_is_known_by_its_files(tmp_path):
    for name, text in (("a/x", "1"), ("a/y/z", "2"), ("b/x", "1"), ("b/y/z", "3")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def digest(folder):
        return of.digest_files((tmp_path / folder).rglob("*"), tmp_path / folder)

    before = digest("a")
    assert before != digest("b")
    (tmp_path / "b/y/z").write_text("2")
    assert before == digest("b")


def test_the_peer_of_a_model_is_the_one_of_its_size(hold):
    def model(name, parameters):
        return Model(name, name, hold(), parameters, {})

    sizes = {"wifo_s": 300_000, "lstm": 400_000, "WiFo_l": 5_000_000}
    peers = [model(name, parameters) for name, parameters in sizes.items()]
    results = Results([], [], peers=peers)
    assert results.peer_of(model("tiny", 400_000)).name == "wifo_s"
    assert results.peer_of(model("small", 2_500_000)).name == "WiFo_l"
    assert Results([], []).peer_of(model("tiny", 400_000)) is None


def test_sets_hold_the_cases_that_are_there(in_db):
    def judged(section, task, name, scores):
        return Judged(Entry(name, section, task), scores)

    results = Results(
        [
            judged(of.GENERATED, "csi_time", "D17_time", in_db({"AR": -1.0})),
            judged(of.GENERATED, "csi_time", "D18_time", None),
            judged(of.SIONNA, "csi_time", "csi_time CDL-A 3.5 GHz clean", in_db({})),
            judged(of.SIONNA, "csi_time", "csi_time CDL-A 3.5 GHz 20 dB", in_db({})),
            judged(of.RAYTRACED, "csi_time", f"csi_time {CITY} 20 dB", in_db({})),
        ],
        [],
    )
    found = results.sets()
    assert found["Generated, csi_time"] == ["D17_time"]
    assert found["Sionna, csi_time, clean"] == ["csi_time CDL-A 3.5 GHz clean"]
    assert found["Sionna, csi_frequency, 20 dB"] == []
    assert found["Ray-traced, csi_time, 20 dB"] == [f"csi_time {CITY} 20 dB"]
    assert found["Ray-traced, csi_time, clean"] == []
    assert results.board.keys() >= {"D17_time"}
