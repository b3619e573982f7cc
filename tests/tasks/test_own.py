"""A user's file: its two parts never meet, and batches are functions of their key."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from wlam.tasks import own as own_data
from wlam.tasks.mixture import DataSource, draw_batch
from wlam.tasks.own import FileConfig, OwnFile, checksum, generate, settle, split
from wlam.types import Csi, DataError

SCALARS = {"time_step_s": 1e-3, "subcarrier_spacing_hz": 15e3, "carrier_hz": 3e9}


@pytest.fixture
def written(tmp_path):
    """Writes arrays as a file: arrays -> its name."""

    def write(**arrays):
        path = tmp_path / "mine.npz"
        np.savez(path, **({"time_step_s": 2.0} | arrays))
        return str(path)

    return write


def numbered(*shape):
    """Values that tell where they come from."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def file_config(path, part="train", steps=6, **more):
    own, data, _ = settle(OwnFile(path, **more))
    return FileConfig(own, part, steps, checksum(path)), data


def test_batches_are_windows_of_training_samples_and_functions_of_their_key(written):
    values = numbered(10, 20, 2)
    config, _ = file_config(written(series=values), context=4, horizon=2)
    draw = jax.jit(lambda key: generate(key, config, 64))
    first, again, other = (draw(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.series, again.series)
    assert not np.array_equal(first.series, other.series)
    begins = np.asarray(first.series)[:, 0, 0] / 2
    np.testing.assert_array_equal(
        first.series, np.stack([values.reshape(200, 2)[int(b) :][:6] for b in begins])
    )
    # Every sample of the first eight occurs, at all places, and no other.
    assert set(begins // 20) == set(range(8))
    assert (begins % 20).min() == 0
    assert (begins % 20).max() == 14
    np.testing.assert_array_equal(first.time_step_s, np.full(64, 2.0))


def test_held_out_samples_come_whole_and_in_order(written):
    values = numbered(10, 20, 2)
    config, _ = file_config(written(series=values), "held_out", context=4, horizon=2)
    for seed in (0, 1):
        found = generate(jax.random.key(seed), config, 2)
        np.testing.assert_array_equal(found.series, values[8:])


def test_shots_are_the_first_samples_and_do_not_move_what_is_held_out(written):
    own = OwnFile(written(traffic=numbered(10, 8)), context=4, horizon=2, shots=3)
    own, data, notes = settle(own)
    training, held_out = split(own, data)
    np.testing.assert_array_equal(training.traffic, data.traffic[:3])
    np.testing.assert_array_equal(held_out.traffic, data.traffic[8:])
    assert "traffic, 4 -> 2; trained on (3, 8), held out (2, 8)" in notes[-1]
    few, _ = split(replace(own, train_share=0.01, shots=None), data)
    assert len(few.traffic) == 1
    _, least = split(replace(own, train_share=0.99), data)
    assert len(least.traffic) == 1


def test_one_long_series_is_cut_in_time_and_no_target_is_trained_on(written):
    own = OwnFile(written(traffic=numbered(1, 100)), context=8, horizon=4)
    own, data, _ = settle(own)
    training, held_out = split(own, data)
    np.testing.assert_array_equal(training.traffic[0], np.arange(80))
    # The first target is the first step that is not trained on.
    np.testing.assert_array_equal(held_out.traffic[0], np.arange(72, 100))
    few, same = split(replace(own, shots=2), data)
    np.testing.assert_array_equal(few.traffic[0], np.arange(24))
    np.testing.assert_array_equal(same.traffic, held_out.traffic)


def test_one_long_channel_is_judged_in_windows(written):
    csi = numbered(1, 50, 3, 2) + 0j
    own = OwnFile(written(csi=csi, **SCALARS), context=4, horizon=2)
    own, data, _ = settle(own)
    training, held_out = split(own, data)
    assert isinstance(held_out, Csi)
    assert training.csi.shape == (1, 40, 3, 2)
    assert held_out.csi.shape == (5, 6, 3, 2)
    targets = held_out.csi[:, 4:].reshape(10, 3, 2)
    np.testing.assert_array_equal(targets, csi[0, 40:])
    np.testing.assert_array_equal(held_out.csi[:, :4][1], csi[0, 38:42])
    assert held_out.carrier_hz.shape == (5,)
    with pytest.raises(DataError, match="found 1 sample; needed at least 2"):
        split(replace(own, task="csi_frequency"), data)


def test_of_one_track_of_sweeps_no_completed_one_is_trained_on(written):
    """Asked for is the last sweep of the context, not one after it."""
    sweeps = numbered(1, 200, 8)
    own, data, _ = settle(OwnFile(written(rsrp_db=sweeps), "beam_scan_4"))
    training, rest = split(own, data)
    first_asked = rest.rsrp_db[0, own.context - 1, 0]
    assert first_asked == training.rsrp_db[0, -1, 0] + 8  # the sweep after the last


def test_what_is_told_of_channels_with_pilots_goes_with_them(written):
    """Clean channels and noise are cut, and drawn, as what was observed is."""
    csi = numbered(10, 2, 4, 3).astype(np.complex64)
    noise = np.arange(1, 11, dtype=np.float32)
    path = written(
        csi=csi,
        clean=csi + 1j,
        noise_variance=noise,
        pilots=np.array([0, 2]),
        **SCALARS,
    )
    config, data = file_config(path, task="csi_estimate", steps=4)
    assert (config.own.context, config.own.horizon) == (4, 4)
    training, rest = split(config.own, data)
    for part, which in ((training, slice(8)), (rest, slice(8, None))):
        np.testing.assert_array_equal(part.clean, csi[which] + 1j)
        np.testing.assert_array_equal(part.labels["noise_variance"], noise[which])
    drawn = jax.jit(lambda key: generate(key, config, 32))(jax.random.key(0))
    which = np.asarray(drawn.labels["noise_variance"], int) - 1
    assert which.max() < 8
    np.testing.assert_array_equal(drawn.csi, csi[which])
    np.testing.assert_array_equal(drawn.clean, csi[which] + 1j)
    held_out = generate(jax.random.key(0), replace(config, part="held_out"), 1)
    np.testing.assert_array_equal(held_out.clean, csi[8:9] + 1j)
    np.testing.assert_array_equal(held_out.labels["noise_variance"], noise[8:9])


def test_windows_run_along_the_axis_that_the_task_forecasts(written):
    path = written(csi=numbered(4, 6, 9, 2) + 0j, **SCALARS)
    config, data = file_config(path, task="csi_frequency", context=3, horizon=3)
    found = generate(jax.random.key(0), config, 16)
    assert found.csi.shape == (16, 6, 6, 2)
    np.testing.assert_array_equal(found.antennas.positions, data.antennas.positions)
    part = DataSource("csi_frequency", config, 1.0, context=3)
    grids = draw_batch(jax.random.key(0), {"own": part}, {"own": 2})["own"]
    assert grids.values.shape == (2, 6, 6, 2)
    # Nobody knows a noise-free version: targets are the values.
    np.testing.assert_array_equal(grids.values, grids.clean)


@pytest.mark.parametrize(
    ("array", "task", "window"),
    [
        ({"csi": numbered(2, 24, 2, 2) + 0j, **SCALARS}, "csi_time", (16, 8)),
        ({"rsrp_db": numbered(2, 20, 4)}, "beam", (16, 4)),
        ({"traffic": numbered(2, 156)}, "traffic", (144, 12)),
        ({"series": numbered(2, 72, 1)}, "series", (64, 8)),
    ],
)
def test_task_and_window_follow_from_the_array(written, array, task, window):
    own, _, _ = settle(OwnFile(written(**array)))
    assert (own.task, (own.context, own.horizon)) == (task, window)


def test_another_file_of_the_same_name_is_refused(written):
    config, _ = file_config(written(traffic=numbered(4, 9)), context=4, horizon=2)
    generate(jax.random.key(0), config, 1)
    path = written(traffic=numbered(4, 9) + 1)
    with pytest.raises(DataError, match="is gone or has changed"):
        generate(jax.random.key(0), config, 1)
    config = replace(config, own=replace(config.own, data=path + ".none"))
    with pytest.raises(DataError, match="is gone or has changed"):
        generate(jax.random.key(0), config, 1)


def test_what_cannot_be_used_is_named(written, tmp_path, monkeypatch):
    def problem(path, **more):
        with pytest.raises(DataError) as error:
            settle(OwnFile(path, **more))
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    assert "does not exist" in problem(str(tmp_path / "none.npz"))
    path = written(power=numbered(2, 3))
    assert "holds power, time_step_s, must hold one of csi, rsrp_db" in problem(path)
    path = written(traffic=numbered(1, 30))
    assert "task: found 'beams'; needed one of" in problem(path, task="beams")
    assert "rsrp_db: is missing" in problem(path, task="beam")
    assert "context + horizon: 40 + 2" in problem(path, context=40, horizon=2)
    assert "context: 0, must be" in problem(path, context=0, horizon=2)
    assert "of which 24 may be trained on" in problem(path, context=20, horizon=6)
    csi = np.ones((3, 1, 8, 2), np.complex64)
    pilots = written(csi=csi, **SCALARS)
    assert "--context, --horizon: found 4, None; needed none" in problem(
        pilots, task="csi_estimate", context=4
    )
    path = written(traffic=numbered(1, 30))
    monkeypatch.setattr(own_data, "MOST_BYTES", 50)
    assert "needed at most 0" in problem(path, context=4, horizon=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_share": 1.0}, "train_share: found 1.0"),
        ({"train_share": 0.0}, "train_share: found 0.0"),
        ({"shots": 0}, "shots: found 0; needed at least 1"),
    ],
)
def test_impossible_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        OwnFile("mine.npz", **arguments)
