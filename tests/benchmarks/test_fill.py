"""Pages whose tables programs print: each finds its place, and none is lost."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.leaderboard.document import put

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["estimation", "liquid"])
def test_every_part_has_its_place_and_its_programs(benchmark, name):
    text = (ROOT / "docs" / f"{name}.md").read_text()
    for part, commands in benchmark("fill")["PAGES"][name].items():
        found = put(text, part, "| a |\n")
        assert f"<!-- {part} -->\n| a |\n<!-- /{part} -->" in found
        for first, *more in commands:
            file = f"{more[0].replace('.', '/')}.py" if first == "-m" else first
            assert (ROOT / file).is_file()
            configs = [x for x in more if x.startswith("configs/")]
            assert all((ROOT / x).is_file() for x in configs)
        # The others stay as they are.
        assert put(found, part, "") == put(text, part, "")


SAY = ("say.py", "new", "a")


@pytest.fixture
def page(tmp_path):
    """A page of two tables, each of which holds what was there before."""
    file = tmp_path / "page.md"
    file.write_text("<!-- a -->\nold a\n<!-- /a -->\n<!-- b -->\nold b\n<!-- /b -->\n")
    return file


@pytest.fixture
def programs(benchmark, monkeypatch, tmp_path):
    """Programs of these tests; they print what they are given, and `fail` fails."""
    fill = benchmark("fill")["fill"]
    for name, body in {"say": "print(*sys.argv[1:])", "fail": "sys.exit(3)"}.items():
        file = tmp_path / f"{name}.py"
        file.write_text(f"import sys\n{body}\n")
    monkeypatch.setitem(fill.__globals__, "ROOT", tmp_path)
    return fill


def test_a_part_is_replaced_and_the_other_kept(programs, page):
    programs(page, {"a": [SAY], "b": [("say.py", "new b"), SAY]}, ["b"])
    assert "old a" in page.read_text()
    assert "<!-- b -->\nnew b\n\nnew a\n<!-- /b -->" in page.read_text()


def test_a_program_that_fails_leaves_its_table(programs, page):
    parts = {"a": [SAY], "b": [SAY, ("fail.py",)]}
    with pytest.raises(subprocess.CalledProcessError):
        programs(page, parts, [])
    assert "new a" in page.read_text()
    assert "old b" in page.read_text()


def test_parts_without_a_place_are_errors(programs, page):
    with pytest.raises(ValueError, match="PART: found everything; needed one of a"):
        programs(page, {"a": [SAY]}, ["everything"])
    with pytest.raises(ValueError, match="needed both"):
        programs(page, {"a": [SAY], "c": [SAY]}, [])
    assert "old a" in page.read_text()  # before anything is run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["estimation", "all"], "PART: found all; needed one of mimo"),
        (["everything"], "PAGE: found 'everything'; needed one of estimation, liquid"),
        ([], "PAGE: found ''; needed one of estimation, liquid"),
    ],
)
def test_the_command_line_says_it_in_one_line(program, arguments, said):
    done = program("benchmarks/fill.py", *arguments, code=2)
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"fill.py: {said}")
