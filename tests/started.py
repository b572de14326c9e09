"""The processes that a test has started itself, and what it has open.

What fixtures that last longer have is none of its business: a server that other tests share starts and ends
processes while this one runs.
"""

from __future__ import annotations

import gc
from pathlib import Path

import psutil

__all__ = ["Started", "open_files"]


def open_files() -> int:
    """How many this process has open, once what tests before this one dropped is gone."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


class Started:
    """What was started below this process since this was made."""

    def __init__(self) -> None:
        self._before = set(psutil.Process().children())

    def now(self) -> list[psutil.Process]:
        """What of it runs at this moment, and all that runs below it."""
        found: list[psutil.Process] = []
        for child in psutil.Process().children():
            if child not in self._before:
                found.append(child)
                try:
                    found += child.children(recursive=True)
                except psutil.NoSuchProcess:
                    continue
        return found

    def signal(self, *numbers: int) -> None:
        """Send all of it each of these signals, in their order."""
        for one in self.now():
            for number in numbers:
                try:
                    one.send_signal(number)
                except psutil.NoSuchProcess:
                    break
