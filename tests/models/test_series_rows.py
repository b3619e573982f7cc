"""Series as rows and back: which steps are visible, what shares a scale."""

import numpy as np
import pytest

from wlam.models.series_rows import SeriesRows
from wlam.types import TIME, DataError

N, T, C = 2, 5, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, T, C)).astype(np.float32)
Z = (X + 1j * X[::-1]).astype(np.complex64)
ALL = np.ones((N, T, C), bool)
STEP = np.array([1e-3, 2e-3], np.float32)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("values", [X, Z])
def test_rows_come_back(values, joint):
    asked = SeriesRows(values, ALL, STEP, TIME, joint)
    rows, visible, interval, axis = asked.rows()
    parts = 2 if np.iscomplexobj(values) else 1
    groups = (N, parts * C) if joint else (N * C, parts)
    assert rows.shape == (*groups, T)
    assert visible.all()
    assert visible.shape == (groups[0], T)
    np.testing.assert_array_equal(interval, STEP if joint else np.repeat(STEP, C))
    assert (axis == TIME).all()
    back = asked.back(rows)
    np.testing.assert_array_equal(back, values)
    assert back.dtype == values.dtype


@pytest.mark.parametrize("hidden", [np.nan, 1e30, 0.0])
def test_what_is_not_known_has_no_influence(hidden):
    known = ALL.copy()
    known[0, 1, 2] = known[1, 0] = False
    other = np.where(known, X, np.float32(hidden))
    rows = SeriesRows(other, known, STEP, TIME).rows()
    for found, want in zip(rows, SeriesRows(X, known, STEP, TIME).rows(), strict=True):
        np.testing.assert_array_equal(found, want)
    assert not rows[1][2, 1]  # a row of its own
    assert rows[1][1].all()


def test_with_a_joint_scale_a_step_is_known_where_all_channels_are():
    known = ALL.copy()
    known[0, 1, 2] = False
    rows, visible, _, _ = SeriesRows(X, known, STEP, TIME, joint=True).rows()
    np.testing.assert_array_equal(visible[0], np.arange(T) != 1)
    assert not rows[0, :, 1].any()
    assert visible[1].all()


def test_a_channel_of_which_nothing_is_known_is_named():
    known = ALL.copy()
    known[1, :, 0] = False
    with pytest.raises(
        DataError, match="channel of sample 1 without any measured step"
    ):
        SeriesRows(X, known, STEP, TIME)
    known = np.arange(T)[None, :, None] % 2 == np.arange(C) % 2
    known = np.broadcast_to(known, ALL.shape)
    assert SeriesRows(X, known, STEP, TIME).rows()[1].any(1).all()
    with pytest.raises(DataError, match="without any step measured in all channels"):
        SeriesRows(X, known, STEP, TIME, joint=True)
