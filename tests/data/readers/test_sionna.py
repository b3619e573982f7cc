"""Impulse responses: one path is a delay ramp, paths add, links have their indices."""

import io
import zipfile

import numpy as np
import pytest

from wlam.data.readers import sionna

RNG = np.random.default_rng(0)
SHAPE = (2, 3, 2, 2, 4, 5, 3)  # batch, rx, rx_ant, tx, tx_ant, path, time
A = (RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE)).astype(np.complex64)
TAU = RNG.uniform(0, 1e-6, (2, 3, 2, 5))
SPACING = 180e3
OFFSETS = np.array([-3, -2, -1, 0, 1, 2])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cir.npz"


@pytest.fixture
def read(path, radio):
    def call(num_subcarriers=6, **arrays):
        names = [name for name in ("side", "max_bytes") if name in arrays]
        options = {name: arrays.pop(name) for name in names}
        if arrays:
            np.savez(path, **arrays)
        return sionna.read(path, radio, num_subcarriers=num_subcarriers, **options)

    return call


def test_one_path_is_a_ramp_over_subcarriers(read):
    a = np.full((1, 1, 1, 1, 1, 1, 2), 3j, np.complex64)
    a[..., 1] = -2
    data, notes = read(a=a, tau=np.full((1, 1, 1, 1), 4e-7))
    ramp = np.exp(-2j * np.pi * OFFSETS * SPACING * 4e-7)
    expected = np.array([3j, -2])[:, None, None] * ramp[:, None]
    np.testing.assert_allclose(data.csi[0], expected, atol=1e-5)
    assert len(notes) == 2


def frequency_response(b, r, m, s, n, t):
    """The definition, path by path."""
    found = np.zeros(6, complex)
    for path in range(5):
        ramp = np.exp(-2j * np.pi * OFFSETS * SPACING * TAU[b, r, s, path])
        found += A[b, r, m, s, n, path, t] * ramp
    return found


@pytest.mark.parametrize("side", ["tx", "rx"])
@pytest.mark.parametrize("rank", [4, 6])
def test_every_link_is_at_its_indices(read, side, rank):
    tau = TAU
    if rank == 6:
        tau = np.broadcast_to(TAU[:, :, None, :, None], SHAPE[:6])
    data, _ = read(a=A, tau=tau.astype(np.float64), side=side)
    antennas, others = (4, 2) if side == "tx" else (2, 4)
    assert data.csi.shape == (2 * 3 * 2 * others, 3, 6, antennas)
    for sample in range(0, len(data.csi), 3):
        b, r, s, other = (
            int(data.labels[name][sample])
            for name in ("batch", "rx", "tx", "other_ant")
        )
        for antenna in range(antennas):
            m, n = (other, antenna) if side == "tx" else (antenna, other)
            for time in range(3):
                np.testing.assert_allclose(
                    data.csi[sample, time, :, antenna],
                    frequency_response(b, r, m, s, n, time),
                    atol=2e-5,
                )


def test_delays_per_antenna_are_used(read):
    a = np.ones((1, 1, 1, 1, 2, 1, 1), np.complex64)
    tau = np.array([0, 1e-6]).reshape(1, 1, 1, 1, 2, 1)
    data, _ = read(a=a, tau=tau)
    expected = np.exp(-2j * np.pi * np.outer(OFFSETS * SPACING, [0, 1e-6]))
    np.testing.assert_allclose(data.csi[0, 0], expected, atol=1e-5)


def test_the_batch_may_be_missing_and_the_rest_is_ignored(read):
    whole, _ = read(a=A[:1], tau=TAU[:1])
    found, notes = read(a=A[0], tau=TAU[0].astype(np.float32), x=1)
    np.testing.assert_allclose(found.csi, whole.csi, atol=1e-4)
    assert notes[-1] == "ignored: x"


def test_invalid_paths_have_no_effect(read):
    """Sionna RT marks them by a delay of -1 s and no gain."""
    a, tau = A.copy(), TAU.copy()
    a[..., 4, :], tau[..., 4] = 0, -1
    found, _ = read(a=a, tau=tau)
    fewer, _ = read(a=A[..., :4, :], tau=TAU[..., :4])
    np.testing.assert_allclose(found.csi, fewer.csi, atol=1e-5)


NAN = TAU.copy()
NAN[1, 2, 0, 3] = np.nan
BAD = {
    "no a": ({"tau": TAU}, "a: is there 0 times, must be once; the file holds tau"),
    "no tau": ({"a": A}, "tau: is there 0 times"),
    "real": ({"a": A.real, "tau": TAU}, "a: is float32, must be complex [batch"),
    "complex delays": ({"a": A, "tau": 1j * TAU}, "tau: is complex128, must be float"),
    "5 axes": ({"a": A[0, 0], "tau": TAU[0, 0]}, "a: has shape [2, 2, 4, 5, 3], must"),
    "fewer paths": (
        {"a": A, "tau": TAU[..., :4]},
        "tau: has shape [2, 3, 2, 4] beside",
    ),
    "no batch": ({"a": A, "tau": TAU[0]}, "tau: has shape [3, 2, 5] beside a"),
    "empty": ({"a": A[:0], "tau": TAU[:0]}, "a: has shape [0, 3, 2, 2, 4, 5, 3], must"),
    "0-d": ({"a": np.complex64(1), "tau": 1.0}, "a: has shape [], must be"),
    "nan": ({"a": A, "tau": NAN}, "tau: has 1 NaN or infinite values, the first at [1"),
    "inf": ({"a": A * np.inf, "tau": TAU}, "a: has "),
    "huge": ({"a": 1e99 * A.astype(complex), "tau": TAU}, "csi: holds values beyond"),
    "text": ({"a": np.array("a"), "tau": TAU}, "a: is <U1, must be complex"),
    "a pickle": ({"a": np.array([{}]), "tau": TAU}, "a: holds Python objects"),
    "records": ({"a": np.zeros(2, "c8,O"), "tau": TAU}, "a: holds Python objects"),
}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # inf * complex
@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_named(path, read, problem, case):
    arrays, expected = BAD[case]
    message = problem(read, **arrays)
    assert message.startswith(expected)
    assert str(path) in message


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(*members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


GOOD_A, GOOD_TAU = ("a.npy", npy(A)), ("tau.npy", npy(TAU))
WHOLE = zipped(GOOD_A, GOOD_TAU)
BODY = WHOLE.index(GOOD_A[1][-16:])
HUGE = GOOD_A[1].replace(b"(2, 3, 2, 2, 4, 5, 3), }  ", b"(2, 3, 2, 2, 4, 5, 999), }")
VAST = GOOD_A[1].replace(
    b"(2, 3, 2, 2, 4, 5, 3), }    ", b"(99999999999, 99999999), }  "
)
NEGATIVE = GOOD_A[1].replace(b"(2, 3, 2,", b"(-2,-3,2,")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "path: is empty"),
        (b"\x80\x04.", "path: is something else, must be an .npz"),
        (npy(A), "path: is something else"),
        (b"MATLAB 5.0 MAT-file", "path: is a MATLAB v5 file"),
        (WHOLE[: len(WHOLE) // 2], "path: cannot be read as .npz"),
        (b"PK" + bytes(99), "path: cannot be read as .npz"),
        (
            WHOLE[:BODY] + b"?" + WHOLE[BODY + 1 :],
            "path: cannot be read as .npz (Bad CRC",
        ),
        (zipped(("a.npy", b"not an array"), GOOD_TAU), "path: cannot be read as .npz"),
        (zipped(("a.npy", GOOD_A[1][:-9]), GOOD_TAU), "a: declares [2, 3, 2, 2"),
        (zipped(("a.npy", GOOD_A[1] + b"0"), GOOD_TAU), "a: declares [2, 3, 2, 2"),
        (zipped(("a.npy", HUGE), GOOD_TAU), "a: declares [2, 3, 2, 2, 4, 5, 999]"),
        (zipped(("a.npy", VAST), GOOD_TAU), "a: [99999999999, 99999999] takes"),
        (zipped(("a.npy", NEGATIVE), GOOD_TAU), "a: declares [-2, -3, 2"),
        (zipped(GOOD_TAU), "a: is there 0 times"),
    ],
)
def test_broken_files_are_named(path, read, problem, content, expected):
    path.write_bytes(content)
    assert problem(read).startswith(expected)


def test_sizes_are_limited(path, read, problem):
    bomb = zipped(
        ("a.npy", npy(np.zeros((1, 1, 1, 1, 1, 1, 2**17), np.complex64))),
        GOOD_TAU,
        compression=zipfile.ZIP_DEFLATED,
    )
    path.write_bytes(bomb)
    assert "a: [1, 1, 1, 1, 1, 1, 131072] takes" in problem(read, max_bytes=2**19)
    path.write_bytes(WHOLE)
    assert problem(read, num_subcarriers=2**40).startswith("csi: [2, 3, 2, 2, 3, 10995")
