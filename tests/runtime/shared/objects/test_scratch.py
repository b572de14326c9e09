"""Scratch folders of attempts: gone afterwards, and swept once their process was killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from waiting import until

from rushes.runtime.shared.objects.scratch import SOURCE, KeptFolders, attempt_scratch, sweep_scratch
from rushes.temporary import YOUNG_S

_HOLDS = """
import sys, time
from pathlib import Path
from rushes.runtime.shared.objects.scratch import attempt_scratch
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


def test_a_folder_goes_however_deep_it_is_and_nothing_that_a_link_in_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "kept").write_bytes(b"kept")
    with attempt_scratch(tmp_path, "k7m2qx.1") as folder:
        (folder / "source" / "deep" / "er").mkdir(parents=True)
        (folder / "source" / "deep" / "er" / "clip").write_bytes(b"clip")
        (folder / "link").symlink_to(tmp_path / "theirs")
        (folder / "source" / "link").symlink_to(tmp_path / "theirs")
    assert [one.name for one in tmp_path.iterdir()] == ["theirs"]
    assert (tmp_path / "theirs" / "kept").read_bytes() == b"kept"


def test_a_folder_in_which_only_the_clip_was_is_kept_for_the_next_attempt_and_is_nobodys_to_sweep(
    tmp_path: Path,
) -> None:
    folders = KeptFolders()
    for number in range(3):
        with folders.attempt(tmp_path, f"k7m2qx.{number}") as folder:
            assert [one.name for one in folder.rglob("*")] == ([SOURCE] if number else [])
            (folder / SOURCE).mkdir(exist_ok=True)
            (folder / SOURCE / f"clip-{number}.mov").write_bytes(b"clip")
        aged(tmp_path)
        assert sweep_scratch(tmp_path) == 0
        assert [one for one in tmp_path.rglob("*") if one.is_file()] == []
    assert len(list(tmp_path.iterdir())) == 1
    folders.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_anything_else_was_goes_with_its_attempt(tmp_path: Path) -> None:
    folders = KeptFolders()
    for extra in ("out/x", "beside", f"{SOURCE}/folder/x"):
        with folders.attempt(tmp_path, "k7m2qx.1") as folder:
            (folder / SOURCE).mkdir()
            (folder / extra).parent.mkdir(exist_ok=True)
            (folder / extra).write_bytes(b"x")
        assert list(tmp_path.iterdir()) == []


def test_a_kept_folder_that_somebody_has_removed_is_made_anew(tmp_path: Path) -> None:
    folders = KeptFolders()
    for _ in range(2):
        with folders.attempt(tmp_path, "k7m2qx.1") as folder:
            (folder / SOURCE).mkdir()
        shutil.rmtree(folder)
    with folders.attempt(tmp_path, "k7m2qx.2") as folder:
        assert folder.is_dir()


def test_two_attempts_at_a_time_have_a_folder_each(tmp_path: Path) -> None:
    folders = KeptFolders()
    with folders.attempt(tmp_path, "k7m2qx.1") as one, folders.attempt(tmp_path, "k7m2qx.2") as other:
        assert one != other
        for folder in (one, other):
            (folder / SOURCE).mkdir()
    with folders.attempt(tmp_path, "k7m2qx.3") as one, folders.attempt(tmp_path, "k7m2qx.4") as other:
        assert one != other
    folders.close()
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


class _Taken(list[tuple[Path, int]]):
    """Has something for who looks, and nothing any more for who takes: another attempt was faster."""

    def __bool__(self) -> bool:
        return True


def test_an_attempt_that_finds_the_last_kept_folder_taken_has_one_of_its_own(tmp_path: Path) -> None:
    folders = KeptFolders()
    folders._free = _Taken()
    with folders.attempt(tmp_path, "k7m2qx.1") as folder:
        assert folder.is_dir()
