"""The scratch folders of attempts, below ``.rushes-scratch`` on the destination's file system.

Whoever takes an invocation over renames the scratch folders of its older attempts away first, so that an
attempt that wakes up late has nothing left to publish. This module must not know what is in them.
"""

from __future__ import annotations

import re
import shutil
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

from rushes.runtime.files import ours
from rushes.runtime.ownership import SCRATCH

__all__ = [
    "attempt_folder",
    "clear_batch",
    "clear_kept",
    "close_scratch",
    "keep_folder",
    "open_scratch",
    "set_aside",
]

_ASIDE: Final = "aside-"
_KEPT: Final = ".keep"


def open_scratch(scratch_root: Path, invocation: str, attempt: int) -> Path:
    """A new scratch folder of one attempt, under a name that no other attempt ever has.

    Raises:
        RushesError: it cannot be made.
    """
    folder = scratch_root / f"{_safe(invocation)}.{attempt}-{uuid.uuid4().hex[:8]}"
    _make(folder)
    return folder


def keep_folder(scratch_root: Path, invocation: str) -> Path:
    """The folder that all attempts at an invocation share; made when it is not there.

    Raises:
        RushesError: it cannot be made.
    """
    folder = scratch_root / f"{_safe(invocation)}{_KEPT}"
    _make(folder)
    return folder


def _make(folder: Path) -> None:
    """Make a scratch folder below its root, which another attempt may be removing."""
    with ours(folder.parent, "write"):
        for _ in range(3):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                folder.mkdir(exist_ok=True)
                return
        folder.mkdir(parents=True, exist_ok=True)


def clear_kept(scratch_root: Path, invocation: str) -> None:
    """Remove the folder that the attempts at an invocation shared, if there is one."""
    folder = scratch_root / f"{_safe(invocation)}{_KEPT}"
    if folder.is_dir():
        close_scratch(folder)


def close_scratch(folder: Path) -> None:
    """Remove an attempt's scratch folder, and the root when nobody else is at work in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.name == SCRATCH:
        with suppress(OSError):
            folder.parent.rmdir()


def set_aside(scratch_root: Path, invocation: str) -> int:
    """Rename the scratch folders of all attempts at an invocation away, remove them, and say how many.

    When this returns, no path that an older attempt knows leads to anything it wrote.

    Raises:
        RushesError: a folder cannot be renamed.
    """
    mine = re.compile(re.escape(_safe(invocation)) + r"\.[0-9]+(-[0-9a-f]+)?")
    with ours(scratch_root, "write"):
        try:
            names = [entry.name for entry in scratch_root.iterdir()]
        except FileNotFoundError:
            return 0
        count = 0
        for name in filter(mine.fullmatch, names):
            with suppress(FileNotFoundError):  # its own attempt, or another taker, was quicker
                (scratch_root / name).rename(scratch_root / f"{_ASIDE}{uuid.uuid4().hex}")
                count += 1
    with suppress(OSError):  # somebody else removed the empty root meanwhile
        for path in list(scratch_root.glob(f"{_ASIDE}*")):
            close_scratch(path)
        scratch_root.rmdir()
    return count


def clear_batch(scratch_root: Path, batch: str) -> None:
    """Remove what lost attempts of a batch left, now that none of it runs any more.

    What an attempt leaves when it is lost, the next attempt at its invocation removes; after the last there
    is no next. What cannot be removed stays: nobody waits for it.
    """
    mine = re.compile(re.escape(_safe(batch)) + rf"\.[0-9]+({re.escape(_KEPT)}|(_.+)?\.[0-9]+(-[0-9a-f]+)?)")
    with suppress(OSError):
        for folder in [entry for entry in scratch_root.iterdir() if mine.fullmatch(entry.name)]:
            close_scratch(folder)
        if scratch_root.name == SCRATCH:
            scratch_root.rmdir()  # as it is left by an attempt that died before it had made its folder


def attempt_folder(path: Path) -> Path | None:
    """The attempt's scratch folder that `path` is in, or None when it is in no scratch folder."""
    for folder in (path, *path.parents):
        if folder.parent.name == SCRATCH:
            return folder
    return None


def _safe(invocation: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", invocation)
