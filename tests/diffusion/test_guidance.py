"""Classifier-free guidance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.diffusion import drop_conditions, evenly_spaced, guided, linear, sample

NONE = (2,)
SCHEDULE = linear(50, 1e-3, 0.2)
MEANS = jnp.array([-2.0, 2.0, 0.0])


def predict(x, step, condition):
    """Noise in x where data are N(mean of the condition, 1)."""
    signal = SCHEDULE.signal[step]
    mean = MEANS[condition]
    return jnp.sqrt(1 - signal) * (x - jnp.sqrt(signal) * mean)


@pytest.fixture
def x():
    return jax.random.normal(jax.random.key(0), (6, 1))


CONDITION = jnp.array([[0], [0], [0], [1], [1], [1]])


def test_scale_1_is_with_the_condition_and_0_without(x):
    step = jnp.array(20)
    by = {s: guided(predict, CONDITION, NONE, s)(x, step) for s in (0.0, 1.0)}
    np.testing.assert_allclose(by[1.0], predict(x, step, CONDITION), atol=1e-6)
    none = jnp.full((6, 1), NONE[0])
    np.testing.assert_allclose(by[0.0], predict(x, step, none), atol=1e-6)


def test_a_larger_scale_amplifies_the_condition(x):
    grid = evenly_spaced(50, 50)
    means = [
        sample(guided(predict, CONDITION, NONE, s), SCHEDULE, x, grid)[3:].mean()
        for s in (0.0, 1.0, 2.0)
    ]
    assert means[0] < means[1] < means[2]


def test_without_a_difference_the_scale_does_not_matter(x):
    nothing = jnp.full((6, 1), NONE[0])
    first, other = (guided(predict, nothing, NONE, s)(x, 20) for s in (0.5, 7.0))
    np.testing.assert_array_equal(first, other)


def test_a_share_is_dropped():
    condition = jnp.zeros((20_000, 2), int)
    found = drop_conditions(jax.random.key(0), condition, (2, 5), 0.1)
    dropped = np.asarray(found == jnp.array([[2, 5]]))
    assert (dropped[:, 0] == dropped[:, 1]).all()  # all of a sample's, or none
    assert abs(dropped[:, 0].mean() - 0.1) < 0.01
    with pytest.raises(ValueError, match=r"share: found 1\.5"):
        drop_conditions(jax.random.key(0), condition, (2, 5), 1.5)


def test_each_condition_is_dropped_independently():
    condition = jnp.zeros((20_000, 2), int)
    found = drop_conditions(jax.random.key(0), condition, (2, 5), 0.1, each=0.25)
    dropped = np.asarray(found == jnp.array([[2, 5]]))
    # Both: a tenth, and a sixteenth of the others. One of them: 2 / 4 * 3 / 4 of those.
    assert abs(dropped.all(1).mean() - (0.1 + 0.9 / 16)) < 0.01
    assert abs(dropped.any(1).mean() - (0.1 + 0.9 * 7 / 16)) < 0.015
    with pytest.raises(ValueError, match=r"each: found -1.0"):
        drop_conditions(jax.random.key(0), condition, (2, 5), 0.1, each=-1.0)
