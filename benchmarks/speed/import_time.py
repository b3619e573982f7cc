"""What importing wlam costs: CPU seconds, and which heavy packages come with it.

python -m benchmarks.speed.import_time
"""

import json
import os
import resource
import subprocess
import sys

STATEMENTS = (
    "import jax",  # what no user of JAX can do without, for comparison
    "import wlam",
    "import wlam; wlam.Csi",
    "import wlam; wlam.read",
    "import wlam; wlam.load",
    "from wlam import hub",
)
HEAVY = ("jax", "flax", "orbax", "tyro", "scipy", "h5py", "matplotlib")
HEAVY = (*HEAVY, "tensorflow_datasets", "grain", "tensorboardX")
LOADED = "import sys, json; print(json.dumps(sorted(set(sys.modules) & set({heavy}))))"


def measure(statement: str, repeats: int = 3) -> tuple[float, list[str]]:
    """The least CPU seconds of a new Python, and which of HEAVY it imports."""
    code = f"{statement}\n{LOADED.format(heavy=HEAVY)}"
    least, found = float("inf"), []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        least, found = min(least, spent), json.loads(done.stdout)
    return least, found


if __name__ == "__main__":
    print(f"{'statement':24} {'CPU s':>6}  imports")
    for statement in STATEMENTS:
        seconds, found = measure(statement)
        print(f"{statement:24} {seconds:6.2f}  {', '.join(found) or 'none of them'}")
