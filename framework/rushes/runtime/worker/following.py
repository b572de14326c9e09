"""Following: clients that wait for results, or for a batch to end, and are answered when there is something.

A follower asks for what came after a sequence number, so it can lose the connection, or the worker, and go
on where it was; nothing is kept for it here. This module must not know how results come about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from rushes.runtime.dispatch.families import root_of
from rushes.runtime.dispatch.pool import Pool
from rushes.runtime.refusals import unknown_batch
from rushes.runtime.wire import Stream

__all__ = ["Following"]

LONGEST_WAIT_S: Final = 60.0
LARGEST_PAGE: Final = 5000
# A page costs a client more than a row: while more is to come, a few rows wait for others.
SMALL_PAGE: Final = 64
GATHER_S: Final = 0.02


@dataclass(slots=True)
class _Waiter:
    stream: Stream
    batch: str
    after: int
    limit: int
    until: float
    for_end: bool
    asked: float


class Following:
    """The clients that wait."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._waiters: list[_Waiter] = []

    def wait_for_results(self, stream: Stream, header: Any) -> None:
        """Answer with the results after a sequence number, once there are any or the time is up."""
        wait_s = min(float(header.get("wait_s", 0.0)), LONGEST_WAIT_S)
        limit = min(int(header.get("limit", 1000)), LARGEST_PAGE)
        after = int(header.get("after", 0))
        self._waiters.append(
            _Waiter(
                stream,
                header["batch"],
                after,
                limit,
                self.pool.now + wait_s,
                for_end=False,
                asked=self.pool.now,
            )
        )

    def wait_for_end(self, stream: Stream, batch: str) -> None:
        """Answer once the batch has ended."""
        until = self.pool.now + LONGEST_WAIT_S
        self._waiters.append(_Waiter(stream, batch, 0, 0, until, for_end=True, asked=self.pool.now))

    @property
    def impatient(self) -> bool:
        """True while rows wait for others to make up a page."""
        pairs = ((self.pool.by_id.get(w.batch), w.after) for w in self._waiters if not w.for_end)
        return any(state is not None and state.seq > after for state, after in pairs)

    def forget(self, stream: Stream) -> None:
        """A client is gone."""
        self._waiters = [waiter for waiter in self._waiters if waiter.stream is not stream]

    def answer(self) -> None:
        """Answer those for whom there is something; called after a commit."""
        if self._waiters:
            self._waiters = [waiter for waiter in self._waiters if not self._answered(waiter)]

    def _answered(self, waiter: _Waiter) -> bool:
        state = self.pool.by_id.get(waiter.batch)
        patient = self.pool.now < waiter.until
        if waiter.for_end:
            if state is not None and patient:
                return False
            waiter.stream.queue({"ended": state is None})
            return True
        if state is not None:
            count = state.seq - waiter.after
            if count <= 0 and patient:
                return False
            few = count < min(SMALL_PAGE, waiter.limit) and state.unfinished > count
            if few and patient and self.pool.now - waiter.asked < GATHER_S:
                return False
            number, function, parent = state.number, state.spec["function"], state.spec.get("parent")
        else:
            row = self.pool.journal.batch(waiter.batch)
            if row is None:
                waiter.stream.queue({"error": unknown_batch(waiter.batch).to_dict()})
                return True
            spec = json.loads(row.spec)
            number, function, parent = row.number, spec["function"], spec.get("parent")
        rows = self.pool.journal.results(number, waiter.after, waiter.limit)
        header = {"rows": len(rows), "function": function, "ended": state is None}
        root = root_of(self.pool, parent) if parent else 0
        costs = self.pool.journal.cost_each([row[1] for row in rows], parts_of=root)
        if costs:
            header["costs"] = {one & 0xFFFFFFFF: nano for one, nano in costs.items()}
        waiter.stream.queue(header, _page(rows))
        return True


def _page(rows: list[Any]) -> bytes:
    """Results as one JSON array; the data of a row is JSON already and goes in as it is."""
    quote = json.encoder.encode_basestring_ascii
    lines = [
        f"[{seq},{number & 0xFFFFFFFF},{state},{seconds!r},{cached},{quote(source)},{attempt},{data or '{}'}]"
        for seq, number, state, seconds, cached, data, source, attempt in rows
    ]
    return ("[" + ",".join(lines) + "]").encode()
