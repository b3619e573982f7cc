"""Programs under benchmarks/, which import each other as when one of them is run."""

import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def benchmark() -> Callable[[str], dict]:
    """name -> what benchmarks/NAME.py defines."""

    @cache
    def definitions(name: str) -> dict:
        with mock.patch.object(sys, "path", [str(BENCHMARKS), *sys.path]):
            return runpy.run_path(str(BENCHMARKS / f"{name}.py"))

    return definitions
