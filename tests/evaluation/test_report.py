"""The page says what the results say, and needs no file beside it."""

import re

import numpy as np
import pytest

from wlam import plot
from wlam.bootstrap import Pair, difference
from wlam.evaluation.evaluator import Result
from wlam.evaluation.report import compare, html_report
from wlam.evaluation.table import number
from wlam.metrics import mae, topk_accuracy
from wlam.types import DataError

RNG = np.random.default_rng(0)
SAMPLES = 40
GROUPS = np.arange(SAMPLES) // 2
ZERO = np.zeros(SAMPLES)
HARD = RNG.uniform(0.5, 2, SAMPLES)


def errors(size):
    return {"MAE": mae(size * HARD * RNG.uniform(0.9, 1.1, SAMPLES), ZERO)}


def result(name="a case", question="16→8", **sizes):
    statistics = {k.replace("_", " "): errors(v) for k, v in sizes.items()}
    return Result(name, question, "MAE", statistics, GROUPS)


def rows(page, which=0):
    """Cells of the which-th table, without tags."""
    table = re.findall(r"<table>.*?</table>", page, re.S)[which]
    found = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", r) for r in table.split("<tr>")[1:]]
    return [[re.sub("<.*?>", " ", cell).split() for cell in row] for row in found]


def test_the_page_stands_alone():
    case = Result(
        "a <case>",
        "16→8",
        "MAE",
        {"wlam": errors(1), "AR": errors(2)},
        GROUPS,
        about="a <sine>",
        pictures=lambda: {
            "MAE over speed": plot.metric_over(
                np.arange(SAMPLES), {"wlam": errors(1)["MAE"]}, ylabel="MAE"
            )
        },
    )
    page = html_report("title", ["a fact"], [case], ["skipped x: not there"])
    assert page.count("data:image/png;base64,") == 1
    assert not re.findall(r'(?:src|href)="?(?!data:|#|")', page)
    for text in ("a &lt;case&gt;", "a &lt;sine&gt;", "a fact", "skipped x: not there"):
        assert text in page
    assert 'alt="MAE over speed"' in page
    assert page.count("<table>") == page.count("</table>") == 2
    assert page.count("<details>") == 1


def test_the_gain_is_paired_and_above_zero_where_the_model_is_better():
    case = result(wlam=1, AR=1.5, repeat_last=3)
    (found,) = compare(case)
    assert (found.baseline, found.verdict) == ("AR", "win")
    pair = Pair(case.statistics["AR"]["MAE"], case.statistics["wlam"]["MAE"], GROUPS)
    assert found.gain == difference([pair])
    (head, cells) = rows(html_report("", [], [case], []))
    assert head == [["case"], ["wlam"], ["gain"], ["best", "baseline"]]
    assert cells[0] == ["a", "case", "16→8,", "MAE"]
    ours, gain = found.ours, found.gain
    assert cells[1] == [number(ours.value), number(ours.low), "…", number(ours.high)]
    assert cells[3] == ["AR", number(found.theirs.value)]
    assert cells[2] == [
        f"+{number(gain.value)}",
        number(gain.low),
        "…",
        number(gain.high),
    ]


def test_more_may_be_better():
    truth = np.eye(4)[RNG.integers(4, size=SAMPLES)]
    right, wrong = topk_accuracy(truth, truth, 1), topk_accuracy(-truth, truth, 1)
    case = Result(
        "beams", "", "top-1", {"wlam": {"top-1": right}, "x": {"top-1": wrong}}, GROUPS
    )
    (found,) = compare(case)
    assert (found.gain.value, found.verdict) == (1, "win")


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict", "says"),
    [
        (1, 2, "win", "better"),
        (2, 1, "lose", "worse"),
        (1, 1, "even", "no clear difference"),
    ],
)
def test_the_colour_says_whether_the_gain_is_certain(ours, theirs, verdict, says):
    page = html_report("", [], [result(wlam=ours, AR=theirs)], [])
    assert page.count(f'<span class="tag {verdict}" title="{says}">') == 1
    assert page.count('<span class="tag') == 1


def test_informed_baselines_are_shown_but_not_to_be_beaten():
    statistics = {"wlam": errors(1), "AR": errors(2), "genie": errors(0.1)}
    case = Result("a", "", "MAE", statistics, GROUPS, informed=frozenset({"genie"}))
    assert compare(case)[0].baseline == "AR"
    page = html_report("", [], [case], [])
    assert [row[0] for row in rows(page, 1)[1:]] == [
        ["wlam"],
        ["AR"],
        ["genie", "(informed)"],
    ]


def test_models_side_by_side_are_no_baselines_of_each_other():
    case = result(one=1, two=0.5, AR=2)
    first, second = compare(case, ("one", "two"))
    assert (first.baseline, second.baseline) == ("AR", "AR")
    page = html_report("", [], [case], [], ("one", "two"))
    head, *body = rows(page)
    assert head[:3] == [["case"], ["model"], ["value"]]
    assert [row[1] for row in body] == [["one"], ["two"]]
    assert [row[0] for row in body] == [["a", "case", "16→8,", "MAE"], []]


def test_what_a_predictor_lacks_is_a_dot():
    """Coverage is the model's alone; a case may have no baseline at all."""
    shares = mae(ZERO + 0.9, ZERO)
    statistics = {"wlam": errors(1) | {"cover 90 %": shares}, "AR": errors(2)}
    page = html_report("", [], [Result("a", "", "MAE", statistics, GROUPS)], [])
    assert rows(page, 1)[2][2] == ["·"]
    assert "<b>0.900" not in page  # there is nothing that it is better than
    alone = html_report("", [], [result(wlam=1)], [])
    assert rows(alone)[1][2:] == [["·"], ["·"]]
    assert '<span class="tag' not in alone


def test_a_case_without_the_model_has_its_numbers_only():
    page = html_report("", [], [result(AR=1)], [])
    assert len(rows(page)) == 1
    assert [row[0] for row in rows(page, 1)] == [["predictor"], ["AR"]]


def test_a_case_that_is_there_twice_is_refused():
    with pytest.raises(
        DataError, match=r"results: found .* twice; needed each case once"
    ):
        html_report("", [], [result(wlam=1), result(wlam=2)], [])
