"""Admission: what happens to an invocation before it waits for a slot.

Is its result known? Is the same work under way? Does it wait for other work? This module must not know slots.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from rushes.core import events as ev
from rushes.core.commands import Release
from rushes.core.ordering import order_of
from rushes.core.states import State
from rushes.errors import CallerError
from rushes.runtime.dispatch.families import adopt, inherited, refuse_keys_within_keys, waiting_for
from rushes.runtime.dispatch.joint_rows import row_data
from rushes.runtime.dispatch.pool import CANCELLED, FAILED, HELD, QUEUED, SUCCEEDED, Pool, error_body
from rushes.runtime.records.batches import STATES, BatchState, n_of
from rushes.runtime.records.ports import LeasedRow

__all__ = ["Admission"]

DIRECT: Final = 2048
"""Rows of one queue that may be in hand without having been leased: as many as the scheduler's window."""


class Admission:
    """Takes batches and invocations in; settles what depends on what."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def open(self, batch: str, spec: dict[str, Any]) -> BatchState:
        """Add a batch."""
        needs = spec.get("resources") or {}
        for noun, have in (("memory", self.pool.capacity.memory), ("gpu", self.pool.capacity.gpu)):
            if float(needs.get(noun, 0.0)) > have:
                raise CallerError(
                    f"{spec['function']} needs {noun} {needs[noun]:.0f}; this pool has {have:.0f}.",
                    code="too-big",
                    fix="Lower its Resources, or run it on a larger machine.",
                )
        if spec.get("parent"):
            spec = inherited(self.pool, spec)
        self.pool.journal.open_batch(batch, json.dumps(spec), self.pool.now)
        state = self.pool.take_up(self.pool.require(batch))
        if state.parent:
            adopt(self.pool, state)
        return state

    def submit(self, state: BatchState, rows: list[Any]) -> int:
        """Add invocations; rows that came before are skipped, so that a client may send them again.

        Each row: [n, source, key, frames, params, subdir, tag, after, on_failure, problem, fingerprint,
        exclusive].
        """
        rows = [row for row in rows if row[0] > state.last_n]
        if not rows:
            return 0
        self.pool.flush()
        # Before anything is counted: what is refused leaves no trace.
        awaited = {tuple(after): self._resolve(after) for after in (row[7] for row in rows) if after}
        _refuse_keys(self.pool, state, rows)
        state.last_n = rows[-1][0]
        base = state.number << 32
        order, queued_at = state.spec.get("place") or (
            order_of(state.spec.get("deadline"), self.pool.now),
            self.pool.now,
        )
        keys = [bytes.fromhex(row[2]) if row[2] else None for row in rows]
        known = self._known(state, keys)
        inserts: list[Any] = []
        queued = 0
        deferred: list[tuple[int, list[int], bool]] = []
        for row, key in zip(rows, keys, strict=True):
            number = base | row[0]
            _, source, _, frames, params, subdir, tag, after, on_failure, problem, fingerprint, exclusive = (
                row
            )
            status, extra, reason = QUEUED, None, None
            if problem is not None:
                status = FAILED
                self.pool.end_row(state, number, FAILED, body=error_body(problem))
            elif after:
                ids = awaited[tuple(after)]
                status, reason = HELD, f"waits for {', '.join(after[:3])}"
                deferred.append((number, ids, on_failure != "run"))
            elif key is not None and not state.spec.get("force"):
                status, extra, reason, joined = self._admit(state, number, key, known)
                if joined is not None:
                    deferred.append((number, [joined], False))
            if key is not None:
                known.setdefault(key, (number, status, None))
            inserts.append(
                (
                    number, status, state.queue_number, order, queued_at, key, source,
                    json.dumps(frames) if frames else None, params, subdir or None, tag or None,
                    fingerprint or None, _with_keys(extra, exclusive), reason,
                )
            )  # fmt: skip
            state.counts[status] += 1
            queued += status == QUEUED
        self._put_down(state, inserts)
        if queued:
            self._offer(state, inserts, queued)
        for number, ids, cancel in deferred:
            self.pool.journal.depend([(number, one, int(cancel)) for one in ids])
            self.defer(number, ids, cancel=cancel)
        state.dirty = True
        return len(rows)

    def _put_down(self, state: BatchState, inserts: list[Any]) -> None:
        self.pool.journal.add(inserts)
        self.pool.flush()
        if self.pool.outlet is not None:
            self.pool.outlet.note_new(state, inserts)

    def _offer(self, state: BatchState, inserts: list[Any], queued: int) -> None:
        """Tell the scheduler of new work: as asks in hand while nothing waits before it, else as a count.

        What goes straight into hand is not read back from the journal, which saves a third of its cost.
        """
        pool, queue = self.pool, state.queue
        room = DIRECT - pool.leased.get(queue, 0)
        asks: list[ev.Ask] = []
        if state.parent:
            room = DIRECT  # somebody holds a slot until they are done: they wait behind no window
        first = pool.waiting.get(queue, 0) == 0 or state.parent
        if first and room > 0 and state.shape.max_slots is None:
            for row in inserts:
                if row[1] == QUEUED and len(asks) < room:
                    number, _, _, order, at, key, source, frames, params, subdir, tag, mark, extra, _ = row
                    pool.hand[number] = LeasedRow(
                        number, 0, 0, at, source, frames, params, subdir, tag, mark, extra, order, key,
                        state.queue_number,
                    )  # fmt: skip
                    shape = state.shape if extra is None else state.shape_with(extra)
                    asks.append(ev.Ask(number, order, at, shape))
        pool.leased[queue] = pool.leased.get(queue, 0) + len(asks)
        left = queued - len(asks)
        pool.waiting[queue] = pool.waiting.get(queue, 0) + left
        if asks:
            pool.feed(ev.Leased(queue, asks, pool.waiting[queue]))
        else:
            pool.feed(ev.Queued(queue, left))

    def _known(self, state: BatchState, keys: list[bytes | None]) -> dict[bytes, Any]:
        """Key → (id, state, seq) of what is known or under way for the same show; the newest success."""
        wanted = [k for k in keys if k is not None]
        if not wanted or state.spec.get("force"):
            return {}
        found: dict[bytes, Any] = {}
        # To wait for what waits for oneself would be for ever.
        never = waiting_for(self.pool, state.parent) if state.parent else set()
        for start in range(0, len(wanted), 900):
            for key, number, status, seq, show in self.pool.journal.known(wanted[start : start + 900]):
                if show != state.spec["show"] or status > SUCCEEDED:
                    continue
                if number in never and status < SUCCEEDED:
                    continue
                if _better(status, found.get(key)):
                    found[key] = (number, status, seq)
            for key, number, _ in self.pool.journal.members(wanted[start : start + 900], state.spec["show"]):
                if found.get(key, (0, QUEUED))[1] != SUCCEEDED:
                    found[key] = (number, SUCCEEDED, key.hex())
        return found

    def _admit(
        self, state: BatchState, number: int, key: bytes, known: dict[bytes, Any]
    ) -> tuple[int, str | None, str | None, int | None]:
        """Is the result known, or under way? Gives the state to start in, extra, reason, who to wait for."""
        match = known.get(key)
        if match is None:
            return QUEUED, None, None, None
        other, status, seq = match
        if status == SUCCEEDED:
            if state.spec.get("out") is None:
                ended = self._end_as(state, number, other >> 32, seq)
                return SUCCEEDED if ended else QUEUED, None, None, None
            return QUEUED, json.dumps({"known": [other >> 32, seq]}), None, None
        if status < SUCCEEDED:
            self._raise_class(state, other)
            leader = f"{self.pool.name_of(other)}"
            return HELD, json.dumps({"joined": other}), f"the same work is under way as {leader}", other
        return QUEUED, None, None, None

    def _end_as(self, state: BatchState, number: int, batch: int, seq: int | str | None) -> bool:
        """End an invocation with another's result; False when that is not in the journal."""
        data = None if seq is None else row_data(self.pool.journal, batch, seq, state.spec["show"])
        if data is None:
            return False
        self.pool.succeed(state, number, seconds=0.0, cached=1, attempt=0, data=data)
        return True

    def _raise_class(self, state: BatchState, leader: int) -> None:
        """A second submitter of the same work can raise its class while it waits."""
        row = self.pool.journal.status_of(leader)
        if row is None or row.state != QUEUED or leader in self.pool.running:
            return
        before = self.pool.queue_keys[row.queue]
        if before.show != state.queue.show:
            return
        if self.pool.rank_of(state.queue.priority) >= self.pool.rank_of(before.priority):
            return
        if self.pool.hand.pop(leader, None) is not None:
            self.pool.leased[before] -= 1
            self.pool.feed(ev.Withdrawn([leader]))
        else:
            self.pool.await_more(before, -1)
        self.pool.journal.requeue([(state.queue_number, leader)])
        self.pool.await_more(state.queue, 1)
        self.pool.feed(ev.Queued(state.queue, 1))

    def _resolve(self, after: Iterable[str]) -> list[int]:
        ids = []
        for text in after:
            batch, _, n = text.partition(".")
            row = self.pool.journal.batch(batch)
            number = 0 if row is None else row.number << 32 | n_of(n)
            # What never comes would be waited for for ever.
            if row is None or (n and (not n_of(n) or self.pool.journal.status_of(number) is None)):
                raise CallerError(
                    f"after={text!r} names no invocation.",
                    code="not-found",
                    fix="Give the id of an invocation (BATCH.N) or of a batch.",
                )
            ids.append(number)
        return ids

    def defer(self, number: int, ids: list[int], *, cancel: bool) -> None:
        self.pool.awaited.update(ids)
        self.pool.feed(ev.Deferred(number, ids, cancel))
        self.pool.flush()
        for one, status in self.pool.journal.ended_states(ids).items():
            self.pool.feed(ev.InvocationEnded(one, STATES[status]))

    def release(self, command: Release) -> list[ev.Event]:
        """Dependencies are settled: queue, or end as the one that it waited for."""
        follow: list[ev.Event] = []
        self.pool.flush()
        for number in command.ids:
            state = self.pool.batches.get(number >> 32)
            row = self.pool.journal.status_of(number)
            if state is None or row is None or row.state != HELD:
                continue
            extra = json.loads(row.extra) if row.extra else {}
            joined = extra.get("joined")
            if command.cancel:
                because = self.pool.name_of(command.because or 0)
                error = {
                    "kind": "cancelled",
                    "code": "dependency-failed",
                    "message": f"{because}, which it waits for, did not succeed.",
                }
                follow.extend(self.pool.end(state, number, HELD, CANCELLED, body=error_body(error)))
            elif joined is not None and self._end_joined(state, number, joined):
                follow.extend(self.pool.after_end(number, State.succeeded))
            else:
                self.pool.journal.requeue([(state.queue_number, number)])
                state.move(HELD, QUEUED)
                self.pool.waiting[state.queue] = self.pool.waiting.get(state.queue, 0) + 1
                follow.append(ev.Queued(state.queue, 1))
        return follow

    def _end_joined(self, state: BatchState, number: int, leader: int) -> bool:
        """End a follower with its leader's result when that needs no files of its own."""
        row = self.pool.journal.status_of(leader)
        if row is None or row.state != SUCCEEDED or state.spec.get("out") is not None:
            return False
        if not self._end_as(state, number, leader >> 32, row.seq):
            return False
        state.move(HELD, SUCCEEDED)
        return True

    def retry(self, batch: str) -> int:
        """Queue the failed and cancelled invocations of a batch again."""
        row = self.pool.require(batch)
        self.pool.flush()
        reopened = self.pool.journal.reopen(row.number)
        if not reopened:
            return 0
        state = self.pool.batches.get(row.number)
        if state is None:
            state = self.pool.take_up(row)
        state.counts = [0] * len(STATES)
        for number, count in self.pool.journal.counts(state.number):
            state.counts[number] = count
        state.cached = self.pool.journal.cached_count(state.number)
        state.last_n = self.pool.journal.last_n(state.number)
        state.stopping, state.sealed, state.ended, state.dirty = None, True, None, True
        for queue, count in Counter(queue for _, queue in reopened).items():
            key = self.pool.queue_keys[queue]
            self.pool.await_more(key, count)
            self.pool.feed(ev.Queued(key, count))
        return len(reopened)


def _refuse_keys(pool: Pool, state: BatchState, rows: list[Any]) -> None:
    if state.parent and any(row[11] for row in rows):
        refuse_keys_within_keys(pool, state)


def _with_keys(extra: str | None, exclusive: list[str] | None) -> str | None:
    """What is kept beside an invocation, with its exclusive keys."""
    return json.dumps({**json.loads(extra or "{}"), "exclusive": exclusive}) if exclusive else extra


def _better(status: int, other: Any) -> bool:
    """A success beats work under way; the newest success beats an older one."""
    return other is None or status == SUCCEEDED or other[1] != SUCCEEDED
