"""A ledger in memory, by the same rules as those that hosts share.

The next of a verb can be made to fail, or its answer to be lost once it has been done. This module must not
know any real ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import (
    LONE,
    Claim,
    End,
    Ended,
    Entry,
    Kept,
    Lapsed,
    LetGo,
    Moved,
    NotClaimed,
    Routed,
    Tally,
    Waiting,
    WorkItem,
)
from rushes.testing.failing import Failing
from rushes.testing.ledger_rows import BatchRows, Row

__all__ = ["StubLedger"]


class StubLedger(Failing):
    """A `rushes.ports.Ledger` in memory.

    Args:
        clock: when something ends, UTC epoch seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._batches: dict[str, BatchRows] = {}
        self._known: dict[tuple[str, str], str] = {}

    def open(self, batch: str, spec: Mapping[str, Any], now: float) -> None:
        with self._called("open"):
            self._batches.setdefault(batch, BatchRows(dict(spec), now, touched=now))

    def add(self, batch: str, work: Sequence[WorkItem], ended: Mapping[str, End] | None = None) -> None:
        with self._called("add"):
            found = self._require(batch)
            if found.cancelled:
                raise CallerError(f"batch {batch!r} takes nothing more: it was cancelled.", code="not-open")
            found.touched = self._clock()
            for one in work:
                if one.invocation not in found.rows:
                    found.rows[one.invocation] = row = Row(one)
                    if ended and one.invocation in ended:
                        row.finish(ended[one.invocation], self._clock())

    def seal(self, batch: str) -> None:
        with self._called("seal"):
            self._require(batch).sealed = True

    def enter(self, spec: Mapping[str, Any], work: WorkItem, now: float) -> bool:
        with self._called("enter"):
            if work.batch in self._batches:
                return False
            self._batches[work.batch] = made = BatchRows(dict(spec), now, sealed=True, touched=now)
            made.rows[work.invocation] = Row(work)
            return True

    def claim(self, invocation: str, holder: str, now: float, until: float) -> Claim | NotClaimed:
        with self._called("claim"):
            row = self._row(invocation)
            if row is None:
                return NotClaimed(invocation, None)
            if row.state.ended:
                return NotClaimed(invocation, row.state)
            waits = row.state is not State.queued and row.until is not None and row.until > now
            if row.stop and not waits:  # who was to stop it is gone
                row.cancel(self._clock())
                return NotClaimed(invocation, row.state)
            if waits:
                return NotClaimed(invocation, row.state, row.until)
            row.begin(holder, now, until)
            spent, intent = row.spent_nano, row.intent
            return Claim(
                row.work, row.fence, holder, until, row.attempt, row.losses, spent, intent, now, row.priority
            )

    def extend(self, claim: Claim, until: float, *, cost_nano: int = 0, intent: str = "") -> Kept:
        with self._called("extend"):
            row = self._held(claim)
            if row is None:
                return "lost"
            row.so_far_nano = cost_nano or row.so_far_nano
            row.intent = intent or row.intent
            row.until = row.told_at = until
            if row.stop:
                return "stop"
            return Moved(row.priority) if row.priority != claim.priority else "kept"

    def finish(self, claim: Claim, end: End) -> bool:
        with self._called("finish"):
            row = self._row(claim.work.invocation)
            if row is not None and row.state.ended and row.fence == claim.fence:
                return row.holder == claim.holder
            row = self._held(claim)
            if row is None:
                return False
            row.finish(end, self._clock())
            if end.state is State.succeeded and claim.work.key:
                show = str(self._batches[claim.work.batch].spec.get("show", ""))
                self._known[show, claim.work.key] = claim.work.invocation
            return True

    def hold(self, claim: Claim, until: float, gone: LetGo) -> bool:
        with self._called("hold"):
            return self._let_go(claim, State.held, until, gone)

    def give_back(self, claim: Claim, gone: LetGo, routed: Routed | None = None) -> bool:
        with self._called("give_back"):
            row = self._held(claim)
            given = self._let_go(claim, State.queued, None, gone._replace(free=True))
            if row is not None and row.state is State.queued and routed is not None:
                row.work = row.work._replace(routed=routed)
            return given

    def cancel(self, batch: str) -> int:
        with self._called("cancel"):
            found = self._require(batch)
            found.cancelled = found.sealed = True
            ended = 0
            for row in found.rows.values():
                if row.state in {State.queued, State.held}:
                    row.cancel(self._clock())
                    ended += 1
                row.stop = not row.state.ended
            return ended

    def retry(self, batch: str) -> Sequence[Waiting]:
        with self._called("retry"):
            found = self._require(batch)
            found.cancelled = False
            again = [row for row in found.rows.values() if row.state in {State.failed, State.cancelled}]
            for row in again:
                found.before += [] if row.end is None else [row.end]
                row.requeue()
            return [Waiting(row.work.invocation, row.work.tier) for row in again]

    def restamp(self, batch: str, priority: str) -> None:
        with self._called("restamp"):
            found = self._require(batch)
            found.spec = {**found.spec, "priority": priority}
            for row in found.rows.values():
                row.priority = "" if row.state.ended else priority

    def waiting(self, batch: str) -> Sequence[Waiting]:
        with self._called("waiting"):
            rows = self._require(batch).rows.values()
            waits = [row.work for row in rows if row.state in {State.queued, State.held}]
            return [Waiting(one.invocation, one.tier) for one in waits]

    def abandoned(self, before: float) -> Sequence[str]:
        with self._called("abandoned"):
            return [name for name, one in self._batches.items() if not one.sealed and one.touched < before]

    def lapsed(
        self, batch: str, now: float, again_at: float, mine: Callable[[Lapsed], bool] = lambda _: True
    ) -> Sequence[Lapsed]:
        with self._called("lapsed"):
            out: list[Lapsed] = []
            for name, found in self._batches.items():
                if name != batch and not (batch == LONE and name.startswith(LONE)):
                    continue
                for row in found.rows.values():
                    if row.state.ended or row.told_at is None or row.told_at > now:
                        continue
                    fields = ("priority", "show", "title", "group")
                    told = (str(found.spec.get(name) or "") for name in fields)
                    one = Lapsed(row.work.invocation, *told)._replace(tier=row.work.tier)
                    if mine(one):
                        row.told_at = again_at
                        out.append(one)
            return out

    def unfinished(self) -> Sequence[str]:
        with self._called("unfinished"):
            some = (batch for batch in self._batches if not batch.startswith(LONE))
            return [batch for batch in some if not self._batches[batch].tally().complete]

    def alone(self) -> Sequence[str]:
        with self._called("alone"):
            some = (one for name, one in self._batches.items() if name.startswith(LONE))
            rows = (row for one in some for row in one.rows.values())
            return [r.work.invocation for r in rows if not r.state.ended and r.told_at is not None]

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        with self._called("spec"):
            return self._batches[batch].spec if batch in self._batches else None

    def tally(self, batch: str, *, active: bool = True) -> Tally | None:  # noqa: ARG002 - all is at hand
        with self._called("tally"):
            return self._batches[batch].tally() if batch in self._batches else None

    def lone(self, batches: Sequence[str]) -> Sequence[tuple[str, Tally, Entry]]:
        with self._called("lone"):
            there = [one for one in batches if one in self._batches]
            rows = [next(iter(self._batches[one].rows.values())) for one in there]
            return [
                (one, self._batches[one].tally(), row.entry()) for one, row in zip(there, rows, strict=True)
            ]

    def batches(self, limit: int) -> Sequence[str]:
        with self._called("batches"):
            newest = sorted(self._batches.items(), key=lambda one: one[1].submitted, reverse=True)
            return [batch for batch, _ in newest[:limit]]

    def entry(self, invocation: str) -> Entry | None:
        with self._called("entry"):
            row = self._row(invocation)
            return None if row is None else row.entry()

    def results(self, batch: str, after: int, limit: int) -> Sequence[Entry]:
        with self._called("results"):
            rows = sorted(self._require(batch).rows.values(), key=lambda row: row.work.n)
            return [row.entry() for row in rows if row.end is not None and row.work.n > after][:limit]

    def entries(self, batch: str, numbers: Sequence[int]) -> Sequence[Entry]:
        with self._called("entries"):
            found = (self._row(f"{batch}.{n}") for n in numbers)
            return [row.entry() for row in found if row is not None]

    def ends(self, batch: str, since: float) -> Sequence[Ended]:
        with self._called("ends"):
            rows = (row for row in self._require(batch).rows.values() if row.end is not None)
            return sorted(Ended(row.ended_at, row.work.n) for row in rows if row.ended_at >= since)

    def known(self, show: str, keys: Sequence[str]) -> Mapping[str, str]:
        with self._called("known"):
            return {key: self._known[show, key] for key in keys if (show, key) in self._known}

    def _require(self, batch: str) -> BatchRows:
        if batch not in self._batches:
            raise CallerError(f"there is no batch {batch!r}.", code="not-found", fix="Check the spelling.")
        return self._batches[batch]

    def _row(self, invocation: str) -> Row | None:
        found = self._batches.get(invocation.rpartition(".")[0])
        return found.rows.get(invocation) if found else None

    def _held(self, claim: Claim) -> Row | None:
        row = self._row(claim.work.invocation)
        mine = row is not None and row.state is State.running and row.fence == claim.fence
        return row if mine else None

    def _let_go(self, claim: Claim, state: State, until: float | None, gone: LetGo) -> bool:
        row = self._held(claim)
        if row is None:
            row = self._row(claim.work.invocation)
            return row is not None and row.fence == claim.fence and row.state in {State.queued, State.held}
        row.let_go(state, until, gone, self._clock())
        return True
