"""Windows, and the rows that training takes from sequences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.tasks.windows import (
    Sequences,
    choose_series,
    cut_windows,
    real_rows,
    sweeps_batch,
)
from wlam.types import TIME, DataError, SweepBatch


def ramp(samples=2, steps=100, channels=3):
    x = np.arange(samples * steps * channels, dtype=np.float32)
    x = x.reshape(samples, steps, channels)
    labels = {"group": np.arange(samples)}
    return Sequences(x, x + 0.5, np.full(samples, 60.0, np.float32), TIME, labels)


def test_windows_have_their_targets_in_the_tail():
    windows = cut_windows(ramp(), context=10, horizon=4)
    assert windows.context.shape == (2 * 5, 10, 3)
    assert windows.start.tolist() == [80, 84, 88, 92, 96] * 2
    assert windows.source.tolist() == [0] * 5 + [1] * 5
    data = ramp()
    for w, (source, start) in enumerate(
        zip(windows.source, windows.start, strict=True)
    ):
        context, target = data.values[source], data.clean[source]
        np.testing.assert_array_equal(windows.context[w], context[start - 10 : start])
        np.testing.assert_array_equal(windows.target[w], target[start : start + 4])


@pytest.mark.parametrize(
    ("context", "horizon", "stride", "tail", "starts"),
    [
        (10, 4, 10, 0.2, [80, 90]),
        (90, 10, None, 0.2, [90]),
        (10, 4, None, 0.01, [96]),  # a tail too short for one window
        (10, 30, None, 1.0, [10, 40, 70]),
    ],
)
def test_stride_and_tail(context, horizon, stride, tail, starts):
    windows = cut_windows(ramp(1), context, horizon, stride, tail)
    assert windows.start.tolist() == starts


def test_without_sliding_the_first_steps_are_the_context():
    windows = cut_windows(ramp(), 10, 4, sliding=False)
    assert windows.start.tolist() == [10, 10]
    np.testing.assert_array_equal(windows.context, ramp().values[:, :10])


def test_sparse_sweeps_end_with_the_one_that_is_wanted():
    data = replace(ramp(channels=8), every=4, joint=True)
    windows = cut_windows(data, 3, 1, tail=0.02)
    assert windows.start.tolist() == [98, 99] * 2
    np.testing.assert_array_equal(windows.target[:2, 0], data.clean[0, 98:])
    seen = np.isfinite(windows.context)
    assert (seen == (np.arange(8) % 4 == 2)).all()
    np.testing.assert_array_equal(windows.context[0][:, 2], data.values[0, 96:99, 2])
    # One sweep is its own context.
    assert len(cut_windows(data, 1, 1, tail=1.0).start) == 200
    with pytest.raises(DataError, match="horizon: found 2; needed 1, the sweep"):
        cut_windows(data, 3, 2)


def test_sweeps_as_a_whole():
    data = replace(ramp(channels=8), joint=True)
    sweeps = sweeps_batch(data, 60)
    assert isinstance(sweeps, SweepBatch)
    assert (sweeps.context, sweeps.values.shape) == (60, (2, 100, 8))
    np.testing.assert_array_equal(sweeps.interval, data.interval)
    for context in (0, 100):
        with pytest.raises(ValueError, match=f"context: found {context} of 100"):
            sweeps_batch(data, context)
    with pytest.raises(ValueError, match="needed a task whose channels are beams or"):
        sweeps_batch(ramp(), 60)
    with pytest.raises(ValueError, match="context: found None for sparse sweeps"):
        choose_series(jax.random.key(0), replace(data, every=4), 1)


@pytest.mark.parametrize(
    ("context", "horizon", "stride", "tail"),
    [(97, 4, 1, 0.2), (0, 4, 1, 0.2), (4, 0, 1, 0.2), (4, 4, 0, 0.2), (4, 4, 1, 0.0)],
)
def test_impossible_windows_are_refused_in_one_line(context, horizon, stride, tail):
    with pytest.raises(DataError, match=r"context, horizon|tail, stride") as error:
        cut_windows(ramp(), context, horizon, stride, tail)
    assert "\n" not in str(error.value)


def test_complex_channels_become_pairs_of_rows():
    z = jnp.array([[[1 + 2j, 3 + 4j], [5 + 6j, 7 + 8j]]])
    rows = real_rows(z)  # [sample * channel, (re, im), step]
    np.testing.assert_array_equal(rows, [[[1, 5], [2, 6]], [[3, 7], [4, 8]]])


def test_strong_channels_are_drawn_more_often_and_weak_ones_too():
    strong = jnp.where(jnp.arange(16) == 3, 10.0, 0.01)
    strong = jnp.broadcast_to(strong, (500, 4, 16))
    sequences = Sequences(strong, strong, jnp.ones(500), TIME)
    rows = choose_series(jax.random.key(0), sequences, 2)
    assert rows.values.shape == (1000, 1, 4)
    is_strong = (rows.values.reshape(500, 2, 4)[:, :, 0] > 1).sum(1)
    assert is_strong.max() == 1  # without replacement
    # First draw: p = 1/2 + 1/32; else the second one: p over what is left, 1 - 1/32.
    p = 0.5 + 1 / 32
    expected = p + (1 - p) * p / (1 - 1 / 32)
    assert abs(is_strong.mean() - expected) < 4 * 0.5 / 500**0.5


def test_joint_sequences_are_taken_whole():
    data = ramp()
    joint = Sequences(data.values, data.clean, data.interval, TIME, joint=True)
    rows = choose_series(jax.random.key(0), joint, 1)
    np.testing.assert_array_equal(rows.values, np.swapaxes(data.values, 1, 2))
    z = data.values + 1j * data.clean
    pairs = choose_series(
        jax.random.key(0), Sequences(z, z, data.interval, TIME, joint=True), 1
    )
    np.testing.assert_array_equal(pairs.values[:, :3], np.swapaxes(data.values, 1, 2))
    np.testing.assert_array_equal(pairs.values[:, 3:], np.swapaxes(data.clean, 1, 2))
