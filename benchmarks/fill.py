"""Fills the tables of a page under docs/: each is what some programs print.

    python benchmarks/fill.py PAGE [PART ...]    (make PAGE: all parts)

PAGE is estimation or liquid. A table stands between <!-- PART --> and <!-- /PART -->,
and is replaced as soon as its programs have ended well; a killed run has lost one table
at most. Networks that have no run are trained first, some hours of a core for liquid.
The part cost needs the extra [peers] and is left as it is without.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.leaderboard.document import put
from wlam.data.files import write_text_atomic

ROOT = Path(__file__).parents[1]
Commands = Sequence[Sequence[str]]
"""What follows `python`, one after the other."""
IRREGULAR = ("benchmarks/compare.py", "configs/irregular.py")
LOST = "configs/lost.py"


def with_times(cell: str) -> Sequence[str]:
    """A cell's errors less those of the same cell without the times."""
    other = f"{cell}_untold"
    return (
        *(*IRREGULAR, "--cases", LOST),
        *("--names", cell, other, "--against", other),
    )


PAGES: dict[str, dict[str, Commands]] = {
    "estimation": {
        name: [("benchmarks/estimation.py", name)]
        for name in (
            *("mimo", "drops", "combs", "slot", "chains", "entries"),
            *("thz", "half", "line"),
        )
    },
    "liquid": {
        "scans": [("-m", "benchmarks.speed.scans", "15")],
        "cost": [("-m", "benchmarks.speed.liquid", "12")],
        "backbones": [("benchmarks/compare.py", "configs/backbones.py")],
        "irregular": [IRREGULAR],
        "told": [with_times(cell) for cell in ("cfc", "cfc_memory", "gated", "lrc")],
        **{
            name: [("benchmarks/beamforming.py", name)]
            for name in ("tracks", "white", "users", "parts")
        },
        "time": [("-m", "benchmarks.speed.beamforming")],
    },
}


def fill(page: Path, parts: Mapping[str, Commands], wanted: Sequence[str]) -> None:
    """Run the programs of the parts that are wanted, all where none is named.

    Args:
        page: Markdown.
        parts: name -> programs, and their options.
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
        print(f"{part} …", file=sys.stderr, flush=True)
        found = [
            subprocess.run(
                [sys.executable, *command],
                check=True,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout.strip()
            for command in parts[part]
        ]
        write_text_atomic(page, put(page.read_text(), part, "\n\n".join(found)))


def main(arguments: Sequence[str]) -> None:
    """`fill` with the arguments of the command line.

    Raises:
        ValueError: no such page or part.
        subprocess.CalledProcessError: a program failed.
    """
    name, *wanted = arguments or [""]
    if name not in PAGES:
        raise ValueError(f"PAGE: found {name!r}; needed one of {', '.join(PAGES)}")
    parts = dict(PAGES[name])
    peers = importlib.util.find_spec("ncps") is not None
    if "cost" in parts and not peers and "cost" not in wanted:
        print("cost: kept, the extra [peers] is not there", file=sys.stderr)
        del parts["cost"]
    fill(ROOT / "docs" / f"{name}.md", parts, wanted)


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit()
    try:
        main(sys.argv[1:])
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"fill.py: {error}", file=sys.stderr)
        sys.exit(2)
