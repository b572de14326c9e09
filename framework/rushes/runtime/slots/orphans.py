"""Processes that a body left behind: they end with the slot that they came from, wherever they hid.

A process of a session of its own escapes a group signal, and one whose parent has ended escapes a walk of the
tree. On Linux an orphan goes to the nearest ancestor that asked for it: to its slot while that lives, to the
worker after it. There a mark in its environment, inherited from the slot, tells it from anybody else's.
Elsewhere there is no such way, and what hides well stays. This module must not know slots.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["MARK", "adopt_orphans", "end_orphans"]

MARK: Final = "RUSHES_SLOT_OF"
"""The variable in a slot's environment that names its worker's process."""
_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(spared: Collection[int]) -> int:
    """KILL the children of this process that came to it from its slots, but `spared`; gives how many."""
    killed = 0
    mark = f"{MARK}={os.getpid()}".encode()
    for pid in _children():
        if pid in spared:
            continue
        with suppress(OSError):
            # One that has ended tells nothing of itself any more, and nobody else can ask how it ended.
            if os.waitpid(pid, os.WNOHANG)[0]:
                continue
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                killed += 1
                os.waitpid(pid, 0)
    return killed


def _children() -> list[int]:
    """The children of this process's main thread, which is its only one."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:  # not Linux, or a kernel without the list
        return []
    return [int(word) for word in text.split()]
