"""Generated sets: the same bits for any shards, and nothing half-written."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wlam.data import generate, generators
from wlam.data.builders import (
    find_config,
    load_builder,
    prepare,
    prepared_dir,
    read,
    read_beams,
    read_csi,
    read_traffic,
)
from wlam.data.generated import SIZES, GeneratedConfig, draw_block
from wlam.phy.channels.tr38901.presets import PRESETS
from wlam.serialise import from_json
from wlam.types import Antennas, Csi, DataError, Sweeps, Traffic

BLOCK = 4
POSITIONS = np.array([[0.0, 0.0, 0.0], [0.0, 0.3, 0.1]], np.float32)


@dataclass(frozen=True)
class Toy:
    """A generator that compiles at once."""

    kind: str = "csi"


def draw_toy(key, config, count):
    x = jax.random.normal(key, (2, count, 2, 4, 2))
    step = jnp.abs(x[0, :, 0, 0, 0])
    labels = {
        "state": (x[0, :, 1, 0, 0] > 0).astype(jnp.int32),
        "velocity_mps": x[0, :, 0, :3, 0],
    }
    if config.kind == "beam":
        return Sweeps(x[0, :, 0], step, x[1, :, 0], labels)
    if config.kind == "traffic":
        return Traffic(x[0, :, 0, 0], step)
    csi = jax.lax.complex(x[0], x[1])
    antennas = Antennas(POSITIONS, np.arange(2, dtype=np.int32))
    return Csi(
        *(csi, step, step + 1, step + 2, antennas),
        clean=2 * csi,
        labels=labels,
    )


@pytest.fixture(scope="module", autouse=True)
def toy():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, Toy, draw_toy)
        yield


def config(name="toy", **changes):
    splits = {"train": 10, "test": 3}
    fields = {"source": Toy(), "splits": splits, "block": BLOCK} | changes
    return GeneratedConfig(name=name, **fields)


@pytest.fixture(scope="module")
def folder(toy, tmp_path_factory):
    return prepare("csi_38901", None, tmp_path_factory.mktemp("a"), config=config())


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_generated_samples_are_read_back(folder):
    found = read_csi(folder, "train")
    drawn = [draw_block(Toy(), 0, "train", BLOCK, number) for number in range(3)]
    assert found.csi.dtype == np.complex64
    for name in ("csi", "clean", "time_step_s", "subcarrier_spacing_hz", "carrier_hz"):
        expected = np.concatenate([getattr(block, name) for block in drawn])[:10]
        np.testing.assert_array_equal(getattr(found, name), expected)
        assert getattr(found, name).dtype == expected.dtype
    for name, values in found.labels.items():
        expected = np.concatenate([block.labels[name] for block in drawn])[:10]
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == expected.dtype
    np.testing.assert_array_equal(found.antennas.positions, POSITIONS)
    np.testing.assert_array_equal(found.antennas.polarisation, [0, 1])


@pytest.mark.parametrize(
    ("kind", "reader"), [("beam", read_beams), ("traffic", read_traffic)]
)
def test_other_tensors(kind, reader, tmp_path):
    toy = config(source=Toy(kind), splits={"test": 3})
    found = reader(prepare("traffic_synthetic", None, tmp_path, config=toy), "test")
    drawn = draw_block(Toy(kind), 0, "test", BLOCK, 0)
    assert_same(found, jax.tree.map(lambda x: x[:3], drawn))


def test_neither_shards_nor_sizes_change_a_sample(folder, tmp_path):
    sizes = {"train": 14, "validation": 1, "test": 3}
    other = prepare("csi_38901", None, tmp_path, config=config(splits=sizes), shards=3)
    assert len(list(other.glob("*train*"))) == 3
    assert len(list(other.glob("*test*"))) == 1
    longer = read_csi(other, "train")
    assert len(longer.csi) == 14
    assert_same(read_csi(folder, "train").csi, longer.csi[:10])
    assert_same(read_csi(folder, "test"), read_csi(other, "test"))
    assert_same(read_csi(other, "train[4:6]").clean, longer.clean[4:6])


def test_splits_blocks_and_seeds_are_independent():
    keys = [(0, "train", 0), (0, "train", 1), (0, "test", 0), (1, "train", 0)]
    drawn = [draw_block(Toy(), s, split, BLOCK, n).csi.ravel() for s, split, n in keys]
    correlation = np.abs(np.corrcoef(drawn))
    assert (correlation[~np.eye(4, dtype=bool)] < 0.5).all()


@pytest.mark.parametrize(
    ("total", "shards", "block"), [(10, 3, 4), (9, 50, 2), (5, 1, 8)]
)
def test_shards_cover_a_split_in_whole_blocks(total, shards, block):
    found = config().cut(total, shards, block)
    assert len(found) <= shards
    assert [i for part in found for i in range(*part)] == list(range(total))
    assert all(start % block == 0 and start < stop for start, stop in found)


def test_large_splits_have_several_shards():
    # 16 complex numbers twice and 3 scalars: 268 bytes; a file has about 2^28.
    assert len(config().cut(10_016_000, None)) == 10
    assert len(config().cut(5, None)) == 1


def test_every_preset_is_a_config_of_the_published_size(tmp_path):
    for name, source in PRESETS.items():
        found = find_config("csi_38901", name)
        assert found.source == source
        assert found.splits == SIZES
    builder = load_builder("csi_38901", data_dir=tmp_path, config="H12")
    assert list(builder.builder_configs) == list(PRESETS)
    assert builder.info.features["csi"].shape == (24, 128, 16, 2)


@pytest.mark.slow
def test_the_command_line_generates_a_changed_preset(tmp_path, capsys):
    words = "csi_38901 D17 --source.num-times 2 --source.num-subcarriers 4"
    words += " --source.base.rows 1 --source.base.columns 2 --source.snr-db 10 10"
    words += f" --train 3 --validation 0 --test 2 --block 4 --data-dir {tmp_path}"
    folder = generate.main(words.split())
    assert capsys.readouterr().out == f"{folder}\n"
    assert folder.parents[1] == tmp_path / "csi_38901"
    assert folder.parent.name.startswith("D17-")
    recipe = json.loads((folder / "metadata.json").read_text())["recipe"]
    source = from_json(recipe["source"])
    base = dataclasses.replace(PRESETS["D17"].base, rows=1, columns=2)
    assert source == dataclasses.replace(
        PRESETS["D17"], num_times=2, num_subcarriers=4, base=base, snr_db=(10.0, 10.0)
    )
    found = read_csi(folder, "train")
    assert found.csi.shape == (3, 2, 4, 2)
    np.testing.assert_array_equal(
        found.csi, draw_block(source, 0, "train", BLOCK, 0).csi[:3]
    )
    noise = np.mean(np.abs(found.csi - found.clean) ** 2)
    assert noise / np.mean(np.abs(found.clean) ** 2) == pytest.approx(0.1, rel=0.5)
    # Equal arguments give the same set, others a set of another name.
    assert generate.main(words.split()) == folder
    options = generate.Options(PRESETS["D17"], seed=1)
    named = find_config("csi_38901", "D17")
    assert generate.requested(named, options).name not in ("D17", folder.parent.name)
    assert generate.requested(named, generate.Options(PRESETS["D17"])) is named


@pytest.mark.slow
def test_a_killed_preparation_leaves_no_prepared_folder(folder, tmp_path):
    code = """
import os, sys
import numpy as np
from wlam.data import generated, generators
from wlam.data.builders import prepare
from wlam.types import Traffic

class Toy: pass

def draw_block(source, seed, split, block, number):
    if number == 2:
        os._exit(9)
    return generators.GENERATORS[Toy](None, source, block)

zeros = lambda key, source, n: Traffic(np.zeros((n, 4), "f4"), np.zeros(n, "f4"))
generators.GENERATORS[Toy], generated.draw_block = zeros, draw_block
config = generated.GeneratedConfig(
    name="toy", source=Toy(), splits={"train": 6}, block=2
)
config.recipe = dict
prepare("traffic_synthetic", None, sys.argv[1], config=config, shards=3)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 9, done.stderr[-2000:]
    begun = list((tmp_path / "traffic_synthetic" / "toy").iterdir())
    assert [p.name.split(".")[0] for p in begun] == ["incomplete"]
    assert len(list(begun[0].glob("*train*"))) >= 2  # whole shards lie there
    with pytest.raises(DataError, match="no prepared traffic_synthetic"):
        prepared_dir("traffic_synthetic", tmp_path, "toy")


def test_a_folder_of_another_recipe_is_named(folder):
    root = folder.parents[2]
    before = (folder / "metadata.json").stat().st_mtime_ns
    assert prepare("csi_38901", None, root, config=config(), shards=2) == folder
    assert (folder / "metadata.json").stat().st_mtime_ns == before
    for change, name in [
        ({"seed": 1}, "seed"),
        ({"splits": {"train": 10}}, "splits"),
        ({"source": Toy("beam")}, "source"),
    ]:
        with pytest.raises(DataError, match=f"another {name};") as error:
            prepare("csi_38901", None, root, config=config(**change))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": 3}, "source: found int; needed one of CdlConfig"),
        ({"splits": {}}, "splits: found none"),
        ({"splits": {"train": 0}}, "splits: found train = 0; needed 1"),
        ({"splits": {"all": 5}}, "splits: found the name 'all'"),
        ({"splits": {"a b": 5}}, "splits: found the name 'a b'"),
        ({"block": 0}, "block: found 0; needed 1"),
        ({"seed": -1}, "seed: found -1; needed 0"),
    ],
)
def test_invalid_configs_are_named(changes, message):
    with pytest.raises(DataError) as error:
        config(**changes)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_errors_have_the_need(folder, tmp_path):
    for pattern, call in [
        ("no 'D99'; needed is .*'D1'", lambda: generate.main(["csi_38901", "D99"])),
        ("needed NAME CONFIG", lambda: generate.main(["csi_38901"])),
        ("set that is generated", lambda: generate.main(["traffic_uomo", "nj"])),
        (
            "name of another config",
            lambda: prepare("csi_38901", None, tmp_path, config=config("D17")),
        ),
        (
            "shards: found 0; needed 1",
            lambda: prepare("csi_38901", None, tmp_path, config=config(), shards=0),
        ),
        ("found Csi in .*; needed Sweeps", lambda: read_beams(folder, "test")),
        ("no 'validation'", lambda: read_csi(folder, "validation")),
        ("manual_dir: None", lambda: prepare("kpi_ucc5g", None, tmp_path)),
    ]:
        with pytest.raises(DataError, match=pattern) as error:
            call()
        assert "\n" not in str(error.value)


@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is not None, reason="Beam is installed"
)
def test_without_beam_one_line_names_the_package(tmp_path):
    with pytest.raises(DataError, match=r"beam_runner: .*pip install apache-beam"):
        prepare(
            "csi_38901", None, tmp_path, config=config(), beam_runner="DirectRunner"
        )


def test_beam_writes_the_same_and_every_shard_once(folder, tmp_path, monkeypatch):
    pytest.importorskip("apache_beam")
    from tensorflow_datasets.core.writer import ShardWriter

    written, write = [], ShardWriter.write
    monkeypatch.setattr(
        ShardWriter,
        "write",
        lambda self, examples, path: (
            written.append(path.name) or write(self, examples, path)
        ),
    )
    other = prepare(
        "csi_38901",
        None,
        tmp_path,
        config=config(),
        shards=2,
        beam_runner="DirectRunner",
    )
    assert len(written) == len(set(written)) == 3
    for split in ("train", "test"):
        assert_same(read_csi(folder, split), read_csi(other, split))
        assert len(read(other, split)) == len(read(folder, split))
