"""Scratch folders of attempts: gone afterwards, and swept once their process was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from waiting import until

from rushes.runtime.shared.remote_scratch import YOUNG_S, attempt_scratch, sweep_scratch

_HOLDS = """
import sys, time
from pathlib import Path
from rushes.runtime.shared.remote_scratch import attempt_scratch
with attempt_scratch(Path(sys.argv[1]), "k7m2qx.1") as folder:
    (folder / "clip").write_bytes(b"clip")
    time.sleep(600)
"""


def aged(root: Path) -> None:
    """Its folders were made a while ago."""
    for one in root.iterdir():
        os.utime(one, (time.time() - 2 * YOUNG_S,) * 2)


def test_a_folder_goes_with_its_attempt(tmp_path: Path) -> None:
    with attempt_scratch(tmp_path, "k7m2qx.1") as folder:
        (folder / "clip").write_bytes(b"clip")
        aged(tmp_path)
        assert sweep_scratch(tmp_path) == 0
        assert (folder / "clip").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "rushes-somebody").mkdir()
    process = subprocess.Popen([sys.executable, "-c", _HOLDS, str(tmp_path)])
    until(lambda: list(tmp_path.glob("*/clip")))
    aged(tmp_path)
    assert sweep_scratch(tmp_path) == 0
    process.kill()
    process.wait()
    aged(tmp_path)
    assert (sweep_scratch(tmp_path), sweep_scratch(tmp_path)) == (1, 0)
    assert [one.name for one in tmp_path.iterdir()] == ["rushes-somebody"]


def test_what_was_made_just_now_is_let_alone(tmp_path: Path) -> None:
    (tmp_path / "rushes-attempt-a").mkdir()
    assert sweep_scratch(tmp_path) == 0
