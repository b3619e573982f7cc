"""The estimator: its loss, and what it says of blocks with pilots."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from wlam.baselines.estimate.interpolation import between_snapshots
from wlam.data.checked import checked_csi
from wlam.models.estimator.api import mean_over_offsets
from wlam.models.estimator.network import EstimatorConfig
from wlam.models.estimator.observation import Observation
from wlam.nn.denoisers.spectral import SpectralConfig
from wlam.phy.arrays import ula, upa
from wlam.phy.noise import complex_normal
from wlam.types import Antennas, Csi, DataError, SeriesBatch, SnapshotBatch

CONFIG = EstimatorConfig(SpectralConfig(width=8, blocks=1), steps=21)
N, T, K, A = 2, 3, 12, 8


@pytest.fixture(scope="module")
def network():
    return CONFIG.build(nnx.Rngs(0))


@pytest.fixture(scope="module")
def model(network):
    return network.model()


def estimate(model, blocks, noise_variance=None, antennas=None, **about):
    """Of blocks [sample, time, subcarrier, antenna], NaN where there is no pilot."""
    asked = Csi(blocks, antennas=antennas)
    return model.estimate(asked, noise_variance, **about).csi


def observed_as(blocks, noise_variance=None, antennas=None):
    return Observation.of(
        checked_csi(Csi(blocks, antennas=antennas), None), noise_variance
    )


@pytest.fixture(scope="module")
def blocks():
    """One path: a tone along subcarriers and antennas, the same at all times."""
    k, a = np.arange(K)[:, None], np.arange(A)
    tone = np.exp(2j * np.pi * (-k / K + 2 * a / A))
    return np.broadcast_to(tone, (N, T, K, A)).astype(np.complex64)


def test_the_loss_is_that_of_the_velocity_and_of_the_noise(network):
    """An untrained network on data of nothing but noise: finite, and with gradients."""
    line = tuple(range(A))
    part = SnapshotBatch(complex_normal(jax.random.key(0), (4, K, A)), (line,))
    graph, params = nnx.split(network)

    def loss(params):
        return nnx.merge(graph, params).loss(part, jax.random.key(1))

    value, gradients = jax.jit(jax.value_and_grad(loss))(params)
    assert np.isfinite(value)
    assert value > 0
    moved = [float(abs(x).max()) for x in jax.tree.leaves(gradients)]
    # The heads are 0 at first, which nothing in front of them can be taught through.
    assert sum(x > 0 for x in moved) >= 4


def test_parts_of_other_tasks_are_named(network):
    rows = SeriesBatch(jnp.ones((1, 1, 8)), jnp.ones((1, 1, 8)), jnp.ones(1), 0, True)
    with pytest.raises(ValueError, match="needed csi_estimate"):
        network.loss(rows, jax.random.key(0))


@pytest.mark.parametrize(
    "wrong", [{"steps": 1}, {"blind": 2.0}, {"snr_db": (0.0, 10.0)}]
)
def test_configs_that_make_no_estimator(wrong):
    with pytest.raises(ValueError, match="found"):
        replace(CONFIG, **wrong)


def test_all_that_is_seen_is_denoised(model, blocks):
    noise = 0.3 * np.asarray(complex_normal(jax.random.key(3), blocks.shape))
    observed = (blocks + noise).astype(np.complex64)
    before = (abs(noise) ** 2).mean()
    for level in (0.09, None):  # told, and seen
        found = estimate(model, observed, level)
        assert found.shape == observed.shape
        assert (abs(found - blocks) ** 2).mean() < 0.5 * before


def test_the_mean_over_offsets_turns_with_half_a_bin():
    """Moved by what it averages over, the estimate moves along; a linear one stays."""
    x = complex_normal(jax.random.key(3), (2, K, A))
    turn = np.exp(1j * np.pi * (np.arange(K)[:, None] / K + np.arange(A) / A))
    turn = jnp.asarray(turn, jnp.complex64)[None]

    def by_bins(x):
        """Bins of little power are dropped, which does not turn with half a bin."""
        bins = jnp.fft.fft2(x, norm="ortho")
        return jnp.fft.ifft2(jnp.where(abs(bins) > 1, bins, 0), norm="ortho")

    def twice(x):
        return mean_over_offsets(by_bins, x)

    np.testing.assert_allclose(twice(x * turn), twice(x) * turn, atol=1e-5)
    assert abs(by_bins(x * turn) - by_bins(x) * turn).max() > 0.1
    np.testing.assert_allclose(mean_over_offsets(lambda x: 0.5 * x, x), 0.5 * x,
                               atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("alike", [True, False])
def test_pilots_are_completed_and_snapshots_without_any_are_between(
    model, blocks, alike
):
    """From a comb by spectra; else by draws from the posterior, and on a line."""
    observed = blocks.copy()
    observed[:, :, np.arange(K) % 3 != 1] = np.nan
    observed[:, 1] = np.nan
    if not alike:
        observed[0, 0, 0, 0] = blocks[0, 0, 0, 0]
    assert (observed_as(observed, 1e-4).comb is not None) == alike
    found = estimate(model, observed, 1e-4, nfe=4, samples=2)
    assert np.isfinite(found).all()
    at = np.arange(K) % 3 == 1
    # Hardly any noise: pilots are what they are.
    np.testing.assert_allclose(found[:, 0][:, at], blocks[:, 0][:, at], atol=0.05)
    between = (found[:, 0] + found[:, 2]) / 2  # these channels stand still
    np.testing.assert_allclose(found[:, 1], between, atol=0.02 if alike else 1e-5)
    again = estimate(model, observed, 1e-4, nfe=4, samples=2)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("samples", [0, 2])
def test_measurements_of_single_entries_are_pilots_here_and_there(
    model, blocks, samples
):
    """The same, by a mask and by the rows of the identity that it leaves."""
    seen = np.random.default_rng(0).uniform(size=(K, A)) < 0.4
    pilots = np.where(seen, blocks[:, :1], np.nan + 0j).astype(np.complex64)
    few = {"nfe": 3, "samples": samples}
    by_mask = estimate(model, 3 * pilots, 0.01, frequency=False, **few)
    rows = np.eye(K * A, dtype=np.complex64)[seen.ravel()]
    measured = 3 * blocks[:, 0].reshape(N, -1) @ rows.T
    found = model.estimate_combined(measured, rows, (K, A), 0.01, **few)
    np.testing.assert_allclose(found, by_mask[:, 0], rtol=2e-3, atol=2e-3)
    # Entries that are hardly noisy are what they were seen as.
    assert abs(found - 3 * blocks[:, 0])[:, seen].max() < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sensing": np.ones((3, 7))}, r"measured, sensing: found \(2, 3\), \(3, 7\)"),
        ({"sensing": np.full((3, K * A), np.nan)}, "needed finite"),
        ({"sensing": np.zeros((3, K * A))}, r"sensing: found \(3, 96\) of zeros"),
        ({"sensing": np.full((3, K * A), 1e39)}, r"sensing: found 1e\+39"),
        ({"measured": np.full((2, 3), 1e39j)}, r"measured: found 1e\+39"),
        ({"noise_variance": 0.0}, "noise_variance: found"),
        ({"noise_variance": [0.1, 0.1, 0.1]}, "each of 2 samples"),
        ({"nfe": 0}, "nfe, samples: found 0"),
    ],
)
def test_measurements_that_cannot_be(model, change, message):
    asked = {
        "measured": np.ones((2, 3), np.complex64),
        "sensing": np.ones((3, K * A)),
        "size": (K, A),
        "noise_variance": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        model.estimate_combined(**{**asked, **change})


def test_the_unit_of_pilots_goes_through(model, blocks):
    observed = blocks.copy()
    observed[:, :, 1::2] = np.nan
    some = {"nfe": 4, "samples": 1}
    base = estimate(model, observed, 0.1, **some)
    other = estimate(model, 1e-3 * observed, 1e-7, **some)
    np.testing.assert_allclose(1e3 * other, base, rtol=1e-2, atol=1e-2)


UNITS = 2.0 ** np.array([-60, 66])  # about 1e-18 and 1e20


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("told", [True, False])
def test_any_unit_goes_through_each_sample(model, blocks, every, told):
    noise = 0.1 * np.asarray(complex_normal(jax.random.key(0), blocks.shape))
    observed = blocks + noise
    observed[:, :, np.arange(K) % every != every // 2] = np.nan
    level = np.full(N, 0.01)
    base = estimate(model, observed, level if told else None)
    far = observed * UNITS[:, None, None, None]
    other = estimate(model, far, level * UNITS**2 if told else None)
    back = other / UNITS[:, None, None, None]
    np.testing.assert_array_equal(back.astype(np.complex64), base)


def test_measurements_have_any_unit(model, blocks):
    rows = np.eye(K * A, dtype=np.complex64)[::3]
    measured = blocks[:, 0].reshape(N, -1) @ rows.T
    base = model.estimate_combined(measured, rows, (K, A), 0.01, nfe=2)
    far, level = measured * UNITS[:, None], 0.01 * UNITS**2
    other = model.estimate_combined(far, rows, (K, A), level, nfe=2)
    np.testing.assert_allclose(other / UNITS[:, None, None], base, rtol=1e-5, atol=1e-6)
    # And so has what measures them: the channels are then in its inverse.
    for gain in (1e-3, 300.0):
        other = model.estimate_combined(measured, gain * rows, (K, A), 0.01, nfe=2)
        np.testing.assert_allclose(gain * other, base, rtol=1e-5, atol=1e-5)


def test_hardly_any_noise_is_none(model, blocks):
    holes = blocks.copy()
    holes[np.random.default_rng(0).uniform(size=blocks.shape) < 0.3] = np.nan
    for observed in (blocks, holes):
        found = estimate(model, observed, 1e-40, nfe=2)
        seen = np.isfinite(observed)
        np.testing.assert_allclose(found[seen], blocks[seen], atol=1e-3)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("level", [0.01, None])
def test_a_silent_polarisation_stays_silent_and_alone(model, blocks, every, level):
    kinds = np.arange(A) // 4
    array = Antennas(np.tile(ula(4), (2, 1)), kinds)
    noise = 0.1 * np.asarray(complex_normal(jax.random.key(0), blocks.shape))
    observed = blocks + noise
    observed[..., kinds == 1] = 0
    observed[:, :, np.arange(K) % every != every // 2] = np.nan
    found = estimate(model, observed, level, array)
    np.testing.assert_array_equal(found[..., 4:], 0)
    alone = estimate(model, observed[..., :4], level)
    np.testing.assert_allclose(found[..., :4], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1])
def test_silent_snapshots_are_silent(model, blocks, samples):
    observed = blocks.copy()
    observed[:, 1] = 0
    assert not estimate(model, observed)[:, 1].any()
    observed[0, 0, 0, 0] = np.nan
    found = estimate(model, observed, 0.01, nfe=2, samples=samples)
    assert np.isfinite(found).all()
    assert not found[:, 1].any()
    assert not estimate(model, np.zeros_like(blocks)).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[0, 0], r"csi: found shape \(12, 8\)"),
        (lambda x: x * np.float64(1e39), r"csi: found 1e\+39"),
        (lambda x: x.real, "csi: found float32"),
        (lambda x: x * np.inf, r"csi: found \d+ infinite values"),
        (lambda x: x * np.nan, "mask: sample 0 has nothing measured"),
    ],
)
def test_observations_that_say_nothing(model, blocks, change, message):
    with np.errstate(invalid="ignore"):
        wrong = change(blocks)
    with pytest.raises(ValueError, match=message):
        estimate(model, wrong, 0.1)


@pytest.mark.parametrize("level", [0.0, -1.0, np.inf, np.nan, [0.1, 0.1, 0.1]])
def test_noise_that_cannot_be(model, blocks, level):
    with pytest.raises(ValueError, match="noise_variance: found"):
        estimate(model, blocks, level)


def test_noise_is_not_seen_in_pilots_here_and_there(model, blocks):
    observed = blocks.copy()
    observed[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="needed the variance"):
        estimate(model, observed)
    with pytest.raises(ValueError, match="nfe, samples: found 0"):
        estimate(model, observed, 0.1, nfe=0)


def test_a_comb_is_known_for_one(blocks):
    """The same subcarriers in all antennas of the snapshots that have any."""
    observed = blocks.copy()
    observed[:, :, np.arange(K) % 3 != 1] = np.nan
    observed[0, 1] = np.nan
    np.testing.assert_array_equal(observed_as(observed).comb, [1, 4, 7, 10])
    for one_more in [(0, 0, 0, 0), (0, 1, 1, 0), (1, 0, slice(None), 0)]:
        other = observed.copy()
        other[one_more] = 1
        assert observed_as(other).comb is None
    np.testing.assert_array_equal(observed_as(blocks).comb, np.arange(K))


def test_combs_are_not_sampled(model, blocks):
    """Nor does it matter which samples are beside them."""
    observed = blocks.copy()
    observed[:, :, np.arange(K) % 3 != 1] = np.nan
    found = estimate(model, observed, 1e-3, seed=0)
    np.testing.assert_array_equal(estimate(model, observed, 1e-3, seed=1), found)
    alone = estimate(model, observed[1:], 1e-3)
    np.testing.assert_allclose(alone, found[1:], atol=1e-5)


@pytest.mark.parametrize("positions", [ula(8), upa(2, 4), np.ones((8, 3))])
def test_images_are_cut_and_put_together_again(blocks, positions):
    noise = np.asarray(complex_normal(jax.random.key(0), blocks.shape))
    asked = observed_as(noise, 0.1, Antennas(positions, np.zeros(A, np.int32)))
    images = asked.images(asked.values)
    side = {8: 8, 4: 4, 1: 1}[asked.lines.shape[1]]
    assert images.shape == (N * T * A // side, K, side)
    np.testing.assert_array_equal(asked.blocks(images), asked.values)


@pytest.mark.parametrize(
    ("positions", "polarisation", "message"),
    [
        (ula(4), np.zeros(4, int), r"csi: found 4 antennas in the geometry"),
        (ula(A)[:, :2], np.zeros(A, int), r"antennas.positions: .* of shape \(8, 2\)"),
        (np.arange(A), np.zeros(A, int), r"antennas.positions: .* of shape \(8,\)"),
        (ula(A), np.zeros(2, int), r"antennas.polarisation: .* of shape \(2,\); need"),
        (ula(A), np.zeros(A + 2, int), r"antennas.polarisation: .* shape \(10,\)"),
    ],
)
def test_geometry_is_that_of_the_antennas(
    model, blocks, positions, polarisation, message
):
    with pytest.raises(DataError, match=message):
        estimate(model, blocks, 0.1, Antennas(positions, polarisation))


def test_a_block_alone_and_receive_antennas_are_estimated_by_themselves(model, blocks):
    rng = np.random.default_rng(1)
    noise = 0.1 * complex_normal(jax.random.key(0), (N, T, K, 2, A))
    links = (blocks[:, :, :, None] * [[[[1], [2j]]]] + np.asarray(noise)).astype("F")
    links[:, :, :, :, :][rng.uniform(size=(N, T, K)) < 0.2] = np.nan
    found = estimate(model, links, [0.01, 0.02], nfe=2)
    assert found.shape == links.shape
    for r in range(2):
        # In pieces, whose random keys are of no influence here: nothing is sampled.
        alone = estimate(model, links[:, :, :, r], [0.01, 0.02], nfe=2)
        np.testing.assert_allclose(found[:, :, :, r], alone, rtol=1e-3, atol=1e-3)
    one = estimate(model, links[1, :, :, 0], 0.02, nfe=2)
    assert one.shape == (T, K, A)
    np.testing.assert_allclose(one, found[1, :, :, 0], rtol=1e-3, atol=1e-3)


def test_between_snapshots_is_linear_and_holds_at_the_ends():
    ramp = np.arange(6.0)[None, :, None, None] * (1 + 2j)
    there = np.array([[False, True, False, False, True, False]])
    found = between_snapshots(np.where(there[..., None, None], ramp, 0), there)
    wanted = np.array([1, 1, 2, 3, 4, 4]) * (1 + 2j)
    np.testing.assert_allclose(found[0, :, 0, 0], wanted)
