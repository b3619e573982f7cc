"""Programs under benchmarks/ can be imported and say how they are run."""

import ast
import os
import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))
PROGRAMS = [file for file in FILES if "__main__" in file.read_text()]
EXTRAS = {"torch", "sionna", "ncps", "drjit", "mitsuba"}
WITH_HELP = ("estimation", "compare", "beamforming", "bank", "search", "fill")
FORBIDDEN = ("optax", "orbax")
"""A training loop would need them; scans.py and liquid.py time training steps."""


def name_of(file):
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_it_can_be_imported(file):
    with (
        mock.patch.object(sys, "path", [str(file.parent), *sys.path]),
        mock.patch.object(os, "sched_setaffinity", create=True),
        mock.patch.dict(os.environ),
    ):
        try:
            defined = runpy.run_path(str(file))
        except ImportError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in EXTRAS:
                raise
            pytest.skip(f"needs {missing}")
    assert defined["__doc__"]


@pytest.mark.parametrize("file", PROGRAMS, ids=name_of)
def test_it_says_how_it_is_run(file):
    text = ast.get_docstring(ast.parse(file.read_text()))
    module = name_of(file).removesuffix(".py").removesuffix("/__main__")
    commands = f"python {name_of(file)}", f"python -m {module.replace('/', '.')}"
    assert any(command in text for command in commands), text


@pytest.mark.parametrize("name", WITH_HELP)
def test_help_is_that_text(program, name):
    done = program(f"benchmarks/{name}.py", "--help")
    assert f"benchmarks/{name}.py" in done.stdout


def test_none_has_a_training_loop_or_tables_of_its_own():
    for file in FILES:
        text = file.read_text()
        if file.parent.name != "speed":
            assert not any(f"import {name}" in text for name in FORBIDDEN), file
        if file.parent.name not in ("leaderboard", "pictures", "speed"):
            assert "| ---" not in text, file


def test_pages_name_programs_that_there_are():
    """README, docs, cards and the Makefile."""
    pages = [ROOT / "Makefile", ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    pages += [*(ROOT / "docs").glob("*.md"), *(ROOT / "models").rglob("README.md")]
    pages += [*(ROOT / "configs").glob("*.py")]
    named = {
        word.strip("`.,;:()\"'")
        for page in pages
        for word in page.read_text().split()
        if "benchmarks" in word
    }
    for word in named:
        module = word.startswith("benchmarks.")
        path = ROOT / (word.replace(".", "/") if module else word)
        found = path.exists() or path.with_suffix(".py").exists()
        assert found or not word.startswith("benchmarks"), word
