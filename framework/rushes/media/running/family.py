"""A process and all that it started, found by walking down from it through sessions and namespaces.

A group signal misses whatever has a session of its own, as everything in a bubblewrap box has; the tree is
seen from outside all the same. This module must not know what the processes do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

__all__ = [
    "born",
    "children",
    "cpu_seconds",
    "descendants",
    "freeze",
    "moved_bytes",
    "resident_bytes",
    "thaw",
]

_HAS_CHILDREN: Final = Path("/proc/thread-self/children").exists()
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
# A process stops when it next leaves the kernel; one that waits for a dead disk does not, and runs nothing.
_FREEZE_S: Final = 2.0


def descendants(root: int, known: Iterable[int] = ()) -> set[int]:
    """Every living process below `root`, and below those that were `known` to be: orphans keep theirs."""
    found: set[int] = set()
    fresh = [root, *known]
    while fresh:
        for born in children(fresh.pop()):
            if born not in found:
                found.add(born)
                fresh.append(born)
    return found


def freeze(root: int, *, spared: Collection[int] = ()) -> set[int]:
    """Stop `root` and all below it, until nothing is left that runs; gives what was stopped.

    A stopped process cannot start another, so the walk ends: what was born meanwhile is found by the next
    one. It keeps its memory, its files and its device sessions, and ignores TERM until `thaw`.
    """
    stopped: set[int] = set()
    deadline = time.monotonic() + _FREEZE_S
    while True:
        family = {root, *descendants(root, stopped)}.difference(spared)
        fresh = family - stopped
        _send(fresh, signal.SIGSTOP)
        stopped |= fresh
        if not fresh and (not any(_runs(pid) for pid in family) or time.monotonic() > deadline):
            return stopped
        time.sleep(0.001)


def thaw(root: int) -> None:
    """Let `root` and all below it go on."""
    _send({root, *descendants(root)}, signal.SIGCONT)


def children(pid: int) -> list[int]:
    """The children of a process; none of one that has ended."""
    if not _HAS_CHILDREN:
        return _children_by_psutil(pid)
    born: list[int] = []
    try:
        # Children hang on the thread that made them.
        for thread in Path(f"/proc/{pid}/task").iterdir():
            born += map(int, (thread / "children").read_bytes().split())
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return born  # it has just ended
    return born


def resident_bytes(pid: int) -> int:
    """Its memory; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def moved_bytes(pid: int) -> tuple[int, int]:
    """Bytes that it has read and written in its life."""
    try:
        lines = Path(f"/proc/{pid}/io").read_bytes().splitlines()
        fields = dict(line.split(b": ") for line in lines)
    except (OSError, ValueError):
        return (0, 0)
    return (int(fields.get(b"rchar", 0)), int(fields.get(b"wchar", 0)))


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process, without its children's; 0 where the system does not say."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if len(fields) > 12 else 0.0


def born(pid: int) -> float | None:
    """When a process began, in the system's own count: another of the same number began later."""
    fields = _stat(pid)
    if len(fields) > 19:
        return float(fields[19])
    if _HAS_CHILDREN:
        return None
    import psutil  # noqa: PLC0415 - only where there is no /proc

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _runs(pid: int) -> bool:
    state = _stat(pid)[:1]
    return bool(state) and state[0] not in (b"T", b"t", b"Z", b"X")


def _stat(pid: int) -> list[bytes]:
    """The fields of proc(5) stat from the state on; none of a process that has gone."""
    try:
        # The name before them may hold anything, brackets too.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _children_by_psutil(pid: int) -> list[int]:
    import psutil  # noqa: PLC0415 - only where /proc has no list of children

    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []
