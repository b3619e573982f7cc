"""The published estimator: parity with stored outputs, where its weights are."""

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.models.peers import fesl
from wlam.nn.denoisers.conv import ConvDenoiser, ConvDenoiserConfig
from wlam.types import DataError

BESIDE = Path(__file__).parents[4] / "shared" / "data"
WEIGHTS = Path(os.environ.get("WLAM_DATA_DIR", BESIDE)) / fesl.FILE
needs_weights = pytest.mark.skipif(
    not WEIGHTS.is_file(), reason=f"no {fesl.FILE} in the folder of measured data"
)


def planes(x):
    """[n, 2, u, v] to complex."""
    return jnp.asarray(x[:, 0] + 1j * x[:, 1])


@needs_weights
@pytest.mark.parametrize("network", fesl.NETWORKS)
def test_outputs_are_the_published_ones(network):
    model = fesl.load(WEIGHTS, network)
    with np.load(WEIGHTS) as file:
        step = jnp.asarray(file["parity/t"] + 1)
        found = model.predict(planes(file["parity/x"]), step)
        expected = planes(file[f"parity/{network}/output"])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert abs(expected).mean() > 0.1
        np.testing.assert_allclose(
            fesl.schedule().signal[1:],
            np.cumprod(1 - file["schedule/betas"]),
            rtol=1e-4,
        )


@needs_weights
@pytest.mark.parametrize("network", fesl.NETWORKS)
def test_estimates_are_the_published_ones(network):
    """The loop at 10 dB as published, without the step itself."""
    model, snr = fesl.load(WEIGHTS, network), 10.0
    with np.load(WEIGHTS) as file:
        x = np.sqrt(snr / (1 + snr)) * planes(file["parity/x"])
        index = int(abs(np.asarray(fesl.schedule().snr[1:]) - snr).argmin())
        found = fesl.denoised(model, jnp.asarray(x, jnp.complex64), index)
        expected = planes(file[f"parity/{network}/denoised_10dB"])
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_observation_comes_back_in_its_own_domain():
    """Where the network says there is no noise, only the scale is undone."""
    model = ConvDenoiser(ConvDenoiserConfig(before=(2,), after=()), nnx.Rngs(0))
    last = model.layers[-1]
    last.kernel[...] = 0 * last.kernel[...]
    last.bias[...] = 0 * last.bias[...]
    observed = np.arange(12, dtype=np.complex64).reshape(1, 3, 4) / 10
    found = fesl.FeslEstimator(model)(observed, snr=100.0)
    steps = fesl.schedule()
    index = int(abs(np.asarray(steps.snr[1:]) - 100).argmin())
    scale = np.sqrt(100 / 101) / np.sqrt(steps.signal[index + 1])
    np.testing.assert_allclose(found, scale * observed, atol=1e-5)


@pytest.mark.parametrize("snr", [0.0, -1.0, np.inf, np.nan])
def test_snrs_that_are_none_are_named(snr):
    model = ConvDenoiser(ConvDenoiserConfig(before=(2,), after=()), nnx.Rngs(0))
    with pytest.raises(ValueError, match="snr: found"):
        fesl.FeslEstimator(model)(np.zeros((1, 2, 2), np.complex64), snr)


def test_other_files_are_named(tmp_path):
    np.savez(tmp_path / "weights.npz", other=np.zeros(3))
    with pytest.raises(DataError, match=r"3gpp/cnn_pre.conv_pre0.weight: found None"):
        fesl.load(tmp_path / "weights.npz")
    with pytest.raises(DataError, match="network: found 'x'"):
        fesl.load(tmp_path / "weights.npz", "x")
