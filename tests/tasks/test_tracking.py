"""Beam tracking at irregular times: what counts, and what it is worth."""

import jax
import numpy as np
import pytest

from wlam.data.generators import generate
from wlam.phy.channels.tr38901.config import PanelConfig
from wlam.simulate.irregular import IrregularConfig
from wlam.simulate.sweeps import SweepConfig
from wlam.tasks import TASKS
from wlam.tasks.windows import cut_windows
from wlam.types import Sweeps

RNG = np.random.default_rng(0)
TASK = TASKS["beam_irregular"]
CLEAN = RNG.uniform(-80, -60, size=(3, 12, 8)).astype(np.float32)
FLOOR = np.array([-100, -90, -85], np.float32)


def windows(clean=CLEAN, **labels):
    data = Sweeps(clean, np.full(3, 0.1, np.float32), clean, labels)
    return data, cut_windows(TASK.sequences(data), 8, 4, tail=0.1)


def test_the_ratio_of_spectral_efficiencies():
    data, cut = windows(floor_dbm=FLOOR)
    chosen = RNG.normal(size=cut.target.shape)
    found = TASK.scores(chosen, data, cut)["SE ratio"]
    # log2(1 + SNR) of linear powers, written out.
    snr = 10 ** ((cut.target - FLOOR[:, None, None]) / 10) - 1
    rate = np.log2(1 + snr.astype(np.float64))
    got = np.take_along_axis(rate, chosen.argmax(2)[..., None], axis=2)[..., 0]
    assert found.value == pytest.approx((got / rate.max(2)).mean(), rel=1e-5)
    assert "SE ratio" not in TASK.scores(chosen, *windows())


def test_what_nobody_knows_does_not_count():
    data, cut = windows()
    chosen = RNG.normal(size=cut.target.shape)
    want = TASK.scores(chosen[:, [0, 2]], data, cut.steps(slice(0, 3, 2)))
    holes = CLEAN.copy()
    holes[:, [9, 11]] = np.nan
    found = TASK.scores(chosen, *windows(holes))
    for name, statistic in found.items():
        assert statistic.value == pytest.approx(want[name].value), name


def test_floors_know_the_holes_and_the_noise_floor_is_told():
    sweep = SweepConfig(
        kind="straight", num_times=24, base=PanelConfig(1, 8), num_beams=(1, 8)
    )
    data = generate(jax.random.key(0), IrregularConfig(sweep, 4, 1, (0.3, 0.3)), 4)
    assert (data.clean >= data.labels["floor_dbm"][:, None, None] - 1e-3).all()
    cut = cut_windows(TASK.sequences(data), 20, 4, tail=0.1)
    assert np.isnan(cut.context).any()
    assert np.isfinite(cut.target).all()
    for name, baseline in TASK.baselines(data, cut).items():
        assert np.isfinite(baseline(cut.context, 4)).all(), name
