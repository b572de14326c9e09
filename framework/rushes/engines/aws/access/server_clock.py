"""The time by the clock of the shared ledger's service, so that all hosts agree on when a claim lapses.

A host whose clock is ahead would take over what others work on; one that is behind would lose what it works
on itself. Each answer says when it was given, to the second, and that was between its request and its
arrival. Where this machine's clock can be right by that, it is; else it is put right by as little as is
needed. A host reads its wall clock once, when it starts, and goes by one from then on that nobody sets: a
person who sets the other one back an hour would let all claims of that host lapse. This module must not know
what is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

__all__ = ["ServerClock", "ahead_s", "steady_time"]

WHOLE_S: Final = 1.0
"""Dates are cut to whole seconds."""
JUMP_S: Final = 5.0
"""Clocks wander by less between two answers; a suspended machine's is put right by two."""
EASE_S: Final = 1.0
"""Nobody minds so little, and clocks that are kept wander by less."""


_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""That which goes on while a laptop sleeps, where there is one."""


def steady_time() -> Callable[[], float]:
    """A clock that says UTC epoch seconds now, and goes on from here whatever the wall clock is set to."""
    began = time.time() - time.clock_gettime(_STEADY)
    return lambda: began + time.clock_gettime(_STEADY)


@lru_cache(maxsize=4)
def _said(date: str) -> float:
    """What a date says, UTC epoch seconds: answers of one second say the same."""
    return parsedate_to_datetime(date).timestamp()


def ahead_s(said: float, sent: float, received: float, known: float = 0.0) -> float:
    """By how much a service's clock is ahead of ours; negative: behind.

    Args:
        said: when it answered, by its clock, in whole seconds.
        sent: when it was asked, by ours.
        received: when its answer was here, by ours.
        known: what it was taken to be; it stays so where it can be right.
    """
    return max(said - received - EASE_S, min(said + WHOLE_S - sent + EASE_S, known))


class ServerClock:
    """UTC epoch seconds by the clock of who answers; called like `time.time`.

    Args:
        here: this machine's clock.
    """

    def __init__(self, here: Callable[[], float] = time.time) -> None:
        self._here = here
        self._ahead_s: float | None = None
        self._doubted_s = 0.0
        self._asked = threading.local()

    def __call__(self) -> float:
        """What time it is."""
        return self._here() + (self._ahead_s or 0.0)

    def listen(self, client: Any) -> None:
        """Hear what a client of boto3 is told."""
        client.meta.events.register("before-send", self._sending)
        client.meta.events.register("after-call", self._answered)

    def _sending(self, **_: Any) -> None:
        self._asked.at = self._here()

    def _answered(self, http_response: Any, **_: Any) -> None:
        try:
            said = _said(http_response.headers["date"])
        except (LookupError, TypeError, ValueError):
            return
        received = self._here()
        self.hear(said, getattr(self._asked, "at", received), received)

    def hear(self, said: float, sent: float, received: float) -> None:
        """Go by an answer; one that says quite another time is believed once the next says so too.

        Whoever holds work, or extends a claim, while one answer is wrong by an hour would have nobody take it
        for that hour.
        """
        known = self._ahead_s
        ahead = ahead_s(said, sent, received, known or 0.0)
        jumps = known is not None and abs(ahead - known) > JUMP_S
        if jumps and abs(ahead - self._doubted_s) > JUMP_S:
            self._doubted_s = ahead
            return
        self._ahead_s, self._doubted_s = ahead, ahead
