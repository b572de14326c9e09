"""Messages between hosts that say that there may be something to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rushes.notices import Message, Notice

__all__ = ["Queue"]


@runtime_checkable
class Queue(Protocol):
    """Messages that say that there may be something to do; each comes at least once, in any order."""

    def send(self, notices: Sequence[Notice], *, delay_s: int = 0) -> None:
        """Put them in; all of them are there when this returns."""
        ...

    def receive(self, count: int, wait_s: float) -> Sequence[Message]:
        """Up to so many messages, waiting so long for the first; nobody else sees them for a while."""
        ...

    def extend(self, messages: Sequence[Message], seconds: int) -> None:
        """Nobody else sees them for so long from now; 0 gives them back at once."""
        ...

    def done(self, messages: Sequence[Message]) -> None:
        """They need not come again."""
        ...

    def waiting(self) -> int:
        """About how many there are that nobody has received."""
        ...
