"""Folders that are locked while they are used, so that what a killed process left is known and removed.

A process that is killed leaves its folders. The kernel lets its locks go, so whoever makes the next folder of
that kind, or begins to work on that disk, removes those that nobody holds. Where a file system has no locks,
nothing is removed. This module must not know what is in a folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["YOUNG_S", "give_up", "hold", "sweep", "temporary_folder"]

YOUNG_S: Final = 60.0
"""A folder is made before it is locked: one that is so new is let alone."""


@contextmanager
def temporary_folder(what: str) -> Iterator[Path]:
    """A folder among the temporary files, gone afterwards; those of its kind that nobody holds go first.

    Args:
        what: its kind, which is in its name: ``rushes-<what>-…``.
    """
    root, prefix = Path(tempfile.gettempdir()), f"rushes-{what}-"
    sweep(root, lambda name: name.startswith(prefix))
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    held = hold(folder)
    try:
        yield folder
    finally:
        give_up(folder, held)


def hold(folder: Path) -> int:
    """Lock a folder that was just made; gives the handle that `give_up` wants.

    Raises:
        OSError: it cannot be opened.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(held, fcntl.LOCK_EX)
    return held


def give_up(folder: Path, held: int) -> None:
    """Remove a folder that this process holds, and let its lock go."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(held)


def sweep(root: Path, is_ours: Callable[[str], object]) -> int:
    """Remove the folders in `root` that nobody holds any more, and say how many.

    Args:
        root: where they are; one that is not there has none.
        is_ours: whether a name is that of a folder which is always held.
    """
    swept = 0
    with suppress(OSError), os.scandir(root) as entries:
        names = [entry.name for entry in entries if is_ours(entry.name)]
        for folder in (root / name for name in names):
            with suppress(OSError):  # another sweeps, too; or it is held
                if time.time() - folder.lstat().st_mtime < YOUNG_S:
                    continue
                held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
                    swept += 1
                finally:
                    os.close(held)
    return swept
