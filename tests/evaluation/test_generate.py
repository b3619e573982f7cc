"""Draws of a generator: a set beside itself, kinds, sectors, what is refused."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.evaluation import generation as of
from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.generate import SIMULATED, Generate, gaussian, likeness
from wlam.models.base import Model
from wlam.phy.channels.tr38901.config import DropConfig, PanelConfig
from wlam.phy.channels.tr38901.tables import STATES
from wlam.types import DataError

SOURCE = DropConfig("UMi", num_times=1, num_subcarriers=8, base=PanelConfig(1, 4))
ASKED = Generate((SOURCE,), number=60)
ERRORS = ("covariance", "delay", "angle", "compression dB", "estimation dB")


@pytest.fixture(scope="module")
def real():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wlam.evaluation.generate.PIECE", 60)
        yield ASKED._simulated(jax.random.key(ASKED.seed))


@pytest.fixture
def simulated(real, monkeypatch):
    """All sets of simulated channels are one and the same."""
    monkeypatch.setattr(Generate, "_simulated", lambda self, key: real)
    return real


class Nothing(Model):
    """Has no verb."""

    def __init__(self):
        pass


class Repeats(Model):
    """Draws the simulated channels themselves, whatever sector is asked for."""

    def __init__(self, sets):
        self.sets, self.asked = sets, []

    def draw(self, number, condition, **how):
        self.asked.append((dict(condition), how))
        kind = condition.get("scenario", "UMi"), condition.get("state", "los")
        return self.sets[kind][:number]


def test_kinds_are_drawn_apart(real):
    sets, sectors = real
    assert [*sets] == [("UMi", "los"), ("UMi", "nlos")]
    for kind, x in sets.items():
        assert x.shape == (60, 8, 4)
        assert sectors[kind].shape == (60,)
        np.testing.assert_allclose((abs(x) ** 2).mean((1, 2)), 1, rtol=1e-5)
    # A line of sight is most of the power, and so in fewer bins.
    strongest = [of.bins(x).max((1, 2)).mean() for x in sets.values()]
    assert strongest[0] > strongest[1]


def test_who_draws_the_real_set_makes_no_error(simulated):
    model = Repeats(simulated[0])
    found = ASKED.run("drawn", model)
    for metric in ERRORS:
        ours = found.statistics[MODEL][metric]
        np.testing.assert_allclose(ours.numerator, 0, atol=1e-9)
        assert len(ours.numerator) == 2
    assert found.statistics[MODEL]["variety"].value == pytest.approx(1)
    assert found.statistics["Gaussian"]["covariance"].value > 0.01
    assert found.best_baseline("covariance") == "Gaussian"
    conditions = [condition for condition, _ in model.asked]
    assert conditions == [
        {"scenario": "UMi", "state": state} for state in ("los", "nlos")
    ]
    assert model.asked[0][1]["calls"] == ASKED.calls


def test_who_keeps_no_condition_is_found_out(simulated):
    asked = replace(ASKED, conditioned=False)
    found = asked.run("unconditioned", Repeats(simulated[0]))
    kept = ASKED.run("drawn", Repeats(simulated[0]), baselines=False)
    for metric in ("kind recognised", "line of sight recognised"):
        ours = found.statistics[MODEL][metric].value
        assert ours < kept.statistics[MODEL][metric].value - 0.2
    assert found.statistics[MODEL]["covariance"].numerator[1] > 0.1


def test_sectors_are_samples_and_the_azimuth_is_a_condition(simulated):
    asked = replace(ASKED, by="sector", sectors_deg=(-60.0, 0.0, 60.0))
    model = Repeats(simulated[0])
    sets, _ = simulated
    # Half of the users in either sector: the middle is where they are parted.
    halves = {kind: (np.arange(60) >= 30).astype(int) for kind in sets}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generate, "_simulated", lambda self, key: (sets, halves))
        found = asked.run("sectors", model)
    azimuths = {c["azimuth_deg"] for c, _ in model.asked if "azimuth_deg" in c}
    assert azimuths == {-30.0, 30.0}
    assert found.headline == "angle"
    assert found.statistics[SIMULATED]["angle"].value == pytest.approx(0, abs=1e-9)
    assert len(found.groups) == 2
    assert found.statistics[MODEL]["angle"].value > 0


def test_all_channels_together_are_one_sample(simulated):
    asked = replace(ASKED, by="all")
    found = asked.run("all", Repeats(simulated[0]))
    assert found.metrics == ["covariance"]
    assert found.statistics[MODEL]["covariance"].value == pytest.approx(0, abs=1e-9)


def test_a_set_is_like_itself(real):
    x, other = real[0].values()
    found = likeness(x, x, x)
    np.testing.assert_allclose(found[:3] + found[4:], 0, atol=1e-9)
    assert likeness(other, x, x)[0] > 0.1


def test_gaussian_draws_have_the_covariance(real):
    x = next(iter(real[0].values()))
    assert of.covariance_error(gaussian(x, 4000), x) < 0.15


def test_too_few_channels_of_a_kind_are_named(monkeypatch):
    few = np.ones((3, 8, 4), np.complex64)
    piece = few, np.full(3, STATES.index("los")), np.zeros(3, int)
    monkeypatch.setattr(Generate, "_looked_through", lambda *_: [piece])
    with pytest.raises(DataError, match="number: found 3 of UMi los; needed 60"):
        ASKED.run("drawn", None)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("number", 1, "sources, number: found 1, 1; needed"),
        ("sectors_deg", (0.0, 0.0), "sectors_deg: found .*; needed two or more"),
    ],
)
def test_what_cannot_be_asked_is_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(ASKED, **{field: value})


def test_who_draws_nothing_is_not_judged():
    assert ASKED.why_not(Nothing()) == "the model draws no channels"


def test_the_picture_has_simulated_channels_above_drawn_ones(simulated):
    found = ASKED.run("drawn", Repeats(simulated[0]), baselines=False)
    ((_, figure),) = found.pictures().items()
    above, below = figure.axes[0], figure.axes[2]
    np.testing.assert_array_equal(
        above.images[0].get_array(), below.images[0].get_array()
    )
    assert above.get_title(loc="left") == "UMi los\nsimulated"
