"""Beamformers beside classical ones: closed forms, fairness, who is counted."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.evaluation.evaluator import MODEL
from wlam.evaluation.precode import NO_ERROR_DB, TRUE, Precode, metric_of
from wlam.models.base import Model
from wlam.phy.mimo.precoding import rzf, wmmse
from wlam.simulate.downlink import RayleighConfig, rayleigh

SOURCE = RayleighConfig(users=2, antennas=4, user_antennas=1, num_times=12)
ASKED = Precode(
    SOURCE, (NO_ERROR_DB, 0.0), drops=2, first=4, every=4, iterations=(5,), validation=0
)
NONE, ZERO = metric_of(NO_ERROR_DB), metric_of(0.0)


class Solves(Model):
    """Forms beams by a function of the channels that it is given."""

    def __init__(self, solve):
        self.solve = jax.jit(solve)

    def precode(self, channels, error_variance, active=None):
        return np.asarray(self.solve(channels))


@pytest.fixture(scope="module")
def result():
    return ASKED.run("white", Solves(lambda h: 7 * wmmse(h, 10.0, iterations=5)))


def test_without_errors_a_model_that_solves_wmmse_is_the_genie(result):
    """Whatever power it sends: all send the same."""
    ours, genie = (result.statistics[who][NONE] for who in (MODEL, TRUE))
    np.testing.assert_allclose(ours.numerator, genie.numerator, rtol=1e-4)
    assert ours.higher_is_better


def test_errors_cost_all_but_the_genie(result):
    for who, metrics in result.statistics.items():
        lost = metrics[NONE].value - metrics[ZERO].value
        assert abs(lost) < 1e-5 if who == TRUE else lost > 0.2, who
    assert result.best_baseline(ZERO) != TRUE


def test_samples_of_a_base_station_are_drawn_together(result):
    np.testing.assert_array_equal(result.groups, [0, 0, 1, 1])
    assert len(result.statistics["RZF"][NONE].numerator) == 4


def test_one_user_of_one_antenna_has_the_rate_of_his_channel():
    """log2(1 + P |h|^2), which every precoder but noise-free forcing reaches."""
    source = replace(SOURCE, users=1)
    asked = replace(ASKED, source=source, error_ratio_db=(NO_ERROR_DB,))
    found = asked.run("one", Solves(lambda h: rzf(h, 10.0)))
    keys = jax.random.split(jax.random.key(asked.seed), 2)
    h = np.stack([np.asarray(rayleigh(k, 12, 1, 1, 4)) for k in keys])[:, 4::4]
    wanted = np.log2(1 + 10 * (abs(h) ** 2).sum((2, 3, 4))).mean()
    for who, metrics in found.statistics.items():
        np.testing.assert_allclose(metrics[NONE].value, wanted, rtol=1e-3, err_msg=who)


def test_users_who_come_and_go_are_counted():
    source = replace(SOURCE, users=3, num_times=200)
    asked = replace(
        ASKED,
        source=source,
        error_ratio_db=(NO_ERROR_DB,),
        first=0,
        activity=0.5,
        memory=5.0,
    )
    found = asked.run("users", None).statistics["RZF"]
    few, many = found[f"{NONE}, 1 or 2 users"], found[f"{NONE}, 3 or 4 users"]
    assert few.left_out + many.left_out == len(few.numerator) == 100
    total = few.numerator.sum() + many.numerator.sum()
    np.testing.assert_allclose(total, found[NONE].numerator.sum())
    assert many.value > few.value


def test_averages_choose_their_constants_on_base_stations_of_their_own():
    asked = replace(ASKED, error_ratio_db=(0.0,), validation=1, drops=1)
    found = asked.run("white", None).statistics
    assert {"RZF, smoothed", "WMMSE, 5, smoothed"} <= set(found)
    # White channels have nothing that an average could show.
    assert found["RZF, smoothed"][ZERO].value < found[TRUE][ZERO].value


def test_who_forms_no_beams_is_not_judged():
    class Draws(Model):
        def __init__(self):
            pass

    assert ASKED.why_not(Draws()) == "the model forms no beams"
    assert ASKED.why_not(Solves(lambda h: h)) == ""


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("drops", 0, "drops: found 0; needed 1 or more"),
        ("first", 12, "first: found 12 of 12 samples; needed fewer"),
        ("error_ratio_db", (), "error_ratio_db, iterations: found"),
    ],
)
def test_what_cannot_be_asked_is_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(ASKED, **{field: value})
