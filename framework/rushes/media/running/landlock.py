"""Landlock: what a process may still open and connect to, told to the kernel by the process itself.

A ruleset is a descriptor. It is made and filled here, before any fork, out of folders and files; whoever is
to be held calls `restrict` with it between fork and exec, or hands it to the launcher inside bubblewrap.
Rules bind to the files themselves and not to names, so they hold through bubblewrap's mounts too. The rights
are those of https://docs.kernel.org/userspace-api/landlock.html; what the running kernel does not know is
left out. This module must not know what a tool is, nor which files it needs.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

__all__ = ["abi", "everything", "looking", "restrict_self", "restriction", "ruleset"]

_LINUX: Final = sys.platform.startswith("linux")
# The same numbers on every architecture but alpha.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_PR_SET_NO_NEW_PRIVS: Final = 38
_PATH_BENEATH: Final = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15
# By the first version of the interface that knows them: 1 files, 2 renames across folders, 3 truncation,
# 5 ioctl on devices.
_FS_UP_TO: Final = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _IOCTL_DEV}
_NET_FROM, _NET_TCP = 4, 0b11
# Abstract Unix sockets and signals reach nobody outside.
_SCOPE_FROM, _SCOPES = 6, 0b11
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# No tool makes a link: what it links to would be reachable for the next tool that is given its folder.
_NEVER: Final = _MAKE_SYM | _IOCTL_DEV

_LIBC: Final = ctypes.CDLL(None, use_errno=True) if _LINUX else None


@cache
def abi() -> int:
    """The version of the interface that the kernel has; 0 for none."""
    if _LIBC is None:
        return 0
    version: int = _LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, version)


def looking() -> int:
    """The rights of reading and executing."""
    return _EXECUTE | _READ_FILE | _READ_DIR


def everything() -> int:
    """The rights over a folder to write in, as far as the kernel knows them."""
    return _handled() & ~_NEVER


def ruleset(reads: Iterable[str], writes: Iterable[str], devices: Iterable[str] = ()) -> int:
    """An open descriptor of rules: what is not named here cannot be opened, and no TCP port be reached.

    Args:
        reads: files and folders to read and execute; what is not there is passed over.
        writes: folders and files to change.
        devices: nodes to read, write and control.

    Raises:
        OSError: the kernel has no Landlock, or does not take a rule.
    """
    version = abi()
    attributes = struct.pack(
        "=QQQ", _handled(), _NET_TCP if version >= _NET_FROM else 0, _SCOPES if version >= _SCOPE_FROM else 0
    )
    # An older kernel knows a shorter structure, and says E2BIG only where the rest is not zero.
    rules = _call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        for names, rights in (
            (reads, looking()),
            (writes, everything()),
            (devices, _READ_FILE | _WRITE_FILE | _handled() & _IOCTL_DEV),
        ):
            for name in names:
                _allow(rules, name, rights)
    except BaseException:
        os.close(rules)
        raise
    os.set_inheritable(rules, False)  # noqa: FBT003 - it takes no keyword
    return rules


def restriction(rules: int) -> Callable[[], None]:
    """What holds the calling process to `rules` for good: system calls alone, to be called after a fork."""
    assert _LIBC is not None  # noqa: S101 - there is no ruleset without it
    prctl, syscall, zero = _LIBC.prctl, _LIBC.syscall, ctypes.c_uint32(0)

    def restrict(leave: Callable[[int], None] = os._exit) -> None:
        # A tool that cannot be held does not run.
        if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or syscall(_RESTRICT, rules, zero):
            leave(126)

    return restrict


def restrict_self(rules: int) -> None:
    """Holds this thread, and those that it starts, to `rules` for good.

    Raises:
        OSError: the kernel does not take them.
    """
    if _LIBC is None or _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("there is no Landlock here")
    _call(_RESTRICT, rules, ctypes.c_uint32(0))


def _handled() -> int:
    version = abi()
    return sum(rights for first, rights in _FS_UP_TO.items() if version >= first)


def _allow(rules: int, name: str, rights: int) -> None:
    try:
        there = os.open(name, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(there).st_mode):
            rights &= _OF_FILES
        _call(_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", rights, there), ctypes.c_uint32(0))
    finally:
        os.close(there)


def _call(*arguments: object) -> int:
    if _LIBC is None:
        raise OSError("there is no Landlock on this system")
    result: int = _LIBC.syscall(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
