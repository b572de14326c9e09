"""The scratch folders of attempts, below ``.rushes-scratch`` on the destination's file system.

Whoever takes an invocation over renames the scratch folders of its older attempts away first, so that an
attempt that wakes up late has nothing left to publish. Direct calls have no worker that tells them apart, and
several may run at a time: each holds its folder, and removes what nobody holds. An attempt without outputs
has its folder among the temporary files. This module must not know what is in them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from rushes.runtime.files import ours
from rushes.runtime.ownership import SCRATCH
from rushes.temporary import sweep

__all__ = [
    "attempt_folder",
    "clear_batch",
    "clear_kept",
    "close_scratch",
    "keep_folder",
    "open_scratch",
    "open_temporary",
    "set_aside",
    "sweep_direct",
    "temporary_roots",
]

_ASIDE: Final = "aside-"
_KEPT: Final = ".keep"
_TEMPORARY: Final = "rushes-"


def open_scratch(scratch_root: Path, invocation: str, attempt: int) -> Path:
    """A new scratch folder of one attempt, under a name that no other attempt ever has.

    Raises:
        RushesError: it cannot be made.
    """
    folder = scratch_root / f"{_safe(invocation)}.{attempt}-{uuid.uuid4().hex[:8]}"
    _make(folder)
    return folder


def open_temporary(root: Path | None, invocation: str, attempt: int) -> Path:
    """A new scratch folder of one attempt that has no outputs; those of attempts before it are removed.

    Args:
        root: where; None: among the temporary files.
        invocation: which.
        attempt: which try at it.

    Raises:
        RushesError: it cannot be made.
    """
    root = root or Path(tempfile.gettempdir())
    name = f"{_TEMPORARY}{_safe(invocation)}"
    with ours(root, "write"):
        if attempt > 1:
            _remove_all(root, re.compile(rf"{re.escape(name)}\.[0-9]+-\w+"))
        return Path(tempfile.mkdtemp(prefix=f"{name}.{attempt}-", dir=root))


def temporary_roots(variables: Mapping[str, str]) -> list[Path]:
    """Where the slots with these variables have the folders of attempts that have no outputs."""
    named = (variables.get("TMPDIR"), "/tmp")  # noqa: S108 - where it is if the other is not to be had
    return [Path(one) for one in dict.fromkeys(named) if one]


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


def sweep_direct(scratch_root: Path, invocation: str) -> None:
    """Remove the scratch folders of killed direct calls of that name: those that nobody holds."""
    call = _safe(invocation.partition("/")[0])  # of a part: of the call that it is a part of
    mine = re.compile(rf"({_TEMPORARY})?{re.escape(call)}(_.+)?\.[0-9]+-\w+")
    sweep(scratch_root, mine.fullmatch)
    if scratch_root.name == SCRATCH:
        with suppress(OSError):
            scratch_root.rmdir()


def clear_batch(scratch_root: Path, batch: str) -> None:
    """Remove what lost attempts of a batch left, now that none of it runs any more.

    What an attempt leaves when it is lost, the next attempt at its invocation removes; after the last there
    is no next. What cannot be removed stays: nobody waits for it.
    """
    name = rf"({_TEMPORARY})?{re.escape(_safe(batch))}"
    _remove_all(scratch_root, re.compile(rf"{name}\.[0-9]+({re.escape(_KEPT)}|(_.+)?\.[0-9]+(-\w+)?)"))
    if scratch_root.name == SCRATCH:
        with suppress(OSError):
            scratch_root.rmdir()  # as it is left by an attempt that died before it had made its folder


def _remove_all(root: Path, mine: re.Pattern[str]) -> None:
    with suppress(OSError), os.scandir(root) as entries:
        for name in [entry.name for entry in entries if mine.fullmatch(entry.name)]:
            shutil.rmtree(root / name, ignore_errors=True)


def attempt_folder(path: Path) -> Path | None:
    """The attempt's scratch folder that `path` is in, or None when it is in no scratch folder."""
    for folder in (path, *path.parents):
        if folder.parent.name == SCRATCH:
            return folder
    return None


def _safe(invocation: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", invocation)
