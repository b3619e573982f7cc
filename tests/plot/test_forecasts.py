"""Pictures of forecasts show the numbers that were given."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from wlam import plot
from wlam.types import Csi, DataError, Series, Sweeps

RNG = np.random.default_rng(0)
STEPS, HORIZON, SUBCARRIERS, ANTENNAS = 20, 4, 3, 2


def channels(*shape):
    x = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
    return x.astype(np.complex64)


QUESTION = Csi(
    channels(2, STEPS, SUBCARRIERS, ANTENNAS),
    time_step_s=5e-4,
    subcarrier_spacing_hz=np.array([30e3, 60e3]),
)
ANSWER = Csi(channels(2, HORIZON, SUBCARRIERS, ANTENNAS))
LOW = replace(ANSWER, csi=ANSWER.csi - (1 + 2j))
HIGH = replace(ANSWER, csi=ANSWER.csi + (3 + 4j))
TRUTH = Csi(channels(2, HORIZON, SUBCARRIERS, ANTENNAS))


def lines(ax):
    """Label -> (x, y) of the lines of a panel."""
    found = {line.get_label(): line for line in ax.lines}
    return {
        k: (np.array(v.get_xdata()), np.array(v.get_ydata())) for k, v in found.items()
    }


def band(ax):
    """x, low and high of the interval's area."""
    (area,) = [c for c in ax.collections if c.get_label() == "interval"]
    x, y = area.get_paths()[0].vertices.T
    places = np.unique(x)
    return places, *(
        np.array([pick(y[x == place]) for place in places]) for pick in (min, max)
    )


def grey(ax):
    """(first, last) x of each run of missing steps."""
    spans = [p for p in ax.patches if p.get_x() + p.get_width() <= 0.26]
    return [(p.get_x(), p.get_x() + p.get_width()) for p in spans]


def test_lines_are_the_given_numbers_in_milliseconds():
    at = (1, slice(None), 2, 1)
    figure = plot.forecast(QUESTION, ANSWER, LOW, HIGH, TRUTH, sample=1, element=(2, 1))
    assert isinstance(figure, Figure)
    real, magnitude = figure.axes
    found = lines(real)
    for name, data, steps in (
        ("known", QUESTION, np.arange(-STEPS + 1, 1)),
        ("forecast", ANSWER, np.arange(1, HORIZON + 1)),
        ("truth", TRUTH, np.arange(1, HORIZON + 1)),
    ):
        np.testing.assert_allclose(found[name][0], 0.5 * steps, atol=1e-9)
        np.testing.assert_array_equal(found[name][1], data.csi[at].real)
        np.testing.assert_allclose(
            lines(magnitude)[name][1], 20 * np.log10(abs(data.csi[at])), rtol=1e-4
        )
    x, low, high = band(real)
    np.testing.assert_allclose(x, 0.5 * np.arange(1, HORIZON + 1))
    np.testing.assert_allclose(low, ANSWER.csi[at].real - 1, rtol=1e-5)
    np.testing.assert_allclose(high, ANSWER.csi[at].real + 3, rtol=1e-5)
    assert not [c for c in magnitude.collections if c.get_label() == "interval"]
    assert magnitude.get_xlabel() == "time from the last known step (ms)"
    assert real.get_title("left") == "sample 1, subcarrier 2, antenna 1"


def test_missing_steps_are_gaps_on_grey_ground():
    mask = np.ones((2, STEPS, 1, 1), bool)
    mask[:, 3:5] = False
    csi = QUESTION.csi.copy()
    csi[:, 10] = np.nan
    question = replace(QUESTION, csi=csi, mask=mask)
    ax = plot.forecast(question, ANSWER, element=(0, 0)).axes[0]
    _, known = lines(ax)["known"]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(known)), [3, 4, 10])
    step, last = 0.5, STEPS - 1
    np.testing.assert_allclose(
        grey(ax),
        [
            ((2.5 - last) * step, (4.5 - last) * step),
            ((9.5 - last) * step, (10.5 - last) * step),
        ],
    )
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["missing", "known", "forecast"]


def test_a_step_between_two_gaps_is_a_dot():
    """A line alone would not show it."""
    series = np.arange(400, dtype=float)
    series[[300, 302]] = np.nan
    answer = Series(np.arange(100.0))
    figure = plot.forecast(Series(series), answer)
    (known,) = [x for x in figure.axes[0].lines if x.get_label() == "known"]
    assert known.get_markevery() == [301]


def test_the_strongest_element_is_shown_of_what_was_measured():
    csi = np.ones((1, STEPS, SUBCARRIERS, ANTENNAS), np.complex64)
    csi[..., 1, 0] = 3
    csi[..., 2, 1] = 9
    mask = np.ones(csi.shape, bool)
    mask[..., 2, 1] = False
    answer = Csi(csi[:, :2])
    figure = plot.forecast(Csi(csi, mask=mask), answer)
    assert figure.axes[0].get_title("left") == "sample 0, subcarrier 1, antenna 0"


def test_frequency_is_in_hertz_of_the_sample():
    answer = Csi(channels(2, STEPS, 2, ANTENNAS))
    figure = plot.forecast(QUESTION, answer, axis="frequency", sample=1, element=(7, 0))
    x, y = lines(figure.axes[0])["forecast"]
    np.testing.assert_allclose(x, [60, 120])
    np.testing.assert_array_equal(y, answer.csi[1, 7, :, 0].real)
    label = figure.axes[1].get_xlabel()
    assert label == "frequency from the last known subcarrier (kHz)"


def test_antennas_are_counted():
    answer = Csi(channels(2, STEPS, SUBCARRIERS, 1))
    figure = plot.forecast(QUESTION, answer, axis="antenna", element=(7, 1))
    x, y = lines(figure.axes[0])["forecast"]
    np.testing.assert_array_equal(x, [1])
    np.testing.assert_array_equal(y, answer.csi[0, 7, 1].real)
    assert figure.axes[1].get_xlabel() == "antennas from the last known antenna"


def test_channels_with_receive_antennas():
    question = Csi(channels(1, STEPS, SUBCARRIERS, 2, 4), time_step_s=1.0)
    answer = Csi(channels(1, HORIZON, SUBCARRIERS, 2, 4))
    figure = plot.forecast(question, answer, element=(1, 0, 3))
    _, y = lines(figure.axes[0])["forecast"]
    np.testing.assert_array_equal(y, answer.csi[0, :, 1, 0, 3].real)
    title = "sample 0, subcarrier 1, receive antenna 0, transmit antenna 3"
    assert figure.axes[0].get_title("left") == title


def test_sweeps_show_their_strongest_beam():
    rsrp = np.full((2, 12, 5), -90.0, np.float32)
    rsrp[1, :, 3] = -60
    answer = Sweeps(RNG.normal(size=(2, HORIZON, 5)).astype(np.float32))
    figure = plot.forecast(Sweeps(rsrp, time_step_s=0.1), answer, sample=1)
    (ax,) = figure.axes
    x, y = lines(ax)["forecast"]
    np.testing.assert_array_equal(y, answer.rsrp_db[1, :, 3])
    np.testing.assert_allclose(x, 100 * np.arange(1, HORIZON + 1))
    assert ax.get_ylabel() == "RSRP (dB)"
    assert ax.get_xlabel() == "time from the last known step (ms)"


def test_series_show_the_channel_of_largest_variance():
    values = np.stack(
        [np.full(30, 100.0), np.sin(np.arange(30)), np.zeros(30)], axis=-1
    )
    answer = Series(np.arange(12.0).reshape(1, 4, 3))
    figure = plot.forecast(Series(values[None], time_step_s=3600.0), answer)
    (ax,) = figure.axes
    _, y = lines(ax)["forecast"]
    np.testing.assert_array_equal(y, answer.series[0, :, 1])
    assert ax.get_xlabel() == "time from the last known step (h)"


def test_old_steps_are_left_out():
    question, answer = Series(np.arange(500.0)), Series(np.zeros(20))
    x, y = lines(plot.forecast(question, answer).axes[0])["known"]
    assert (x[0], x[-1], y[0], y[-1]) == (-79, 0, 420, 499)


def test_it_draws_into_axes_of_mine():
    figure = Figure()
    ax = figure.subplots()
    assert plot.forecast(QUESTION, ANSWER, element=(0, 0), ax=ax) is ax
    assert "forecast" in lines(ax)
    assert len(figure.axes) == 1


def test_notebooks_get_a_picture_without_pyplot():
    code = (
        "import sys, numpy as np, wlam.plot\n"
        "from wlam.types import Series\n"
        "assert 'matplotlib' not in sys.modules\n"
        "f = wlam.plot.forecast(Series(np.arange(9.)), Series(np.arange(3.)))\n"
        "assert f._repr_png_()[:4] == b'\\x89PNG'\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


SHORT = Csi(ANSWER.csi[:, :2])
NOTHING = Csi(np.full(ANSWER.csi.shape, np.nan, np.complex64))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1.0], ANSWER), {}, "question: found list; needed wlam.Csi"),
        ((QUESTION, Series(np.ones(3))), {}, "answer: found Series; needed Csi"),
        ((QUESTION, ANSWER), {"sample": 2}, "sample: found 2; needed 0 to 1"),
        ((QUESTION, ANSWER), {"sample": True}, "sample: found True; needed a whole"),
        ((QUESTION, ANSWER), {"axis": "tone"}, "axis: found 'tone'; needed time or"),
        ((QUESTION, ANSWER), {"axis": "frequency"}, "answer: found 3 steps of shape"),
        (
            (QUESTION, ANSWER),
            {"element": (3, 0)},
            "element: found subcarrier 3; needed",
        ),
        ((QUESTION, ANSWER), {"element": 1}, r"element: found 1; needed \(subcarrier"),
        ((QUESTION, ANSWER, LOW), {}, "high: found None beside low; needed both"),
        ((QUESTION, ANSWER, SHORT, HIGH), {}, "low: found 2 steps of shape .* 4 steps"),
        ((QUESTION, ANSWER), {"truth": SHORT}, "truth: found 2 steps"),
        ((QUESTION, NOTHING), {}, "answer: found no finite value; needed one"),
        ((Series(np.ones((1, 2, 3, 4))), ANSWER), {}, r"question: found shape \(1, 2"),
        ((Series(np.ones(0)), ANSWER), {}, r"question: found shape \(0,\)"),
        (
            (replace(QUESTION, mask=np.ones((4, 1), bool)), ANSWER),
            {},
            r"mask: found shape \(4, 1\); needed that of question",
        ),
        ((QUESTION, ANSWER), {"ax": 3}, "ax: found int; needed matplotlib axes"),
    ],
)
def test_what_cannot_be_drawn_is_named(arguments, options, message):
    with pytest.raises(DataError, match=f"^{message}") as error:
        plot.forecast(*arguments, **options)
    assert "\n" not in str(error.value)
