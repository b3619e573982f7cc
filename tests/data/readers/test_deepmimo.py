"""Path tables: one path is a plane wave with a delay ramp, and paths add."""

import numpy as np
import pytest
import scipy.io

from wlam.data.readers import Radio, deepmimo
from wlam.phy.arrays import ula, upa

SPACING = 180e3
ARRAY = upa(2, 4)
RADIO = Radio(1.0, SPACING, 3.5e9, ARRAY, np.zeros(8, np.int32))
ONE = np.array([30.0, 2e-7, -80.0, 11.0, 80.0, 40.0, 70.0, 1.0])[:, None]
TWO = np.array([-75.0, 9e-7, -95.0, 70.0, 95.0, -130.0, 100.0, 0.0])[:, None]
NONE = np.zeros((8, 0))


def cells(*tables, **fields):
    """The variable `channels`; a field has one value for each user."""
    found = np.empty((1, len(tables)), object)
    for user, table in enumerate(tables):
        found[0, user] = {"p": table} | {name: fields[name][user] for name in fields}
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "BS1_UE_0-9.mat"


def read(path, variables=None, radio=RADIO, num_subcarriers=6, **options):
    if variables is not None:
        scipy.io.savemat(path, variables)
    return deepmimo.read(path, radio, num_subcarriers=num_subcarriers, **options)


def plane_wave(table, num_subcarriers=6):
    """[subcarrier, antenna] of a table of one path, element by element."""
    phase, delay, power, _, _, azimuth, zenith, _ = table[:, 0]
    azimuth, zenith = np.deg2rad([azimuth, zenith])
    towards = [
        np.sin(zenith) * np.cos(azimuth),
        np.sin(zenith) * np.sin(azimuth),
        np.cos(zenith),
    ]
    found = np.empty((num_subcarriers, len(ARRAY)), complex)
    for k, m in np.ndindex(found.shape):
        cycles = phase / 360 - (k - num_subcarriers // 2) * SPACING * delay
        cycles += np.dot(ARRAY[m], towards)
        found[k, m] = 10 ** (power / 20) * np.exp(2j * np.pi * cycles)
    return found


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_one_path_is_a_plane_wave_with_a_ramp(path):
    data, notes = read(path, {"channels": cells(ONE)})
    assert data.csi.shape == (1, 1, 6, 8)
    assert data.csi.dtype == np.complex64
    assert_close(data.csi[0, 0], plane_wave(ONE))
    ramp = data.csi[0, 0, 1:] / data.csi[0, 0, :-1]
    assert_close(ramp, np.full((5, 8), np.exp(-2j * np.pi * SPACING * 2e-7)))
    np.testing.assert_allclose(np.abs(data.csi), 1e-4, rtol=1e-5)
    assert notes == []


def test_broadside_at_no_delay_is_constant(path):
    table = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 90.0, 1.0])[:, None]
    data, _ = read(path, {"channels": cells(table)})
    np.testing.assert_allclose(data.csi, np.ones((1, 1, 6, 8)), atol=1e-6)


def test_paths_add_and_may_cancel(path):
    both = np.concatenate([ONE, TWO], axis=1)
    opposed = ONE.copy()
    opposed[0] += 180
    opposed = np.concatenate([ONE, opposed], axis=1)
    data, _ = read(path, {"channels": cells(both, TWO, opposed)})
    assert_close(data.csi[0, 0], plane_wave(ONE) + plane_wave(TWO))
    assert_close(data.csi[1, 0], plane_wave(TWO))
    np.testing.assert_allclose(data.csi[2], np.zeros((1, 6, 8)), atol=1e-11)
    np.testing.assert_array_equal(data.labels["los"], [1, 0, 1])


def test_the_transmitted_power_is_divided_out(path):
    weak, _ = read(path, {"channels": cells(ONE)})
    strong, _ = read(path, tx_power_dbm=-20.0)
    assert_close(strong.csi, 10 * weak.csi)


def test_users_without_paths_are_omitted_and_counted(path):
    tables = (NONE, ONE, np.zeros((0, 0)), TWO, NONE)
    data, notes = read(path, {"channels": cells(*tables)})
    assert_close(data.csi[:, 0], np.stack([plane_wave(ONE), plane_wave(TWO)]))
    np.testing.assert_array_equal(data.labels["user"], [1, 3])
    assert notes == ["channels: 3 of 5 users have no paths and are left out"]
    assert set(data.labels) == {"user", "los"}


def test_empty_cells_are_users_without_paths(path):
    variable = cells(ONE, ONE)
    variable[0, 0] = np.zeros((0, 0))
    data, _ = read(path, {"channels": variable})
    np.testing.assert_array_equal(data.labels["user"], [1])


def test_positions_are_those_of_their_users(path):
    positions = np.arange(15.0).reshape(3, 5)
    in_file, _ = read(path, {"channels": cells(NONE, ONE, TWO), "rx_locs": positions})
    in_cells, _ = read(path, {"channels": cells(NONE, ONE, TWO, loc=list(positions))})
    for data in (in_file, in_cells):
        found = np.stack([data.labels[name] for name in ("x_m", "y_m", "z_m")], axis=1)
        np.testing.assert_array_equal(found, positions[1:, :3])


def test_many_paths_take_several_blocks(path, monkeypatch):
    tables = [np.repeat(ONE, 3, axis=1), TWO] * 4
    whole, _ = read(path, {"channels": cells(*tables)})
    monkeypatch.setattr(deepmimo, "BLOCK", 5)
    pieces, _ = read(path)
    assert_close(pieces.csi, whole.csi)
    assert_close(whole.csi[6, 0], 3 * plane_wave(ONE))


def test_structure_arrays_other_names_and_doppler_rows(path):
    variable = np.zeros((1, 2), [("p", object)])
    variable["p"][0] = [np.concatenate([ONE, ONE[:2]]), TWO]  # two more rows, of v3
    data, _ = read(path, {"channels_VV": variable}, name="channels_VV")
    assert_close(data.csi[:, 0], np.stack([plane_wave(ONE), plane_wave(TWO)]))


def changed(row, value):
    table = ONE.copy()
    table[row] = value
    return cells(ONE, table)


BAD = {
    "no channels": ({"rx_locs": np.ones((1, 3))}, "channels: is missing"),
    "numbers": ({"channels": np.ones((1, 2))}, "channels: is not made of cells"),
    "no p": (
        {"channels": np.array([[{"q": ONE}, 0]])},
        "channels{1}: is no structure with a field p",
    ),
    "nobody": ({"channels": cells(NONE, NONE)}, "none of 2 users has a path"),
    "7 rows": ({"channels": cells(ONE, ONE[:7])}, "channels{2}.p: is float64 [7, 1]"),
    "text": ({"channels": cells("abc")}, "channels{1}.p: is str, must be numbers"),
    "complex": ({"channels": cells(1j * ONE)}, "channels{1}.p: is complex128"),
    "NaN": ({"channels": changed(5, np.nan)}, "channels{2}.p: has 1 NaN"),
    "delay": ({"channels": changed(1, -1e-9)}, "channels{2}.p: has a delay of -1e-09"),
    "angle": ({"channels": changed(5, 1e99)}, "channels{2}.p: has an angle of 1e+99"),
    "strong": ({"channels": changed(2, 9e9)}, "csi of channels{2}: has 48 NaN"),
    "weak": (
        {"channels": changed(2, -1200)},
        "csi of channels{2}: holds values beyond",
    ),
    "2 positions": (
        {"channels": cells(ONE), "rx_locs": np.ones((2, 5))},
        "rx_locs: has shape [2, 5], must be real [1, 3 or more]",
    ),
    "lost": (
        {"channels": cells(ONE), "rx_locs": np.full((1, 5), np.nan)},
        "rx_locs: has 5 NaN",
    ),
    "positions of text": (
        {"channels": cells(ONE), "loc": np.array([["a", "b", "c"]])},
        "loc: ",
    ),
    "flat": ({"channels": cells(ONE, loc=[np.ones(2)])}, "loc: has 2, must be 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_named(path, problem, case):
    variables, expected = BAD[case]
    message = problem(read, path, variables)
    assert expected in message
    assert str(path) in message


def test_bad_options_are_named(path, problem):
    variables = {"channels": cells(ONE)}
    none, flat = Radio(1.0, SPACING, 3.5e9), Radio(1.0, SPACING, 3.5e9, np.ones(3))
    assert "antenna_positions: is None" in problem(read, path, variables, none)
    assert "[3], must be float32 [3, 3]" in problem(read, path, variables, flat)
    lost = Radio(1.0, SPACING, 3.5e9, ARRAY * np.nan)
    assert "antenna_positions: has 24 NaN" in problem(read, path, variables, lost)
    assert "num_subcarriers: is 0" in problem(read, path, num_subcarriers=0)
    message = problem(read, path, num_subcarriers=2**40)
    assert message.startswith("csi: [1, 1, 1099511627776, 8] takes")
    line = Radio(1.0, SPACING, 3.5e9, ula(3), np.zeros(2, int))
    assert "antenna_polarisation: is int64 [2]" in problem(read, path, None, line)
