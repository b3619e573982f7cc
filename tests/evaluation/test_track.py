"""Trackers between sweeps: who knows the beams loses nothing, who holds one does."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.track import LOST, METRIC, POSITION, STRAIGHT, Track
from wlam.models.base import Model
from wlam.phy.codebooks import beam_directions
from wlam.simulate.beams import array_gain
from wlam.simulate.irregular import IrregularConfig
from wlam.simulate.sweeps import SweepConfig
from wlam.types import Csi, Sweeps

BEAMS, STEPS, HORIZON, HEIGHT = 16, 40, 5, 10.0
SOURCE = IrregularConfig(
    SweepConfig(
        num_times=STEPS,
        time_steps_s=(0.01,),
        num_beams=(1, BEAMS),
        base_height_m=HEIGHT,
    ),
    every=5,
    jitter=0,
    missing=(0.0, 0.0),
)
ASKED = Track(SOURCE, context=STEPS - HORIZON, horizon=HORIZON, samples=3)


def sweeps(key, source, samples):
    """Users who go straight past the array, seen by its beams alone, in the open."""
    t = jnp.arange(STEPS) * 0.01
    y = (
        jnp.asarray([-8.0, 0.0, 5.0])[:, None]
        + jnp.asarray([30.0, 20.0, -25.0])[:, None] * t[None]
    )
    place = jnp.stack([jnp.full_like(y, 20.0), y, jnp.full_like(y, 1.5)], axis=-1)
    across = place - jnp.array([0.0, 0.0, HEIGHT])[None, None]
    sine = across[..., 1] / jnp.linalg.norm(across, axis=-1)
    gain = array_gain(sine, beam_directions(BEAMS), BEAMS)
    power = 10 * jnp.log10(gain + 1.0)
    made = (jnp.arange(STEPS) % 5 == 2)[None, :, None]
    return Sweeps(
        jnp.where(made, power, jnp.nan),
        jnp.full(samples, 0.01),
        clean=power,
        labels={"floor_dbm": jnp.zeros(samples), "position_m": place},
    )


@pytest.fixture(autouse=True)
def tracks(monkeypatch):
    monkeypatch.setattr("wlam.evaluation.track.generate", sweeps)


class Nothing(Model):
    """Has no verb."""

    def __init__(self):
        pass


class Knows(Model):
    """Gives the sweeps to come."""

    accepts = frozenset({Sweeps})

    def __init__(self):
        pass

    def predict(self, question, horizon):
        assert question.rsrp_db.shape == (3, STEPS - HORIZON, BEAMS)
        missing = np.isnan(question.rsrp_db).all(-1)
        assert (missing == (np.arange(STEPS - HORIZON) % 5 != 2)).all()
        return Sweeps(
            np.asarray(sweeps(None, None, 3).clean)[:, -horizon:], question.time_step_s
        )


def test_who_knows_the_beams_loses_nothing():
    found = ASKED.run("tracks", Knows())
    ours = found.statistics[MODEL]
    assert ours[METRIC].value == pytest.approx(1)
    assert ours[LOST].value == pytest.approx(0)
    for ms in (30, 40, 50, 60, 70):
        assert ours[f"{METRIC} after {ms} ms"].value == pytest.approx(1)
    held = found.statistics["repeat last"]
    assert held[METRIC].value < 0.9
    assert held[LOST].value > 0.05
    first, last = (held[f"{METRIC} after {ms} ms"].value for ms in (30, 70))
    assert held[LOST].value == pytest.approx(1 - last / first)
    assert found.model_wins(METRIC)


def test_who_knows_where_the_user_is_has_the_best_beam():
    """And who knows where he goes has it as well: all go straight on."""
    found = ASKED.run("tracks", None)
    for who in (POSITION, STRAIGHT):
        assert found.statistics[who][METRIC].value == pytest.approx(1, abs=1e-4)
        assert who in found.informed
    assert found.best_baseline(METRIC) in ("repeat last", "linear tracker", "EKF")


def test_times_count_from_the_last_regular_sweep():
    assert ASKED.times_ms == [30, 40, 50, 60, 70]
    whole = replace(SOURCE, every=10)
    assert Track(whole, 86, 10).times_ms == [10 * i for i in range(1, 11)]


def test_who_takes_no_sweeps_is_not_judged():
    class Channels(Model):
        accepts = frozenset({Csi})

        def __init__(self):
            pass

        def predict(self, question, horizon, axis="time"):
            raise AssertionError("nobody asks")

    assert ASKED.why_not(Channels()) == "the model takes wlam.Csi, not Sweeps"
    assert ASKED.why_not(Nothing()) == "the model cannot predict"
    assert ASKED.why_not(Knows()) == ""


def test_sizes_below_one_are_named():
    with pytest.raises(ValueError, match="samples: found 0; needed 1 or more"):
        replace(ASKED, samples=0)


def test_the_picture_is_of_the_figures():
    found = ASKED.run("tracks", Knows())
    ((_, figure),) = found.pictures().items()
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == list(found.statistics)
    np.testing.assert_allclose(lines[MODEL].get_xdata(), [30, 40, 50, 60, 70])
    values = [found.statistics["EKF"][f"{METRIC} after {ms} ms"].value
              for ms in (30, 40, 50, 60, 70)]  # fmt: skip
    np.testing.assert_allclose(lines["EKF"].get_ydata(), values)
