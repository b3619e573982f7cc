"""Fills the tables of a page under docs/: each is what one program prints.

A table stands between <!-- PART --> and <!-- /PART -->, and is replaced as soon as its
program has ended well; a killed run has lost one table at most.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.leaderboard.document import put
from wlam.data.files import write_text_atomic

ROOT = Path(__file__).parents[1]


def fill(page: Path, parts: Mapping[str, Sequence[str]], wanted: list[str]) -> None:
    """Run the programs of the parts that are wanted, all where none is named.

    Args:
        page: Markdown.
        parts: name -> program in this folder, and its options.
        wanted: names of parts.

    Raises:
        ValueError: there is no such part, or the page has no place for it.
        subprocess.CalledProcessError: a program failed.
    """
    unknown = [part for part in wanted if part not in parts]
    if unknown:
        raise ValueError(f"PART: found {unknown[0]}; needed one of {', '.join(parts)}")
    wanted = wanted or [*parts]
    for part in wanted:
        put(page.read_text(), part, "")  # hours of a program, and no place for them
    for part in wanted:
        program, *options = parts[part]
        print(f"{part} …", file=sys.stderr, flush=True)
        found = subprocess.run(
            [sys.executable, ROOT / "benchmarks" / program, *options],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        write_text_atomic(page, put(page.read_text(), part, found.stdout))


def main(page: Path, parts: Mapping[str, Sequence[str]]) -> None:
    """`fill` with the arguments of the command line; one line where that fails."""
    try:
        fill(page, parts, sys.argv[1:])
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
