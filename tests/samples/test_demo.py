"""`make demo` is the first thing that anybody sees: it has to work from an empty folder, and again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import make_media

DEMO = Path(make_media.__file__).parent / "demo.py"


def _demo(folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(DEMO), str(folder)]
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"}
    )


def test_the_demo_inspects_and_proxies_and_done_again_has_nothing_left_to_do(tmp_path: Path) -> None:
    first = _demo(tmp_path / "demo")

    assert first.returncode == 0, first.stdout + first.stderr
    made = sorted(path.name for path in (tmp_path / "demo" / "proxies").rglob("*.mov"))
    assert len(made) == 11
    assert f"{len(made)} proxies are in" in first.stdout
    assert "timecode_drop.mxf" in first.stdout
    assert "01:00:00;02" in first.stdout

    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo" / "proxies").rglob("*.mov")}
    again = _demo(tmp_path / "demo")

    assert again.returncode == 0, again.stdout + again.stderr
    assert "11 known already" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in times} == times
