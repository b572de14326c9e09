"""Where an attempt of a shared ledger keeps its clip and what it makes: a folder, locked while it is used.

A process that is killed leaves its folder, clip and all. The kernel lets its lock go, so whoever works on
that disk next knows what nobody uses any more. A host has such a lock, too, by which what it has left in its
pool is known. This module must not know what is in a folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rushes.errors import PlatformError
from rushes.temporary import YOUNG_S, give_up, hold, sweep

__all__ = [
    "SOURCE",
    "KeptFolders",
    "attempt_scratch",
    "in_scratch",
    "is_held",
    "sign_of_life",
    "sweep_scratch",
]

_NAME: Final = "rushes-attempt-"
_HOST: Final = "rushes-host-"
SOURCE: Final = "source"
"""Where in it the clip is."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def in_scratch(root: Path) -> Iterator[None]:
    """What goes wrong with files here is this machine's fault: no body has run yet.

    Raises:
        PlatformError: the disk is full (``disk-full``), or nothing can be written there (``no-scratch``).
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        raise PlatformError(
            f"scratch in {root} {'is full' if full else 'cannot be used'}: {error.strerror or error}.",
            code="disk-full" if full else "no-scratch",
            fix="Make room there, or see that it may be written; RUSHES_SCRATCH names another folder.",
        ) from error


@contextmanager
def attempt_scratch(root: Path, invocation: str) -> Iterator[Path]:
    """A folder of its own for one attempt, gone afterwards.

    Raises:
        PlatformError: it cannot be made.
    """
    folder, held = _made(root, f"{invocation}-")
    try:
        yield folder
    finally:
        give_up(folder, held)


def _made(root: Path, name: str) -> tuple[Path, int]:
    """A new folder, and what holds its lock."""
    with in_scratch(root):
        folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}{name}", dir=root))
        return folder, hold(folder)


class KeptFolders:
    """Folders of attempts that are kept from one to the next: to remove one costs more than a small attempt.

    Only what an attempt left as its clip was fetched is kept, emptied; every other goes with its attempt.
    """

    def __init__(self) -> None:
        self._free: list[tuple[Path, int]] = []

    @contextmanager
    def attempt(self, root: Path, invocation: str) -> Iterator[Path]:  # noqa: ARG002 - as `attempt_scratch`
        """A folder below `root` that nobody else has, with nothing in it but an empty ``source``, if that."""
        folder, held = self._kept() or _made(root, "")
        try:
            yield folder
        finally:
            if _emptied(folder):
                self._free.append((folder, held))
            else:
                give_up(folder, held)

    def _kept(self) -> tuple[Path, int] | None:
        with suppress(IndexError):  # many attempts take from it at a time: who looks first may find it empty
            while True:
                folder, held = self._free.pop()
                if os.fstat(held).st_nlink:
                    return folder, held
                os.close(held)  # somebody has cleaned up here
        return None

    def close(self) -> None:
        """Remove what is kept."""
        while self._free:
            give_up(*self._free.pop())


def _emptied(folder: Path) -> bool:
    """Empty a folder in which there is nothing but fetched files; False where there is more."""
    try:
        with os.scandir(folder) as found:
            if [one.name for one in found if one.is_dir(follow_symlinks=False)] != [SOURCE]:
                return False
        for file in (folder / SOURCE).iterdir():
            file.unlink()
        return os.listdir(folder) == [SOURCE]  # noqa: PTH208 - the cheapest way to ask
    except OSError:
        return False


@contextmanager
def sign_of_life(root: Path) -> Iterator[Path]:
    """A file that is locked for as long as this process lives, and is gone afterwards.

    Raises:
        PlatformError: it cannot be made.
    """
    with in_scratch(root):
        root.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_HOST, dir=root)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(handle)


def is_held(sign: Path) -> bool:
    """Whether the process lives that has this sign of life."""
    try:
        handle = os.open(sign, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def sweep_scratch(root: Path) -> int:
    """Remove what killed processes have left below a folder; gives how many attempts' that was."""
    swept = sweep(root, lambda name: name.startswith(_NAME))
    for sign in root.glob(f"{_HOST}*"):
        with suppress(OSError):
            if time.time() - sign.stat().st_mtime >= YOUNG_S and not is_held(sign):
                sign.unlink()
    return swept
