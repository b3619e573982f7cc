"""Forecasts through the public interface: equivariance, lengths, shapes, bad input."""

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.types import Csi, DataError, Series, Sweeps

RNG = np.random.default_rng(0)
CONTEXT = RNG.normal(size=(3, 20, 2)).astype(np.float32)


def series(forecaster, context, horizon, interval=1e-3):
    asked = Series(context, time_step_s=interval)
    return forecaster.predict(asked, horizon).series


def tones(forecaster, z, horizon):
    """Complex series: channels of one subcarrier and one antenna, which have one bin.

    [sample, time] and back.
    """
    asked = Csi(np.asarray(z)[:, :, None, None], time_step_s=1e-3)
    return forecaster.predict(asked, horizon).csi[:, :, 0, 0]


STAGGERED = CONTEXT.copy()
STAGGERED[:, ::2, 0] = STAGGERED[:, 1::2, 1] = np.nan
SILENT = CONTEXT.copy()
SILENT[1, :, 0] = np.nan
LONG = RNG.normal(size=(3, 60, 2)).astype(np.float32)  # for well-conditioned fits


def test_scale_and_shift_equivariance(forecaster):
    out = series(forecaster, LONG, 6)
    for a, b in ((1e-7, 0.0), (3.0, -5.0), (2e5, 1e6)):
        moved = series(forecaster, a * LONG.astype(np.float64) + b, 6)
        tolerance = 1e-4 * a * abs(out).max() + 1e-5 * abs(b)
        np.testing.assert_allclose(moved, a * out + b, rtol=1e-4, atol=tolerance)


def test_complex_scale_equivariance_and_shared_scale(forecaster):
    z = (LONG[..., 0] + 1j * LONG[..., 1]).astype(np.complex64)
    out = tones(forecaster, z, 8)
    assert out.dtype == np.complex64
    np.testing.assert_allclose(
        # A power of two, so that the input itself is not rounded.
        tones(forecaster, z / 2**20, 8),
        out / 2**20,
        rtol=1e-5,
    )
    # Real and imaginary part are rows of one group: swapping them swaps the output.
    swapped = tones(forecaster, (z.imag + 1j * z.real).astype(np.complex64), 8)
    tolerance = 1e-4 * abs(out).max()
    np.testing.assert_allclose(swapped, out.imag + 1j * out.real, atol=tolerance)


def test_channels_are_independent(forecaster):
    out = series(forecaster, CONTEXT, 6)
    for c in range(2):
        alone = series(forecaster, CONTEXT[..., c], 6)
        np.testing.assert_allclose(alone, out[..., c], rtol=1e-4, atol=1e-5)


def test_a_left_padded_context_is_the_same_context(forecaster):
    out = series(forecaster, CONTEXT, 6)
    missing = np.full((3, 8, 2), np.nan, np.float32)
    padded = series(forecaster, np.concatenate([missing, CONTEXT], 1), 6)
    np.testing.assert_allclose(padded, out, rtol=1e-4, atol=1e-5)


def test_a_roll_out_appends_its_own_patches_under_the_same_statistics(
    forecaster, apply
):
    z = LONG[..., 0] + 1j * LONG[..., 1]
    long, short = (tones(forecaster, z, horizon) for horizon in (8, 4))
    np.testing.assert_allclose(long[:, :4], short, rtol=1e-4, atol=1e-5)
    # The second patch follows from a forward pass on context and first patch, in units
    # of the context, which alone is in the record.
    spread = np.sqrt((LONG**2).mean((1, 2)))[:, None, None]
    known = np.concatenate([z, short], axis=1)
    rows = np.stack([known.real, known.imag], axis=1) / spread
    rows = rows.reshape(6, -1).astype(np.float32)
    nothing, axis = np.zeros(rows.shape, bool), np.zeros(6, int)
    interval, steps = np.full(6, 1e-3, np.float32), z.shape[1]
    out = apply(rows, jnp.asarray(nothing), interval, axis, group=2, steps=steps)
    second = out[:, -1].reshape(3, 2, 4) * spread
    np.testing.assert_allclose(second[:, 0], long[:, 4:].real, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(second[:, 1], long[:, 4:].imag, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("length", [1, 7])
def test_any_context_length_works(forecaster, length):
    out = series(forecaster, CONTEXT[:, :length, 0], 5)
    assert out.shape == (3, 5)
    assert np.isfinite(out).all()


def test_a_constant_context_is_continued(forecaster):
    out = series(forecaster, np.full((1, 8), 4.0, np.float32), 5, 60.0)
    np.testing.assert_allclose(out, 4.0, rtol=1e-6)


def test_a_joint_scale_is_equivariant_over_the_sweep(forecaster):
    level = np.linspace(0, 30, 8, dtype=np.float32)  # dB; weak and strong beams
    sweep = level + RNG.normal(size=(3, 60, 8)).astype(np.float32)
    out = forecaster.predict(Sweeps(sweep, time_step_s=0.1), 6).rsrp_db
    moved = forecaster.predict(Sweeps(2 * sweep - 90, time_step_s=0.1), 6).rsrp_db
    tolerance = 1e-4 * abs(moved).max()
    np.testing.assert_allclose(moved, 2 * out - 90, atol=tolerance)
    alone = series(forecaster, sweep[..., :2], 6, 0.1)
    assert not np.allclose(out[..., :2], alone, atol=0.1)


@pytest.mark.slow
def test_shapes_follow_the_context(forecaster):
    assert series(forecaster, CONTEXT[0, :, 0], 3).shape == (3,)
    assert series(forecaster, CONTEXT[:, :, 0], 3).shape == (3, 3)
    assert series(forecaster, CONTEXT, 3, [1e-3, 1.0, 60.0]).shape == (3, 3, 2)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Series(np.zeros((0, 4)), 1e-3), r"series: found shape \(0, 4\)"),
        (Series(np.zeros((1, 2, 3, 4)), 1e-3), r"series: found shape \(1, 2, 3, 4\)"),
        (Series(np.array(["a"]), 1e-3), "series: found <U1 of shape"),
        (Series(np.full((2, 4), np.nan), 1e-3), "mask: sample 0 has nothing measured"),
        (
            Series(SILENT, 1e-3),
            "mask: found a channel of sample 1 without any measured",
        ),
        (Series(CONTEXT, 0.0), "time_step_s: found"),
        (Series(CONTEXT, -1.0), "time_step_s: found"),
        (Series(CONTEXT, np.nan), "time_step_s: found"),
        (Series(CONTEXT, [1.0, 2.0]), "time_step_s: found"),
        (Series(CONTEXT, 1e-60), "time_step_s: found"),  # float32 makes it 0
        (Series(CONTEXT), "time_step_s: found None"),
        (Series(np.full((2, 4), 1e39), 1e-3), r"series: found 1e\+39; needed"),
        (Series(CONTEXT + 0j, 1e-3), "series: found complex64 .* needed real"),
        (Csi(np.full((1, 4, 1, 1), -1e39j), 1e-3), r"csi: found 1e\+39; needed"),
        (Csi(np.ones((1, 4, 1, 1)), 1e-3), "csi: found float64 .* needed complex"),
        (Sweeps(STAGGERED, 1e-3), "without any step measured in all channels"),
        (CONTEXT, "question: found ndarray; needed wlam.Csi, wlam.Sweeps or wlam.Ser"),
    ],
)
def test_bad_questions_are_named(forecaster, asked, message):
    with pytest.raises(DataError, match=message) as error:
        forecaster.predict(asked, 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "horizon: found 0"),
        ({"horizon": -2}, "horizon: found -2"),
        ({"axis": "space"}, "axis: found 'space'"),
        ({"axis": "frequency"}, "subcarrier_spacing_hz: found None"),
    ],
)
def test_bad_requests_are_named(forecaster, change, message):
    csi = Csi(np.ones((1, 4, 1, 2), np.complex64), time_step_s=1e-3)
    with pytest.raises(DataError, match=message) as error:
        forecaster.predict(**{"question": csi, "horizon": 2} | change)
    assert "\n" not in str(error.value)
