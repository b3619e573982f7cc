"""Channels along an axis: what holes are filled with, and what has no influence."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

import wlam
from wlam.models.channel_steps import ChannelSteps, fill_holes, further
from wlam.models.predictor.api import PredictorAPI
from wlam.models.predictor.channel_answers import comb_of, spread_of_elements
from wlam.models.predictor.channels import ChannelTokenizerConfig
from wlam.models.predictor.network import PredictorConfig
from wlam.nn.backbones.transformer import TransformerConfig
from wlam.phy.arrays import ula
from wlam.phy.transforms import from_bins
from wlam.types import ANTENNA, FREQUENCY, TIME, Antennas, Csi, DataError

N, T, K, A = 3, 12, 4, 6
RNG = np.random.default_rng(0)
BACKBONE = TransformerConfig(width=16, layers=1, heads=2)
AXES = ("time", "frequency", "antenna")


def complex_normal(*shape):
    return (RNG.normal(size=(*shape, 2)) @ [1, 1j]).astype(np.complex64)


def tone(turn=0.3):
    """One Doppler shift, any amplitude for each subcarrier and antenna."""
    amplitude = complex_normal(N, 1, K, A)
    return (amplitude * np.exp(1j * turn * np.arange(T))[:, None, None]).astype("F")


def asked(csi, **more):
    about = {"time_step_s": 1e-3, "subcarrier_spacing_hz": 3e4, "carrier_hz": 3e9}
    return Csi(csi, **about | {"antennas": wlam.panel(1, 3, polarisations=2)} | more)


NOISY = tone() + 0.3 * complex_normal(N, T, K, A)


@pytest.fixture(scope="module", params=["whole", "rows"])
def model(request):
    """With heads that are not zero: bins together, and each by itself."""
    channels = None
    if request.param == "whole":
        channels = ChannelTokenizerConfig(patch=4, bins=4)
    network = PredictorConfig(BACKBONE, patch=4, channels=channels).build(nnx.Rngs(0))
    state = nnx.state(network)
    key = jax.random.key(1)
    nnx.update(
        network,
        jax.tree.map(
            lambda x: (
                x + 0.05 * jax.random.normal(jax.random.fold_in(key, x.size), x.shape)
            ),
            state,
        ),
    )
    return PredictorAPI(network)


# ---- holes ---------------------------------------------------------------------------


def test_holes_in_a_single_tone_are_filled_exactly():
    """A line in the frame of the mean phase step stands still for a tone."""
    x = tone(turn=1.1)  # far from what a line alone would follow
    lost = np.zeros((N, T, K, A), bool)
    lost[:, [3, 7]] = True  # whole snapshots
    lost[0, 9, 1, 2] = lost[1, 4:6, :, 3] = True  # single entries
    found = fill_holes(np.where(lost, 0, x), ~lost)
    np.testing.assert_allclose(found, x, atol=1e-5)
    np.testing.assert_array_equal(found[~lost], x[~lost])


def test_slow_tones_are_filled_by_the_line_between_their_neighbours():
    x = np.linspace(1, 2, T).astype(np.complex64)[None, :, None, None]
    lost = np.isin(np.arange(T), [0, 4, 5, T - 1])[None, :, None, None]
    found = fill_holes(np.where(lost, 0, x), ~lost)[0, :, 0, 0]
    want = x[0, :, 0, 0].copy()
    want[[0, -1]] = want[[1, -2]]  # beyond the outermost they are held
    np.testing.assert_allclose(found, want, atol=1e-6)


def test_what_was_never_measured_is_between_its_neighbours():
    """A subcarrier of a guard band, in every snapshot."""
    k = np.arange(K)[:, None]
    x = complex_normal(N, T, 1, A) * np.exp(-0.4j * k).astype("F")
    there = np.broadcast_to((np.arange(K) != 2)[:, None], x.shape)
    found = fill_holes(np.where(there, x, 0), there)
    np.testing.assert_allclose(found, x, atol=1e-5)


@pytest.mark.parametrize("axis", AXES)
def test_steps_are_laid_out_along_each_axis_and_put_back(axis):
    csi = asked(NOISY, antennas=None)
    steps = ChannelSteps.of(csi, axis)
    assert steps.values.shape[1] == {"time": T, "frequency": K, "antenna": A}[axis]
    assert steps.known.all()
    assert not steps.gap.any()
    unit = {"time": 1e-3, "frequency": 3e4, "antenna": 0.5}[axis]
    np.testing.assert_allclose(steps.interval, unit, rtol=1e-6)
    np.testing.assert_array_equal(steps.answer(steps.values).csi, NOISY)


def test_where_a_context_begins_and_ends_is_that_of_each_sample():
    mask = np.ones((N, T, 1, 1), bool)
    mask[1, :2] = mask[2, -3:] = False
    steps = ChannelSteps.of(asked(NOISY, mask=mask), "time")
    assert steps.gap.tolist() == [0, 0, 3]
    assert (~steps.known).sum(1).tolist() == [0, 2, 0]
    assert not steps.values[1, :2].any()
    with pytest.raises(
        DataError, match="mask: found 9 measured steps along time in sam"
    ):
        ChannelSteps.of(asked(NOISY, mask=mask), "time", least=10)


def test_a_forecast_goes_on_from_the_last_measured_step_of_every_sample():
    mask = np.ones((N, T, 1, 1), bool)
    mask[1, -2:] = False
    steps = ChannelSteps.of(asked(NOISY, mask=mask), "time")
    seen = []

    def forecast(values, known, interval, horizon):
        seen.append((len(values), values.shape[1], horizon))
        begin = values.shape[1] + np.arange(horizon)
        return (np.broadcast_to(begin, (len(values), horizon)),)

    (found,) = steps.forecast(forecast, 4)
    assert seen == [(2, T, 4), (1, T - 2, 6)]
    np.testing.assert_array_equal(found, np.tile(T + np.arange(4), (N, 1)))


# ---- through a model -----------------------------------------------------------------


def test_a_gap_at_the_end_of_one_sample_changes_no_other(model):
    """To the bit; and it is the forecast of the shorter context further ahead.

    Rows go through in pieces as large as their number asks for, which rounds otherwise.
    """
    mask = np.ones((N, T, 1, 1), bool)
    mask[1, -2:] = False
    whole = model.predict(asked(NOISY), 3).csi
    found = model.predict(asked(NOISY, mask=mask), 3).csi
    rounding = 0 if model.completes else 1e-6
    others = [0, 2]
    np.testing.assert_allclose(
        found[others], whole[others], rtol=0, atol=rounding * abs(whole).max()
    )
    assert abs(found[1] - whole[1]).max() > 1e-3
    further_ahead = model.predict(asked(NOISY[1:2, :-2]), 5).csi[:, 2:]
    np.testing.assert_allclose(found[1:2], further_ahead, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lost", [np.nan, 1e30, 0])
def test_what_is_masked_has_no_influence_whatever_its_value(model, lost):
    mask = RNG.random((N, T, K, A)) < 0.8
    mask[0, 5] = mask[2, -1] = mask[1, 0] = False
    expected = model.predict(asked(NOISY, mask=mask), 3).csi
    other = np.where(mask, NOISY, np.complex64(lost))
    np.testing.assert_array_equal(
        model.predict(asked(other, mask=mask), 3).csi, expected
    )
    if np.isnan(lost):  # NaN needs no mask
        np.testing.assert_array_equal(model.predict(asked(other), 3).csi, expected)
    for bound in model.predict_interval(asked(other, mask=mask), 3):
        assert np.isfinite(bound.csi).all()


def test_receive_antennas_are_channels_by_themselves(model):
    links = np.stack([NOISY, 2j * NOISY[::-1]], axis=3)
    found = model.predict(asked(links), 3)
    assert found.csi.shape == (N, 3, K, 2, A)
    for r in range(2):
        alone = model.predict(asked(links[:, :, :, r]), 3).csi
        np.testing.assert_allclose(found.csi[:, :, :, r], alone, rtol=1e-3, atol=1e-4)


def test_the_order_of_antennas_does_not_matter(model):
    order = RNG.permutation(A)
    panel = wlam.panel(1, 3, polarisations=2)
    moved = Antennas(panel.positions[order], panel.polarisation[order])
    expected = model.predict(asked(NOISY), 3).csi
    found = model.predict(asked(NOISY[..., order], antennas=moved), 3).csi
    np.testing.assert_allclose(found, expected[..., order], rtol=1e-3, atol=1e-3)
    low, high = model.predict_interval(asked(NOISY), 3)
    other = model.predict_interval(asked(NOISY[..., order], antennas=moved), 3)
    for bound, again in zip((low, high), other, strict=True):
        np.testing.assert_allclose(
            again.csi, bound.csi[..., order], rtol=1e-3, atol=1e-3
        )


def test_further_antennas_follow_those_of_a_line(model):
    line = Antennas(ula(A), np.zeros(A, np.int32))
    found = model.predict(asked(NOISY, antennas=line), 2, "antenna")
    assert found.csi.shape == (N, T, K, 2)
    assert found.antennas is not None
    want = ula(A + 2)
    want = want - want[0] + ula(A)[0]
    np.testing.assert_allclose(found.antennas.positions, want[A:], atol=1e-6)
    back = Antennas(line.positions[::-1], line.polarisation)
    ahead = further(back, 1)
    step = ula(A)[1] - ula(A)[0]
    np.testing.assert_allclose(ahead.positions[0], ula(A)[-1] + step, atol=1e-6)
    with pytest.raises(DataError, match="antenna"):
        model.predict(asked(NOISY, antennas=wlam.panel(2, 3)), 2, "antenna")


@pytest.mark.parametrize("verb", ["predict", "predict_interval", "sample"])
def test_without_samples_in_without_samples_out(model, verb):
    more = {"samples": 1} if verb == "sample" else {}
    whole = getattr(model, verb)(asked(NOISY[:1]), 2, **more)
    alone = getattr(model, verb)(asked(NOISY[0]), 2, **more)
    pairs = [(whole, alone)] if verb == "predict" else zip(whole, alone, strict=True)
    for x, y in pairs:
        assert y.csi.shape == (2, K, A)
        assert np.ndim(y.time_step_s) == 0
        np.testing.assert_array_equal(y.csi, x.csi[0])


def test_answers_keep_what_the_question_says(model):
    csi = asked(NOISY, labels={"speed": np.arange(N)})
    found = model.predict(csi, 2)
    np.testing.assert_allclose(found.time_step_s, np.full(N, 1e-3), rtol=1e-6)
    np.testing.assert_allclose(found.carrier_hz, np.full(N, 3e9), rtol=1e-6)
    np.testing.assert_array_equal(found.labels["speed"], np.arange(N))
    assert found.mask is None
    # And are questions of their own.
    again = model.predict(replace(csi, csi=np.concatenate([NOISY, found.csi], 1)), 2)
    assert again.csi.shape == (N, 2, K, A)


# ---- spreads on the user's axes ------------------------------------------------------


@pytest.mark.parametrize("axis", [TIME, FREQUENCY, ANTENNA])
def test_spreads_of_elements_are_those_of_white_errors_of_bins(axis):
    """Errors of bins, drawn and brought to resource elements: their variance there."""
    antennas = wlam.panel(1, 3, polarisations=2)
    if axis == ANTENNA:
        antennas = Antennas(ula(A), np.zeros(A, np.int32))
    steps = ChannelSteps.of(asked(NOISY, antennas=antennas), AXES[axis])
    rows, columns = steps.values.shape[2:]
    spread = RNG.uniform(0.1, 2, (1, 1, rows, columns)).astype(np.float32)
    error = spread * complex_normal(4000, 1, rows, columns) / np.sqrt(2)
    elements = np.asarray(from_bins(error.astype("F"), axis, steps.antennas))
    variance = (abs(elements) ** 2).mean(0)
    found = spread_of_elements(spread, axis, steps)[0] ** 2
    np.testing.assert_allclose(found, variance, rtol=0.12)
    assert found.mean() == pytest.approx((spread**2).mean(), rel=1e-5)


def test_a_comb_is_the_same_steps_in_all_samples():
    mask = np.zeros((N, 1, K, 1), bool)
    mask[:, :, 1::2] = True
    steps = ChannelSteps.of(asked(NOISY, mask=mask), "frequency")
    np.testing.assert_array_equal(comb_of(steps), [1, 3])


@pytest.mark.slow
def test_intervals_of_a_released_model_cover_what_they_promise():
    """Channels of TR 38.901 at 20 dB, on the user's axes."""
    from wlam.data.generators import generate
    from wlam.phy.channels.tr38901.config import PanelConfig
    from wlam.phy.channels.tr38901.drops import DropConfig

    config = DropConfig(
        "UMi",
        state="nlos",
        base=PanelConfig(1, 8),
        num_times=24,
        num_subcarriers=32,
        subcarrier_spacings_hz=(120e3,),
        snr_db=(20.0, 20.0),
        speeds_kmh=(20.0, 20.0),
    )
    draw = jax.jit(generate, static_argnums=(1, 2))
    data = jax.tree.map(np.asarray, draw(jax.random.key(5), config, 16))
    given = Csi(data.csi[:, :16], data.time_step_s, antennas=data.antennas)
    low, high = wlam.load("wlam_tiny").predict_interval(given, 8)
    truth = data.clean[:, 16:]
    for part in (np.real, np.imag):
        inside = (part(low.csi) <= part(truth)) & (part(truth) <= part(high.csi))
        print("share within 90 % intervals", inside.mean())
        assert inside.mean() == pytest.approx(0.9, abs=0.05)
