"""Peers of whole channels: from bins to antennas and back, requests, cases."""

import numpy as np
import pytest
from flax import nnx

from wlam.evaluation.cases import fitting
from wlam.evaluation.judge import EvalCase
from wlam.models.peers.channels import to_bins, to_channel
from wlam.models.peers.wifo import WifoConfig
from wlam.phy.arrays import upa
from wlam.tasks import TASKS
from wlam.tasks.windows import wholes
from wlam.types import TIME, Csi, Traffic

RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


@pytest.fixture(scope="module")
def model():
    return WifoConfig(16, encoder_layers=1, decoder_layers=1, heads=2).build(
        nnx.Rngs(0)
    )


@pytest.mark.parametrize(("name", "axis"), [("csi_time", 0), ("csi_frequency", 1)])
def test_bins_of_a_task_are_brought_back(name, axis):
    ones = np.ones(2, np.float32)
    x = complex_normal(2, 6, 5, 8)
    polarisation = np.repeat(np.int32([0, 1]), 4)
    places = np.tile(upa(2, 2), (2, 1))
    csi = Csi(x, 1e-3 * ones, 15e3 * ones, 3e9 * ones, places, polarisation)
    sequences = TASKS[name].sequences(csi)
    grids = wholes(sequences, 3)
    channel = to_channel(grids.values, axis, grids.array_shape)
    np.testing.assert_allclose(channel, x.transpose(0, 1, 3, 2), atol=1e-5)
    back = to_bins(channel, axis, grids.array_shape)
    np.testing.assert_allclose(back, grids.values, atol=1e-5)
    # A part of the steps is a part of the channel.
    part = to_channel(grids.values[:, :3], axis, grids.array_shape)
    want = channel[:, :3] if axis == TIME else channel[..., :3]
    np.testing.assert_allclose(part, want, atol=1e-5)


BAD = [
    ({"grid": None}, "grid: found None"),
    ({"grid": (8, 8)}, r"grid: found \(8, 8\)"),
    ({"context": np.ones((1, 8, 32))}, "grid: .* float64"),
    ({"horizon": 0}, "horizon, axis: found 0"),
    ({"axis": "space"}, "horizon, axis: .*'space'"),
    ({"array_shape": ((2, 4, 1),)}, "lattice: found 8 antennas"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_requests_are_named(model, change, message):
    context = np.ones((1, 8, 32), np.complex64)
    good = {"context": context, "interval": 1e-3, "horizon": 3, "grid": (8, 4)}
    with pytest.raises(ValueError, match=message):
        model.forecaster().predict(**good | change)


def test_cases_that_are_no_channels_are_left_out_and_named(model):
    ones = np.ones(1, np.float32)
    csi = Csi(
        complex_normal(1, 8, 8, 1), ones, ones, ones, np.zeros((1, 3)), np.zeros(1, int)
    )
    todo = [
        EvalCase("channel", "csi_time", csi, 4, 4),
        EvalCase("cell", "traffic", Traffic(np.ones((1, 9)), ones), 4, 4),
        EvalCase("comb", "csi_pilots_4", csi, 8, 8),
    ]
    fit, skipped = fitting(todo, model.forecaster())
    assert [case.name for case in fit] == ["channel"]
    assert skipped == [
        "skipped cell: the model forecasts channels only",
        "skipped comb: the model completes no channels",
    ]
