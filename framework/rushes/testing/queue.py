"""A queue in memory, by the same rules as those that hosts share.

The next of a verb can be made to fail, or its answer to be lost. This module must not know any real queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rushes.notices import Message, Notice
from rushes.testing.failing import Failing

if TYPE_CHECKING:
    from rushes.ports import Clock

__all__ = ["StubQueue"]


@dataclass(slots=True)
class _Waiting:
    notice: Notice
    visible_at: float
    times: int = 0


class StubQueue(Failing):
    """A `rushes.ports.Queue` in memory, whose time is a clock's.

    Args:
        clock: says what is visible.
        invisible_s: how long nobody else sees what was received.
    """

    def __init__(self, clock: Clock, *, invisible_s: float = 60.0) -> None:
        super().__init__()
        self._clock = clock
        self._invisible_s = invisible_s
        self._waiting: dict[str, _Waiting] = {}
        self._next = 0

    def send(self, notices: Sequence[Notice], *, delay_s: int = 0) -> None:
        with self._called("send"):
            for notice in notices:
                self._next += 1
                self._waiting[str(self._next)] = _Waiting(notice, self._clock.now() + delay_s)

    def receive(self, count: int, wait_s: float) -> Sequence[Message]:  # noqa: ARG002 - time stands still here
        with self._called("receive"):
            now = self._clock.now()
            out: list[Any] = []
            for handle, one in self._waiting.items():
                if one.visible_at <= now and len(out) < count:
                    one.times += 1
                    one.visible_at = now + self._invisible_s
                    out.append(Message(one.notice, handle, one.times))
            return out

    def extend(self, messages: Sequence[Message], seconds: int) -> None:
        with self._called("extend"):
            for message in messages:
                if message.handle in self._waiting:
                    self._waiting[message.handle].visible_at = self._clock.now() + seconds

    def done(self, messages: Sequence[Message]) -> None:
        with self._called("done"):
            for message in messages:
                self._waiting.pop(message.handle, None)

    def waiting(self) -> int:
        with self._called("waiting"):
            return sum(one.visible_at <= self._clock.now() for one in self._waiting.values())
