"""The page's tables find their places, and directions are those that there are."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wlam.phy.hybrid_field import HybridFieldConfig

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
page = runpy.run_path(str(BENCHMARKS / "estimation.py"))
hybrid = runpy.run_path(str(BENCHMARKS / "hybrid_estimation.py"))
SMALL = HybridFieldConfig(antennas=(4, 4), num_measurements=16)


def test_every_part_has_its_place_and_its_program():
    text = page["PAGE"].read_text()
    for part, (program, *_) in page["PARTS"].items():
        found = page["put"](text, part, "| a |\n")
        assert f"<!-- {part} -->\n| a |\n<!-- /{part} -->" in found
        assert (BENCHMARKS / program).is_file()
        # The others stay as they are.
        assert page["put"](found, part, "") == page["put"](text, part, "")


def test_a_part_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="needed both"):
        page["put"]("nothing", "mimo", "| a |")
    with pytest.raises(ValueError, match="PART: found everything"):
        page["main"](["everything"])


def test_directions_are_plane_waves_that_the_array_can_see():
    atoms = hybrid["directions"](SMALL)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=0), 1, atol=1e-5)
    # Twice as dense as can be resolved, within the circle of real directions.
    half = hybrid["directions"](replace(SMALL, spacing=0.5))
    assert atoms.shape[1] < half.shape[1] < (2 * 4) ** 2
