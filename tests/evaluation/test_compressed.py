"""Channels of which a part is measured: what is measured, and who finds the rest."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.evaluation.compressed import (
    CompressedEstimate,
    by_genie,
    by_paths,
    sensing_of,
)
from wlam.evaluation.estimate import GENIE
from wlam.evaluation.estimate import by_genie as by_known_factors
from wlam.evaluation.evaluator import MODEL
from wlam.models.base import Card, Model
from wlam.phy.channels.kronecker import KroneckerConfig, draw_channels, draw_covariances

SMALL = KroneckerConfig(16, 4)
CASE = CompressedEstimate(
    SMALL, chains=4, snrs_db=(0.0, 20.0), paths=6, channels=6, training=40
)


@pytest.mark.parametrize("measured", ["chains", "entries"])
def test_a_quarter_is_measured_in_white_noise(measured):
    sensing = sensing_of(KroneckerConfig(), measured, 16)
    assert sensing.shape == (256, 1024)
    np.testing.assert_allclose(sensing @ sensing.conj().T, np.eye(256), atol=1e-5)


def test_the_genie_of_all_entries_is_that_of_known_covariances():
    """Measured through the identity it is what factors of the covariance give."""
    covariances = draw_covariances(jax.random.key(0), SMALL, 2)
    channels = np.asarray(draw_channels(jax.random.key(1), covariances))
    level, everything = 0.1, np.eye(64, dtype=np.complex64)
    found = by_genie(everything, covariances)(channels.reshape(2, -1), level)
    blocks = channels.swapaxes(1, 2)[:, None]
    wanted = by_known_factors(covariances)(blocks, level)[:, 0].swapaxes(1, 2)
    np.testing.assert_allclose(found, wanted.reshape(2, -1), atol=5e-3)


def test_a_single_path_on_the_grid_is_found():
    rx, tx = np.arange(16), np.arange(4)
    waves = np.exp(2j * np.pi * 3 * rx / 16)[:, None] * np.exp(2j * np.pi * tx / 4)
    channel = waves.reshape(1, -1).astype(np.complex64)
    sensing = sensing_of(SMALL, "entries", 8)
    found = by_paths(SMALL, sensing, 3)(channel @ sensing.T, 1e-4)
    np.testing.assert_allclose(found, channel, atol=1e-2)


class Transposes(Model):
    """The least squares estimate, of images [tx, rx] as the contract says."""

    def __init__(self):
        self.card, self.asked = Card("transposes"), []

    def estimate_combined(self, measured, sensing, size, noise_variance, **how):
        self.asked.append((size, noise_variance, how))
        return (measured @ sensing.conj()).reshape(len(measured), *size)


def test_a_model_sees_what_baselines_see():
    model = Transposes()
    result = replace(CASE, nfe=7, draws=2).run("quarter", model)
    asked = [((4, 16), 1.0, {"nfe": 7, "samples": 2})]
    asked.append(((4, 16), pytest.approx(0.01), {"nfe": 7, "samples": 2}))
    assert model.asked == asked
    assert result.question == "16 of 64"
    for metric in result.metrics:
        ours, theirs = (
            result.statistics[who][metric].value for who in (MODEL, "least squares")
        )
        assert ours == pytest.approx(theirs, abs=1e-3)
        assert result.best_baseline(metric) != GENIE
        best = result.statistics[result.best_baseline(metric)][metric].value
        assert result.statistics[GENIE][metric].value < best
    (figure,) = result.pictures().values()
    assert figure.axes


def test_what_does_not_fit_is_said():
    assert CASE.why_not(Transposes()) == ""
    assert "combined measurements" in CASE.why_not(Model.__new__(Model))
    with pytest.raises(ValueError, match="chains: found 17; needed 1 to 16"):
        replace(CASE, chains=17)
    with pytest.raises(ValueError, match="channels, training: found 6, 1; needed 1"):
        replace(CASE, training=1)
    with pytest.raises(ValueError, match="snrs_db: found none; needed one or more"):
        replace(CASE, snrs_db=())
