"""What every test runs under: exact shapes, no silent rank promotion, a warm cache."""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
from jaxtyping import install_import_hook

# Shapes and dtypes in signatures are checked at run time, but only under pytest.
hook = install_import_hook("wlam", "beartype.beartype")
hook.__enter__()

jax.config.update("jax_numpy_rank_promotion", "raise")
# Compilation dominates test time, so it is kept from one run to the next.
jax.config.update(
    "jax_compilation_cache_dir",
    os.environ.get("WLAM_TEST_CACHE", str(Path(__file__).parent / ".jax_cache")),
)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
