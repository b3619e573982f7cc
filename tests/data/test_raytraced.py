"""Ray-traced sets: closed forms of a single path, where Sionna RT is installed."""

from importlib.util import find_spec

import jax.numpy as jnp
import numpy as np
import pytest

from wlam.data import generate
from wlam.data.builders import prepare, read_csi
from wlam.data.raytraced import LABELS, RayTracedConfig, SceneConfig, trace
from wlam.ops.units import SPEED_OF_LIGHT
from wlam.phy import arrays
from wlam.types import DataError

# The extra [peers] has a sionna too, without the ray tracer.
HAS_SIONNA = bool(find_spec("sionna") and find_spec("sionna.rt"))
needs_sionna = pytest.mark.skipif(not HAS_SIONNA, reason="needs the extra [rt]")
TINY = SceneConfig(array=(2, 3), num_subcarriers=4, num_times=3, max_depth=0, rays=1000)


@pytest.mark.skipif(HAS_SIONNA, reason="Sionna RT is installed")
def test_without_sionna_one_line_names_the_extra(tmp_path):
    with pytest.raises(DataError, match=r"pip install 'wlam\[rt\]'") as error:
        prepare("csi_rt", None, tmp_path, config="munich")
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"pip install 'wlam\[rt\]'"):
        generate.main(["csi_rt", "etoile", "--train", "4", "--data-dir", str(tmp_path)])
    assert not list(tmp_path.rglob("dataset_info.json"))


def test_invalid_scenes_are_named():
    with pytest.raises(DataError, match="scene: found 'moon'; needed one of munich"):
        SceneConfig(scene="moon")
    with pytest.raises(DataError, match="snr_db: found"):
        SceneConfig(snr_db=(3.0, 1.0))
    with pytest.raises(DataError, match="source: found int; needed one of SceneConfig"):
        RayTracedConfig(name="x", source=3)


def test_shapes_need_no_sionna():
    shapes = RayTracedConfig(name="tiny", source=TINY).shapes()
    assert shapes.csi.shape == (1, 3, 4, 6)
    assert set(shapes.labels) == set(LABELS)
    np.testing.assert_allclose(shapes.antennas.positions.mean(axis=0), np.zeros(3))


@needs_sionna
def test_a_line_of_sight_is_a_plane_wave():
    base = np.array(TINY.base_m)
    away = np.array([[12.0, 1.0, -2.0], [3.0, 9.0, 4.0], [-8.0, 2.0, 6.0]])
    velocity = np.array([[10.0, 0, 0], [0, -20.0, 0], [5.0, 5.0, 0]])
    channel, los = trace(TINY, (base + away).astype("f4"), velocity.astype("f4"))
    assert los.any()
    wavelength = SPEED_OF_LIGHT / TINY.carrier_hz
    for user in np.flatnonzero(los):
        h, metres = channel[user], np.linalg.norm(away[user])
        azimuth = np.arctan2(away[user, 1], away[user, 0])
        zenith = np.arccos(away[user, 2] / metres)
        response = arrays.response(
            jnp.asarray(TINY.positions()), jnp.float32(azimuth), jnp.float32(zenith)
        )
        # The first path arrives at 0 s: flat over frequency, of phase 0, and with the
        # gain of free space.
        gain = wavelength / (4 * np.pi * metres)
        plane = np.broadcast_to(gain * np.asarray(response), h[0].shape)
        np.testing.assert_allclose(h[0], plane, atol=1e-4 * gain)
        doppler_hz = -velocity[user] @ away[user] / metres / wavelength
        turn = np.exp(2j * np.pi * doppler_hz * TINY.time_step_s)
        ratio = h[1:] / h[:-1]
        np.testing.assert_allclose(ratio, np.full_like(ratio, turn), atol=1e-3)


@needs_sionna
def test_a_scene_is_prepared(tmp_path):
    config = RayTracedConfig(name="tiny", source=TINY, splits={"train": 5}, block=4)
    found = read_csi(prepare("csi_rt", None, tmp_path, config=config), "train")
    assert found.csi.shape == (5, 3, 4, 6)
    power = np.mean(np.abs(found.clean) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(power, np.ones(5), rtol=1e-5)
    # With the line of sight alone, the path loss is that of free space.
    away = found.labels["position_m"] - np.array(TINY.base_m)
    free = 4 * np.pi * np.linalg.norm(away, axis=1) * TINY.carrier_hz / SPEED_OF_LIGHT
    np.testing.assert_allclose(
        found.labels["path_loss_db"], 20 * np.log10(free), atol=0.01
    )
    assert (found.labels["state"] == 0).all()
    noise = np.mean(np.abs(found.csi - found.clean) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(-10 * np.log10(noise), found.labels["snr_db"], atol=3)
    np.testing.assert_allclose(
        np.linalg.norm(found.labels["velocity_mps"], axis=1) * 3.6,
        found.labels["speed_kmh"],
        rtol=1e-5,
    )
