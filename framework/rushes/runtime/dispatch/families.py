"""Families: batches that a body mapped, the invocation whose parts they are, what either is to the other.

A batch of parts belongs to an invocation, not to an attempt: when an attempt is lost its parts go on, and the
next one joins them. It ends with its parent, whatever way that ends. This module must not know sockets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from rushes.core import events as ev
from rushes.core.states import State
from rushes.errors import Cancelled
from rushes.invocation import OWNER, function_name
from rushes.runtime.dispatch.pool import Pool
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.outputs.scratch import clear_kept
from rushes.runtime.ownership import scratch_root_of
from rushes.runtime.records.batches import STATES, BatchState
from rushes.runtime.refusals import DEEPEST, keys_within_keys, too_deep

PARTS_SHARE: Final = 0.95
"""What parts are of all that is left to do: what an attempt does with them is not nothing."""

__all__ = ["PARTS_SHARE", "Families", "adopt", "inherited", "root_of", "waiting_for", "whole_of"]


def inherited(pool: Pool, spec: dict[str, Any]) -> dict[str, Any]:
    """The specification of a batch of parts, with what it has of its parent.

    It stands in line just before its parent, so that what has begun is done before anything begins.

    Raises:
        Cancelled: another attempt has taken the place of the one that asks, or it has been cancelled.
        CallerError: maps within maps go too deep.
    """
    number = pool.number_of(spec["parent"])
    run = pool.running.get(number)
    parent = pool.batches.get(number >> 32)
    if run is None or parent is None or run.fence != spec.get("lease") or parent.stopping:
        raise Cancelled("another attempt has taken this one's place", code="stale")
    depth = int(parent.spec.get("depth", 0)) + 1
    if depth > DEEPEST:
        raise too_deep(function_name(spec["function"]))
    row = pool.journal.status_of(number)
    queue = parent.queue if row is None else pool.queue_keys[row.queue]
    tags = parent.spec.get("tags") or {}
    lent = {OWNER: tags[OWNER]} if OWNER in tags else {}
    return {
        **spec,
        "priority": queue.priority,
        "show": queue.show,
        "deadline": parent.spec.get("deadline"),
        "environment": parent.spec.get("environment") or {},
        "tags": {**(spec.get("tags") or {}), **lent, "parent": spec["parent"]},
        "depth": depth,
        "charged": parent.shape.charged or parent.id,
        "place": [run.row.ord - 1, run.row.queued_at],
    }


def adopt(pool: Pool, state: BatchState) -> None:
    """A batch of parts has a parent that is there."""
    pool.parts.setdefault(state.parent, set()).add(state.number)


def whole_of(pool: Pool, spec: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """The invocation that a person submitted, whose parts a batch of this specification is made of.

    With its batch's specification; 0, and `spec`, where a person submitted the batch itself.
    """
    root = 0
    while spec.get("parent"):
        root = pool.number_of(spec["parent"])
        row = pool.journal.batch(spec["parent"].partition(".")[0])
        if row is None:  # it was pruned
            break
        spec = json.loads(row.spec)
    return root, spec


def root_of(pool: Pool, parent: str) -> int:
    """The invocation that a person submitted, of parts of ``<batch>.<n>``."""
    return whole_of(pool, {"parent": parent})[0]


def waiting_for(pool: Pool, number: int) -> set[int]:
    """An invocation, and all that cannot end before it: who maps it, who is held for it, and so on."""
    found: set[int] = set()
    todo = [number]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        todo += pool.scheduler.waiters(one)
        batch = one >> 32
        todo.append(batch << 32)
        state = pool.batches.get(batch)
        if state is not None and state.parent:
            todo.append(state.parent)
    return found


def refuse_keys_within_keys(pool: Pool, state: BatchState) -> None:
    """Parts with exclusive keys, of something that holds one itself, could wait for one another for ever.

    Raises:
        CallerError: somebody whose parts these are, at whatever depth, has an exclusive key.
    """
    number = state.parent
    while number:
        run = pool.running.get(number)
        if run is not None and run.row.extra and json.loads(run.row.extra).get("exclusive"):
            raise keys_within_keys(pool.name_of(number), function_name(state.spec["function"]))
        above = pool.batches.get(number >> 32)
        number = above.parent if above is not None else 0


class Families:
    """Who waits for which parts, and what becomes of parts that nobody waits for."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def recover(self) -> None:
        """Parts whose parent ended with an earlier worker are for nobody; the others wait for its attempt."""
        for state in self.pool.batches.values():
            if not state.spec.get("parent"):
                continue
            row = self.pool.journal.status_of(state.parent) if state.parent else None
            if row is None or STATES[row.state].ended:
                state.stopping = (State.cancelled, None)
                state.sealed = state.dirty = True
            if state.parent:
                adopt(self.pool, state)

    # -- an attempt waits --------------------------------------------------------------------------------

    def wait(self, number: int, run: SlotRun, batches: list[str]) -> None:
        """An attempt waits for batches that it mapped."""
        found = {self.pool.by_id[one].number for one in batches if one in self.pool.by_id}
        run.parts = {one for one in found if not _complete(self.pool.batches[one])}
        run.waits_since = self.pool.now
        if self.pool.meter is not None:
            self.pool.meter.look(self.pool.slots[run.slot])
        self.pool.feed(ev.Waits(run.slot, run.ask(number)))
        if not run.parts:
            self.pool.feed(ev.Woken(run.slot, run.ask(number)))

    def count_down(self, state: BatchState) -> None:
        """A part has ended. The scheduler hears of it before its core is free, for its parent to have it."""
        if state.parent and _complete(state):
            self._wake(state)

    def _wake(self, state: BatchState) -> None:
        run = self.pool.running.get(state.parent)
        if run is not None and run.parts and state.number in run.parts:
            run.parts.discard(state.number)
            if not run.parts:
                run.fraction = run.reached = _so_far(run, 1.0)
                self.pool.feed(ev.Woken(run.slot, run.ask(state.parent)))

    def ended(self, state: BatchState) -> None:
        """A batch of parts has ended; where its parent has, what that kept is removed with the last one."""
        if not state.parent:
            return
        self._wake(state)
        siblings = self.pool.parts.get(state.parent, set())
        siblings.discard(state.number)
        if siblings:
            return
        self.pool.parts.pop(state.parent, None)
        row = self.pool.journal.status_of(state.parent)
        if row is None or STATES[row.state].ended:
            self._clear(state)

    def _clear(self, state: BatchState) -> None:
        parent = str(state.spec["parent"])
        roots = [self.pool.home / "keep"]
        whole = self.pool.journal.batch(parent.partition(".")[0])
        if whole is not None and (out := self.pool.out_of(whole)) is not None:
            roots.append(scratch_root_of(Path(out)))
        kept = self.pool.keeps.pop(state.parent, None)
        if kept is not None:
            roots.append(kept.parent)
        self.pool.after_commit += [partial(clear_kept, root, parent) for root in roots]

    # -- how it is shown -----------------------------------------------------------------------------------

    def parts_done(self, number: int) -> str:
        """``5 of 8 done``, of the parts of an invocation."""
        states = [
            self.pool.batches[one] for one in self.pool.parts.get(number, ()) if one in self.pool.batches
        ]
        total, left = sum(one.total for one in states), sum(one.unfinished for one in states)
        return f"{total - left} of {total} done"

    def progress(self, run: SlotRun) -> tuple[float, str] | None:
        """How far an attempt is that waits for parts, 0..1, and what it waits for."""
        if not run.waits_since:
            return None
        states = [self.pool.batches[one] for one in run.parts or () if one in self.pool.batches]
        total = sum(state.total for state in states)
        left = sum(state.unfinished for state in states)
        if not left:
            return _so_far(run, 1.0), "waits for its core"
        under_way = sum(
            max(one.fraction, 0.0) for n, one in self.pool.running.items() if n >> 32 in (run.parts or ())
        )
        said = (
            f"{run.note}: {total - left} of {total} done"
            if run.note
            else f"waits for {left} of {total} parts"
        )
        return _so_far(run, (total - left + under_way) / total), said


def _so_far(run: SlotRun, parts: float) -> float:
    """How far an attempt is, from what it said before it waited, and how far its parts are, 0..1."""
    begun = max(run.fraction, run.reached, 0.0)
    return begun + (1.0 - begun) * PARTS_SHARE * parts


def _complete(state: BatchState) -> bool:
    return state.sealed and not state.unfinished
