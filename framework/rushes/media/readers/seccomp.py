"""The system calls that a process may still make: a filter in the kernel, which the process asks for itself.

What is left is what computing takes: memory, threads, clocks, and reading and writing what is open already.
No file can be opened, no socket made, no program started, no other process signalled, no memory made
executable. The filter is built here as plain numbers and given to the kernel once. The numbers are those of
https://docs.kernel.org/userspace-api/seccomp_filter.html and of the kernel's tables of system calls. This
module must not know what the process computes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Machine", "deny_the_rest", "known_machine", "program"]

_PR_SET_NO_NEW_PRIVS, _PR_SET_NAME = 38, 15
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
_AT_NUMBER, _AT_MACHINE, _AT_ARGUMENTS = 0, 4, 16
# On x86-64 the same calls are there a second time, with other sizes of pointers, from this number on.
_X32: Final = 0x4000_0000
_CLONE_THREAD, _PROT_EXEC, _AT_EMPTY_PATH = 0x10000, 4, 0x1000


@dataclass(frozen=True, slots=True)
class Machine:
    """What calls are named on one architecture.

    Args:
        audit: the kernel's number for it.
        seccomp: the number of seccomp(2) itself.
        column: of `_NUMBERS`.
    """

    audit: int
    seccomp: int
    column: Literal[0, 1]


_MACHINES: Final = {
    "x86_64": Machine(0xC000_003E, 317, 0),
    "aarch64": Machine(0xC000_00B7, 277, 1),
}
# Name: numbers on x86-64 and on arm64, which lacks those that newer calls replace. The common ones first: a
# filter is read from its start.
_NUMBERS: Final[dict[str, tuple[int, int | None]]] = {
    "read": (0, 63), "lseek": (8, 62), "pread64": (17, 67), "futex": (202, 98), "recvmsg": (47, 212),
    "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211), "fstat": (5, 80), "close": (3, 57),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "poll": (7, None), "ppoll": (271, 73),
    "brk": (12, 214), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "write": (1, 64),
    "readv": (19, 65), "writev": (20, 66), "fcntl": (72, 25), "select": (23, None), "pselect6": (270, 72),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153),
    "getrusage": (98, 165), "getrandom": (318, 278), "getpid": (39, 172), "gettid": (186, 178),
    "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176),
    "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "getrlimit": (97, 163),
    "setrlimit": (160, 164), "mincore": (27, 232), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293),
    "membarrier": (324, 283), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    "shutdown": (48, 210), "exit": (60, 93), "exit_group": (231, 94),
    "mmap": (9, 222), "mprotect": (10, 226), "clone": (56, 220), "clone3": (435, 435),
    "tgkill": (234, 131), "prlimit64": (302, 261), "prctl": (157, 167), "newfstatat": (262, 79),
    "statx": (332, 291), "ioctl": (16, 29), "open": (2, None), "openat": (257, 56), "openat2": (437, 437),
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Condition:
    """Allowed where one argument is right, else answered with `error`."""

    argument: int
    test: Literal["is", "has", "lacks"]
    value: int
    error: int


# Refused by name, with what a library expects to hear; whatever is not in the table is not there at all.
_REFUSED: Final = {
    "clone3": errno.ENOSYS,  # its flags cannot be seen from here: libraries go on to clone
    "ioctl": errno.ENOTTY,
    **dict.fromkeys(("open", "openat", "openat2", "socket", "socketpair", "connect", "bind"), errno.EACCES),
}


def known_machine() -> Machine | None:
    """The machine that this is; None for one whose numbers are not known here."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return None
    return _MACHINES.get(os.uname().machine)


def program(machine: Machine, pid: int) -> bytes:
    """The filter, as the kernel reads it, for the process with this id."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _instructions(machine, pid))


def deny_the_rest(machine: Machine) -> None:
    """Hold this process, and all its threads, to the filter for good.

    Raises:
        OSError: the kernel has no such filters, or somebody else's filter forbids asking.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(machine, os.getpid())
    kept = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(kept))
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        or libc.syscall(machine.seccomp, _SET_MODE_FILTER, _ALL_THREADS, head) != 0
    ):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _instructions(machine: Machine, pid: int) -> Iterator[tuple[int, int, int, int]]:
    yield _LOAD, 0, 0, _AT_MACHINE
    yield _EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _AT_NUMBER
    yield _AT_LEAST, 0, 1, _X32
    yield _RETURN, 0, 0, _ERRNO | errno.ENOSYS
    conditions = _conditions(pid)
    for name, numbers in _NUMBERS.items():
        number = numbers[machine.column]
        if number is None:
            continue
        condition = conditions.get(name)
        if condition is None:
            refused = _REFUSED.get(name)
            yield _EQUAL, 0, 1, number
            yield _RETURN, 0, 0, _ALLOW if refused is None else _ERRNO | refused
            continue
        yield _EQUAL, 0, 4, number
        yield _LOAD, 0, 0, _AT_ARGUMENTS + 8 * condition.argument
        yield _EQUAL if condition.test == "is" else _HAS, 0, 1, condition.value
        found, other = _ALLOW, _ERRNO | condition.error
        if condition.test == "lacks":
            found, other = other, found
        yield _RETURN, 0, 0, found
        yield _RETURN, 0, 0, other
    yield _RETURN, 0, 0, _ERRNO | errno.ENOSYS


def _conditions(pid: int) -> dict[str, _Condition]:
    return {
        "mmap": _Condition(2, "lacks", _PROT_EXEC, errno.EACCES),
        "mprotect": _Condition(2, "lacks", _PROT_EXEC, errno.EACCES),
        "clone": _Condition(0, "has", _CLONE_THREAD, errno.EPERM),
        "tgkill": _Condition(0, "is", pid, errno.EPERM),  # abort(3)
        "prlimit64": _Condition(0, "is", 0, errno.EPERM),
        "prctl": _Condition(0, "is", _PR_SET_NAME, errno.EINVAL),
        # Of what is open, not of a name.
        "newfstatat": _Condition(3, "has", _AT_EMPTY_PATH, errno.EACCES),
        "statx": _Condition(2, "has", _AT_EMPTY_PATH, errno.EACCES),
    }
