"""The wheel whose core is machine code: it decides as the plain one does, or its own tests would say so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "framework", "functions", "infra")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a compiled wheel holds, unpacked."""
    folder = tmp_path_factory.mktemp("compiled")
    tree = folder / "tree"  # of its own: the plugin moves pyproject.toml away while it builds
    tree.mkdir()
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(ROOT / name, tree / name)
    argv = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(tree)]
    switched_on = {**os.environ, "HATCH_BUILD_HOOK_ENABLE_MYPYC": "true"}
    done = subprocess.run(argv, env=switched_on, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    assert "none-any" not in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


@pytest.mark.soak
@pytest.mark.needs("cc")
def test_a_compiled_core_passes_the_tests_of_the_core_and_of_the_twin(packages: Path, tmp_path: Path) -> None:
    found = {**os.environ, "PYTHONPATH": str(packages)}
    where = "import rushes.core.scheduler as found; print(found.__file__)"
    loaded = subprocess.run(
        [sys.executable, "-c", where], env=found, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip().endswith(".so")

    argv = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    argv += [str(ROOT / "tests" / name) for name in ("core", "simulator")]
    done = subprocess.run(argv, env=found, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]
