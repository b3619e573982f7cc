"""The last measurements: their steps, their values, the times between them."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.nn.liquid.recent import Recent

SEEN = jnp.asarray([[1, 0, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0], [0] * 7], bool)
X = np.arange(3 * 7 * 2, dtype=np.float32).reshape(3, 7, 2)


def test_the_last_steps_are_in_order_after_empty_slots():
    at, made = Recent.of(SEEN, 3)
    np.testing.assert_array_equal(at, [[3, 4, 6], [0, 2, 5], [0, 0, 0]])
    np.testing.assert_array_equal(made, [[1, 1, 1], [0, 1, 1], [0, 0, 0]])
    assert Recent.of(SEEN, 20).at.shape == (3, 7)


def test_values_are_those_of_measured_steps():
    holes = jnp.where(SEEN[..., None], X, jnp.nan)
    found = Recent.of(SEEN, 3).take(holes)
    want = [X[0, [3, 4, 6]], [[0, 0], *X[1, [2, 5]]], np.zeros((3, 2))]
    np.testing.assert_array_equal(found, np.stack([np.asarray(x) for x in want]))


@pytest.mark.parametrize("timed", [True, False])
def test_times_between_them(timed):
    recent = Recent.of(SEEN, 3)
    # The time before the first measurement is unknown: 1.
    want = [[1, 0.5, 1.0], [0, 1, 1.5], [0, 0, 0]] if timed else recent.made
    np.testing.assert_array_equal(recent.elapsed(0.5, timed), want)
    by_row = jnp.asarray([[0.5], [1.0], [2.0]])
    if timed:
        found = recent.elapsed(by_row, timed)
        np.testing.assert_array_equal(found[:2], [[1, 0.5, 1.0], [0, 1, 3.0]])
