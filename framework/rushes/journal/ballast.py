"""Room set aside beside the journal, given up when its disk is full, so that what was done can be recorded.

A full disk must not wedge the journal: even a DELETE needs a page. This module must not know what is written.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from rushes.runtime.files import free_bytes

__all__ = ["BALLAST_BYTES", "Ballast"]

BALLAST_BYTES: Final = 16 * 1024 * 1024
"""Enough for the largest turn (a few thousand rows) and the checkpoint after it."""
_PARTS: Final = 16
"""On a small disk the ballast is this part of it: asking for more would hold all work for ever."""
_ROOM: Final = 4
"""New work is taken, and the ballast laid down again, when this many times its size is free."""


class Ballast:
    """The file `path`, full of nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = min(BALLAST_BYTES, shutil.disk_usage(path.parent).total // _PARTS)
        self.low = False
        """True when no new work should be taken."""
        self.lay()

    @property
    def room_bytes(self) -> int:
        """What has to be free before new work is taken again."""
        return _ROOM * self.size_bytes

    def lay(self) -> None:
        """Set the room aside, if there is plenty, and look how much is left."""
        laid = self.path.exists() and self.path.stat().st_size == self.size_bytes
        self.low = free_bytes(self.path.parent) < (self.size_bytes if laid else self.room_bytes)
        if laid or self.low:
            return
        try:
            with self.path.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self.size_bytes)
                else:
                    file.write(bytes(self.size_bytes))
        except OSError:
            self.give_up()

    def give_up(self) -> None:
        """Free the room for what has to be written now."""
        self.low = True
        self.path.unlink(missing_ok=True)
