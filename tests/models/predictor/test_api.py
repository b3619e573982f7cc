"""Forecasts through the public interface: equivariance, lengths, shapes, bad input."""

import jax.numpy as jnp
import numpy as np
import pytest

RNG = np.random.default_rng(0)
CONTEXT = RNG.normal(size=(3, 20, 2)).astype(np.float32)


STAGGERED = CONTEXT.copy()
STAGGERED[:, ::2, 0] = STAGGERED[:, 1::2, 1] = np.nan
LONG = RNG.normal(size=(3, 60, 2)).astype(np.float32)  # for well-conditioned fits


def test_scale_and_shift_equivariance(forecaster):
    out = forecaster.predict(LONG, 1e-3, 6)
    for a, b in ((1e-7, 0.0), (3.0, -5.0), (2e5, 1e6)):
        moved = forecaster.predict(a * LONG.astype(np.float64) + b, 1e-3, 6)
        tolerance = 1e-4 * a * abs(out).max() + 1e-5 * abs(b)
        np.testing.assert_allclose(moved, a * out + b, rtol=1e-4, atol=tolerance)


def test_complex_scale_equivariance_and_shared_scale(forecaster):
    z = (LONG[..., 0] + 1j * LONG[..., 1]).astype(np.complex64)
    out = forecaster.predict(z, 1e-3, 8)
    assert out.dtype == np.complex64
    np.testing.assert_allclose(
        # A power of two, so that the input itself is not rounded.
        forecaster.predict(z / 2**20, 1e-3, 8),
        out / 2**20,
        rtol=1e-5,
    )
    # Real and imaginary part are rows of one group: swapping them swaps the output.
    swapped = forecaster.predict((z.imag + 1j * z.real).astype(np.complex64), 1e-3, 8)
    tolerance = 1e-4 * abs(out).max()
    np.testing.assert_allclose(swapped, out.imag + 1j * out.real, atol=tolerance)


def test_channels_are_independent(forecaster):
    out = forecaster.predict(CONTEXT, 1e-3, 6)
    for c in range(2):
        alone = forecaster.predict(CONTEXT[..., c], 1e-3, 6)
        np.testing.assert_allclose(alone, out[..., c], rtol=1e-4, atol=1e-5)


def test_a_left_padded_context_is_the_same_context(forecaster):
    out = forecaster.predict(CONTEXT, 1e-3, 6)
    missing = np.full((3, 8, 2), np.nan, np.float32)
    padded = forecaster.predict(np.concatenate([missing, CONTEXT], 1), 1e-3, 6)
    np.testing.assert_allclose(padded, out, rtol=1e-4, atol=1e-5)


def test_a_roll_out_appends_its_own_patches_under_the_same_statistics(
    forecaster, apply
):
    z = LONG[..., 0] + 1j * LONG[..., 1]
    long, short = (forecaster.predict(z, 1e-3, horizon) for horizon in (8, 4))
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
    out = forecaster.predict(CONTEXT[:, :length, 0], 1e-3, 5)
    assert out.shape == (3, 5)
    assert np.isfinite(out).all()


def test_a_constant_context_is_continued(forecaster):
    out = forecaster.predict(np.full((1, 8), 4.0, np.float32), 60.0, 5)
    np.testing.assert_allclose(out, 4.0, rtol=1e-6)


def test_a_joint_scale_is_equivariant_over_the_sweep(forecaster):
    level = np.linspace(0, 30, 8, dtype=np.float32)  # dB; weak and strong beams
    sweep = level + RNG.normal(size=(3, 60, 8)).astype(np.float32)
    out = forecaster.predict(sweep, 0.1, 6, joint=True)
    moved = forecaster.predict(2 * sweep - 90, 0.1, 6, joint=True)
    tolerance = 1e-4 * abs(moved).max()
    np.testing.assert_allclose(moved, 2 * out - 90, atol=tolerance)
    alone = forecaster.predict(sweep[..., :2], 0.1, 6)  # as are the other beams
    assert not np.allclose(out[..., :2], alone, atol=0.1)


@pytest.mark.slow
def test_shapes_follow_the_context(forecaster):
    assert forecaster.predict(CONTEXT[0, :, 0], 1e-3, 3).shape == (3,)
    assert forecaster.predict(CONTEXT[:, :, 0], 1e-3, 3).shape == (3, 3)
    assert forecaster.predict(CONTEXT, [1e-3, 1.0, 60.0], 3).shape == (3, 3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": np.zeros((0, 4))}, r"context: found shape \(0, 4\)"),
        ({"context": np.zeros((1, 2, 3, 4))}, r"context: found shape"),
        ({"context": np.array(["a"])}, "context: found dtype"),
        ({"context": np.full((2, 4), np.nan)}, "context: a channel has no finite"),
        ({"interval": 0.0}, "interval: found"),
        ({"interval": [1.0, 2.0]}, "interval: found"),
        ({"interval": 1e-60}, "interval: found"),  # float32 makes it 0
        ({"horizon": 0}, "horizon: found 0"),
        ({"grid": (-2, -1)}, r"grid: found \(-2, -1\)"),
        ({"context": np.full((2, 4), 1e39)}, r"context: found 1e\+39; needed"),
        ({"context": np.full((2, 4), -1e39j)}, r"context: found 1e\+39; needed"),
        ({"context": STAGGERED, "joint": True}, "no step that is finite in all"),
        ({"axis": "space"}, "axis: found 'space'"),
    ],
)
def test_bad_input_is_named(forecaster, change, message):
    arguments = {"context": CONTEXT, "interval": 1e-3, "horizon": 2} | change
    with pytest.raises(ValueError, match=message) as error:
        forecaster.predict(**arguments)
    assert "\n" not in str(error.value)
