"""Peers of whole channels: as antennas and subcarriers, requests, what they take."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import wlam
from wlam.evaluation.forecast import why_not
from wlam.models.peers.channels import to_channel, to_steps
from wlam.models.peers.wifo import WifoConfig
from wlam.phy.transforms import steps_first
from wlam.tasks import task_of
from wlam.types import TIME, Csi, DataError, Series

RNG = np.random.default_rng(0)


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


@pytest.fixture(scope="module")
def model():
    network = WifoConfig(16, encoder_layers=1, decoder_layers=1, heads=2)
    return network.build(nnx.Rngs(0)).model()


@pytest.mark.parametrize("axis", [0, 1])
def test_steps_are_channels_and_brought_back(axis):
    x = complex_normal(2, 6, 5, 8)
    steps = jnp.asarray(steps_first(x, axis))
    channel = to_channel(steps, axis)
    np.testing.assert_array_equal(channel, x.transpose(0, 1, 3, 2))
    np.testing.assert_array_equal(to_steps(channel, axis), steps)
    # A part of the steps is a part of the channel.
    part = to_channel(steps[:, :3], axis)
    want = channel[:, :3] if axis == TIME else channel[..., :3]
    np.testing.assert_array_equal(part, want)


GOOD = np.ones((1, 8, 8, 4), np.complex64)
BAD = [
    ({"question": Series(np.ones((1, 8)), 1e-3)}, "csi: found Series; needed wlam.Csi"),
    ({"question": Csi(GOOD[0, 0], 1e-3)}, r"csi: found shape \(8, 4\)"),
    ({"question": Csi(GOOD.real, 1e-3)}, "csi: found float32"),
    ({"horizon": 0}, "horizon: found 0"),
    ({"axis": "space"}, "axis: found 'space'"),
    ({"axis": "antenna"}, "axis: found 'antenna'; needed 'time' or 'frequency'"),
    (
        {"question": Csi(GOOD, 1e-3, antennas=wlam.panel(2, 4))},
        "csi: found 8 antennas in the geometry",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_requests_are_named(model, change, message):
    good = {"question": Csi(GOOD, time_step_s=1e-3), "horizon": 3}
    with pytest.raises(DataError, match=message):
        model.predict(**good | change)


def test_tasks_that_are_no_channels_are_named(model):
    assert why_not(task_of("csi_time"), model) == ""
    assert why_not(task_of("traffic"), model) == "the model takes wlam.Csi, not Series"
    assert why_not(task_of("csi_pilots_4"), model) == "the model cannot complete"
