"""The house: a folder imports only folders below it, and is no larger than a room."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = (
    *("version", "types", "serialise", "metrics", "bootstrap"),
    *("ops", "kernels", "phy", "simulate"),
    *(
        "baselines",
        "nn",
        "diffusion",
        "data",
        "tasks",
        "plot",
        "models",
        "adapt",
        "training",
    ),
    *("evaluation", "config", "hub", "finetune"),
)
"""Files and folders of wlam, from the bottom to the top."""
LONGEST_FILE, LONGEST_FUNCTION, LARGEST_SHARE = 500, 80, 0.2


def modules() -> list[Path]:
    return sorted((ROOT / "wlam").rglob("*.py"))


def layer_of(parts: tuple[str, ...]) -> str:
    """Of ("wlam", "phy", "noise"): "phy"."""
    return parts[1] if len(parts) > 1 else ""


def imported(file: Path) -> Iterator[tuple[str, ...]]:
    """The modules of wlam that a file imports when it runs, wherever it does so.

    What stands under TYPE_CHECKING is for the type checker alone.
    """
    todo: list[ast.AST] = [ast.parse(file.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.module == "wlam":
            yield from (("wlam", alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield tuple((node.module or "").split("."))
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


def test_a_folder_imports_only_folders_below_it():
    upwards = []
    for file in modules():
        here = layer_of(file.relative_to(ROOT).with_suffix("").parts)
        if here == "__init__":  # the door, which opens every room when it is asked
            continue
        assert here in LAYERS, f"{here}: no place in LAYERS; needed one"
        for parts in imported(file):
            there = layer_of(parts)
            if parts[0] == "wlam" and LAYERS.index(there) > LAYERS.index(here):
                upwards.append(f"{file.relative_to(ROOT)} imports {'.'.join(parts)}")
    assert not upwards, "\n".join(upwards)


def test_nothing_in_wlam_imports_programs():
    for file in modules():
        assert all(
            parts[0] not in ("benchmarks", "configs") for parts in imported(file)
        )


def test_no_file_is_longer_than_one_thought():
    for file in modules():
        assert len(file.read_text().splitlines()) <= LONGEST_FILE, file


def test_no_function_is_longer_than_a_screen():
    kinds = ast.FunctionDef, ast.AsyncFunctionDef
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for file in [*modules(), *ROOT.glob("*.py")]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, kinds)
        if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert not long


def test_no_folder_has_more_than_its_share_of_the_code():
    lines: dict[str, int] = {}
    for file in modules():
        here = layer_of(file.relative_to(ROOT).with_suffix("").parts)
        lines[here] = lines.get(here, 0) + len(file.read_text().splitlines())
    total = sum(lines.values())
    for folder, count in lines.items():
        assert count <= LARGEST_SHARE * total, f"{folder}: {count} of {total} lines"


def test_tests_mirror_the_package():
    """Every folder of tests is a folder of wlam, or of the checkout."""
    for folder in (ROOT / "tests").rglob("*/"):
        name = folder.relative_to(ROOT / "tests")
        if any(folder.glob("test_*.py")):
            assert (ROOT / "wlam" / name).is_dir() or (ROOT / name).is_dir(), name
