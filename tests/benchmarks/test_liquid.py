"""Programs of docs/liquid.md: what they judge, and that pictures are of its tables."""

import numpy as np
import pytest

from wlam.metrics import Statistic


def test_told_and_untold_are_compared_from_regular_measurements_on(benchmark):
    program = benchmark("irregular_times")
    for change in program["OTHERS"].values():
        assert set(change) <= {"jitter", "missing"}
    lost = [change["missing"] for change in program["OTHERS"].values()]
    assert lost == sorted(lost)
    assert program["OTHERS"]["20 dB, regular, none lost"]["jitter"] == 0


def test_files_of_one_experiment_are_refused(benchmark, tmp_path):
    file = tmp_path / "one.py"
    file.write_text("config = None\n")
    with pytest.raises(ValueError, match="needed one that defines `configs`"):
        benchmark("compare")["configs_of"](str(file))


def test_differences_of_rates_are_paired(benchmark):
    """What makes a drop hard for both has no part in their difference."""
    program = benchmark("beamforming")
    rng = np.random.default_rng(0)
    hard = rng.normal(scale=5.0, size=(12, 1)) + rng.normal(size=(12, 6))
    cell = program["difference_cell"](hard + 0.5, hard)
    assert cell == "+0.500 [+0.500, +0.500]"
    value, groups = program["statistic"](hard)
    assert isinstance(value, Statistic)
    np.testing.assert_array_equal(groups, np.repeat(np.arange(12), 6))


@pytest.mark.parametrize("name", ["tracking", "beamforming"])
def test_pictures_are_of_rows_that_there_are(benchmark, name):
    program = benchmark("pictures/liquid")
    page = program["PAGE"].read_text()
    figure = program[name](page)
    assert figure is not None
    for axis in figure.axes:
        for line in axis.lines:
            assert np.isfinite(line.get_ydata()).all()
    assert program[name]("") is None  # a page without tables
