"""What is seen of MIMO channels, who is judged on it, and pictures of tables."""

import jax
import numpy as np
import pytest

from wlam.phy.channels.kronecker import KroneckerConfig, draw_channels, draw_covariances


@pytest.mark.parametrize("look", ["chains", "entries"])
def test_a_quarter_is_seen_in_white_noise(benchmark, look):
    sensing = benchmark("compressed_estimation")["sensing_of"](look)
    assert sensing.shape == (256, 1024)
    np.testing.assert_allclose(sensing @ sensing.conj().T, np.eye(256), atol=1e-5)


def test_the_genie_of_all_entries_is_that_of_known_covariances(benchmark):
    """Seen through the identity it is what factors of the covariance give."""
    compressed, mimo = benchmark("compressed_estimation"), benchmark("mimo_estimation")
    covariances = draw_covariances(jax.random.key(0), KroneckerConfig(16, 4), 2)
    channels = np.asarray(draw_channels(jax.random.key(1), covariances))
    flat, snr = channels.reshape(2, -1), 10.0
    by_sensing = compressed["by_genie"](np.eye(64, dtype=np.complex64), covariances)
    by_factors = mimo["by_genie"](covariances)
    wanted = by_factors(channels, snr).reshape(2, -1)
    np.testing.assert_allclose(by_sensing(flat, snr), wanted, atol=5e-3)


PAGE = """
<!-- mimo -->
| estimator | -10 dB | 0 dB | fast, 0 dB |
| --- | ---: | ---: | ---: |
| LS | 10.00 | 0.10 [0.00, 0.20] | 1 |
| wlam_x | -2.5 | -9.00 [-9.5, -8.5] | · |

| estimator | -10 dB |
| --- | ---: |
| LS | 9.9 … 10.1 |
<!-- /mimo -->
"""


def test_pictures_are_of_the_numbers_of_a_page(benchmark):
    program = benchmark("pictures/estimation")
    first, second = program["tables"](PAGE, "mimo")
    assert first["wlam_x"] == ["-2.5", "-9.00 [-9.5, -8.5]", "·"]
    assert [*second] == ["", "LS"]
    values = [program["number"](cell) for cell in first["wlam_x"]]
    np.testing.assert_array_equal(values, [-2.5, -9.0, np.nan])
    axis = program["Figure"]().subplots()
    program["against_snr"](axis, first, "title")
    (line,) = axis.lines  # what is gained over LS, at SNRs and nothing else
    np.testing.assert_allclose(line.get_xdata(), [-10, 0])
    np.testing.assert_allclose(line.get_ydata(), [-12.5, -9.1])
    assert program["mimo"](PAGE) is None  # the other half is not there
