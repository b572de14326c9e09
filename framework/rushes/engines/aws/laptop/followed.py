"""Batches of an environment as who follows them sees them: by names that people know, asked for now and then.

A batch is called ``k7m2qx@dev``, so that its name alone says where it is; in the ledger it is ``k7m2qx``. How
far it is is asked for once in a while, however often somebody looks. This module must not know who sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rushes.engines.aws.laptop.ends import Ends
from rushes.engines.aws.laptop.told import explained, finished, standstill_of, status_of
from rushes.errors import CallerError
from rushes.runtime.refusals import unknown_batch, unknown_invocation

if TYPE_CHECKING:
    from rushes.invocation import BatchStatus, Finished
    from rushes.ledger import Tally
    from rushes.ports import Desk

__all__ = ["Followed"]

LOOKED_AT: Final = 100
"""Of what runs, how many are looked at for what they are; one request."""
SHOWN: Final = 8
"""Of these, how many a display is told of."""


class Followed:
    """The batches of one environment.

    Args:
        desk: its ledger.
        where: what is behind the ``@`` of their names.
        poll_s: how often it is asked how far one is.
        clock: UTC epoch seconds.
    """

    def __init__(self, desk: Desk, where: str, poll_s: float, clock: Callable[[], float]) -> None:
        self._desk = desk
        self._where = where
        self._poll_s = poll_s
        self._clock = clock
        self._tallies: dict[str, tuple[float, Tally, bool]] = {}
        self._ends: dict[str, Ends] = {}

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        inner = self.inner(batch)
        ends = self._ends.setdefault(inner, Ends(self._desk, inner))
        until = time.monotonic() + wait_s
        while True:
            tally = self.tally(inner, active=False)
            left = until - time.monotonic()
            ends.look(tally, time.monotonic(), patient=left > 0)
            page = self._page(inner, tally.spec, ends.after(after, limit))
            if page or left <= 0:
                return page
            time.sleep(min(left, max(self._poll_s, 0.01)))

    def _page(self, inner: str, spec: Mapping[str, Any], places: list[tuple[int, int]]) -> list[Finished]:
        seqs = {n: seq for seq, n in places}
        if not seqs:
            return []
        entries = self._desk.entries(inner, list(seqs))
        # One that is tried again has no end at the moment.
        return [
            finished(seqs[one.work.n], self.outer(inner), spec, one) for one in entries if one.state.ended
        ]

    def status(self, batch: str) -> BatchStatus:
        inner = self.inner(batch)
        tally = self.tally(inner)
        active = self._desk.entries(inner, tally.active[:LOOKED_AT]) if tally.active else ()
        now = self._clock()
        found = status_of(self.outer(inner), tally, active, now)
        return replace(found, running=found.running[:SHOWN], standstill=standstill_of(found, tally.last, now))

    def batches(self, *, limit: int = 50) -> Sequence[BatchStatus]:
        tallies = ((batch, self._desk.tally(batch, active=False)) for batch in self._desk.batches(limit))
        now = self._clock()
        return [status_of(self.outer(batch), tally, (), now) for batch, tally in tallies if tally]

    def explain(self, invocation: str) -> Mapping[str, Any]:
        batch, _, number = invocation.rpartition(".")
        if not batch or not number.isdigit():
            raise unknown_invocation(invocation)
        inner = self.inner(batch)
        tally = self.tally(inner)
        entry = self._desk.entry(f"{inner}.{number}")
        if entry is None:
            raise unknown_invocation(invocation)
        return explained(self.outer(inner), tally.spec, entry)

    # -- names and counts ------------------------------------------------------------------------------------

    def inner(self, batch: str) -> str:
        """The id of a batch in the ledger.

        Raises:
            CallerError: it is of another environment.
        """
        inner, at, where = batch.partition("@")
        if at and where != self._where:
            raise CallerError(
                f"{batch} is not of environment {self._where}.",
                code="not-found",
                fix=f"Say --engine aws:{where}, or leave that out.",
            )
        return inner

    def outer(self, inner: str) -> str:
        """What people call a batch of the ledger."""
        return f"{inner}@{self._where}"

    def spec(self, inner: str) -> Mapping[str, Any]:
        """What a batch was opened with, in the class that it has now."""
        return self.tally(inner, fresh=True, active=False).spec

    def tally(self, inner: str, *, fresh: bool = False, active: bool = True) -> Tally:
        """How far a batch is, asked for once in a while.

        Raises:
            CallerError: there is no such batch.
        """
        now = time.monotonic()
        at, kept, named = self._tallies.get(inner, (float("-inf"), None, False))
        if kept is not None and not fresh and now - at < self._poll_s and (named or not active):
            return kept
        found = self._desk.tally(inner, active=active)
        if found is None:
            raise unknown_batch(self.outer(inner))
        self._tallies[inner] = now, found, active
        return found

    def forget(self, inner: str) -> None:
        """Ask how far a batch is the next time: something was done to it."""
        self._tallies.pop(inner, None)
