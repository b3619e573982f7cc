"""Estimation from pilots: floors where they are exact, and what models are asked."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.evaluation import forecast
from wlam.models.base import Model
from wlam.phy.arrays import ula
from wlam.phy.noise import complex_normal
from wlam.tasks import TASKS
from wlam.tasks.estimate import comb
from wlam.tasks.windows import cut_windows
from wlam.types import Antennas, Csi

TASK = TASKS["csi_estimate"]
N, T, K, A = 2, 3, 32, 4


def data_of(csi, seen, **labels):
    ones = np.ones(len(csi), np.float32)
    return Csi(
        csi=csi.astype(np.complex64),
        time_step_s=1e-3 * ones,
        subcarrier_spacing_hz=15e3 * ones,
        carrier_hz=3e9 * ones,
        antennas=Antennas(ula(A), np.zeros(A, np.int32)),
        labels=labels,
        pilots=seen,
    )


def every(step, first=0, times=slice(None)):
    seen = np.zeros((T, K, A), bool)
    seen[times, first::step] = True
    return seen


def asked(data):
    return cut_windows(TASK.sequences(data), K, K, sliding=False)


def baseline(data, name):
    windows = asked(data)
    found = TASK.baselines(data, windows)[name](windows.context, K)
    return TASK.user_arrays(np.asarray(found), data, windows)["prediction"]


@pytest.fixture
def slopes():
    """Straight lines along subcarriers, time and antennas."""
    t, k, a = np.ogrid[:T, :K, :A]
    return np.tile((1 + t) * (2 + 0.1 * k) * (1 - 0.2j * a), (N, 1, 1, 1))


def test_windows_show_pilots_and_hide_the_rest(slopes):
    seen = every(4)
    windows = asked(data_of(slopes, seen))
    shown = np.isfinite(windows.context).reshape(N, K, T, A)
    np.testing.assert_array_equal(shown[1], seen.transpose(1, 0, 2))
    np.testing.assert_allclose(
        windows.target.reshape(N, K, T, A), slopes.transpose(0, 2, 1, 3), rtol=1e-6
    )


def test_lines_are_exact_on_lines_in_all_directions(slopes):
    seen = every(4, first=1)
    seen[1] = False  # a snapshot, and an antenna, without pilots
    seen[:, :, 2] = False
    for name in ("interpolation", "spline"):
        found = baseline(data_of(slopes, seen), name)
        np.testing.assert_allclose(found, slopes, rtol=1e-4)


def test_the_last_pilot_is_held(slopes):
    found = baseline(data_of(slopes, every(4)), "repeat last")
    np.testing.assert_allclose(found, slopes[:, :, np.arange(K) // 4 * 4], rtol=1e-5)


@pytest.mark.parametrize("told", [True, False])
def test_sparse_bayes_knows_one_path(told):
    k, a = np.arange(K)[:, None], np.arange(A)
    path = np.exp(-2j * np.pi * (1.5 * k / K - 0.25 * a))
    phases = np.exp(2j * np.pi * np.random.default_rng(0).uniform(size=(N, T, 1, 1)))
    clean = phases * path
    noise = np.sqrt(0.1) * np.asarray(complex_normal(jax.random.key(0), clean.shape))
    labels = {"noise_variance": np.full(N, 0.1, np.float32)} if told else {}
    data = data_of(clean + noise, every(4), **labels)
    miss = {
        name: (abs(baseline(data, name) - clean) ** 2).mean()
        for name in ("sparse Bayes", "spline")
    }
    # The noise of a beam is fitted to 24 numbers.
    assert miss["sparse Bayes"] < (0.2 if told else 0.4) * miss["spline"]


def test_pilots_that_differ_have_no_delay_spectrum(slopes):
    seen = every(4)
    seen[0, 0, 0] = False
    assert comb(seen) is None
    data = data_of(slopes, seen)
    assert "sparse Bayes" not in TASK.baselines(data, asked(data))
    np.testing.assert_array_equal(comb(every(8, 3, slice(1, 2))), [3, 11, 19, 27])


def test_a_model_is_asked_in_the_layout_of_the_file(slopes):
    data = data_of(slopes, every(2), noise_variance=np.full(N, 0.5, np.float32))

    class Echo(Model):
        def __init__(self):
            pass

        def estimate(self, question, noise_variance=None):
            self.question, self.noise_variance = question, noise_variance
            return replace(question, csi=np.nan_to_num(question.csi))

    model, windows = Echo(), asked(data)
    found = forecast.asked(model, TASK, windows)
    assert found.shape == windows.target.shape
    np.testing.assert_array_equal(found, np.nan_to_num(windows.context))
    question = model.question
    assert question.csi.shape == slopes.shape
    np.testing.assert_array_equal(np.isfinite(question.csi[0]), data.pilots)
    np.testing.assert_allclose(model.noise_variance, 0.5)
    np.testing.assert_allclose(question.antennas.positions, ula(A))
    np.testing.assert_allclose(question.subcarrier_spacing_hz, 15e3)


def test_batches_are_snapshots_of_mean_power_one(slopes):
    data = replace(data_of(5 * slopes, every(1)), pilots=None)
    batch = TASK.batch(jax.random.key(0), data, 1, None)
    assert batch.clean.shape == (N * T, K, A)
    np.testing.assert_allclose((abs(batch.clean) ** 2).mean((1, 2)), 1, rtol=1e-4)
    assert batch.frequency
    assert batch.lines == ((0, 1, 2, 3),)
    mimo = replace(data, labels={"tx_antennas": np.full(N, K)})
    assert not TASK.batch(jax.random.key(0), mimo, 1, None).frequency
