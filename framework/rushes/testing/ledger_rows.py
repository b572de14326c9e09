"""What the ledger in memory keeps of an invocation and of a batch, and how these change.

This module must not know who asks, nor clocks: what has a time is told it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rushes.core.states import State
from rushes.ledger import TRIES_KEPT, End, Entry, LetGo, PastAttempt, Tally, WorkItem

__all__ = ["BatchRows", "Row"]

_LAPSED: Final = {"kind": "platform", "code": "lapsed", "message": "its claim lapsed: who had it fell silent"}


@dataclass(slots=True)
class Row:
    """One invocation."""

    work: WorkItem
    state: State = State.queued
    attempt: int = 0
    losses: int = 0
    fence: int = 0
    holder: str = ""
    until: float | None = None
    told_at: float | None = None
    reason: str = ""
    spent_nano: int = 0
    so_far_nano: int = 0
    intent: str = ""
    stop: bool = False
    end: End | None = None
    ended_at: float = 0.0
    since: float | None = None
    tried: list[PastAttempt] = field(default_factory=list)
    priority: str = ""

    def begin(self, holder: str, now: float, until: float) -> None:
        """Somebody has claimed it; whoever had it before fell silent."""
        if self.state is State.running:
            self._remember(self.until or now, self.so_far_nano, _LAPSED)
            self.losses += 1
        self.spent_nano, self.so_far_nano = self.spent_nano + self.so_far_nano, 0
        self.attempt += 1
        self.fence += 1
        self.state, self.holder, self.until, self.told_at = State.running, holder, until, until
        self.since = now

    def let_go(self, state: State, until: float | None, gone: LetGo, at: float) -> None:
        """Its attempt has ended, and not it; unless it was to stop."""
        self.spent_nano, self.so_far_nano = self.spent_nano + gone.cost_nano, 0
        if self.stop:
            self.cancel(at)
            return
        if gone.error is not None:
            self._remember(at, gone.cost_nano, gone.error)
        self.state, self.until, self.reason = state, until, gone.reason
        self.told_at = until or self.told_at
        self.attempt -= gone.free

    def finish(self, end: End, at: float) -> None:
        """It has ended."""
        self.so_far_nano, self.intent = 0, ""
        self.state, self.end, self.until, self.told_at = end.state, end, None, None
        self.ended_at = at

    def cancel(self, at: float) -> None:
        """It ends as what nobody works on, with what its attempts have cost."""
        self.finish(End(State.cancelled, "{}", cost_nano=self.spent_nano + self.so_far_nano), at)

    def requeue(self) -> None:
        """It has ended, and is to be done again."""
        if (last := self.last_try()) is not None:
            self.tried = [*self.tried, last][-TRIES_KEPT:]
        self.state, self.end, self.stop, self.attempt, self.losses = State.queued, None, False, 0, 0
        self.spent_nano = 0

    def _remember(self, at: float, cost_nano: int, error: Mapping[str, Any]) -> None:
        """The attempt that holds it has ended of this."""
        outcome = str(error["code"])
        one = PastAttempt(self.attempt, self.holder, self.since or 0.0, at, outcome, cost_nano, _told(error))
        self.tried = [*self.tried, one][-TRIES_KEPT:]

    def last_try(self) -> PastAttempt | None:
        """The attempt that ended it; None where none did."""
        end = self.end
        if end is None or not self.holder or not self.attempt or end.cached:
            return None
        if end.state is State.cancelled and not end.seconds:
            return None
        error = json.loads(end.data).get("error", {}) if end.state is State.failed else {}
        began, outcome = self.since or 0.0, str(error.get("code") or end.state.value)
        cost_nano, ended = end.cost_nano - self.spent_nano, began + end.seconds
        return PastAttempt(self.attempt, self.holder, began, ended, outcome, cost_nano, _told(error))

    def entry(self) -> Entry:
        """It, as who asks is told."""
        last = self.last_try()
        return Entry(
            self.work, self.state, self.attempt, self.losses, self.holder, self.until, self.reason, self.end,
            self.since, (*self.tried, last) if last else tuple(self.tried),
        )  # fmt: skip


def _told(error: Mapping[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("kind", "code", "message") if name in error}


@dataclass(slots=True)
class BatchRows:
    """One batch, and its invocations by their ids."""

    spec: Mapping[str, Any]
    submitted: float
    rows: dict[str, Row] = field(default_factory=dict)
    sealed: bool = False
    cancelled: bool = False
    touched: float = 0.0
    before: list[End] = field(default_factory=list)
    """Of what was queued again after it had ended: its time and money were spent all the same."""

    def tally(self) -> Tally:
        """How far it is."""
        ends = [row.end for row in self.rows.values() if row.end is not None]
        spent = [*ends, *self.before]
        states = {state: sum(end.state is state for end in ends) for state in State if state.ended}
        return Tally(
            self.spec,
            self.submitted,
            len(self.rows),
            [row.work.n for row in self.rows.values() if row.state in {State.running, State.held}],
            {state: count for state, count in states.items() if count},
            sum(end.cached for end in ends),
            self.sealed,
            self.cancelled,
            sum(end.seconds for end in spent),
            sum(end.media_s for end in spent),
            sum(end.cost_nano for end in spent),
            max((row.ended_at for row in self.rows.values() if row.end is not None), default=None),
        )
