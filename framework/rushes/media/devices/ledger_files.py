"""The files of the ledger of devices: one that is locked while it is read or written, and one a request.

The kernel lets go of a lock when the process that holds it dies, however it dies: a file that nobody has
locked is a dead process's, and is removed by whoever comes across it. What is no such file, or half a file,
is as good as none. This module must not know what is written in them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rushes.errors import PlatformError

__all__ = ["VARIABLE", "LedgerFiles", "MemberFile", "ledger_folder"]

VARIABLE: Final = "RUSHES_DEVICES"
SHARED: Final = Path("/tmp/rushes-devices")  # noqa: S108 - every user's, sticky, and looked at below
"""Not below anybody's home, for a card is the whole host's; not in shared memory, which a log-out empties."""

_HOST: Final = "host"
_MEMBER: Final = "at-"
_MOST_BYTES: Final = 1 << 20
_PATIENCE_S: Final = 5.0
"""It is locked for a millisecond, but a process may be stopped (displaced, ^Z) in the middle of that."""
_POLL_S: Final = 0.005


class LedgerFiles:
    """The files in one folder, which all who share the devices have to use; on a local file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self, patience_s: float = _PATIENCE_S) -> Iterator[int]:
        """The common file, open, and everything in the folder ours alone until the end.

        Raises:
            PlatformError: code ``ledger``: the folder cannot be used, or stays locked for so long.
        """
        handle = -1
        try:
            handle = self._lock(patience_s)
            yield handle
        except OSError as error:
            raise PlatformError(
                f"the ledger of devices in {self.folder} cannot be used: {error.strerror or error}.",
                code="ledger",
                fix=f"Name another folder on a local disk in {VARIABLE}.",
            ) from error
        finally:
            if handle >= 0:
                os.close(handle)

    def changed(self) -> int:
        """Another number after the common file was written, or `wake` called; asked without a lock."""
        try:
            return (self.folder / _HOST).stat().st_mtime_ns
        except OSError:
            return 0

    def wake(self) -> None:
        """Let those who watch `changed` look."""
        with contextlib.suppress(OSError):
            os.utime(self.folder / _HOST)

    def new(self) -> MemberFile:
        """A file at the end of the line, locked; call it with the folder locked."""
        number = max((number for number, _ in self._numbers()), default=0) + 1
        path = self.folder / f"{_MEMBER}{number}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(handle, 0o644)  # others have to read it, whatever the umask
        return MemberFile(path, handle, number)

    def living(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The files of the living, in line; call it with the folder locked. Those of the dead are removed."""
        for number, path in sorted(self._numbers()):
            with contextlib.suppress(OSError), _opened(path) as handle:
                if _is_locked(handle):
                    yield number, load(handle)
                else:
                    path.unlink()

    def _numbers(self) -> Iterator[tuple[int, Path]]:
        for name in os.listdir(self.folder):  # noqa: PTH208 - names alone
            number = name.removeprefix(_MEMBER)
            if name.startswith(_MEMBER) and number.isdecimal():
                yield int(number), self.folder / name

    def _lock(self, patience_s: float) -> int:
        path = self.folder / _HOST
        deadline = time.monotonic() + patience_s
        while True:
            handle = _open_host(path)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same(handle, path):  # else somebody has cleaned up meanwhile
                    return handle
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(handle)
                    raise TimeoutError(None, f"it stays locked for {patience_s:g} s") from None
                time.sleep(_POLL_S)
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)


class MemberFile:
    """One request's own file. It is alive as long as this is open."""

    def __init__(self, path: Path, handle: int, number: int) -> None:
        self.number = number
        self._path = path
        self._handle = handle

    def write(self, data: Mapping[str, Any]) -> None:
        """Replace what it says; call it with the folder locked."""
        if self._handle >= 0:
            save(self._handle, data)

    def close(self) -> bool:
        """Give it up; False where that had been done."""
        if self._handle < 0:
            return False
        handle, self._handle = self._handle, -1
        with contextlib.suppress(OSError):
            self._path.unlink()
        # Not the file alone but the lock: a process that a body forked may hold the same open file.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)
        return True


def ledger_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder of this host's ledger, made where it is missing; None where there can be none.

    Args:
        environ: names another than the usual one (`RUSHES_DEVICES`).
    """
    named = environ.get(VARIABLE)
    folders = [Path(named)] if named else [SHARED, SHARED.with_name(f"{SHARED.name}-{os.getuid()}")]
    for folder in folders:
        with contextlib.suppress(OSError):
            if _usable(folder):
                return folder
    return None


def load(handle: int) -> dict[str, Any]:
    """What a file says; nothing where that is not JSON."""
    try:
        data = json.loads(os.pread(handle, _MOST_BYTES, 0) or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def save(handle: int, data: Mapping[str, Any]) -> None:
    """Replace what a file says."""
    text = json.dumps(data).encode()
    os.pwrite(handle, text, 0)
    os.ftruncate(handle, len(text))


def _usable(folder: Path) -> bool:
    """Make the folder where it is missing; False where others could replace files that are not theirs."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    found = folder.lstat()
    sticky = bool(found.st_mode & stat.S_ISVTX)
    closed = found.st_uid in (0, os.getuid()) and not found.st_mode & 0o022
    return stat.S_ISDIR(found.st_mode) and (sticky or closed) and os.access(folder, os.W_OK | os.X_OK)


def _open_host(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        # In a folder of everybody's, Linux refuses O_CREAT on a file that is another user's.
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(handle, 0o666)  # everybody writes it, whatever the umask
            return handle


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
