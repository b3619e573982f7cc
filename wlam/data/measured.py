"""Measured data as the tensors of `wlam.types`, cut and cleaned for evaluation.

Every case follows the protocol of the published baselines of its set, so that a model
and a baseline have the same windows. Cleaning happens here; the prepared
folders of `wlam.data.builders` keep the raw values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wlam.types import Antennas, Csi, DataError, Series, Sweeps, Traffic

Example = dict[str, Any]  # feature -> numpy array or scalar; text as bytes
Read = Callable[[str, str], list[Example]]  # ("name" or "name/config", split)

# Error codes of the logger of kpi_ucc5g for missing values, by column (float32).
KPI_ERROR_CODES = {
    "RSRP": (-200.0,),
    "NRxRSRP": (-205.0,),
    "NRxRSRQ": (-225.0, -204.0, 2147483647.0),
}


@dataclass(frozen=True)
class MeasuredCase:
    """One evaluation on measured data: series, windows and scoring."""

    name: str
    dataset: str  # "name" or "name/config" of the prepared data
    task: str  # a name of wlam.tasks.TASKS
    context: int  # known steps (csi_frequency: subcarriers)
    horizon: int  # steps or subcarriers to forecast after them
    stride: int  # steps between the targets of two windows of a series
    tail: float  # targets lie in this last share of a series; 1: anywhere
    # labels["group"] [sample], int32: resample groups, not samples, for intervals.
    data: Traffic | Series | Csi | Sweeps
    about: str  # source, licence, unit and assumptions
    skip: int = 0  # first steps of the horizon, forecast but not scored


_CASES = {  # name: dataset, task, context, horizon, stride, tail
    "milan_10min": ("traffic_milan_5x5", "traffic", 144, 6, 6, 0.2),
    "milan_day_ahead": ("traffic_milan_5x5", "traffic", 432, 144, 72, 0.2),
    "uomo_nj": ("traffic_uomo/nj", "traffic", 48, 16, 16, 1.0),
    "uomo_sd": ("traffic_uomo/sd", "traffic", 48, 16, 16, 1.0),
    "csu_amplitude": ("csi_csu_wifi", "series", 16, 4, 4, 1.0),
    "csu_frequency": ("csi_csu_wifi", "csi_frequency", 28, 28, 28, 1.0),
    "ucc_rsrp": ("kpi_ucc5g", "series", 32, 8, 8, 1.0),
    "deepsense_beams": ("beam_deepsense_60ghz", "beam", 8, 5, 1, 1.0),
    "deepsense_h1": ("beam_deepsense_60ghz", "beam", 8, 1, 1, 1.0),
    "deepsense_h3": ("beam_deepsense_60ghz", "beam", 8, 3, 1, 1.0),
    "deepsense_h5": ("beam_deepsense_60ghz", "beam", 8, 5, 1, 1.0),
    "deepsense_scan_4": ("beam_deepsense_60ghz", "beam_scan_4", 1, 1, 1, 1.0),
    "deepsense_scan_8": ("beam_deepsense_60ghz", "beam_scan_8", 1, 1, 1, 1.0),
}

SINGLE_HORIZONS = ("deepsense_h1", "deepsense_h3", "deepsense_h5")
"""Cases that score only the last step of their horizon."""
SPARSE_SWEEPS = ("deepsense_scan_4", "deepsense_scan_8")
"""Cases of completing sparse sweeps."""

_SOURCES = {  # attribution and licence
    "traffic_milan_5x5": "Telecom Italia Big Data Challenge (Barlacchi et al. 2015), "
    "processed by suemon-suemon/DGRN-wireless-traffic-forecast; ODbL 1.0 and MIT",
    "traffic_uomo": "UoMo (Chai et al., KDD 2025), tsinghua-fib-lab/UoMo; MIT, "
    "(c) 2025 FIB LAB, Tsinghua University",
    "csi_csu_wifi": "CSUIndoorLoc (Wang & Pasricha, IPIN 2022), "
    "EPIC-CSU/csi-rssi-dataset-indoor-nav; BSD-3-Clause, (c) 2022 EPIC-CSU",
    "kpi_ucc5g": "UCC 5G (Raca et al., MMSys 2020), uccmisl/5Gdataset; GPL-3.0",
    "beam_deepsense_60ghz": "DeepSense 6G (Morais et al., arXiv 2205.09054), "
    "jmoraispk/Position-Beam-Prediction; CC BY-NC-SA 4.0 (non-commercial)",
}


def reader(root: str | Path, manual_dir: str | Path | None = None) -> Read:
    """A reader of the examples of the newest prepared data below `root`.

    Given `manual_dir`, the folder of the fetched files, it prepares missing sets.
    """

    # Imported here, since TFDS is slow to import and seldom needed.
    from wlam.data import builders

    def read(dataset: str, split: str) -> list[Example]:
        name, _, config = dataset.partition("/")
        if manual_dir is None:
            folder = builders.prepared_dir(name, root, config or None)
        else:
            folder = builders.prepare(name, manual_dir, root, config=config or None)
        return builders.read(folder, split)

    return read


def milan(read: Read, name: str) -> MeasuredCase:
    """The 25 cells of Milan, arbitrary unit, 10 minutes a step, as they are.

    Day-ahead windows overlap by half a day, like those of the published baselines.
    """
    examples = read("traffic_milan_5x5", "train")
    data = Traffic(
        traffic=_stack([e["traffic"] for e in examples]),
        time_step_s=np.array([e["time_step_s"] for e in examples], np.float32),
        labels={"group": _ints([e["cell"] for e in examples])},
    )
    return _case(name, data, "internet CDR activity, arbitrary unit")


def uomo(read: Read, name: str) -> MeasuredCase:
    """UoMo's test windows clipped at `clip`; each (window, cell) is one series.

    Windows of one block overlap and cells without traffic are kept, as in the published
    baselines. A group is one cell of one block (NJ has one block, SD six);
    labels["block"] allows the stricter resampling of whole blocks.
    """
    examples = read(_CASES[name][0], "test")
    # [time, cell] -> [window, cell, time]
    traffic = _stack([np.minimum(e["traffic"], e["clip"]).T for e in examples])
    windows, cells, steps = traffic.shape
    step_s = np.array([e["time_step_s"] for e in examples], np.float32)
    block = np.repeat(_ints([e["block"] for e in examples]), cells)
    cell = np.tile(np.arange(cells, dtype=np.int32), windows)
    data = Traffic(
        traffic=traffic.reshape(-1, steps),
        time_step_s=np.repeat(step_s, cells),
        labels={"group": block * cells + cell, "block": block, "cell": cell},
    )
    about = "operator's volume, unit not stated, clipped; windows of a block overlap"
    return _case(name, data, about)


def csu_amplitude(read: Read) -> MeasuredCase:
    """|CSI| of 56 subcarriers over 16 + 4 packets, every 5th reference position.

    A window starts at every 16th packet: 24 windows a position. Each is divided by the
    root mean square of its own context, since the receiver's gain control is not
    removed; the published baselines do the same.
    """
    windows, group = [], []
    for example in _csu_positions(read):
        amplitude = np.linalg.norm(example["csi"].astype(np.float64), axis=-1)
        cut = _windows(amplitude, 20, 16)
        windows += [w / np.sqrt(np.mean(w[:16] ** 2)) for w in cut]
        group += [example["position"]] * len(cut)
    about = "amplitude in units of the context's RMS; packets taken as 0.1024 s apart"
    return _case("csu_amplitude", _series(windows, group, 0.1024), about)


def csu_frequency(read: Read, *, every: int = 5) -> MeasuredCase:
    """Upper 28 subcarriers from the lower 28 of one packet, raw I + jQ.

    Every n-th packet (`every`) of every 5th reference position is used.
    """
    csi, group, carrier = [], [], []
    for example in _csu_positions(read):
        iq = example["csi"][::every].astype(np.float32)
        csi.append(iq.view(np.complex64))  # [packet, subcarrier, 1]
        group += [example["position"]] * len(iq)
        # IEEE 802.11: the channels of the 5 GHz band count in steps of 5 MHz.
        carrier += [5e9 + 5e6 * int(example["rssi_channel"][1])] * len(iq)
    samples = len(group)
    data = Csi(
        csi=_stack([packet for packets in csi for packet in packets[:, None]]),
        time_step_s=np.full(samples, 0.1024 * every, np.float32),
        subcarrier_spacing_hz=np.full(samples, 312.5e3, np.float32),
        carrier_hz=np.array(carrier, np.float32),
        antennas=Antennas(np.zeros((1, 3), np.float32), np.zeros(1, np.int32)),
        labels={"group": _ints(group)},
    )
    about = (
        f"every {every}th packet, raw counts, gain control not removed; subcarriers "
        "-28..-1, 1..28 at 312.5 kHz: two spacings between context and target; carrier "
        "from the channel number"
    )
    return _case("csu_frequency", data, about)


def ucc_rsrp(read: Read, *, keep_error_codes: bool = False) -> MeasuredCase:
    """RSRP in dBm of every 5th of the 83 traces if it is a drive, 32 -> 8 steps.

    Rows that repeat the time stamp of the row before are dropped. A row then counts as
    one second, though about a tenth of the steps are two or three.

    Args:
      keep_error_codes: False drops the windows with an error code or NaN; True keeps
        them, as the published baselines do.
    """
    windows, group = [], []
    for example in read("kpi_ucc5g", "train"):
        if example["trace"] % 5 or b"Driving" not in example["tag"].split(b"/"):
            continue
        columns = [column.decode() for column in example["columns"]]
        kpi = example["kpi"] if keep_error_codes else clean_kpi(example["kpi"], columns)
        rsrp = kpi[new_stamps(example["t"]), columns.index("RSRP")]
        cut = _windows(rsrp[:, None], 40, 8)
        windows += cut
        group += [example["trace"]] * len(cut)
    pairs = list(zip(windows, group, strict=True))
    if not keep_error_codes:
        pairs = [(w, g) for w, g in pairs if np.isfinite(w).all()]
    lost = len(windows) - len(pairs)
    dropped = f"{lost} of {len(windows)} windows dropped for error codes or NaN"
    data = _series([w for w, _ in pairs], [g for _, g in pairs], 1.0)
    about = f"RSRP in dBm, driving; rows taken as 1 s apart; {dropped}"
    return _case("ucc_rsrp", data, about)


def deepsense(read: Read, name: str, *, last_only: bool = True) -> MeasuredCase:
    """64 beams of a vehicle pass, stride 1: 10 log10 of the power.

    The published baselines of tracking score the last sweep of a horizon (`last_only`)
    of 1, 3 or 5 after 8; those of sparse sweeps use that sweep alone.
    """
    _, _, context, horizon, _, _ = _CASES[name]
    length = 1 if name in SPARSE_SWEEPS else context + horizon
    windows, group, scenario = [], [], []
    for example in read("beam_deepsense_60ghz", "train"):
        power = np.maximum(example["power"], np.finfo(np.float32).tiny)
        cut = _windows(10 * np.log10(power), length, 1)
        windows += cut
        group += [example["vehicle_pass"]] * len(cut)
        scenario += [example["scenario"]] * len(cut)
    data = Sweeps(
        rsrp_db=_stack(windows),
        time_step_s=np.full(len(windows), 0.1, np.float32),
        labels={"group": _ints(group), "scenario": _ints(scenario)},
    )
    about = "dB to an arbitrary reference; 0.1 s a sweep assumed"
    case = _case(name, data, about)
    return replace(case, skip=horizon - 1) if last_only else case


CASES: dict[str, Callable[[Read], MeasuredCase]] = {
    **{name: partial(milan, name=name) for name in ("milan_10min", "milan_day_ahead")},
    **{name: partial(uomo, name=name) for name in ("uomo_nj", "uomo_sd")},
    "csu_amplitude": csu_amplitude,
    "csu_frequency": csu_frequency,
    "ucc_rsrp": ucc_rsrp,
    "deepsense_beams": partial(deepsense, name="deepsense_beams", last_only=False),
    **{
        name: partial(deepsense, name=name)
        for name in (*SINGLE_HORIZONS, *SPARSE_SWEEPS)
    },
}


def find_measured(
    root: str | Path,
    names: Sequence[str] = tuple(CASES),
    *,
    manual_dir: str | Path | None = None,
) -> tuple[dict[str, MeasuredCase], dict[str, str]]:
    """The cases whose data are prepared below `root`, or come from `manual_dir`.

    Returns:
      The cases by name, and the reason of each skipped one by name.

    Raises:
      DataError: an unknown name.
    """
    if unknown := sorted(set(names) - set(CASES)):
        raise DataError(f"names: unknown {unknown}; needed are some of {list(CASES)}")
    read, cases, skipped = reader(root, manual_dir), {}, {}
    for name in names:
        try:
            cases[name] = CASES[name](read)
        except DataError as error:
            skipped[name] = str(error)
    return cases, skipped


def clean_kpi(kpi: np.ndarray, columns: Sequence[str]) -> np.ndarray:
    """KPIs [row, column] with NaN where the logger wrote one of `KPI_ERROR_CODES`."""
    kpi = kpi.copy()
    for column, codes in KPI_ERROR_CODES.items():
        if column in columns:
            values = kpi[:, columns.index(column)]
            values[np.isin(values, np.array(codes, kpi.dtype))] = np.nan
    return kpi


def new_stamps(t: np.ndarray) -> np.ndarray:
    """Which rows [row] do not repeat the time stamp of the row before them."""
    return np.diff(t, prepend=t[:1] - 1) != 0


def _case(name: str, data: Traffic | Series | Csi | Sweeps, about: str) -> MeasuredCase:
    dataset = _CASES[name][0]
    source = _SOURCES[dataset.split("/")[0]]
    return MeasuredCase(name, *_CASES[name], data=data, about=f"{source}; {about}")


def _csu_positions(read: Read) -> list[Example]:
    return [e for e in read("csi_csu_wifi", "train") if e["position"] % 5 == 0]


def _windows(rows: np.ndarray, length: int, stride: int) -> list[np.ndarray]:
    starts = range(0, len(rows) - length + 1, stride)
    return [rows[start : start + length] for start in starts]


def _series(windows: list[np.ndarray], group: list, step_s: float) -> Series:
    return Series(
        series=_stack(windows).astype(np.float32),
        time_step_s=np.full(len(windows), step_s, np.float32),
        labels={"group": _ints(group)},
    )


def _stack(windows: Sequence[np.ndarray]) -> np.ndarray:
    if not windows:
        raise DataError("windows: 0 usable in the prepared data; needed is at least 1")
    return np.stack(windows)


def _ints(values: Sequence) -> np.ndarray:
    return np.asarray(values, np.int32)
