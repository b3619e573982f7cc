"""Directions of an array are those that there are."""

from dataclasses import replace

import numpy as np

from wlam.phy.channels.hybrid_field import HybridFieldConfig

SMALL = HybridFieldConfig(antennas=(4, 4), num_measurements=16)


def test_directions_are_plane_waves_that_the_array_can_see(benchmark):
    directions = benchmark("hybrid_estimation")["directions"]
    atoms = directions(SMALL)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=0), 1, atol=1e-5)
    # Twice as dense as can be resolved, within the circle of real directions.
    half = directions(replace(SMALL, spacing=0.5))
    assert atoms.shape[1] < half.shape[1] < (2 * 4) ** 2
