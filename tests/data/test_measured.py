"""Cases of synthetic examples; with the real files, the published baselines."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wlam.data.measured import (
    CASES,
    MeasuredCase,
    clean_kpi,
    csu_frequency,
    find_measured,
    new_stamps,
    reader,
    ucc_rsrp,
)
from wlam.types import DataError

COLUMNS = ["Speed", "RSRP", "RSRQ", "SNR", "CQI", "RSSI", "DL_bitrate", "UL_bitrate"]
COLUMNS += ["NRxRSRP", "NRxRSRQ", "CellID"]
REAL = Path(
    os.environ.get("WLAM_DATA_DIR", Path(__file__).parents[3] / "shared" / "data")
)
real_data = pytest.mark.skipif(
    not (REAL / "traffic_milan_5x5.npz").is_file(),
    reason=f"no measured data in {REAL}; set WLAM_DATA_DIR",
)


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    """Every set in miniature, with the arrays of the real files."""
    folder = tmp_path_factory.mktemp("manual")
    rng = np.random.default_rng(0)

    def save(name, **arrays):
        np.savez(folder / f"{name}.npz", **arrays)

    save("traffic_milan_5x5", x=rng.gamma(2.0, size=(50, 3)).astype("f4"), step_s=600)
    for config, step_s in {"nj": 900, "sd": 3600}.items():
        arrays = {"clip": np.float32(2.0), "step_s": step_s}
        for key in ("train", "val", "test"):
            arrays[key] = rng.gamma(2.0, size=(3, 64, 16)).astype("f4")
            arrays[f"{key}_start"] = np.zeros((3, 2), "i2")
            arrays[f"{key}_block"] = np.array([0, 0, 1], "i2")
        save(f"traffic_uomo_{config}", **arrays)
    arrays = {}
    for key, packets in {"ref": 40, "test": 10}.items():
        arrays[f"{key}_csi"] = rng.integers(-900, 900, (6, packets, 56, 2), "i2")
        arrays[f"{key}_t"] = np.zeros((6, packets), "f4")
        arrays[f"{key}_xy"] = np.zeros((6, 2), "f4")
        arrays[f"{key}_path"] = np.ones(6, "i1")
        arrays[f"{key}_label"] = np.array(["204_1"] * 6)
        arrays[f"{key}_rssi_channel"] = np.array([[-50, 48]] * 6, "i2")
    save("csi_csu_wifi", **arrays)
    rows = 70
    x = np.arange(3 * rows * 11, dtype="f4").reshape(3 * rows, 11)
    x[5, 1] = -200  # in the first window alone
    save(
        "kpi_ucc5g",
        x=np.concatenate([x[:rows]] * 6),
        lonlat=np.zeros((6 * rows, 2)),
        t=np.tile(np.r_[0, np.arange(rows - 1)], 6),  # the first stamp comes twice
        off=np.arange(7) * rows,
        columns=np.array(COLUMNS),
        tag=np.array(["Download/Driving"] * 5 + ["Download/Static"]),
        mode=np.array(["5G"] * (6 * rows)),
    )
    save(
        "beam_deepsense_60ghz",
        pwr=np.r_[np.zeros((1, 64)), np.full((44, 64), 0.1)].astype("f4"),
        ue_loc=np.zeros((45, 2)),
        bs_loc=np.zeros((45, 2)),
        seq=np.repeat([1, 2, 3], [15, 12, 18]),
        scenario=np.repeat([5, 6], [27, 18]),
    )
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def cases(manual, root):
    found, skipped = find_measured(root, manual_dir=manual)
    assert not skipped
    assert list(found) == list(CASES)
    return found


def test_every_case_has_its_source_and_groups(cases):
    for name, case in cases.items():
        assert case.name == name
        assert "\n" not in case.about
        assert any(licence in case.about for licence in ("MIT", "BSD", "GPL", "CC BY"))
        samples = len(case.data.time_step_s)
        for label in case.data.labels.values():
            assert label.shape == (samples,)
            assert label.dtype == np.int32


def test_traffic_is_clipped_and_grouped_by_block_and_cell(cases, manual):
    case = cases["uomo_nj"]
    test = np.load(manual / "traffic_uomo_nj.npz")["test"]
    assert case.data.traffic.shape == (3 * 16, 64)
    np.testing.assert_array_equal(
        case.data.traffic[16 + 5], np.minimum(test[1, :, 5], 2)
    )
    assert case.data.labels["group"][[5, 16 + 5, 32 + 5]].tolist() == [5, 5, 21]
    assert cases["uomo_sd"].data.time_step_s[0] == 3600
    assert cases["milan_10min"].data.traffic.shape == (3, 50)


def test_wifi_windows_of_every_fifth_position(cases, manual):
    iq = np.load(manual / "csi_csu_wifi.npz")["ref_csi"].astype("f4")
    amplitude = cases["csu_amplitude"].data
    assert amplitude.series.shape == (2 * 2, 20, 56)  # positions 0, 5; packets 0, 16
    assert amplitude.labels["group"].tolist() == [0, 0, 5, 5]
    np.testing.assert_allclose((amplitude.series[:, :16] ** 2).mean((1, 2)), 1, 1e-5)
    csi = cases["csu_frequency"].data
    assert csi.csi.shape == (2 * 8, 1, 56, 1)
    assert csi.csi.dtype == np.complex64
    assert csi.csi[9, 0, 3, 0] == iq[5, 5, 3, 0] + 1j * iq[5, 5, 3, 1]
    assert csi.carrier_hz[0] == np.float32(5.24e9)


def test_phone_windows_drop_error_codes_by_default(cases, root):
    case = cases["ucc_rsrp"]  # trace 5 is not a drive; 69 rows give 4 windows
    assert case.data.series.shape == (3, 40, 1)
    assert "1 of 4 windows dropped" in case.about
    kept = ucc_rsrp(reader(root), keep_error_codes=True)
    assert kept.data.series.shape == (4, 40, 1)
    assert kept.data.series[0].min() == -200


def test_beam_windows_stay_inside_a_pass(cases):
    data = cases["deepsense_beams"].data
    assert data.rsrp_db.shape == (3 + 0 + 6, 13, 64)  # passes of 15, 12 and 18
    assert data.labels["group"].tolist() == [0] * 3 + [2] * 6
    assert data.labels["scenario"].tolist() == [5] * 3 + [6] * 6
    assert np.isfinite(data.rsrp_db).all()  # a power of 0 has no logarithm
    np.testing.assert_allclose(data.rsrp_db[1], -10, rtol=1e-6)


def test_cleaning_rules():
    kpi = np.zeros((3, 11), "f4")
    kpi[0, [1, 8, 9]] = [-200, -205, 2147483647]
    kpi[1, [0, 1, 9]] = [-200, -205, -225]
    nan = np.argwhere(np.isnan(clean_kpi(kpi, COLUMNS))).tolist()
    assert nan == [[0, 1], [0, 8], [0, 9], [1, 9]]
    assert not np.isnan(kpi).any()
    assert new_stamps(np.array([3, 3, 4, 4, 3])).tolist() == [
        *(True, False, True, False, True)
    ]


def test_missing_sets_are_skipped_with_a_reason(tmp_path):
    found, skipped = find_measured(tmp_path)
    assert found == {}
    assert set(skipped) == set(CASES)
    assert "no prepared traffic_uomo" in skipped["uomo_nj"]
    assert "config='nj'" in skipped["uomo_nj"]
    with pytest.raises(DataError, match="unknown \\['x'\\]"):
        find_measured(tmp_path, ["x"])


# The published baselines, recomputed in numpy from the cases.


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    found, skipped = find_measured(root, manual_dir=REAL)
    assert not skipped
    return found, reader(root)


def errors(windows, context):
    """MAE, RMSE of holding the last value; windows [window, time, ...]."""
    e = windows[:, context:].astype("f8") - windows[:, context - 1 : context]
    return np.abs(e).mean(), np.sqrt((e**2).mean())


def decibels(error, truth):
    power = [np.sum(np.abs(x.astype("c16")) ** 2) for x in (error, truth)]
    return 10 * np.log10(power[0] / power[1])


def tail_windows(case: MeasuredCase) -> np.ndarray:
    x = case.data.traffic
    first = round(x.shape[1] * (1 - case.tail)) - case.context
    length = case.context + case.horizon
    starts = range(first, x.shape[1] - length + 1, case.stride)
    return np.concatenate([x[:, start : start + length] for start in starts])


@real_data
@pytest.mark.parametrize(
    ("name", "stride", "count", "mae", "rmse"),
    [
        ("milan_10min", 6, 3600, 28.73, 45.41),
        ("milan_day_ahead", 72, 275, 66.16, 90.71),
    ],
)
def test_milan_baselines(published, name, stride, count, mae, rmse):
    case = replace(published[0][name], stride=stride)
    windows = tail_windows(case)
    assert len(windows) == count
    np.testing.assert_allclose(errors(windows, case.context), (mae, rmse), atol=0.01)


@real_data
def test_uomo_baselines(published):
    for name, count, mae, rmse in [
        ("uomo_nj", 672 * 16, 371.8, 1342.8),
        ("uomo_sd", 1008 * 16, 129678, 240217),
    ]:
        data = published[0][name].data
        assert len(data.traffic) == count
        np.testing.assert_allclose(errors(data.traffic, 48), (mae, rmse), rtol=2e-4)
    assert len(np.unique(published[0]["uomo_nj"].data.labels["group"])) == 16
    assert len(np.unique(published[0]["uomo_sd"].data.labels["group"])) == 6 * 16


@real_data
def test_wifi_baselines(published):
    x = published[0]["csu_amplitude"].data.series
    assert len(x) == 864
    truth = x[:, 16:]
    mean = x[:, :16].mean(1, keepdims=True)
    assert decibels(truth - x[:, 15:16], truth) == pytest.approx(-12.71, abs=0.01)
    assert decibels(truth - mean, truth) == pytest.approx(-13.24, abs=0.01)
    h = published[0]["csu_frequency"].data.csi[:, 0, :, 0]
    assert len(h) == 2880
    h = h / np.sqrt(np.mean(np.abs(h) ** 2, axis=1, keepdims=True))
    a = np.abs(h)
    floor = a[:, :28].mean(1, keepdims=True)
    assert decibels(h[:, 28:] - h[:, 27:28], h[:, 28:]) == pytest.approx(0.49, abs=0.01)
    assert decibels(a[:, 28:] - a[:, 27:28], a[:, 28:]) == pytest.approx(
        -3.42, abs=0.01
    )
    assert decibels(a[:, 28:] - floor, a[:, 28:]) == pytest.approx(-5.90, abs=0.01)
    assert len(csu_frequency(published[1], every=20).data.csi) == 36 * 20


@real_data
def test_phone_baselines(published):
    raw = ucc_rsrp(published[1], keep_error_codes=True).data.series
    assert len(raw) == 2359
    np.testing.assert_allclose(errors(raw, 32), (3.35, 5.22), atol=0.01)
    # No test window of this column holds an error code, so the default is the same.
    assert "0 of 2359 windows dropped" in published[0]["ucc_rsrp"].about


@real_data
def test_beam_baselines(published):
    assert len(published[0]["deepsense_beams"].data.rsrp_db) == 7595
    for horizon, count, top1, near in [
        (1, 8170, 0.423, 0.749),
        (3, 7871, 0.163, 0.366),
        (5, 7595, 0.076, 0.175),
    ]:
        case = published[0][f"deepsense_h{horizon}"]
        assert (case.horizon, case.skip) == (horizon, horizon - 1)
        best = case.data.rsrp_db.argmax(-1)
        assert len(best) == count
        off = np.abs(best[:, -1] - best[:, 7])
        assert (off == 0).mean() == pytest.approx(top1, abs=5e-4)
        assert (off <= 1).mean() == pytest.approx(near, abs=5e-4)
