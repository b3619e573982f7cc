"""Each task on its tensor: domains, user layouts, floors and scores."""

import numpy as np
import pytest

from wlam.evaluation.table import BASELINES
from wlam.phy.arrays import ula
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain
from wlam.tasks import TASKS
from wlam.tasks.csi import in_bins
from wlam.tasks.windows import cut_windows
from wlam.types import Antennas, Csi, DataError, Series, Sweeps, Traffic

RNG = np.random.default_rng(0)


def csi(samples=3, times=12, subcarriers=8, antennas=4):
    shape = (2, samples, times, subcarriers, antennas)
    re, im = RNG.normal(size=shape).astype(np.float32)
    ones = np.ones(samples, np.float32)
    return Csi(
        csi=re + 1j * im,
        time_step_s=1e-3 * ones,
        subcarrier_spacing_hz=15e3 * ones,
        carrier_hz=3e9 * ones,
        antennas=Antennas(ula(antennas), np.zeros(antennas, np.int32)),
    )


STEPS = np.full(3, 0.1, np.float32)
DATA = {
    "csi_time": csi(),
    "csi_irregular": csi(),
    "csi_frequency": csi(),
    "csi_antenna": csi(antennas=8),
    "csi_pilots_4": csi(subcarriers=16),
    "csi_pilots_8": csi(subcarriers=32),
    "csi_estimate": csi(),
    "beam": Sweeps(RNG.normal(size=(3, 12, 6)).astype(np.float32), STEPS),
    "beam_irregular": Sweeps(RNG.normal(size=(3, 12, 6)).astype(np.float32), STEPS),
    "beam_scan_4": Sweeps(RNG.normal(size=(3, 12, 8)).astype(np.float32), STEPS),
    "beam_scan_8": Sweeps(RNG.normal(size=(3, 12, 16)).astype(np.float32), STEPS),
    "traffic": Traffic(
        RNG.uniform(1, 2, size=(3, 60)).astype(np.float32), np.full(3, 3600.0)
    ),
    "series": Series(RNG.normal(size=(3, 12, 2)).astype(np.float32), np.full(3, 1.0)),
}
CONTEXT, HORIZON = 5, 3


# Beams of a downlink are no forecast, see tests/models/beamformer/test_training.py.
@pytest.fixture(params=sorted(TASKS.keys() - {"precode"}))
def case(request):
    task, data = TASKS[request.param], DATA[request.param]
    context = 40 if request.param == "traffic" else CONTEXT
    sequences = task.sequences(data)
    horizon = 1 if sequences.every > 1 else HORIZON
    if (sequences.every > 1 and sequences.grid is not None) or sequences.pilots:
        context = horizon = sequences.values.shape[1]
    windows = cut_windows(sequences, context, horizon, tail=1.0, sliding=task.sliding)
    return task, data, windows


def test_a_perfect_forecast_has_no_error(case):
    task, data, windows = case
    perfect = {
        "top-1": 1,
        "top-3": 1,
        "±1 beam": 1,
        "power ratio": 1,
        "NMSE dB": -np.inf,
        "NMSE pooled dB": -np.inf,
    }
    scores = task.scores(windows.target, data, windows)
    assert task.headline in scores
    for name, statistic in scores.items():
        assert statistic.value == pytest.approx(perfect.get(name, 0)), name


def test_every_floor_forecasts_every_window(case):
    task, data, windows = case
    baselines = task.baselines(data, windows)
    assert "repeat last" in baselines
    assert set(baselines) <= set(BASELINES)  # so that columns have an order
    assert task.informed <= set(BASELINES)
    for name, baseline in baselines.items():
        forecast = np.asarray(baseline(windows.context, windows.horizon))
        assert forecast.shape == windows.target.shape, name
        assert np.isfinite(forecast).all(), name
        assert forecast.dtype == windows.target.dtype, name


def test_the_user_gets_the_truth_back_in_his_own_layout(case):
    """A perfect forecast, written as --predictions, is a piece of the input."""
    task, data, windows = case
    arrays = task.user_arrays(windows.target, data, windows)
    prediction = arrays["prediction"]
    if task.name in ("csi_time", "csi_irregular"):
        expected = data.csi[:, CONTEXT : CONTEXT + HORIZON]
    elif task.name == "csi_frequency":
        expected = data.csi[:, :, CONTEXT : CONTEXT + HORIZON]
    elif task.name.startswith("csi_pilots") or task.name == "csi_estimate":
        expected = data.csi
    elif task.name == "csi_antenna":
        expected = data.csi[..., CONTEXT : CONTEXT + HORIZON]
    else:
        names = {"beam": "track", "traffic": "series", "series": "sample"}
        name = names[task.name.partition("_")[0]]
        values = next(iter(vars(data).values()))
        pairs = zip(arrays[name], arrays["start"], strict=True)
        expected = np.stack([values[w, s : s + windows.horizon] for w, s in pairs])
    assert prediction.shape == expected.shape
    np.testing.assert_allclose(prediction, expected, rtol=1e-5, atol=1e-5)


def test_a_path_is_one_bin_in_delay_and_angle():
    """One plane wave with a delay on the grid: all energy in one channel."""
    subcarriers, antennas = 8, 4
    delay = np.exp(-2j * np.pi * 3 * np.arange(subcarriers) / subcarriers)
    angle = np.exp(2j * np.pi * 1 * np.arange(antennas) / antennas)
    wave = np.broadcast_to(delay[:, None] * angle, (1, 12, subcarriers, antennas))
    data = csi(1)
    data = Csi(**{**vars(data), "csi": wave.astype(np.complex64)})
    windows = cut_windows(TASKS["csi_time"].sequences(data), 5, 3, sliding=False)
    seen = []

    def look(bins, horizon):
        seen.append(bins)
        return bins[:, :horizon]

    forecast = in_bins(windows, look)(windows.context, 3)
    np.testing.assert_allclose(forecast, windows.context[:, :3], atol=1e-5)
    energy = abs(seen[0][0, 0]) ** 2
    assert energy.max() == pytest.approx(subcarriers * antennas, rel=1e-4)
    assert energy.sum() == pytest.approx(energy.max(), rel=1e-4)


def test_floors_of_sparse_sweeps_on_what_they_know():
    """A line in dB is a line to two of them, and a single path to the third."""
    task = TASKS["beam_scan_4"]
    line = np.broadcast_to(-70 - 0.5 * np.arange(32, dtype=np.float32), (2, 3, 32))
    data = Sweeps(line, np.full(2, 0.1, np.float32))
    windows = cut_windows(task.sequences(data), 2, 1, tail=0.1)
    baselines = task.baselines(data, windows)
    inside = slice(2, 31)  # edges beyond the outermost measured beams are held
    for name in ("interpolation", "spline"):
        found = baselines[name](windows.context, 1)
        np.testing.assert_allclose(found[:, 0, inside], line[:, 0, inside], rtol=1e-5)
    measured = np.arange(32) % 4 == 2
    held = baselines["repeat last"](windows.context, 1)
    np.testing.assert_array_equal(held[:, 0, measured], line[:, 0, measured])
    assert (held[:, 0, ~measured] < held[:, 0, measured].min()).all()
    # A path between the two beams that see it most.
    gain = array_gain(beam_directions(32)[13] + 0.01, beam_directions(32), 32)
    path = np.broadcast_to(10 * np.log10(np.asarray(gain) + 1e-3), (2, 3, 32))
    data = Sweeps(path.astype(np.float32), np.full(2, 0.1, np.float32))
    windows = cut_windows(task.sequences(data), 2, 1, tail=0.1)
    matched = task.baselines(data, windows)["matched path"](windows.context, 1)
    np.testing.assert_array_equal(matched[:, 0].argmax(1), 13)


@pytest.mark.parametrize("beams", [1, 2])
def test_sweeps_of_fewer_beams_than_three_are_scored(beams):
    data = Sweeps(DATA["beam"].rsrp_db[..., :beams], STEPS)
    task = TASKS["beam"]
    windows = cut_windows(task.sequences(data), CONTEXT, HORIZON, tail=1.0)
    scores = task.scores(-windows.target, data, windows)
    assert scores["top-3"].value == 1  # all are tried
    assert np.isfinite(scores["top-1"].value)


def test_sweeps_of_which_one_beam_would_be_measured_are_refused():
    data = Sweeps(np.zeros((1, 3, 7), np.float32), np.full(1, 0.1, np.float32))
    with pytest.raises(DataError, match="rsrp_db: found 7 beams; needed at least 8"):
        TASKS["beam_scan_4"].sequences(data)


def test_pilots_are_every_fourth_subcarrier_and_all_are_wanted():
    data = csi(subcarriers=16)
    task = TASKS["csi_pilots_4"]
    sequences = task.sequences(data)
    windows = cut_windows(sequences, 16, 16, sliding=False)
    known = np.isfinite(windows.context)
    assert (known == (np.arange(16) % 4 == 2)[:, None]).all()
    values = np.asarray(sequences.values)
    np.testing.assert_array_equal(windows.context[known], values[known])
    np.testing.assert_array_equal(windows.target, values)
    with pytest.raises(DataError, match="horizon: found 8; needed the context"):
        cut_windows(sequences, 16, 8, sliding=False)
    with pytest.raises(DataError, match="csi: found 12 subcarriers; needed at least"):
        task.sequences(csi(subcarriers=12))


def test_floors_between_pilots_on_what_they_know():
    """A cubic over the subcarriers is one to the spline, a line to both."""
    data, task = csi(subcarriers=32), TASKS["csi_pilots_4"]
    line = np.linspace(-1, 1, 32, dtype=np.float32)[:, None] * (1 + 1j)
    for power, exact in ((1, ("interpolation", "spline")), (3, ("spline",))):
        shape = np.broadcast_to(line**power, data.csi.shape)
        data = Csi(**{**vars(data), "csi": shape.astype(np.complex64)})
        windows = cut_windows(task.sequences(data), 32, 32, sliding=False)
        baselines = task.baselines(data, windows)
        for name in exact:
            found = baselines[name](windows.context, 32)
            np.testing.assert_allclose(found, windows.target, atol=1e-4)
    held = baselines["repeat last"](windows.context, 32)
    np.testing.assert_array_equal(held[:, 9], windows.target[:, 6])
