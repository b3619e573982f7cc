"""What is asked of a forecaster: numbers of the wrong kind are named in one line.

Through `predict` they would not get here: under pytest its signature is checked.
"""

import numpy as np
import pytest

from wlam.ops.checks import at_least_one, sides_of, spacings, within_float32


@pytest.mark.parametrize(
    ("check", "given", "message"),
    [
        (
            lambda x: at_least_one("horizon", x),
            2.5,
            "horizon: found 2.5; needed a whole",
        ),
        (
            lambda x: at_least_one("horizon", x),
            "a",
            "horizon: found 'a'; needed a whole",
        ),
        (lambda x: at_least_one("horizon", x), np.int64(0), "horizon: found .*0"),
        (sides_of, 8, "grid: found 8; needed rows and columns"),
        (sides_of, (4, 2.0), r"grid: found \(4, 2.0\)"),
        (sides_of, (2, 2, 2), r"grid: found \(2, 2, 2\)"),
        (sides_of, np.ones((2, 30)), r"grid: found array\("),
        (lambda x: spacings(x, 2), "a", "interval: found 'a'; needed one"),
        (lambda x: spacings(x, 2), [1.0, [2.0]], r"interval: found \[1.0, "),
        (lambda x: spacings(x, 2), [1.0, 2.0, 3.0], r"interval: found \(3,\) \[1. 2."),
    ],
)
def test_what_is_no_number_of_its_kind_is_named(check, given, message):
    with pytest.raises(ValueError, match=message) as error:
        check(given)
    assert "\n" not in str(error.value)


def test_numbers_of_their_kind_pass():
    at_least_one("horizon", np.int32(3))
    assert sides_of([np.int64(4), 2]) == (4, 2)
    np.testing.assert_array_equal(spacings([1e-3, 2.0], 2), np.float32([1e-3, 2.0]))
    np.testing.assert_array_equal(spacings(15e3, 3), [15e3] * 3)
    assert spacings(1, 2).dtype == np.float32


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_what_is_missing_is_within_float32(missing):
    within_float32("context", np.array([missing, 3e38]))
    within_float32("context", np.array([missing, 3e38j]))
    within_float32("context", np.array([2**62]))
