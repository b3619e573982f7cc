"""A path is drawn at its delay and its direction."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from wlam import plot
from wlam.phy.arrays import ula, upa
from wlam.types import Antennas, Csi, DataError

SUBCARRIERS, SPACING = 20, 50e3  # bins of 1 µs
DELAY_BIN = 3


def path(delay_s, phases, snapshots=2):
    """Channels [1, time, subcarrier, antenna] of one path; phases in cycles."""
    f = SPACING * np.arange(SUBCARRIERS)
    x = np.exp(2j * np.pi * (phases - delay_s * f[:, None]))
    x = np.broadcast_to(x, (1, snapshots, *x.shape))
    return x.astype(np.complex64)


def drawn(ax):
    """Power in dB [delay, direction] and edges of delays and directions."""
    (mesh,) = ax.collections
    edges = mesh.get_coordinates()
    return mesh.get_array(), edges[:, 0, 1], edges[0, :, 0]


def peak(ax):
    level, delays, directions = drawn(ax)
    i, j = np.unravel_index(np.argmax(level), level.shape)
    return delays[i : i + 2].mean(), directions[j : j + 2].mean()


def test_a_path_peaks_at_its_delay_and_direction():
    sine = -0.25
    csi = Csi(
        path(DELAY_BIN * 1e-6, 0.5 * sine * np.arange(8)), subcarrier_spacing_hz=SPACING
    )
    ax, colourbar = plot.delay_angle(csi, dynamic_range_db=30).axes
    np.testing.assert_allclose(peak(ax), (3.0, sine))
    level, delays, directions = drawn(ax)
    assert level.shape == (SUBCARRIERS, 8)
    np.testing.assert_allclose(delays, np.arange(SUBCARRIERS + 1) - 0.5)
    np.testing.assert_allclose(directions, np.arange(-1.125, 1, 0.25))
    # All power is in one bin, and the rest is as weak as can be drawn.
    assert level.max() == 0
    assert np.sum(level > -30) == 1
    assert ax.get_ylabel() == "delay (µs)"
    assert ax.get_xlabel() == "direction (sine of azimuth)"
    assert colourbar.get_ylabel() == "power (dB of the maximum)"


def test_vertical_lines_have_elevations():
    positions = ula(8)[:, [0, 2, 1]]
    antennas = Antennas(positions, np.zeros(8, np.int32))
    csi = Csi(path(0.0, 0.5 * 0.5 * np.arange(8)), antennas=antennas)
    ax, _ = plot.delay_angle(csi).axes
    np.testing.assert_allclose(peak(ax), (0, 0.5))
    assert ax.get_xlabel() == "direction (sine of elevation)"
    assert ax.get_ylabel() == "delay (bins)"


def test_a_panel_for_each_polarisation():
    """The second is weaker by 10 dB, later and from another side."""
    one = upa(2, 4)
    antennas = Antennas(np.tile(one, (2, 1)), np.repeat([0, 1], 8).astype(np.int32))
    up, left = one @ np.array([0, 0, -1.0]), one @ np.array([0, -0.5, 0])
    x = np.concatenate([path(0.0, up), path(2e-6, left) / np.sqrt(10)], axis=-1)
    csi = Csi(x, subcarrier_spacing_hz=np.array([SPACING]), antennas=antennas)
    figure = plot.delay_angle(csi)
    first, second, _ = figure.axes
    # Blocks of four azimuths: elevation -1, then 0; azimuths -1, -1/2, 0, 1/2.
    np.testing.assert_allclose(peak(first), (0, 2), atol=1e-6)
    np.testing.assert_allclose(peak(second), (2, 5), atol=1e-6)
    np.testing.assert_allclose(drawn(second)[0].max(), -10, atol=1e-4)
    assert [t.get_text() for t in first.get_xticklabels()] == ["-1", "0"]
    assert second.get_title("left") == "polarisation 1"

    ax = Figure().subplots()
    assert plot.delay_angle(csi, ax=ax) is ax
    level = drawn(ax)[0]
    np.testing.assert_allclose((level[0, 2], level[2, 5]), (0, -10), atol=1e-4)


def test_irregular_arrays_show_their_antennas():
    antennas = Antennas(
        np.array([[0, 0, 0], [0, 0.5, 0], [0, 1.7, 0]]), np.zeros(3, int)
    )
    x = path(0.0, np.zeros(3))
    x[..., 1] *= 2
    ax, _ = plot.delay_angle(Csi(x, antennas=antennas)).axes
    assert peak(ax) == (0, 1)
    assert ax.get_xlabel() == "antenna"


def test_snapshots_are_averaged_unless_one_is_chosen_or_missing():
    x = np.concatenate(
        [
            path(k * 1e-6, np.zeros(2), snapshots=1) * size
            for k, size in ((1, 1), (4, 2), (7, 9))
        ],
        axis=1,
    )
    x[0, 2, 0, 0] = np.nan
    csi = Csi(x, subcarrier_spacing_hz=SPACING)
    level = drawn(plot.delay_angle(csi).axes[0])[0]
    np.testing.assert_allclose(
        level[[1, 4, 7], 1], [-20 * np.log10(2), 0, -40], atol=1e-4
    )
    assert peak(plot.delay_angle(csi, snapshot=0).axes[0])[0] == 1


def test_receive_antennas_are_averaged():
    x = np.stack([path(1e-6, np.zeros(2)), 2 * path(4e-6, np.zeros(2))], axis=3)
    level = drawn(plot.delay_angle(Csi(x)).axes[0])[0]
    np.testing.assert_allclose(level[[1, 4], 1], [-20 * np.log10(2), 0], atol=1e-4)


FINE = Csi(path(0.0, np.zeros(2)))
HOLES = Csi(path(0.0, np.zeros(2)), mask=np.array([True, False]))
WRONG = Csi(FINE.csi, antennas=Antennas(ula(3), np.zeros(3, np.int32)))


@pytest.mark.parametrize(
    ("csi", "options", "message"),
    [
        (np.ones((2, 3, 4)), {}, "csi: found ndarray; needed wlam.Csi"),
        (FINE, {"sample": 1}, "sample: found 1; needed 0 to 0"),
        (FINE, {"snapshot": 2}, "snapshot: found 2; needed 0 to 1"),
        (FINE, {"dynamic_range_db": 0}, "dynamic_range_db: found 0; needed more"),
        (HOLES, {}, "csi: found no snapshot without missing entries"),
        (Csi(0 * FINE.csi), {}, "csi: found no power"),
        (WRONG, {}, "antennas: found 3; needed 2"),
    ],
)
def test_what_cannot_be_drawn_is_named(csi, options, message):
    with pytest.raises(DataError, match=f"^{message}") as error:
        plot.delay_angle(csi, **options)
    assert "\n" not in str(error.value)
