"""Work in company: how a body's commands and long readings meet those of other bodies of the same clip.

A function of the author's runs a tool, or reads a whole file, as if it were alone. Where several functions
run over one clip in one pass, the thread of each has a `Company` that is asked first: it may run the commands
of several as one, and lets a long reading go on beside them. This module must not know threads or tools.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from rushes.media.running.process import ToolCall, ToolRun

__all__ = ["COMPANY", "Company", "aside", "here", "keep_pace"]

T = TypeVar("T")


class Company(Protocol):
    """What a body that works in company is lent."""

    def run(self, call: ToolCall) -> ToolRun:
        """How the tool ended, whether it ran by itself or with others."""

    def aside(self, work: Callable[[], T]) -> T:
        """What `work` gives; the others go on meanwhile."""

    def here(self, work: Callable[[], T]) -> T:
        """What `work` gives, done in the thread whose end is that of the process."""

    def keep_pace(self, done_bytes: int, total_bytes: int) -> None:
        """Waits while a reading is so far ahead of the others' that what it has read may be read again."""


COMPANY: Final[ContextVar[Company | None]] = ContextVar("company", default=None)
"""Of the body that runs in this thread; None for one that works alone."""


def aside(work: Callable[[], T]) -> T:
    """Do `work`, which waits or reads for long, so that whoever shares this clip goes on meanwhile.

    Args:
        work: touches nothing but what is its own.
    """
    company = COMPANY.get()
    return work() if company is None else company.aside(work)


def here(work: Callable[[], T]) -> T:
    """Do `work`, which starts a process that is to outlive this body, where it may.

    Args:
        work: takes a moment.
    """
    company = COMPANY.get()
    return work() if company is None else company.here(work)


def keep_pace(done_bytes: int, total_bytes: int) -> None:
    """Say how far a reading within `aside` is.

    Raises:
        Cancelled: the others have been stopped.
    """
    company = COMPANY.get()
    if company is not None:
        company.keep_pace(done_bytes, total_bytes)
