"""What the generator is judged by: kinds of channels, and a set against itself."""

import numpy as np
import pytest

from wlam.config import Config
from wlam.evaluation import generation as of
from wlam.models.generator.network import GeneratorConfig
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.tasks.mixture import DataSource


@pytest.fixture(scope="module")
def program(benchmark):
    return benchmark("generation")


@pytest.fixture(scope="module")
def drawn(program):
    """Users of a street, with and without a line of sight, and where they are."""
    source = DropConfig("UMi", num_times=1, num_subcarriers=8, base=PanelConfig(1, 4))
    part = DataSource("csi_estimate", source, 1.0, rows_per_sample=1)
    config = Config("run", {"umi": part}, {}, GeneratorConfig())
    return program["simulated"](config, 60, 5)


@pytest.fixture(scope="module")
def channels(drawn):
    return drawn[0]


def test_kinds_are_drawn_apart(channels):
    assert [*channels] == [("UMi", "los"), ("UMi", "nlos")]
    for x in channels.values():
        assert x.shape == (60, 8, 4)
        np.testing.assert_allclose((abs(x) ** 2).mean((1, 2)), 1, rtol=1e-5)
    # A line of sight is most of the power, and so in fewer bins.
    strongest = [of.bins(x).max((1, 2)).mean() for x in channels.values()]
    assert strongest[0] > strongest[1]


def test_users_in_a_sector_are_seen_there(program, drawn):
    """The first sector and the last are to both sides of the array."""
    found = [program["in_sector"](*drawn, i) for i in (0, 5)]
    assert sum(map(len, found)) < 120
    first, last = (of.spectra(x)[1] for x in found)
    assert abs(first - last).sum() > 0.5


def test_a_set_is_like_itself(program, channels):
    x, other = channels.values()
    found = program["likeness"](x, x, x)
    np.testing.assert_allclose(found[:3] + found[4:], 0, atol=1e-9)
    assert program["likeness"](other, x, x)[0] > 0.1


def test_gaussian_draws_have_the_covariance(program, channels):
    x = next(iter(channels.values()))
    drawn = program["gaussian"](x, 4000)
    assert of.covariance_error(drawn, x) < 0.15
