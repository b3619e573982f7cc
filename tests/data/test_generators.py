"""The training stream: shares, sizes, and a batch as a pure function of its key."""

import jax
import numpy as np
import pytest

from wlam.data.generators import generate
from wlam.phy.channels.cdl import CdlConfig
from wlam.phy.channels.tr38901.drops import DropConfig
from wlam.simulate.beams import BeamConfig
from wlam.simulate.traffic import TrafficConfig
from wlam.tasks.mixture import DataSource, draw_batch, samples_per_step, shares

SOURCE = TrafficConfig(num_times=16)
MIXTURE = {
    "large": DataSource("traffic", SOURCE, size=16.0, rows_per_sample=1),
    "small": DataSource("traffic", SOURCE, size=1.0, rows_per_sample=1),
}


@pytest.mark.parametrize(
    ("temperature", "large"), [(0.0, 1 / 2), (0.5, 4 / 5), (1.0, 16 / 17)]
)
def test_temperature(temperature, large):
    share = shares(MIXTURE, temperature)
    assert share["large"] == pytest.approx(large)
    assert sum(share.values()) == pytest.approx(1)


def test_samples_follow_shares_and_devices():
    share = shares(MIXTURE, 0.5)
    assert samples_per_step(MIXTURE, share, 100) == {"large": 80, "small": 20}
    assert samples_per_step(MIXTURE, share, 1) == {"large": 1, "small": 1}
    on_eight = samples_per_step(MIXTURE, share, 100, devices=8)
    assert on_eight == {"large": 80, "small": 16}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("beams", SOURCE, 1.0), "task: found 'beams'"),
        (("traffic", SOURCE, 0.0), "size, rows_per_sample: found 0"),
        (("traffic", SOURCE, 1.0, 0), "size, rows_per_sample: found"),
        (("traffic", SOURCE, 1.0, 8, None, 0.0), "linear_beyond: found 0"),
    ],
)
def test_invalid_sources_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        DataSource(*arguments)


@pytest.mark.parametrize(
    ("task", "source", "rows"),
    [
        ("csi_time", CdlConfig(), (16, 2, 16)),
        ("csi_time", DropConfig("RMa"), (16, 2, 16)),
        ("csi_frequency", DropConfig("InF"), (2, 2 * 16 * 8, 32)),
        ("beam", BeamConfig(num_times=32), (2, 64, 32)),
        ("traffic", SOURCE, (2, 1, 16)),
    ],
)
def test_every_generator_gives_series(task, source, rows):
    mixture = {"it": DataSource(task, source, size=1.0)}
    shapes = jax.eval_shape(
        lambda key: draw_batch(key, mixture, {"it": 2})["it"].values, jax.random.key(0)
    )
    assert shapes.shape == rows


def test_an_unknown_source_is_named():
    with pytest.raises(
        ValueError, match=r"source: found str; needed .* one of CdlConfig"
    ):
        generate(jax.random.key(0), "cdl", 1)


def test_a_batch_is_a_function_of_its_key():
    draw = jax.jit(lambda key: draw_batch(key, MIXTURE, {"large": 3, "small": 2}))
    first, again, other = (draw(jax.random.key(seed)) for seed in (0, 0, 1))
    assert first["large"].values.shape == (3, 1, 16)
    np.testing.assert_array_equal(first["large"].values, again["large"].values)
    assert not np.array_equal(first["large"].values, other["large"].values)
    # Two sources with the same generator are two streams.
    assert not np.array_equal(first["large"].values[:2], first["small"].values)
