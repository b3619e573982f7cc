"""Estimators over SNR: closed forms of least squares and of linear Gaussian cases."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.baselines.estimate import linear_matrix, spline_matrix
from wlam.evaluation.combined import CombinedEstimate, directions
from wlam.evaluation.defaults import ESTIMATION
from wlam.evaluation.estimate import (
    GENIE,
    Estimate,
    by_covariance,
    draw,
    hold_matrix,
    interpolated,
    metric_of,
)
from wlam.evaluation.evaluator import MODEL
from wlam.models.base import Model
from wlam.phy.channels.hybrid_field import HybridFieldConfig
from wlam.phy.channels.kronecker import KroneckerConfig
from wlam.phy.mimo.combining import Receiver
from wlam.types import Csi

SOURCE = KroneckerConfig(num_rx=8, num_tx=4)
ASKED = Estimate(
    SOURCE, snrs_db=(0.0, 10.0), pooled=True, channels=150, training=200, mixture=True
)
SMALL = HybridFieldConfig(antennas=(4, 4), num_measurements=16)


class Nothing(Model):
    """Has no verb."""

    def __init__(self):
        pass


class Remembers(Model):
    """Returns the true channels, and keeps the questions."""

    accepts = frozenset({Csi})

    def __init__(self, clean):
        self.clean, self.asked = clean, []

    def estimate(self, question, noise_variance, frequency=True):
        self.asked.append((question, noise_variance))
        return replace(question, csi=self.clean, mask=None)


class Combiner(Remembers):
    """The same of observations behind a combiner, which are an array."""

    def estimate(self, observed, noise_variance):
        self.asked.append((observed, noise_variance))
        return self.clean


@pytest.fixture(scope="module")
def drawn():
    return draw(jax.random.key(ASKED.seed), SOURCE, ASKED.channels)


@pytest.fixture(scope="module")
def result(drawn):
    return ASKED.run("mimo", Remembers(np.asarray(drawn[0].clean)))


def test_the_truth_has_no_error(result):
    for metric in result.metrics:
        assert result.statistics[MODEL][metric].value == -np.inf
    assert result.model_wins(result.headline)


def test_least_squares_leave_the_noise(result, drawn):
    power = (abs(np.asarray(drawn[0].clean)) ** 2).mean()
    for snr_db in ASKED.snrs_db:
        found = result.statistics["LS"][metric_of(snr_db)].value
        np.testing.assert_allclose(found, -snr_db - 10 * np.log10(power), atol=0.15)


def test_the_genie_has_the_error_of_linear_gaussian_estimation(result, drawn):
    """tr(C - C (C + s I)^-1 C), by the eigenvalues of both sides of each channel."""
    clean, covariances = np.asarray(drawn[0].clean), drawn[1]
    rx, tx = (np.linalg.eigvalsh(x) for x in (covariances.rx, covariances.tx))
    power = np.einsum("na,nb->nab", rx, tx)
    for snr_db in ASKED.snrs_db:
        s = 10 ** (-snr_db / 10)
        wanted = 10 * np.log10(
            (power * s / (power + s)).sum() / (abs(clean) ** 2).sum()
        )
        found = result.statistics[GENIE][metric_of(snr_db)].value
        np.testing.assert_allclose(found, wanted, atol=0.3)
        others = set(result.statistics) - {MODEL, GENIE}
        assert {"LS", "LMMSE (sample)", "mixture", "fitted"} == others
        for who in others:
            assert result.statistics[who][metric_of(snr_db)].value > found - 0.1, who
    assert result.best_baseline(result.headline) != GENIE


def test_a_model_knows_of_the_noise_what_it_is_said_to_know(drawn):
    clean = np.asarray(drawn[0].clean)
    for more, known in (
        ({}, 0.1),
        ({"noise": "unknown"}, None),
        ({"offset_db": 5.0}, 10**-0.5),
    ):
        model = Remembers(clean)
        asked = replace(ASKED, snrs_db=(10.0,), **more)
        asked.run("mimo", model, baselines=False)
        ((question, level),) = model.asked
        assert level == pytest.approx(known)
        assert np.isfinite(question.csi).all()
        assert np.asarray(question.mask).all()


def test_where_there_is_no_pilot_nothing_is_seen(drawn):
    model = Remembers(np.asarray(drawn[0].clean))
    asked = replace(ASKED, snrs_db=(10.0,), every=2, training=0)
    found = asked.run("comb", model)
    ((question, _),) = model.asked
    assert not question.mask[:, :, 1::2].any()
    assert not question.csi[:, :, 1::2].any()
    assert question.mask[:, :, ::2].all()
    assert abs(question.csi[:, :, ::2]).min() > 0
    assert set(found.statistics) == {MODEL, "interpolation", "repeat last"}


def test_lines_and_cubics_are_recovered_between_pilots():
    k, t = np.arange(9.0), np.arange(3.0)
    line = (k[None, :] + 2j * t[:, None])[None, :, :, None].astype(np.complex64)
    cubic = ((k / 4) ** 3)[None, None, :, None] * np.ones((1, 3, 1, 1), np.complex64)
    at, there = np.arange(0, 9, 2), np.array([True, False, True])
    for truth, matrix in ((line, linear_matrix), (cubic, spline_matrix)):
        found = interpolated(truth, 0.1, matrix, at, there)
        np.testing.assert_allclose(found, truth, atol=1e-4)


def test_a_pilot_is_held_until_the_next():
    comb = {"at": np.array([1, 4]), "there": np.array([True])}
    y = np.zeros((1, 1, 6, 1), np.complex64)
    y[0, 0, [1, 4], 0] = 1, 2
    found = interpolated(y, 0.1, hold_matrix, **comb)
    np.testing.assert_allclose(found[0, 0, :, 0], [1, 1, 1, 1, 2, 2])


def test_a_covariance_of_antennas_is_shared_where_a_channel_is_large(monkeypatch):
    """Of white channels the best linear estimate is the pilot over 1 + noise."""
    monkeypatch.setattr("wlam.evaluation.estimate.LARGEST", 10)
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, 4000, 1, 3, 4)) / np.sqrt(2)
    white = (parts[0] + 1j * parts[1]).astype(np.complex64)
    seen = np.ones((1, 3, 4), bool)
    seen[:, 1] = False
    found = by_covariance(white, seen)(white[:20] * seen, 0.5)
    wanted = white[:20] * seen / 1.5
    assert np.sqrt((abs(found - wanted) ** 2).mean()) < 0.03


def test_who_estimates_nothing_is_not_judged():
    assert ASKED.why_not(Nothing()) == "the model cannot estimate"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("every", 0, "every: found 0; needed 1 or more"),
        ("snrs_db", (), "snrs_db: found none; needed one or more"),
        ("training", 1, "training: found 1; needed 0, 2 or more"),
    ],
)
def test_what_cannot_be_asked_is_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(ASKED, **{field: value})


def test_pilots_of_a_slot_are_dmrs_of_type_one():
    slot = ESTIMATION["slot"]
    assert isinstance(slot, Estimate)
    seen = slot._pilots((14, 48, 16))
    assert seen.any((1, 2)).nonzero()[0].tolist() == [2, 7, 11]
    assert seen[2, :, 0].sum() == 24
    assert (seen == seen[..., :1]).all()


def test_pilots_lie_within_the_block():
    with pytest.raises(ValueError, match=r"symbols: found .*; needed some of 1 snap"):
        replace(ASKED, symbols=(2,)).run("slot", None)


def test_directions_are_plane_waves_that_the_array_can_see():
    atoms = directions(SMALL)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=0), 1, atol=1e-5)
    # Twice as dense as can be resolved, within the circle of real directions.
    half = directions(replace(SMALL, spacing=0.5))
    assert atoms.shape[1] < half.shape[1] < (2 * 4) ** 2


def test_an_array_is_asked_through_its_own_combiner():
    from wlam.evaluation.combined import drawn as channels_of

    asked = CombinedEstimate(snrs_db=(20.0,), channels=4, training=40)
    model = Combiner(channels_of(SMALL, jax.random.key(asked.seed), 4))
    config = type("Config", (), {"array": SMALL, "combiner": 5})
    model.network = type("Network", (), {"config": config})  # pyright: ignore[reportAttributeAccessIssue]
    assert asked.why_not(model) == "the model has no combiner of its own"
    model.receiver = Receiver(SMALL, 5)  # pyright: ignore[reportAttributeAccessIssue]
    assert asked.why_not(model) == ""
    assert "another array" in replace(asked, array=SMALL).why_not(model)
    found = asked.run("thz", model)
    (metric,) = found.metrics
    assert found.statistics[MODEL][metric].value == -np.inf
    assert found.question == "16 of 64"
    ((observed, level),) = model.asked
    assert observed.shape == (4, 4, 4)
    assert level == pytest.approx(0.01)
    assert set(found.statistics) == {
        *(
            MODEL,
            "LMMSE (sample)",
            "OMP",
            "FISTA",
            "sparse Bayes",
            "sparse Bayes, noise unknown",
        )
    }
