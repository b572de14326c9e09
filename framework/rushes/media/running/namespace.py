"""bubblewrap's process namespace, seen from outside: who its first process is, and its end.

bubblewrap leaves without waiting for that process, so the time that a tool took would be lost, and the tool
be alive for a moment yet. This process takes such orphans in while one of its tools is boxed, and waits for
it: when the first process of a namespace has been waited for, nothing is left in it. This module must not
know what runs there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import threading
import time
from typing import Final

__all__ = ["Namespace"]

_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_PRCTL: Final = ctypes.CDLL(None, use_errno=True).prctl if sys.platform.startswith("linux") else None
# The kernel kills all of it with bubblewrap; what hangs in a dead disk is left to the kernel.
_END_S: Final = 2.0
_CHILD: Final = re.compile(rb'"child-pid": *(\d+)')


class Namespace:
    """The namespace of one tool.

    Args:
        told: where bubblewrap tells its child's number (`--info-fd`); closed with this.
    """

    def __init__(self, told: int) -> None:
        self._told = told
        os.set_blocking(told, False)
        self._first: int | None = None
        _adoption.begin()

    def first(self) -> int | None:
        """The process that is number 1 inside; None while, or if, there is none."""
        if self._first is None:
            with contextlib.suppress(BlockingIOError):
                found = _CHILD.search(os.read(self._told, 4096))
                self._first = int(found[1]) if found else None
        return self._first

    def end(self) -> float:
        """Waits for the end of all in it, once bubblewrap has ended; gives their processor seconds."""
        first, deadline = self.first(), time.monotonic() + _END_S
        while first is not None and time.monotonic() < deadline:
            try:
                pid, _, usage = os.wait4(first, os.WNOHANG)
            except ChildProcessError:  # it was taken in, and waited for, by somebody else
                break
            if pid:
                return usage.ru_utime + usage.ru_stime
            time.sleep(0.001)
        return 0.0

    def close(self) -> None:
        """No more is heard of it."""
        os.close(self._told)
        _adoption.finish()


class _Adoption:
    """While somebody wants it, orphans below this process become its own children."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._was = True

    def begin(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted == 1 and _PRCTL is not None:
                found = ctypes.c_int(0)
                _PRCTL(_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0)
                self._was = bool(found.value)
                _PRCTL(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def finish(self) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0 and not self._was and _PRCTL is not None:
                _PRCTL(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


_adoption: Final = _Adoption()
