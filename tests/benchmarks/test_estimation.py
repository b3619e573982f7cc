"""The page's tables find their places, and the receiver of few RF chains is white."""

import runpy
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.phy.hybrid_field import HybridFieldConfig, generate, observe

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


def test_what_the_receiver_shows_is_its_sensing_in_white_noise():
    receiver = hybrid["Receiver"](SMALL)
    clean = generate(jax.random.key(0), SMALL, 3).clean[:, 0, 0]
    quiet = observe(jax.random.key(1), clean, receiver.weights, jnp.full(3, 200.0))
    expected = np.asarray(clean) @ receiver.whole().T
    found = receiver.white(np.asarray(quiet)).reshape(3, -1)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    # Rows of orthonormal sensing leave the noise of the antennas as it is.
    gram = receiver.whole() @ receiver.whole().conj().T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-4)


def test_directions_are_plane_waves_that_the_array_can_see():
    atoms = hybrid["directions"](SMALL)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=0), 1, atol=1e-5)
    # Twice as dense as can be resolved, within the circle of real directions.
    half = hybrid["directions"](replace(SMALL, spacing=0.5))
    assert atoms.shape[1] < half.shape[1] < (2 * 4) ** 2
