"""Rushes with its core compiled, in a folder: what the wheel holds that a compiler has helped to build."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import measure

__all__ = ["compiled"]

_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "framework", "functions", "infra")


def compiled(folder: Path) -> Path:
    """Where this checkout's packages are, compiled; built once for each state of the sources.

    Raises:
        measure.Failed: there is no compiler, or no plugin for it; what it said.
    """
    made = folder / f"compiled-{_digest()}"
    if made.exists():
        return made
    # The plugin moves pyproject.toml away while it builds: so it gets a tree of its own.
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        tree = Path(temporary) / "tree"
        tree.mkdir()
        for name in _SOURCES:
            source = _ROOT / name
            if source.is_dir():
                shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
            else:
                shutil.copy(source, tree / name)
        argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", temporary, str(tree)]
        switched_on = {**os.environ, "HATCH_BUILD_HOOK_ENABLE_MYPYC": "true"}
        built = subprocess.run(argv, env=switched_on, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            said = (built.stderr.strip() or built.stdout.strip()).splitlines()
            raise measure.Failed(
                f"the core could not be compiled: {said[-1] if said else 'nothing was said'}"
            )
        (wheel,) = Path(temporary).glob("*.whl")
        beside = Path(temporary) / "packages"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(beside)
        beside.rename(made)
    return made


def _digest() -> str:
    found = hashlib.sha256((_ROOT / "pyproject.toml").read_bytes())
    for path in sorted((_ROOT / "framework").rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]
