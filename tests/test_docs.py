"""Examples and figures in the documents are the truth."""

import json
import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

import wlam
from wlam.models.predictor.presets import PRESETS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_have_the_documented_sizes(name):
    text = (ROOT / "docs" / "model.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    width, layers, heads, count = (
        int(cell.replace(",", "")) for cell in row.split("|")[2:6]
    )
    preset = PRESETS[name]
    backbone = preset.backbone
    assert (backbone.width, backbone.layers, backbone.heads) == (width, layers, heads)
    assert num_parameters(preset) == count


def test_experts_are_as_many_parameters_as_documented():
    text = (ROOT / "docs" / "model.md").read_text()
    found = re.search(r"With four experts the preset tiny has ([\d,]+) para", text)
    assert found
    tiny = PRESETS["tiny"]
    tiny = replace(tiny, backbone=replace(tiny.backbone, experts=4))
    assert num_parameters(tiny) == int(found[1].replace(",", ""))


def num_parameters(config):
    shapes = nnx.eval_shape(lambda: config.build(nnx.Rngs(0)))
    return sum(x.size for x in jax.tree.leaves(nnx.state(shapes, nnx.Param)))


def test_every_linked_file_exists():
    for page in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("*/README.md"),
    ]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_program_and_module_that_a_page_names_is_there():
    """From the checkout or the package; X and mine/ stand for the reader's own."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/**/*.md")]
    missing = [
        f"{page.name}: {name}"
        for page in pages
        for name in re.findall(r"[`(\s](\w[\w/]*/\w+\.py)\b", page.read_text())
        if not name.startswith(("configs/X", "mine/"))
        if not any((folder / name).is_file() for folder in (ROOT, ROOT / "wlam"))
    ]
    assert not missing


def test_notebooks_import_of_the_package_only_what_is_public():
    for notebook in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(notebook.read_text())["cells"]
        code = "".join("".join(cell["source"]) + "\n" for cell in cells)
        assert not re.findall(r"^ *(?:from|import) wlam[. ].+", code, re.M), notebook


def test_the_example_of_an_optimiser(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "training.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    exec(example, names)
    config = names["config"]
    shapes = jax.eval_shape(config.learner.build(config).init)
    sums = shapes["optimizer"].acc_grads
    assert jax.tree.structure(sums) == jax.tree.structure(shapes["params"])


@pytest.mark.slow
def test_the_examples_of_liquid_networks():
    text = (ROOT / "docs" / "liquid.md").read_text()
    cells, tracker = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {}
    exec(cells, names)
    assert names["y"].shape == (2, 1, 4)
    sweeps = np.full((2, 31, 64), np.nan, np.float32)
    sweeps[:, ::10] = np.random.default_rng(0).uniform(-90, -60, (2, 4, 64))
    names = {"wlam": wlam, "sweeps": sweeps}
    exec(tracker, names)
    assert names["likely"].shape == (2, 10, 64)


@pytest.mark.slow
def test_the_lines_of_the_readme():
    """Raw channels of 4 x 8 dual-polarised antennas, of which packets were lost."""
    text = (ROOT / "README.md").read_text()
    first, more = re.findall(r"```python\n(.*?)```", text, re.S)
    h = wlam.generate("UMi", 2, base=(4, 8, "VH"), num_subcarriers=8).csi.copy()
    h[:, 5] = np.nan
    h[0, -1] = np.nan
    names = {"h": h}
    exec(first, names)
    assert names["forecast"].csi.shape == (2, 8, 8, 64)
    assert np.isfinite(names["forecast"].csi).all()
    exec(more, names)
    assert np.all(names["low"].csi.real < names["high"].csi.real)
