"""Users' data become canonical arrays, or an error with found and needed."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.data.checked import (
    checked_csi,
    checked_series,
    checked_sweeps,
    horizon_of,
    like,
)
from wlam.phy.arrays import ula, upa
from wlam.types import Antennas, Csi, DataError, Series, Sweeps, Traffic

N, T, K, A = 2, 5, 4, 8


def values(*shape: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    return draw[0] + 1j * draw[1]


H = values(N, T, K, A)
PANEL = Antennas(upa(2, 4), np.zeros(A, np.int32))


def asked(**fields: Any) -> Csi:
    question = Csi(H, time_step_s=1e-3)
    for name, x in fields.items():
        assert hasattr(question, name)
        object.__setattr__(question, name, x)  # of any type, as users may give them
    return question


def refused(match: str):
    return pytest.raises(DataError, match=rf"^{match}[^\n]*$")


# Canonical arrays


def test_channels_are_kept_and_defaults_filled_in():
    found = checked_csi(asked(csi=H.astype(np.complex128)))
    assert found.csi.dtype == np.complex64
    np.testing.assert_array_equal(found.csi, H)
    assert found.mask is not None
    assert found.mask.dtype == bool
    assert found.mask.shape == H.shape
    assert found.mask.all()
    np.testing.assert_array_equal(found.time_step_s, np.full(N, 1e-3, np.float32))
    for name in ("subcarrier_spacing_hz", "carrier_hz"):
        assert getattr(found, name) is None
    assert found.antennas is not None
    np.testing.assert_array_equal(found.antennas.positions, ula(A))
    np.testing.assert_array_equal(found.antennas.polarisation, np.zeros(A))
    for name in ("receive_antennas", "clean", "pilots"):
        assert getattr(found, name) is None


def test_nan_masks_and_masked_arrays_mark_missing_values():
    h = H.copy()
    h[0, 1, 2, 3] = np.nan
    h[0, 2, 2, 3] = complex(1, np.nan)
    lost = np.zeros(H.shape, bool)
    lost[1, 0] = True
    mask = np.ones((T, 1, 1), bool)
    mask[4] = False
    found = checked_csi(asked(csi=np.ma.MaskedArray(h, lost), mask=mask))
    expected = np.ones(H.shape, bool)
    expected[0, 1, 2, 3] = expected[0, 2, 2, 3] = False
    expected[1, 0] = expected[:, 4] = False
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(found.csi, np.where(expected, H, 0))


def test_a_list_of_masked_arrays_keeps_its_masks():
    lost = np.zeros(H.shape, bool)
    lost[1, 0] = True
    parts = [np.ma.MaskedArray(h, where) for h, where in zip(H, lost, strict=True)]
    np.testing.assert_array_equal(checked_csi(asked(csi=parts)).mask, ~lost)


def test_masked_values_may_be_any_number():
    h = H.astype(np.complex128)
    h[0, 0] = np.inf
    h[0, 1] = 1e300
    mask = np.ones((N, T, 1, 1), bool)
    mask[0, :2] = False
    found = checked_csi(asked(csi=h, mask=mask))
    assert (found.csi[0, :2] == 0).all()
    np.testing.assert_array_equal(found.csi[0, 2:], H[0, 2:])


def test_masks_of_0_and_1_are_valid_as_in_files_of_matlab():
    mask = np.ones(H.shape, np.uint8)
    mask[0, 0, 0, 0] = 0
    found = checked_csi(asked(mask=mask)).mask
    np.testing.assert_array_equal(found, mask.astype(bool))


class Tensor:
    """A tensor of another library, as numpy gets it."""

    def __init__(self, x: np.ndarray):
        self.x = x

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.x


@pytest.mark.parametrize("make", [jnp.asarray, np.ndarray.tolist, Tensor])
def test_lists_and_arrays_of_other_libraries_are_the_same(make):
    found = checked_csi(asked(csi=make(H)))
    assert isinstance(found.csi, np.ndarray)
    np.testing.assert_array_equal(found.csi, H)


def test_bfloat16_is_a_real_number():
    found = checked_series(Series(jnp.ones((N, T), jnp.bfloat16), time_step_s=1.0))
    np.testing.assert_array_equal(found.series, np.ones((N, T, 1), np.float32))


def test_the_samples_of_one_channel_are_one():
    found = checked_csi(asked(csi=H[0], mask=np.ones((T, 1, 1), bool), clean=H[0]))
    np.testing.assert_array_equal(found.csi, H[:1])
    np.testing.assert_array_equal(found.clean, H[:1])
    assert found.time_step_s.shape == (1,)


def test_links_have_five_axes_or_receive_antennas():
    h = values(N, T, K, 2, A)
    receive = Antennas(ula(2, 0.7), np.arange(2))
    five = checked_csi(asked(csi=h, antennas=PANEL))
    assert five.csi.shape == h.shape
    assert five.receive_antennas is not None
    np.testing.assert_array_equal(five.receive_antennas.positions, ula(2))
    four = checked_csi(asked(csi=h[0], antennas=PANEL, receive_antennas=receive))
    np.testing.assert_array_equal(four.csi, h[:1])
    assert four.receive_antennas is not None
    np.testing.assert_array_equal(four.receive_antennas.positions, ula(2, 0.7))
    assert four.receive_antennas.polarisation.dtype == np.int32


def test_labels_pilots_and_clean_are_kept():
    pilots = np.zeros((1, K, 1), bool)
    pilots[:, ::2] = True
    found = checked_csi(
        asked(pilots=pilots, clean=2 * H, labels={"los": [0, 1]}, carrier_hz=[3e9, 4e9])
    )
    np.testing.assert_array_equal(found.clean, 2 * H)
    np.testing.assert_array_equal(found.labels["los"], [0, 1])
    np.testing.assert_array_equal(found.carrier_hz, np.float32([3e9, 4e9]))
    assert found.pilots is not None
    assert found.pilots.shape == (T, K, A)
    assert found.pilots.sum() == T * 2 * A


def test_each_axis_needs_its_own_interval():
    assert checked_csi(Csi(H, subcarrier_spacing_hz=15e3), "frequency").csi.size
    assert checked_csi(Csi(H), "antenna").csi.size


@pytest.mark.parametrize("shape", [(T,), (N, T), (N, T, 3)])
def test_series_have_three_axes(shape):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    x[..., -1:] = np.nan
    mask = np.ones(shape, bool)
    mask.reshape(-1)[0] = False
    found = checked_series(Series(x, time_step_s=60, mask=mask))
    full = {1: (1, T, 1), 2: (N, T, 1), 3: (N, T, 3)}[len(shape)]
    expected = (mask & np.isfinite(x)).reshape(full)
    np.testing.assert_array_equal(found.mask, expected)
    np.testing.assert_array_equal(
        found.series, np.where(expected, x.reshape(full), 0).astype(np.float32)
    )


def test_masks_of_a_series_broadcast_along_its_own_axes():
    mask = np.arange(T) > 0
    found = checked_series(Series(np.ones((N, T)), time_step_s=1, mask=mask))
    np.testing.assert_array_equal(
        found.mask, np.broadcast_to(mask[None, :, None], (N, T, 1))
    )


def test_traffic_is_a_series():
    found = checked_series(Traffic(np.ones((N, T), int), time_step_s=600))
    assert isinstance(found, Series)
    assert found.series.shape == (N, T, 1)
    assert found.series.dtype == np.float32


def test_sweeps_have_three_axes():
    x = np.full((T, 6), -80.0)
    x[0, 0] = np.nan
    found = checked_sweeps(Sweeps(x, time_step_s=0.1, clean=np.full((T, 6), -81.0)))
    assert found.rsrp_db.shape == (1, T, 6)
    assert found.rsrp_db.dtype == np.float32
    assert found.mask is not None
    assert found.mask.sum() == T * 6 - 1
    assert found.clean is not None
    assert found.clean.shape == (1, T, 6)


# Answers on the axes of the question


@pytest.mark.parametrize(
    "question",
    [
        asked(),
        asked(csi=H[0]),
        asked(csi=values(N, T, K, 2, A)),
        asked(
            csi=H[0][..., None, :], receive_antennas=Antennas(ula(1), np.zeros(1, int))
        ),
    ],
)
def test_the_answer_has_the_axes_of_the_question(question):
    canonical = checked_csi(question)
    answer = like(question, replace(canonical, csi=canonical.csi[:, :2], mask=None))
    alone = question.csi.shape == canonical.csi.shape[1:]
    expected = question.csi[:2] if alone else question.csi[:, :2]
    np.testing.assert_array_equal(answer.csi, expected)
    assert np.shape(answer.time_step_s) == (() if alone else (N,))
    assert answer.mask is None
    # The answer is a valid question.
    assert checked_csi(answer).csi.shape == canonical.csi[:, :2].shape


@pytest.mark.parametrize("kind", [Series, Traffic])
@pytest.mark.parametrize("shape", [(T,), (N, T)])
def test_series_answers_have_no_channel_axis(kind, shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    question = kind(x, time_step_s=1, labels={"cell": np.arange(N)[: shape[0]]})
    if len(shape) == 1:
        question = replace(question, labels={"cell": 7})
    answer = like(question, checked_series(question))
    assert type(answer) is kind
    np.testing.assert_array_equal(next(iter(vars(answer).values())), x)
    np.testing.assert_array_equal(answer.mask, np.ones(shape, bool))
    np.testing.assert_array_equal(answer.labels["cell"], question.labels["cell"])


def test_series_and_sweeps_with_all_axes_are_unchanged():
    series = Series(np.ones((N, T, 1), np.float32), time_step_s=1)
    assert like(series, checked_series(series)).series.shape == (N, T, 1)
    sweeps = Sweeps(np.ones((T, 6), np.float32), time_step_s=1)
    assert like(sweeps, checked_sweeps(sweeps)).rsrp_db.shape == (T, 6)


# Invalid input


def _hole() -> np.ndarray:
    h = np.ones((5, T, K, A), complex)
    h[3] = np.nan
    return h


def _with(value: complex) -> np.ndarray:
    h = H.astype(np.complex128)
    h[1, 2, 3, 4] = value
    return h


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (
            {"csi": H.real},
            r"csi: found float32 of shape \(2, 5, 4, 8\); needed complex",
        ),
        ({"csi": None}, r"csi: found None; needed"),
        ({"csi": "h.npy"}, r"csi: found <U5 of shape \(\); needed complex numbers"),
        ({"csi": [[1j], [1j, 2j]]}, r"csi: found list that is no array"),
        ({"csi": H[0, 0]}, r"csi: found shape \(4, 8\); needed \[sample, time, "),
        ({"csi": H[None, None]}, r"csi: found shape \(1, 1, 2, 5, 4, 8\); needed"),
        ({"csi": H[:, :0]}, r"csi: found shape \(2, 0, 4, 8\); needed axes"),
        (
            {"csi": _with(np.inf)},
            r"csi: found 1 infinite values, the first at \[1, 2, 3, 4\]; needed",
        ),
        ({"csi": _with(complex(0, -np.inf))}, r"csi: found 1 infinite values"),
        ({"csi": _with(1e39j)}, r"csi: found 1e\+39; needed numbers of float32"),
        ({"csi": 1e-60 * _with(1)}, r"csi: found nothing larger than .*needed numbers"),
        ({"csi": _hole()}, r"mask: sample 3 has nothing measured; needed"),
        (
            {"mask": np.arange(N).reshape(N, 1, 1, 1) > 0},
            r"mask: sample 0 has nothing measured; needed",
        ),
        (
            {"mask": np.ones((T, K + 1, A), bool)},
            r"mask: found shape \(5, 5, 8\); needed \(2, 5, 4, 8\), the shape of csi",
        ),
        (
            {"mask": np.ones((N, T), bool)},
            r"mask: found shape \(2, 5\); needed .* of the first axes it is "
            r"\(2, 5, 1, 1\)",
        ),
        (
            {"csi": values(K, A, K, A), "mask": np.ones((K, A), bool)},
            r"mask: found shape \(4, 8\), the first and the last axes",
        ),
        ({"mask": np.ones(H.shape)}, r"mask: found float64 of shape .* needed bool"),
        ({"mask": np.full(H.shape, 2)}, r"mask: found int64 of shape .* needed bool"),
        ({"pilots": np.ones((T, K + 1, A), bool)}, r"pilots: found bool of shape "),
        ({"pilots": np.ones((T, K, A))}, r"pilots: found float64 .* needed bool"),
        ({"pilots": np.zeros((T, K, A), bool)}, r"pilots: found no pilot; needed"),
        ({"antennas": ula(A)}, r"antennas: found ndarray; needed wlam.Antennas or"),
        (
            {"csi": np.moveaxis(H, 3, 2), "antennas": PANEL},
            r"csi: found 8 antennas in the geometry \(antennas\) but shape "
            r"\(2, 5, 8, 4\) with 4 at the end; needed \[sample, time, subcarrier, "
            r"antenna\]; axis -2 has 8, the axes look swapped",
        ),
        (
            {"antennas": Antennas(ula(32), np.zeros(32, int))},
            r"csi: found 32 antennas .* with 8 at the end; needed \[sample, time, "
            r"subcarrier, antenna\]$",
        ),
        (
            {
                "csi": values(N, T, K, A, 2),
                "antennas": PANEL,
                "receive_antennas": Antennas(ula(2), np.zeros(2, int)),
            },
            r"csi: found 8 antennas .* with 2 at the end; .*swapped",
        ),
        (
            {
                "csi": values(N, T, K, 2, A),
                "receive_antennas": Antennas(ula(3), np.zeros(3, int)),
            },
            r"csi: found 3 antennas in the geometry \(receive_antennas\) .* with 2 "
            r"before the last axis",
        ),
        (
            {
                "csi": H[0],
                "receive_antennas": Antennas(ula(2), np.zeros(2, int)),
            },
            r"receive_antennas: found some for csi of shape \(1, 5, 4, 8\); needed",
        ),
        (
            {"antennas": Antennas(ula(A)[:, :2], np.zeros(A, int))},
            r"antennas.positions: found float32 of shape \(8, 2\); needed",
        ),
        (
            {"antennas": Antennas(np.full((A, 3), 1j), np.zeros(A, int))},
            r"antennas.positions: found complex128",
        ),
        (
            {"antennas": Antennas(ula(A) / [[np.inf]] + np.nan, np.zeros(A, int))},
            r"antennas.positions: found \[nan, nan, nan\] for antenna 0; needed finite",
        ),
        (
            {"antennas": Antennas(np.full((A, 3), 1e300), np.zeros(A, int))},
            r"antennas.positions: found \[inf, inf, inf\] for antenna 0; needed finite",
        ),
        (
            {"antennas": Antennas(ula(A), np.zeros(A - 1, int))},
            r"antennas.polarisation: found int64 of shape \(7,\); needed 8 whole",
        ),
        (
            {"antennas": Antennas(ula(A), np.zeros(A))},
            r"antennas.polarisation: found float64",
        ),
        (
            {"time_step_s": None},
            r"time_step_s: found None; needed the interval of axis",
        ),
        ({"time_step_s": 0}, r"time_step_s: found .*; needed one positive number"),
        ({"time_step_s": -1e-3}, r"time_step_s: found -0.001; needed one positive"),
        ({"time_step_s": np.nan}, r"time_step_s: found .*; needed one positive"),
        ({"time_step_s": np.inf}, r"time_step_s: found .*; needed one positive"),
        ({"time_step_s": 1e300}, r"time_step_s: found .*; needed one positive"),
        (
            {"time_step_s": [1e-3] * 3},
            r"time_step_s: found .* of shape \(3,\); .*each of 2",
        ),
        ({"time_step_s": "1 ms"}, r"time_step_s: found '1 ms'; needed one positive"),
        ({"subcarrier_spacing_hz": -1.0}, r"subcarrier_spacing_hz: found .*; needed"),
        ({"carrier_hz": 0.0}, r"carrier_hz: found .*; needed one positive number"),
        ({"clean": H[:1]}, r"clean: found shape \(1, 5, 4, 8\); needed finite ones of"),
        ({"clean": H.real}, r"clean: found float32 .*; needed complex numbers"),
        ({"clean": _with(np.nan)}, r"clean: found values that are not finite; needed"),
        (
            {"labels": {"los": [1, 0, 1]}},
            r"labels\['los'\]: found shape \(3,\); needed 2",
        ),
        ({"labels": {"los": 1}}, r"labels\['los'\]: found shape \(\); needed 2"),
        ({"labels": [1, 0]}, r"labels: found list; needed a dict"),
    ],
)
def test_invalid_channels_are_named_in_one_line(fields, match):
    with refused(match):
        checked_csi(asked(**fields))


@pytest.mark.parametrize(
    ("axis", "fields", "match"),
    [
        ("frequency", {}, r"subcarrier_spacing_hz: found None; needed .* in Hz"),
        ("antenna", {"antennas": PANEL}, r"antennas: found .*; needed a uniform line"),
        (
            "antenna",
            {"antennas": Antennas(ula(A) ** 2, np.zeros(A, int))},
            r"antennas: found no regular array .*; needed a uniform line",
        ),
        ("subcarrier", {}, r"axis: found 'subcarrier'; needed one of time, frequency"),
        (0, {}, r"axis: found 0; needed one of"),
    ],
)
def test_an_axis_without_interval_is_named(axis, fields, match):
    with refused(match):
        checked_csi(asked(**fields), axis)


@pytest.mark.parametrize(
    ("question", "match"),
    [
        (Sweeps(H[..., 0], 0.1), r"rsrp_db: found complex64 .*; needed real numbers"),
        (Sweeps(np.ones(T), 0.1), r"rsrp_db: found shape \(5,\); needed \[track, time"),
        (Sweeps(np.ones((T, 0)), 0.1), r"rsrp_db: found shape \(5, 0\); needed axes"),
        (Sweeps(np.ones((T, 6))), r"time_step_s: found None; needed .* in seconds"),
        (Sweeps(np.ones((T, 6)), 0), r"time_step_s: found .*; needed one positive"),
        (
            Sweeps(np.full((T, 6), -np.inf), 0.1),
            r"rsrp_db: found 30 infinite values.*needed finite ones, and NaN or mask",
        ),
        (Sweeps(np.full((T, 6), np.nan), 0.1), r"mask: sample 0 has nothing measured"),
        (
            Sweeps(np.ones((T, 6)), 0.1, mask=np.ones(T, bool)),
            r"mask: found shape \(5,\); needed \(5, 6\), .* axes it is \(5, 1\)",
        ),
        (
            Sweeps(np.ones((T, 6)), 0.1, np.ones((T, 5))),
            r"clean: found shape \(1, 5, 5",
        ),
        (Csi(H), r"sweeps: found Csi; needed wlam.Sweeps"),
    ],
)
def test_invalid_sweeps_are_named_in_one_line(question, match):
    with refused(match):
        checked_sweeps(question)


@pytest.mark.parametrize(
    ("question", "match"),
    [
        (Series(H[..., 0], 1), r"series: found complex64 .*; needed real numbers"),
        (
            Series(np.ones((N, T), bool), 1),
            r"series: found bool .*; needed real numbers",
        ),
        (Series(1.0, 1), r"series: found shape \(\); needed \[sample, time, channel\]"),
        (
            Series(np.ones((1, N, T, 1)), 1),
            r"series: found shape \(1, 2, 5, 1\); needed",
        ),
        (Traffic(np.ones((N, T, 1)), 1), r"traffic: found shape \(2, 5, 1\); needed"),
        (Series(np.ones((N, T))), r"time_step_s: found None; needed"),
        (
            Series(np.ones((N, T)), [1, np.nan]),
            r"time_step_s: found .*; needed one pos",
        ),
        (
            Series(np.ones((N, T)), 1, mask=np.ones((N, T, 1), bool)),
            r"mask: found shape \(2, 5, 1\); needed \(2, 5\), the shape of series",
        ),
        (
            Series(np.ones((N, T)), 1, mask=[[True] * T, [False] * T]),
            r"mask: sample 1 has nothing measured",
        ),
        (np.ones((N, T)), r"series: found ndarray; needed wlam.Series or wlam.Traffic"),
    ],
)
def test_invalid_series_are_named_in_one_line(question, match):
    with refused(match):
        checked_series(question)


@pytest.mark.parametrize("horizon", [1, 8, np.int64(8), np.asarray(8)])
def test_a_horizon_is_a_whole_number(horizon):
    assert horizon_of(horizon, most=8) == int(horizon)


@pytest.mark.parametrize("horizon", [0, -1, True, 1.0, "8", None, [8], 9])
def test_other_horizons_are_named(horizon):
    with refused(r"horizon: found .*; needed a whole number from 1 to 8"):
        horizon_of(horizon, most=8)
    if horizon != 9:
        with refused(r"horizon: found .*; needed a whole number of at least 1"):
            horizon_of(horizon)
