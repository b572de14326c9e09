"""What a person does with a batch of an environment: an end, another try, another class.

This module must not know what a batch is made of.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rushes.core.states import State
from rushes.engines.aws.laptop.followed import LOOKED_AT
from rushes.engines.aws.laptop.placing import sender_of
from rushes.runtime.refusals import has_ended, known_class

if TYPE_CHECKING:
    from rushes.engines.aws.laptop.connection import Connection
    from rushes.engines.aws.laptop.followed import Followed

__all__ = ["Steering"]

STOPPED_S: Final = 150.0
"""What a cancelled batch may go on for: a claim is heard of within a minute, or lapses after one."""


class Steering:
    """Steers batches.

    Args:
        there: the environment.
        followed: its batches, by the names that people know.
        poll_s: how often a cancelled one is asked whether something of it runs.
    """

    def __init__(self, there: Connection, followed: Followed, poll_s: float) -> None:
        self._there = there
        self._followed = followed
        self._poll_s = poll_s

    def cancel(self, batch: str) -> None:
        """Cancel what has not ended; returns when nothing of it runs any more."""
        inner = self._followed.inner(batch)
        self._followed.spec(inner)
        self._there.ledger.cancel(inner)
        until = time.monotonic() + STOPPED_S
        while True:
            self._followed.forget(inner)
            active = self._followed.tally(inner).active
            if not active or time.monotonic() > until:
                return
            self._end_lapsed(inner, active)
            time.sleep(max(self._poll_s, 0.01))

    def _end_lapsed(self, inner: str, active: Sequence[int]) -> None:
        """What nobody holds any more of a cancelled batch ends when it is asked for."""
        now = self._there.clock()
        for one in self._there.ledger.entries(inner, active[:LOOKED_AT]):
            if one.state is State.running and (one.until or now) <= now:
                self._there.ledger.claim(one.work.invocation, "laptop", now, now)

    def retry(self, batch: str) -> int:
        """Queue the failed and cancelled invocations of a batch again; returns how many."""
        inner = self._followed.inner(batch)
        spec = self._followed.spec(inner)
        sender = sender_of(self._there, spec)
        again = self._there.ledger.retry(inner)
        sender.tell(spec, again)
        self._followed.forget(inner)
        return len(again)

    def set_priority(self, batch: str, priority: str) -> None:
        """Give a batch another class.

        Raises:
            CallerError: no such batch or class, or it has ended.
        """
        inner = self._followed.inner(batch)
        known_class(priority, tuple(self._there.deployment.ranks))
        tally = self._followed.tally(inner, fresh=True)
        if tally.complete:
            raise has_ended(self._followed.outer(inner))
        spec = {**tally.spec, "priority": priority}
        sender = sender_of(self._there, spec)
        self._there.ledger.restamp(inner, priority)
        sender.tell(spec, self._there.ledger.waiting(inner))
        self._followed.forget(inner)
