"""Acts on the local file system that other code relies on, each saying what it promises.

Foreign `OSError`s become ours here, in `foreign`. This module must not know what the files are for.
"""

# ruff: noqa: PTH100, PTH116 - pathlib's abspath resolves links, and these names must stay as they were given

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final

from rushes.errors import CallerError, PlatformError, RushesError
from rushes.printing import printable

__all__ = [
    "Promise",
    "exchange",
    "foreign",
    "free_bytes",
    "fsync_dir",
    "fsync_file",
    "make_folder",
    "ours",
    "rename_noreplace",
    "same_filesystem",
    "shown",
]

_AT_FDCWD: Final = -2 if sys.platform == "darwin" else -100
_NOREPLACE: Final = 4 if sys.platform == "darwin" else 1  # RENAME_EXCL, RENAME_NOREPLACE
_EXCHANGE: Final = 2  # RENAME_SWAP, RENAME_EXCHANGE
# What a kernel or a file system that does not know the flag answers (renameat2(2); ENOTSUP by some NFS).
_UNKNOWN: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
# link(2): no hard links on this file system (EPERM: FAT, some FUSE), or of this kind of file.
_NO_LINKS: Final = _UNKNOWN | {errno.EPERM, errno.EMLINK, errno.EACCES}

_Meaning = tuple[type[RushesError], str, str, str]
_GONE: Final[_Meaning] = (CallerError, "not-found", "{path} does not exist.", "Check the path.")
_REFUSED: Final[_Meaning] = (
    CallerError,
    "no-permission",
    "no permission to {act} {path}: {why}.",
    "Check who owns it and its mode, or choose another place.",
)
_FULL: Final[_Meaning] = (
    PlatformError,
    "disk-full",
    "no space left to {act} {path}: {why}.",
    "Free some space there, then run `rushes retry`.",
)
_MEANINGS: Final[dict[int, _Meaning]] = {
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
    errno.EROFS: _REFUSED,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.ELOOP: (
        CallerError,
        "link-loop",
        "{path} is a symbolic link that leads back to itself.",
        "Remove the link, or make it name a file.",
    ),
    errno.EXDEV: (
        PlatformError,
        "cross-device",
        "cannot {act} {path}: its scratch folder is on another file system.",
        "Choose an --out that is one file system, without mounts below it.",
    ),
    errno.ENAMETOOLONG: (
        CallerError,
        "name-too-long",
        "cannot {act} {path}: its file system takes no name that long.",
        "Use --name with a shorter template.",
    ),
}
_OTHERWISE: Final[_Meaning] = (
    PlatformError,
    "io-error",
    "cannot {act} {path}: {why}.",
    "Check the disk and the connection to it.",
)


class Promise(Enum):
    """What a move could promise on its file system."""

    atomic = "atomic"
    """One step, whatever happens: the name is as it was, or is the new thing."""
    link = "link"
    """As atomic for whoever looks at the name; a crash may leave a second name behind in scratch."""
    claim = "claim"
    """Never replaces; but for a moment, or after a crash there, the name is an empty file or folder."""
    aside = "aside"
    """For a moment, or after a crash there, the name does not exist; the old thing is in scratch."""


def rename_noreplace(source: Path, target: Path) -> Promise:
    """Move a file or folder to a name that nobody has, in one step where the file system can.

    Raises:
        FileExistsError: the name is taken; nothing has changed.
        OSError: `source` is gone, or the two are on different file systems.
    """
    if _rename_with(source, target, _NOREPLACE):
        return Promise.atomic
    if source.is_dir() and not source.is_symlink():
        target.mkdir()  # claims the name; rename(2) replaces an empty folder in one step
        return _over_claim(source, target)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        source.unlink()
        return Promise.link
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    return _over_claim(source, target)


def exchange(new: Path, current: Path) -> Promise:
    """Swap two names on one file system, in one step where it can.

    Raises:
        OSError: one of them is gone, or they are on different file systems; nothing has changed.
    """
    if _rename_with(new, current, _EXCHANGE):
        return Promise.atomic
    aside = new.with_name(new.name + ".aside")
    rename_noreplace(current, aside)
    try:
        rename_noreplace(new, current)
    except OSError:
        rename_noreplace(aside, current)
        raise
    rename_noreplace(aside, new)
    return Promise.aside


def fsync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_dir(path: Path) -> None:
    """Make the names in a folder durable, where the file system lets folders be synced."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNKNOWN:  # some network and FUSE file systems refuse to sync a folder
            raise
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Make a folder and the parents that it lacks, their names durable.

    Raises:
        OSError: it cannot be made, or something else has the name.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        path.mkdir()
        fsync_dir(path.parent)
        return
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def same_filesystem(one: Path, other: Path) -> bool:
    """True when both are on one file system; of what does not exist yet, the nearest parent counts."""
    return _device(one) == _device(other)


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write to the file system of `path` (or of its nearest parent)."""
    return shutil.disk_usage(_nearest(path)).free


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed: control characters and bytes that are no UTF-8 are escaped."""
    return printable(os.fspath(path))


def foreign(error: OSError, path: str | os.PathLike[str], act: str) -> RushesError:
    """The error of ours that an `OSError` on `path` means.

    Args:
        error: what the system said.
        path: what it was about.
        act: what was being done, to be read after "cannot": ``read``, ``write``.
    """
    kind, code, text, fix = _MEANINGS.get(error.errno or 0, _OTHERWISE)
    message = text.format(path=shown(path), act=act, why=error.strerror or error)
    return kind(message, code=code, fix=fix, details={"errno": error.errno, "path": shown(path)})


@contextmanager
def ours(path: str | os.PathLike[str], act: str) -> Iterator[None]:
    """Within it, an `OSError` becomes the error of ours that it means."""
    try:
        yield
    except OSError as error:
        raise foreign(error, path, act) from error


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders that may be gone already or still be written to; what resists stays."""
    for path in paths:
        with suppress(OSError):
            if stat.S_ISDIR(path.lstat().st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _over_claim(source: Path, target: Path) -> Promise:
    try:
        source.rename(target)
    except OSError:
        with suppress(OSError):
            target.rmdir() if target.is_dir() else target.unlink()
        raise
    return Promise.claim


def _rename_with(source: Path, target: Path, flag: int) -> bool:
    """False when the system or the file system does not know the flag; nothing has changed then."""
    call = _rename_call()
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    import ctypes  # noqa: PLC0415 - as below

    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


@cache
def _rename_call() -> Any:
    import ctypes  # noqa: PLC0415 - a command that sends work renames nothing

    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "renameatx_np" if sys.platform == "darwin" else "renameat2", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
        call.restype = ctypes.c_int
    return call


def _nearest(path: Path) -> Path:
    path = Path(os.path.abspath(path))
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _device(path: Path) -> int:
    return os.stat(_nearest(path)).st_dev
