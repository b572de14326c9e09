"""Reports: what people ask about a batch, an invocation or the pool. Reads, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

from rushes.core import events as ev
from rushes.core.states import State
from rushes.invocation import function_name
from rushes.runtime.dispatch.budgeting import Budgeting
from rushes.runtime.dispatch.displacing import Displacing
from rushes.runtime.dispatch.families import Families, root_of
from rushes.runtime.dispatch.pool import HELD, QUEUED, Pool
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.dispatch.turnaround import target_of
from rushes.runtime.records.batches import STATES, BatchState, n_of, status_json
from rushes.runtime.records.ports import BatchRow
from rushes.runtime.refusals import unknown_invocation
from rushes.runtime.slots.processes import SlotProcess
from rushes.units import format_size

__all__ = ["Reports"]


class Reports:
    """Answers for `status`, `why` and `pool`."""

    def __init__(self, pool: Pool, families: Families, displacing: Displacing, budgeting: Budgeting) -> None:
        self.budgeting = budgeting
        self.pool = pool
        self.families = families
        self.displacing = displacing

    def status(self, batch: str) -> dict[str, Any]:
        """Where a batch stands, with what of it runs now."""
        self.pool.flush()
        row = self.pool.require(batch)
        state = self.pool.by_id.get(batch)
        if state is None:
            counts = [0] * len(STATES)
            for number, count in self.pool.journal.counts(row.number):
                counts[number] = count
            ended = status_json(row, counts, self.pool.journal.cached_count(row.number))
            ended["displacement"] = self.displacing.report(batch, row.number)
            ended["spent"] = self.pool.journal.spent_on_batch(row.number)
            ended["target_s"] = target_of(self.pool, ended["priority"])
            return ended
        found = status_json(row, list(state.counts), state.cached)
        found.update(seq=state.seq, seconds=state.seconds, media_s=state.media_s, sealed=state.sealed)
        found["standstill"] = self._standstill()
        found["spent"] = self.pool.journal.spent_on_batch(row.number)
        found["displacement"] = self.displacing.report(batch, row.number)
        found["waits"] = self._waits(state)
        found["target_s"] = target_of(self.pool, state.queue.priority)
        found.update(self._held(state, found["counts"]))
        found["running"] = [
            {
                "invocation": state.public_id(slot.given[0]),
                "asset": self._first(slot).asset,
                **self._progress(self._first(slot)),
                "seconds": self._ran_s(slot),
            }
            for slot in self.pool.slots.values()
            if slot.given and slot.given[0] >> 32 == state.number
        ]
        return found

    def _waits(self, state: BatchState) -> list[dict[str, Any]]:
        """What those wait for that no slot could help: their next try, or parts that they mapped before."""
        rows = self.pool.journal.awaited(state.number) if state.counts[HELD] else []
        found = [
            {"count": count, "why": reason or "", "invocation": self.pool.name_of(number)}
            for reason, count, number in rows
        ]
        for number in self.pool.parts:
            if number >> 32 == state.number and number not in self.pool.running:
                parts = self.families.parts_done(number)
                why = f"its attempt was lost, and its parts go on: {parts}"
                found.append({"count": 1, "why": why, "invocation": self.pool.name_of(number)})
        return found

    def _held(self, state: BatchState, counts: list[int]) -> dict[str, Any]:
        """What a budget holds of a batch: all of it that waits, since its invocations are alike."""
        held = self.budgeting.held(state)
        if held is None:
            return {}
        counts[HELD] += counts[QUEUED]
        counts[QUEUED] = 0
        return {
            "held": held.why,
            "held_by": list(held.scope or ("", "")),
            "frees_at": held.frees_at,
            "only_held": self.budgeting.holds_all(state),
        }

    def _first(self, slot: SlotProcess) -> SlotRun:
        """The attempt that a slot runs, or is about to take."""
        number = slot.given[0]
        return self.pool.run_on(slot.number, number) or self.pool.running[number]

    def _ran_s(self, slot: SlotProcess) -> float:
        """How long the first of what a slot was given has run; the clock of what is paused stands still."""
        run = self._first(slot)
        return (run.paused_since or self.pool.now) - slot.began

    def _progress(self, run: SlotRun) -> dict[str, Any]:
        """How far a run is by its own account, or, while it waits for parts of its own, by theirs."""
        fraction, note = self.families.progress(run) or (run.fraction, run.note)
        if run.paused_since:
            why = self.pool.scheduler.why_paused(run.slot)
            note = f"paused: {why}" if why else "paused"
        if run.hedge and not run.hedged_for:
            note = f"second attempt{': ' + note if note else ''}"
        return {"fraction": fraction, "note": note}

    def _standstill(self) -> str:
        if self.pool.draining:
            return "the worker is draining: what runs ends, and the next one goes on; so does `rushes resume`"
        if self.pool.paused:
            return "the pool is paused; `rushes resume` goes on"
        if not self.pool.size.cpu:
            return "the pool has no cores at the moment; `rushes pool` says why"
        if self.pool.wedged:
            room = format_size(self.pool.journal.room_bytes)
            return f"nothing starts until the disk of {self.pool.home} has {room} free"
        return ""

    def explain(self, invocation: str) -> dict[str, Any]:
        """Everything known of one invocation."""
        self.pool.flush()
        batch, _, n = invocation.partition(".")
        row = self.pool.require(batch)
        number = row.number << 32 | n_of(n) if n_of(n) else 0
        found = self.pool.journal.status_of(number) if number else None
        if found is None:
            raise unknown_invocation(invocation)
        run = self.pool.running.get(number)
        result = self.pool.journal.result_at(row.number, found.seq) if found.seq else None
        log = self.pool.home / "logs" / batch / f"{number & 0xFFFFFFFF}.log"
        spec = json.loads(row.spec)
        waits, held = found.reason or "", None
        if run is not None and run.paused_since:
            waits = self.pool.scheduler.explain(run.ask(number), self.pool.now)
        elif run is not None and number in self.pool.hedged:
            waits = f"a second attempt runs beside it: {run.hedged_for}"
        elif run is not None:
            waits = (self.families.progress(run) or (0.0, waits))[1]
        elif STATES[found.state] is State.queued:
            state = self.pool.by_id.get(batch)
            held = self.budgeting.held(state) if state is not None else None
            waits = held.why if held is not None else self.pool.scheduler.explain(number, self.pool.now)
            waits = self._standstill() or waits
        return {
            "invocation": invocation,
            "asset": found.source,
            "function": spec["function"],
            "state": (State.held if held is not None else _state(run, STATES[found.state])).value,
            "attempts": run.attempt if run else found.attempt,
            "losses": found.losses,
            "reason": waits,
            "not_before": found.not_before,
            "queued_at": found.queued_at,
            "priority": self.pool.queue_keys[found.queue].priority,
            "show": self.pool.queue_keys[found.queue].show,
            "slot": run.slot if run else None,
            "fraction": self._progress(run)["fraction"] if run else None,
            "parent": spec.get("parent") or None,
            "parts": [self._parts(one) for one in self.pool.journal.batches_of(invocation)],
            "history": [
                {"attempt": a, "ended": e, "seconds": s, "outcome": o, "error": json.loads(d)}
                for a, e, s, o, d in self.pool.journal.attempts(number)
            ],
            "result": json.loads(result.data) if result and result.data else None,
            "seconds": result.seconds if result else None,
            "cost_nano": self._cost(number, spec.get("parent")),
            "log": str(log) if log.exists() else None,
            "spec": {k: v for k, v in spec.items() if k != "environment"},
        }

    def _cost(self, number: int, parent: str | None) -> int:
        """Nano-dollars that an invocation has come to in attempts that have ended, with its parts."""
        root = root_of(self.pool, parent) if parent else 0
        return self.pool.journal.cost_each([number], parts_of=root).get(number, 0)

    def _parts(self, row: BatchRow) -> dict[str, Any]:
        """A batch that a body mapped, in short."""
        state = self.pool.batches.get(row.number)
        counts = dict(self.pool.journal.counts(row.number))
        return {
            "batch": row.id,
            "function": function_name(json.loads(row.spec)["function"]),
            "invocations": sum(counts.values()),
            "seconds": state.seconds if state is not None else row.seconds,
        }

    def describe_pool(self) -> dict[str, Any]:
        """Slots and what they run; capacity; queues."""
        return {
            "capacity": {
                "cpu": self.pool.size.cpu,
                "memory": self.pool.size.memory,
                "gpu": self.pool.size.gpu,
            },
            "paused": self.pool.paused,
            "low_on_space": self.pool.wedged,
            "slots": [
                {
                    "slot": slot.number,
                    "pid": slot.pid,
                    "ready": slot.ready,
                    "executable": (self.pool.environments.get(slot.environment) or {}).get("executable"),
                    "running": self.pool.name_of(slot.given[0]) if slot.given else None,
                    "asset": self._first(slot).asset if slot.given else None,
                    "given": len(slot.given),
                    "lent": bool(slot.given) and self._is_lent(slot.given[0]),
                    "paused": bool(slot.given and self._first(slot).paused_since),
                    "waits": bool(slot.given and self._first(slot).waits_since),
                    "seconds": self._ran_s(slot) if slot.given else 0.0,
                }
                for slot in self.pool.slots.values()
            ],
            "queues": [
                {"priority": key.priority, "show": key.show, "waiting": count}
                for key, count in self._queued_by_queue().items()
            ],
            "batches": [state.id for state in self.pool.batches.values()],
        }

    def _is_lent(self, number: int) -> bool:
        """Whether a host has handed this invocation to the pool."""
        state = self.pool.batches.get(number >> 32)
        return state is not None and state.lent

    def _queued_by_queue(self) -> dict[ev.QueueKey, int]:
        found: dict[ev.QueueKey, int] = {}
        for state in self.pool.batches.values():
            if state.counts[QUEUED]:
                found[state.queue] = found.get(state.queue, 0) + state.counts[QUEUED]
        return found


def _state(run: SlotRun | None, kept: State) -> State:
    """Where an invocation stands: what runs is in no journal."""
    if run is None:
        return kept
    return State.paused if run.paused_since else State.running
