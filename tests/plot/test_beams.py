"""Heat maps of sweeps show the powers, gaps and beams that were given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from wlam import plot
from wlam.types import DataError, Series, Sweeps

RNG = np.random.default_rng(0)
BEAMS, STEPS, HORIZON = 6, 10, 4


def rsrp(steps):
    return RNG.uniform(-90, -60, size=(2, steps, BEAMS)).astype(np.float32)


MASK = RNG.random((2, STEPS, BEAMS)) > 0.3
MASK[:, 2] = False
DATA = Sweeps(rsrp(STEPS), time_step_s=np.array([0.1, 0.2]), mask=MASK)
FORECAST, TRUTH = Sweeps(rsrp(HORIZON)), Sweeps(rsrp(HORIZON))


def mesh(ax):
    (found,) = [
        c
        for c in ax.collections
        if c.get_cmap().name == "viridis" and c.get_array() is not None
    ]
    return found


def marks(ax, label):
    (found,) = [c for c in ax.collections if c.get_label() == label]
    return np.asarray(found.get_offsets())


def test_the_map_holds_the_measured_powers_and_no_others():
    (ax, colourbar) = plot.sweeps(DATA, sample=1).axes
    power = mesh(ax).get_array()
    assert power.shape == (BEAMS, STEPS)
    np.testing.assert_array_equal(power.mask, ~MASK[1].T)
    np.testing.assert_array_equal(power.data[MASK[1].T], DATA.rsrp_db[1].T[MASK[1].T])
    edges = mesh(ax).get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges, 0.2 * (np.arange(STEPS + 1) - STEPS + 0.5))
    assert ax.get_xlabel() == "time from the last sweep (s)"
    assert (ax.get_ylabel(), colourbar.get_ylabel()) == ("beam", "RSRP (dB)")
    assert ax.patch.get_hatch()


def test_dots_are_on_the_strongest_measured_beams():
    (ax, _) = plot.sweeps(DATA).axes
    found = marks(ax, "strongest beam")
    seen = np.where(MASK[0], DATA.rsrp_db[0], -np.inf)
    steps = np.delete(np.arange(STEPS), 2)  # nothing was measured at 2
    np.testing.assert_allclose(found[:, 0], 100 * (steps - STEPS + 1), atol=1e-9)
    np.testing.assert_array_equal(found[:, 1], seen.argmax(axis=1)[steps])


def test_a_line_stands_where_the_forecast_begins():
    left, right, _ = plot.sweeps(DATA, FORECAST, TRUTH).axes
    for ax, data in ((left, FORECAST), (right, TRUTH)):
        np.testing.assert_array_equal(
            mesh(ax).get_array()[:, STEPS:], data.rsrp_db[0].T
        )
        assert {tuple(line.get_xdata()) for line in ax.lines} == {(50.0, 50.0)}
    assert left.get_title("left") == "forecast after the line"
    assert right.get_title("left") == "truth after the line"
    true = marks(left, "true strongest")
    np.testing.assert_allclose(true[:, 0], 100 * np.arange(1, HORIZON + 1))
    np.testing.assert_array_equal(true[:, 1], TRUTH.rsrp_db[0].argmax(axis=1))


def test_it_draws_into_axes_of_mine():
    figure = Figure()
    ax = figure.subplots()
    assert plot.sweeps(DATA, FORECAST, TRUTH, ax=ax) is ax
    np.testing.assert_array_equal(
        mesh(ax).get_array()[:, STEPS:], FORECAST.rsrp_db[0].T
    )
    assert len(marks(ax, "true strongest")) == HORIZON


def test_one_track_without_units():
    (ax, _) = plot.sweeps(Sweeps(DATA.rsrp_db[0])).axes
    assert mesh(ax).get_coordinates()[0, -1, 0] == 0.5
    assert ax.get_xlabel() == "time from the last sweep (steps)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Series(np.ones(3)),), "data: found Series; needed wlam.Sweeps"),
        ((DATA, Sweeps(np.ones((2, 3, 5)))), "forecast: found 3 steps of shape"),
        ((DATA, FORECAST, Sweeps(rsrp(2))), "truth: found 2 steps .* needed 4 steps"),
        ((DATA, None, None, 2), "sample: found 2; needed 0 to 1"),
        ((Sweeps(np.full((3, 2), np.nan)),), "data: found no finite value"),
        ((Sweeps(np.ones(4)),), r"data: found shape \(4,\); needed 2 to 3 axes"),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments, message):
    with pytest.raises(DataError, match=f"^{message}") as error:
        plot.sweeps(*arguments)
    assert "\n" not in str(error.value)
