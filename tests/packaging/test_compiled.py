"""The wheel whose core is machine code: it decides as the plain one does, or its own tests would say so."""

# ruff: noqa: PLC0415 - benchmarks/ is put on the path for this test alone

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.soak
@pytest.mark.needs("cc")
def test_a_compiled_core_passes_the_tests_of_the_core_and_of_the_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from compiled import compiled

    found = {**os.environ, "PYTHONPATH": str(compiled(tmp_path))}
    where = "import rushes.core.scheduler as found; print(found.__file__)"
    loaded = subprocess.run(
        [sys.executable, "-c", where], env=found, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip().endswith(".so")

    argv = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    argv += [str(ROOT / "tests" / name) for name in ("core", "simulator")]
    done = subprocess.run(argv, env=found, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]
