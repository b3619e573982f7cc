"""The examples of docs/plots.md run as they are written."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import wlam.plot
from wlam.phy.arrays import upa
from wlam.types import Antennas, Csi, Sweeps

PAGE = (Path(__file__).parents[2] / "docs" / "plots.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)
RNG = np.random.default_rng(0)
SAMPLES = 12


class Repeat:
    """Stands in for a model: what was last seen, give or take one."""

    def predict(self, question, horizon, axis="time"):
        if isinstance(question, Sweeps):
            return Sweeps(np.repeat(question.rsrp_db[:, -1:], horizon, axis=1))
        at = {"time": 1, "frequency": 2}[axis]
        last = np.take(question.csi, [-1], axis=at)
        return Csi(np.repeat(last, horizon, axis=at))

    def predict_interval(self, question, horizon):
        answer = self.predict(question, horizon).csi
        return Csi(answer - (1 + 1j)), Csi(answer + (1 + 1j))


def channels(steps):
    shape = SAMPLES, steps, 6, 8
    x = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
    return x.astype(np.complex64)


@pytest.fixture(scope="module")
def names():
    csi = Csi(
        channels(16),
        time_step_s=5e-4,
        subcarrier_spacing_hz=30e3,
        antennas=Antennas(
            np.tile(upa(2, 2), (2, 1)), np.repeat([0, 1], 4).astype(np.int32)
        ),
    )
    labels = {"snr_db": np.repeat([0.0, 10.0], SAMPLES // 2)}
    return {
        "wlam": wlam,
        "model": Repeat(),
        "csi": csi,
        "truth": Csi(channels(8), time_step_s=5e-4, labels=labels),
        "repeated": Csi(np.repeat(csi.csi[:, -1:], 8, axis=1)),
        "speeds": RNG.uniform(3, 120, SAMPLES),
        "sweeps": Sweeps(RNG.normal(size=(2, 10, 16)).astype(np.float32)),
        "later": Sweeps(RNG.normal(size=(2, 4, 16)).astype(np.float32)),
    }


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_draw(number, names):
    if number:  # the page is read from the top
        exec(EXAMPLES[0], names)
        names["answers"] = {"wlam": names["answer"], "repeat last": names["repeated"]}
    names.pop("figure", None)
    exec(EXAMPLES[number], names)
    assert isinstance(names["figure"], Figure)
    names["figure"].draw_without_rendering()
    assert all(ax.has_data() for ax in names["figure"].axes)


def test_the_page_names_every_function():
    for name in wlam.plot.__all__:
        assert f"wlam.plot.{name}(" in PAGE
