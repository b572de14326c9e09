"""Temporary folders: gone afterwards, and once their process was killed removed by whoever comes next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from waiting import until

from rushes.temporary import YOUNG_S, sweep, temporary_folder

_HOLDS = """
import time
from rushes.temporary import temporary_folder
with temporary_folder("trial") as folder:
    (folder / "file").write_bytes(b"x")
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, here and in what a test starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def age(root: Path) -> None:
    for one in root.iterdir():
        os.utime(one, (time.time() - 2 * YOUNG_S,) * 2, follow_symlinks=False)


def test_a_temporary_folder_is_private_and_gone_afterwards(temporary: Path) -> None:
    with temporary_folder("trial") as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_bytes(b"x")
    assert not list(temporary.iterdir())


def test_two_of_a_kind_live_beside_each_other(temporary: Path) -> None:
    with temporary_folder("trial") as one:
        age(temporary)
        with temporary_folder("trial") as other:
            assert one.is_dir()
            assert one != other


def test_what_a_killed_process_left_goes_with_the_next_of_its_kind(temporary: Path) -> None:
    (temporary / "rushes-somebody").mkdir()
    with subprocess.Popen([sys.executable, "-c", _HOLDS]) as process:
        try:
            until(lambda: list(temporary.glob("rushes-trial-*/file")) or process.poll() is not None)
        finally:
            process.kill()
    age(temporary)

    with temporary_folder("other"):
        assert list(temporary.glob("rushes-trial-*"))
    with temporary_folder("trial"):
        pass

    assert [one.name for one in temporary.iterdir()] == ["rushes-somebody"]


def test_what_was_made_just_now_is_let_alone_and_a_link_is_not_followed(tmp_path: Path) -> None:
    root, theirs = tmp_path / "root", tmp_path / "theirs"
    for folder in (root, theirs, theirs / "kept"):
        folder.mkdir()
    (root / "x-link").symlink_to(theirs)
    age(root)
    (root / "x-young").mkdir()

    assert sweep(root, lambda name: name.startswith("x-")) == 0
    assert (root / "x-young").is_dir()
    assert (theirs / "kept").is_dir()


def test_where_nothing_is_there_is_nothing_to_remove(tmp_path: Path) -> None:
    assert sweep(tmp_path / "nowhere", lambda _: True) == 0


def test_one_that_somebody_removed_meanwhile_is_gone_too(temporary: Path) -> None:
    with temporary_folder("trial") as folder:
        shutil.rmtree(folder)
    assert not list(temporary.iterdir())
