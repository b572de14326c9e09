"""The page of memory that a slot shares with its worker, and with the guard of both.

    current  the invocation that the slot runs       written by the slot
    until    when what runs has to stand still       by the worker; 0: nobody stops it
    halted   when it was made to stand still         by the guard; 0: it was not
    idle     since when the slot waits for work      by the slot, where `until` is set; 0: it does not

Instants are nanoseconds of the monotonic clock, which all processes of a machine share and which stands
while the machine sleeps. Each is one aligned word: nobody reads half of one. This module must not know what
follows from them. (`slot_rank` has a place of its own on the page.)
"""

from __future__ import annotations

import mmap
import struct
from typing import Final

__all__ = ["CURRENT", "WORD", "SlotPage"]

WORD: Final = struct.Struct("=Q")
CURRENT: Final = 0
_UNTIL: Final = 8
_HALTED: Final = 16
_IDLE: Final = 24
_NOTHING: Final = bytes(8)


class SlotPage:
    """One such page."""

    __slots__ = ("_page",)

    def __init__(self, page: mmap.mmap) -> None:
        self._page = page

    @property
    def current(self) -> int:
        """The invocation that the slot runs, by its own account; 0 before the first."""
        return self._word(CURRENT)

    @property
    def until_ns(self) -> int:
        return self._word(_UNTIL)

    @until_ns.setter
    def until_ns(self, at: int) -> None:
        WORD.pack_into(self._page, _UNTIL, at)

    @property
    def halted_ns(self) -> int:
        return self._word(_HALTED)

    @halted_ns.setter
    def halted_ns(self, at: int) -> None:
        WORD.pack_into(self._page, _HALTED, at)

    @property
    def idle_ns(self) -> int:
        return self._word(_IDLE)

    @idle_ns.setter
    def idle_ns(self, at: int) -> None:
        WORD.pack_into(self._page, _IDLE, at)

    @property
    def bounded(self) -> bool:
        """Whether `until` is set; cheap, for whoever asks often."""
        return self._page[_UNTIL:_HALTED] != _NOTHING

    def close(self) -> None:
        """Nobody reads it any more."""
        self._page.close()

    def _word(self, at: int) -> int:
        (found,) = WORD.unpack_from(self._page, at)
        return int(found)
