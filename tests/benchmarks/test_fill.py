"""Pages whose tables programs print: each finds its place, and none is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.leaderboard.document import put

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", ["estimation", "liquid_page"])
def test_every_part_has_its_place_and_its_program(benchmark, name):
    program = benchmark(name)
    text = program["PAGE"].read_text()
    for part, (run, *_) in program["PARTS"].items():
        found = put(text, part, "| a |\n")
        assert f"<!-- {part} -->\n| a |\n<!-- /{part} -->" in found
        assert (BENCHMARKS / run).is_file()
        # The others stay as they are.
        assert put(found, part, "") == put(text, part, "")


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
    (tmp_path / "benchmarks").mkdir()
    for name, body in {"say": "print(*sys.argv[1:])", "fail": "sys.exit(3)"}.items():
        file = tmp_path / "benchmarks" / f"{name}.py"
        file.write_text(f"import sys\n{body}\n")
    monkeypatch.setitem(fill.__globals__, "ROOT", tmp_path)
    return fill


def test_a_part_is_replaced_and_the_other_kept(programs, page):
    programs(page, {"a": ("say.py", "new", "a"), "b": ("say.py", "new b")}, ["b"])
    assert "old a" in page.read_text()
    assert "<!-- b -->\nnew b\n<!-- /b -->" in page.read_text()


def test_a_program_that_fails_leaves_its_table(programs, page):
    parts = {"a": ("say.py", "new", "a"), "b": ("fail.py",)}
    with pytest.raises(subprocess.CalledProcessError):
        programs(page, parts, [])
    assert "new a" in page.read_text()
    assert "old b" in page.read_text()


def test_parts_without_a_place_are_errors(programs, page):
    with pytest.raises(ValueError, match="PART: found everything; needed one of a"):
        programs(page, {"a": ("say.py",)}, ["everything"])
    with pytest.raises(ValueError, match="needed both"):
        programs(page, {"a": ("say.py", "new a"), "c": ("say.py",)}, [])
    assert "old a" in page.read_text()  # before anything is run


def test_the_command_line_says_it_in_one_line(benchmark, monkeypatch, capsys):
    program = benchmark("estimation")
    monkeypatch.setattr(sys, "argv", ["estimation.py", "everything"])
    with pytest.raises(SystemExit) as stop:
        program["main"](program["PAGE"], program["PARTS"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("estimation.py: PART: found everything; needed one of mimo")
