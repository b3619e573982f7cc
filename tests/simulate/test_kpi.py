"""KPIs have the stated propagation, memories, handovers and displays."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.data import generators
from wlam.phy.channels.tr38901.pathloss import los_probability, path_loss_db
from wlam.phy.channels.tr38901.tables import LOS, NLOS
from wlam.simulate import kpi
from wlam.tasks import TASKS, mixture

# Unoptimised code compiles three times as fast and runs long enough not to matter.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
generate = jit(kpi.generate, static_argnums=(1, 2))
CONFIG = kpi.KpiConfig(num_times=48, grid=(3, 2))
# Nothing but noise and a display that is refreshed every two seconds.
PARKED = replace(
    CONFIG,
    time_steps_s=(1.0,),
    quantities=("rsrp",),
    parked_probability=1.0,
    noise_db=(0.5, 0.5),
    layer_std_db=(0.0, 0.0),
    filter_s=(0.01, 0.01),
    margin_db=(8.0, 8.0),
    refresh_s=(2.0, 2.0),
    missed_share=(0.0, 0.0),
    inter_site_m=(200.0, 300.0),
    quantum_db=0.0,
)


@pytest.fixture(scope="module")
def any_series():
    return generate(jax.random.key(0), CONFIG, 256)


def test_reports_are_whole_db_within_their_ranges(any_series):
    values = np.asarray(any_series.series)
    assert values.shape == (256, 48, 3)
    assert np.all(np.isfinite(values))
    rsrp, rsrq, sinr = np.moveaxis(values, -1, 0)
    assert rsrp.min() >= -140
    assert rsrp.max() <= -44
    assert rsrq.min() >= -34
    assert rsrq.max() <= -3  # pilots alone fill a sixth of a block
    assert sinr.min() >= -23
    assert sinr.max() <= 40
    assert np.array_equal(values, np.round(values))
    assert set(np.asarray(any_series.time_step_s)) == set(CONFIG.time_steps_s)
    # Neither stuck at an end of its range nor at one value.
    assert np.mean((rsrp > -140) & (rsrp < -44)) > 0.9
    assert np.mean(np.ptp(rsrp, axis=1) > 0) > 0.9


def test_equal_keys_give_equal_bits(any_series):
    again = generate(jax.random.key(0), CONFIG, 256)
    assert np.array_equal(any_series.series, again.series)
    other = generate(jax.random.key(1), CONFIG, 256)
    assert not np.array_equal(any_series.series, other.series)


def test_labels_are_the_parameters_of_a_series(any_series):
    labels = {name: np.asarray(label) for name, label in any_series.labels.items()}
    assert all(label.shape == (256,) for label in labels.values())
    parked = labels["rest_share"] == 1
    assert np.all(labels["speed_kmh"][parked] == 0)
    assert labels["handovers"][labels["rest_share"] < 0.1].mean() > 1
    # 5 % never move, and some others do not within the series.
    assert 0.05 < np.mean(parked) < 0.2
    # Rarer refreshes, more repeated values.
    repeated = np.mean(np.diff(any_series.series[..., 0], axis=1) == 0, axis=1)
    hold = labels["refresh_s"] / labels["time_step_s"]
    assert repeated[hold > 4].mean() > 0.7 > 0.5 > repeated[hold < 1].mean()


def test_only_noise_moves_a_parked_user():
    data = generate(jax.random.key(0), PARKED, 256)
    assert np.all(np.asarray(data.labels["speed_kmh"]) == 0)
    rsrp = np.asarray(data.series)[..., 0]
    still = rsrp[(np.asarray(data.labels["handovers"]) == 0) & (rsrp.min(1) > -139)]
    still = still[still.max(axis=1) < -45]
    assert len(still) > 150
    # A new value every two seconds, all in the odd or all in the even steps.
    changed = np.diff(still, axis=1) != 0
    even = changed[:, ::2].any(axis=1)
    assert np.all(changed[:, ::2].all(axis=1) == even)
    assert np.all(changed[:, 1::2].all(axis=1) == ~even)
    assert np.all(changed[:, 1::2].any(axis=1) == ~even)
    # White, of the configured size, around a level that stays.
    noise = np.where(even[:, None], still[:, 1::2], still[:, ::2])
    noise = noise - noise.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(noise.std() * (24 / 23) ** 0.5, 0.5, rtol=0.03)
    lag_one = np.mean(noise[:, 1:] * noise[:, :-1]) / np.mean(noise**2)
    np.testing.assert_allclose(lag_one, -1 / 24, atol=0.04)


@jit
def walks(moved_m):
    """1024 draws of the processes: memory 20 m and 40 m along the way, 10 s in time."""
    memories = {"decorrelation_m": 20.0, "los_m": 40.0, "load_memory_s": 10.0}
    drawn = jax.tree.map(jnp.float32, memories)
    config = replace(CONFIG, grid=(1, 2))

    def one(key):
        return kpi.random_walks(key, config, drawn, moved_m, 1.0, 3e9)

    return jax.vmap(one)(jax.random.split(jax.random.key(0), 1024))


def test_shadowing_forgets_exponentially_along_the_way():
    found = walks(jnp.full(24, 5.0))
    names = "shadowing", "obstacles", "load", "fading"
    shadowing, obstacles, load, fading = (np.asarray(found[name]) for name in names)
    np.testing.assert_allclose(np.mean(shadowing**2), 1.0, atol=0.05)
    for lag in (1, 4, 8):
        pairs = np.mean(shadowing[:, lag:] * shadowing[:, :-lag])
        np.testing.assert_allclose(pairs, np.exp(-lag * 5 / 20), atol=0.05)
        pairs = np.mean(obstacles[:, lag:] * obstacles[:, :-lag])
        np.testing.assert_allclose(pairs, np.exp(-lag * 5 / 40), atol=0.05)
        pairs = np.mean(load[:, lag:] * load[:, :-lag])
        np.testing.assert_allclose(pairs, np.exp(-lag / 10), atol=0.05)
    both = np.mean(shadowing[..., 0] * shadowing[..., 1])
    np.testing.assert_allclose(both, kpi.SITE_CORRELATION, atol=0.05)
    # Half a wavelength is 5 cm: nothing is left of the fading after 5 m.
    np.testing.assert_allclose(np.mean(fading[:, 1:] * fading[:, :-1]), 0, atol=0.02)


def test_at_rest_only_the_load_changes():
    found = walks(jnp.zeros(24))
    for name in ("shadowing", "obstacles", "fading"):
        assert np.all(np.ptp(np.asarray(found[name]), axis=1) < 1e-5), name
    assert np.all(np.ptp(np.asarray(found["load"]), axis=1) > 0)


NAMES = ("UMi", "UMa", "RMa")
loss = jit(kpi.loss_db, static_argnums=1)
standard_loss = jit(path_loss_db, static_argnums=(0, 1))
standard_probability = jit(los_probability, static_argnums=0)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_path_loss_is_that_of_tr_38901(place):
    distance = np.array([[12.0, 60.0, 250.0, 800.0, 1500.0, 2500.0]], np.float32)
    carrier, height = np.float32(2.1e9), kpi.HEIGHTS_M[NAMES[place]]
    grid = np.linspace(-9, 9, 181)[:, None]
    field = np.repeat(grid, 6, axis=1).astype(np.float32)
    far = np.repeat(distance, 181, axis=0)
    found = np.asarray(loss(np.int32(place), NAMES, carrier, far, field))
    others = carrier, distance, height, 1.5
    los, nlos = (
        np.asarray(standard_loss(NAMES[place], state, *others))[0]
        for state in (LOS, NLOS)
    )
    np.testing.assert_allclose(found[0], los, atol=1e-3)
    np.testing.assert_allclose(found[-1], nlos, atol=1e-3)
    # Over the Gaussian field, the mean share of the open loss is its probability.
    mean = np.average(found, axis=0, weights=np.exp(-(grid[:, 0] ** 2) / 2))
    likely = np.asarray(standard_probability(NAMES[place], distance, 1.5, height))[0]
    differ = nlos - los > 1
    share = (nlos - mean)[differ] / (nlos - los)[differ]
    np.testing.assert_allclose(share, likely[differ], atol=0.02)


def test_path_loss_is_constant_below_the_smallest_distance():
    near = np.array([[0.0, 3.0, 9.0, 10.0, 10.1, 30.0]], np.float32)
    distance = np.repeat(near, 181, axis=0)
    found = loss(np.int32(0), NAMES, np.float32(2e9), distance, 0 * distance)
    found = np.asarray(found)[0]
    assert found[0] == found[1] == found[2] == found[3] < found[4] < found[5]


site_offsets = jit(kpi.site_offsets, static_argnums=2)
sector_gain_db = jit(kpi.sector_gain_db)


def test_hexagons_have_six_neighbours_and_no_edge():
    flat = np.zeros((16, 2), np.float32)
    user = np.array([[0.0, 0.0], [130.0, 40.0]], np.float32)
    offset = np.asarray(site_offsets(user, flat, (4, 4), 500.0))
    distance = np.sort(np.linalg.norm(offset, axis=-1), axis=1)
    np.testing.assert_allclose(distance[0, :7], [0, *[500.0] * 6], atol=1e-2)
    assert distance[0, 7] > 800
    around = np.array([[4 * 500.0, -2 * 3**0.5 * 500.0]], np.float32)
    moved = site_offsets(user + around, flat, (4, 4), 500.0)
    # At exactly half the way around both signs are right; distances agree.
    np.testing.assert_allclose(
        np.linalg.norm(moved, axis=-1), np.linalg.norm(offset, axis=-1), atol=1e-2
    )
    shift = flat.copy()
    shift[3] = 0.1, -0.2
    shifted = np.asarray(site_offsets(user, shift, (4, 4), 500.0)) - offset
    np.testing.assert_allclose(shifted[1, 3], [-50.0, 100.0], atol=1e-2)


def test_sectors_are_three_rotated_copies():
    angle = np.deg2rad([0.0, 32.5, 60.0, 120.0, 180.0])
    around = jnp.array(100 * np.stack([np.cos(angle), np.sin(angle)], -1), jnp.float32)
    gain = np.asarray(sector_gain_db(around[:, None], jnp.zeros(1)))[:, 0]
    between, aside = -12 * (60 / 65) ** 2, -12 * (87.5 / 65) ** 2
    expected = [[0, -3, between, -30, -30], [-30, aside, between, 0, between]]
    np.testing.assert_allclose(gain[:, :2].T, expected, atol=1e-2)
    turned = sector_gain_db(around[:, None], jnp.full(1, 2 * np.pi / 3))
    np.testing.assert_allclose(turned[:, 0, 0], gain[:, 1], atol=1e-2)


serve = jit(kpi.serve)


def serve_in_words(measured, decay, margin, wait):
    """The same step by step, with a list of the neighbours that were better."""
    filtered, serving = measured[0].copy(), int(np.argmax(measured[0]))
    better, cells = dict.fromkeys(range(measured.shape[1]), 0), []
    for now in measured:
        filtered = decay * filtered + (1 - decay) * now
        for cell in better:
            ahead = filtered[cell] > filtered[serving] + margin
            better[cell] = better[cell] + 1 if ahead else 0
        ready = [cell for cell in better if better[cell] > wait]
        if ready:
            serving = max(ready, key=lambda cell: filtered[cell])
            better = dict.fromkeys(better, 0)
        cells.append(serving)
    return cells, filtered


@pytest.mark.parametrize("wait", [0.0, 2.0])
def test_handovers_are_those_of_event_a3(wait):
    steps = np.random.default_rng(0).normal(size=(400, 5))
    measured = np.cumsum(steps, axis=0).astype(np.float32) % 20
    filtered, serving = serve(jnp.array(measured), 0.6, 2.0, wait)
    cells, last = serve_in_words(measured, 0.6, 2.0, wait)
    assert serving.tolist() == cells
    assert np.count_nonzero(np.diff(serving)) > 10
    np.testing.assert_allclose(filtered[-1], last, atol=1e-3)


def test_no_ping_pong_below_the_margin():
    """Two cells that are 2.9 dB better alternately."""
    turns = np.where(np.arange(400) % 2, 2.9, -2.9)[:, None] * np.array([[0.5, -0.5]])
    measured = jnp.array(np.pad(turns - 80, ((0, 0), (0, 3)), constant_values=-120))
    measured = measured.astype(jnp.float32)
    _, serving = serve(measured, 0.0, 3.0, 0.0)
    assert len(set(serving.tolist())) == 1
    _, serving = serve(measured, 0.0, 2.8, 0.0)
    assert np.count_nonzero(np.diff(serving)) == 399
    # A margin that is passed for one step does not last as long as the trigger.
    _, serving = serve(measured, 0.0, 2.8, 1.0)
    assert len(set(serving.tolist())) == 1


def test_quality_has_its_limits():
    far = -300.0  # a cell that is not there
    power = np.array(
        [[-80.0, far], [-80.0, far], [-60.0, -60.0], [-130.0, far]], np.float32
    )
    load = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]], np.float32)
    found = jit(kpi.quality)(power, np.zeros(4, np.int32), load)
    np.testing.assert_allclose(found["rsrp"], power[:, 0], atol=1e-3)
    # Busy and alone; idle and alone: two of twelve elements; an equal neighbour.
    rsrq = -10 * np.log10([12.0, 2.0, 24.0])
    np.testing.assert_allclose(np.asarray(found["rsrq"])[:3], rsrq, atol=1e-3)
    sinr = [-80 - kpi.NOISE_DBM, -80 - kpi.NOISE_DBM, 0.0, -130 - kpi.NOISE_DBM]
    np.testing.assert_allclose(found["sinr"], sinr, atol=1e-3)


def test_a_display_keeps_its_value():
    values = jnp.arange(6.0)[:, None]
    fresh = jnp.array([False, False, True, False, True, False])
    assert kpi.shown(values, fresh)[:, 0].tolist() == [0, 0, 2, 2, 4, 4]


def test_the_series_task_takes_it(any_series):
    assert generators.GENERATORS[kpi.KpiConfig] is kpi.generate
    mixture.DataSource("series", CONFIG, 1.0)
    task = TASKS["series"]
    assert isinstance(any_series, task.container)
    sequences = task.sequences(any_series)
    assert sequences.values.shape == (256, 48, 3)
    assert sequences.interval.shape == (256,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_times": 1}, "num_times, time_steps_s: found 1"),
        ({"time_steps_s": (0.0,)}, "num_times, time_steps_s: found 128"),
        ({"speeds_kmh": (0.0, 9.0)}, "speeds_kmh: found .* needed 0 < lo <= hi"),
        ({"margin_db": (3.0, 2.0)}, "margin_db: found .* needed lo <= hi"),
        ({"quantities": ()}, "quantities: found .* rsrp, rsrq, sinr"),
        ({"scenarios": ("InH",)}, "scenarios: found .* UMi, UMa, RMa"),
        ({"grid": (4, 3)}, "grid: found"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        kpi.KpiConfig(**change)
