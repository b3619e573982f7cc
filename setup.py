"""Puts the released models into the wheel, as wlam/released/; see pyproject.toml.

In a checkout they stay in models/, which is no package.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PARTS = ("config.json", "golden.npz", "README.md", "weights")


class WithModels(build_py):
    """Copies models/wlam_*, without peers, seeds and ablations."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the checkout itself is used
            return
        target = Path(self.build_lib) / "wlam" / "released"
        shutil.rmtree(target, ignore_errors=True)
        for config in sorted(Path("models").glob("wlam_*/config.json")):
            folder = target / config.parent.name
            folder.mkdir(parents=True)
            for part in PARTS:
                source = config.parent / part
                copy = shutil.copytree if source.is_dir() else shutil.copy2
                copy(source, folder / part)


setup(cmdclass={"build_py": WithModels})
