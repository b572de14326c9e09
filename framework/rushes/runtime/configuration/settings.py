"""Where this machine keeps Rushes' state, read from the environment once, by a composition root.

This module must not know what is kept there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rushes.errors import CallerError, PlatformError
from rushes.media.running.cores import usable_cores
from rushes.units import parse_duration, parse_size

__all__ = ["Settings", "is_network_folder", "settings_from", "wherever"]

# WAL needs shared memory between processes, which network file systems do not give
# (https://www.sqlite.org/wal.html, "all processes using a database must be on the same host").
NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs"}
    | {"fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "fuse.ceph"}
)

_PATHS: Final = ("RUSHES_HOME", "RUSHES_PRICES", "RUSHES_CAPACITY", "RUSHES_CLASSES", "RUSHES_EVENTS")


@dataclass(frozen=True, slots=True)
class Settings:
    """One frozen object; the variables that set a value stand behind it.

    Args:
        home: state folder (`RUSHES_HOME`): journal, logs, lock.
        moved: why `home` is not the folder that was asked for, or "".
        socket: the worker's Unix socket, in a folder that only this user can enter (`XDG_RUNTIME_DIR`).
        cpu: cores of the pool (`RUSHES_CPU`).
        memory_bytes: memory of the pool (`RUSHES_MEMORY`).
        tier: what this machine is in the price book (`RUSHES_TIER`).
        idle_s: the worker ends after so long without work or clients (`RUSHES_IDLE`).
        synchronous: of the journal: FULL survives power loss; no variable weakens it.
    """

    home: Path
    socket: Path
    cpu: float
    memory_bytes: int
    idle_s: float = 600.0
    synchronous: str = "FULL"
    moved: str = ""
    tier: str = "here"

    @property
    def journal(self) -> Path:
        return self.home / "journal.sqlite3"

    @property
    def estimates(self) -> Path:
        """What was learnt of run times; it may be removed, and is learnt again from the journal."""
        return self.home / "estimates.sqlite3"

    @property
    def headers(self) -> Path:
        """Headers of clips that were read for quotes; it may be removed."""
        return self.home / "headers.sqlite3"

    @property
    def logs(self) -> Path:
        return self.home / "logs"


def settings_from(environ: Mapping[str, str]) -> Settings:
    """The settings that an environment asks for; makes the folders.

    Raises:
        CallerError: a variable cannot be read.
        PlatformError: a folder cannot be made, or belongs to somebody else.
    """
    if sys.platform == "win32":
        raise PlatformError(
            "Rushes does not run on Windows itself.", code="platform", fix="Run it inside WSL 2."
        )
    asked = Path(environ.get("RUSHES_HOME") or _default_home(environ)).expanduser().absolute()
    home, moved = asked, ""
    if is_network_folder(asked):
        home = Path(f"/var/tmp/rushes-{os.getuid()}")  # noqa: S108 - checked to be ours below
        moved = f"{asked} is on a network file system, where the journal cannot live; it is in {home}"
    _private_folder(home)
    _private_folder(home / "logs")
    run = _run_folder(environ)
    _private_folder(run)
    # A Unix socket's path holds 107 bytes, so it is named by a digest of the home that it serves.
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    try:
        cpu = float(environ.get("RUSHES_CPU") or usable_cores())
        memory = parse_size(environ.get("RUSHES_MEMORY") or _memory_bytes())
        idle = parse_duration(environ.get("RUSHES_IDLE") or 600.0)
    except ValueError as error:
        raise CallerError(
            f"RUSHES_CPU={environ.get('RUSHES_CPU')!r} is no number.",
            code="bad-value",
            fix="Give a number of cores, such as 4.",
        ) from error
    tier = environ.get("RUSHES_TIER") or "here"
    return Settings(home, run / f"{digest}.sock", max(cpu, 0.1), memory, idle, moved=moved, tier=tier)


def wherever(environ: Mapping[str, str]) -> dict[str, str]:
    """The same variables for a process that begins in another folder: the paths of ours are absolute."""
    paths = {name: environ[name] for name in _PATHS if environ.get(name, "{")[:1] not in {"", "{"}}
    return {**environ, **{name: str(Path(one).expanduser().absolute()) for name, one in paths.items()}}


def is_network_folder(folder: Path) -> bool:
    """True when the nearest existing parent of `folder` is on a network file system (Linux; else False)."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    target = str(folder.resolve())
    best, kind = "", ""
    for line in mounts:
        _, point, fs, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if (target == point or target.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, fs
    return kind in NETWORK_FILE_SYSTEMS


def _default_home(environ: Mapping[str, str]) -> str:
    state = environ.get("XDG_STATE_HOME")
    return f"{state}/rushes" if state else "~/.local/state/rushes"


def _run_folder(environ: Mapping[str, str]) -> Path:
    """Where sockets go: the session's own folder where there is one that can be written."""
    given = environ.get("XDG_RUNTIME_DIR")
    if given and os.access(given, os.W_OK):
        return Path(given) / "rushes"
    # Directly below /tmp, whose sticky bit keeps others from renaming what is checked to be ours: a folder
    # inside somebody else's could be swapped.
    return Path(f"/tmp/rushes-{os.getuid()}")  # noqa: S108 - as above


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            folder.chmod(0o700)
        if not os.access(folder, os.W_OK | os.X_OK):  # also where the file system is read-only
            raise PermissionError(errno.EACCES, "it cannot be written")
    except OSError as error:
        raise PlatformError(
            f"the folder {folder} cannot be used: {error.strerror}.",
            code="no-home",
            fix="Set RUSHES_HOME to a folder on a local disk that you can write.",
        ) from error
    if found.st_uid != os.getuid():
        raise PlatformError(
            f"the folder {folder} belongs to another user.",
            code="no-home",
            fix="Set RUSHES_HOME (or XDG_RUNTIME_DIR) to a folder of your own.",
        )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
