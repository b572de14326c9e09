"""The dispatcher: carries the scheduler's commands out, and tells it what came of them.

Every turn of the worker is one transaction. What happens in a turn (submissions, starts, ends) is written to
the journal, and nothing of it leaves the process before the commit: packets to slots and answers to clients
wait in `after_commit`. So whatever anybody was told is true after a power cut.

This module must not know client sockets; the worker reads those and calls the verbs here.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rushes.core import commands as cmd
from rushes.core import events as ev
from rushes.core.ordering import order_of
from rushes.core.policy import DEFAULT_CLASSES
from rushes.core.retry import GiveUp, decide
from rushes.core.scheduler import Scheduler
from rushes.core.states import State
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.runtime.batches import STATES, BatchState, shape_of, spec_packet, state_number, status_json
from rushes.runtime.slots import SlotProcess
from rushes.runtime.spool import pack
from rushes.runtime.wire import WIRE, encode_packet

__all__ = ["Dispatcher"]

QUEUED, HELD, RUNNING, PAUSED, SUCCEEDED, FAILED, CANCELLED = (state_number(s) for s in STATES)
GROUP: Final = 8
"""Short invocations in one packet: the cost of a packet is that of waking its reader."""
STOP_CHUNK: Final = 5000
"""Waiting invocations that a cancel ends in one turn, so that a million do not stop the pool."""
GRACE_S: Final = 5.0
"""Between asking a slot to stop and killing it."""
WATCH_EVERY_S: Final = 1.0
STALL_MARGIN_S: Final = 15.0
"""The slot's own watchdog over its tool goes first: it can say what was wrong."""
BROKEN_STARTS: Final = 3
"""Slots of one environment that die before they are ready until its work is failed with the reason."""
_NOTHING: Final = b"{}"
_RANK: Final = {policy.name: policy.rank for policy in DEFAULT_CLASSES}


@dataclass(slots=True)
class _Run:
    """One attempt that a slot has been given."""

    slot: int
    fence: int
    attempt: int
    losses: int
    row: Any
    fraction: float = -1.0
    note: str = ""


class Dispatcher:
    """The pool of one machine: a scheduler, a journal, slots."""

    def __init__(
        self,
        scheduler: Scheduler,
        journal: Any,
        home: Path,
        capacity: ev.Capacity,
        watch: Callable[[SlotProcess], None],
        unwatch: Callable[[SlotProcess], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.scheduler = scheduler
        self.journal = journal
        self.home = home
        self.capacity = capacity
        self._watch, self._unwatch = watch, unwatch
        self._clock = clock
        self.now = clock()
        self.batches: dict[int, BatchState] = {}
        self.by_id: dict[str, BatchState] = {}
        self.slots: dict[int, SlotProcess] = {}
        self.running: dict[int, _Run] = {}
        self.hand: dict[int, Any] = {}
        self.waiting: dict[ev.QueueKey, int] = {}
        self.queue_numbers: dict[ev.QueueKey, int] = {}
        self.queue_keys: dict[int, ev.QueueKey] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.awaited: set[int] = set()
        self.intents: set[int] = set()
        self.paused = False
        self.wedged = False
        self.after_commit: list[Callable[[], None]] = []
        self.next_due: float | None = None
        self._leased: dict[ev.QueueKey, int] = {}
        self._broken: dict[str, int] = {}
        self._ends: list[Any] = []
        self._results: list[Any] = []
        self._forget: list[Any] = []
        self._push: set[int] = set()
        self._watched = 0.0
        self._dying: list[SlotProcess] = []
        self._fence = 0

    # -- life ---------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Take up what an earlier worker left.

        A start is not journalled: what ran when a worker died is still queued in the journal, and loses no
        attempt. Its slots died with it; a token of this epoch is larger than any that they hold.
        """
        self.now = self._clock()
        journal = self.journal
        self._fence = journal.next_epoch() << 32
        for number, priority, show in journal.queues():
            self._name_queue(ev.QueueKey(priority, show), number)
        for row in journal.open_batches():
            state = self._take_up(row)
            for number, count in journal.counts(state.number):
                state.counts[number] = count
            state.cached = journal.cached_count(state.number)
            state.last_n = journal.last_n(state.number)
            state.orphaned = None if state.sealed else self.now
            state.dirty = True
        self.intents = journal.intended()
        deps: dict[int, list[tuple[int, int]]] = {}
        for invocation, after, cancel in journal.dependencies():
            deps.setdefault(invocation, []).append((after, cancel))
        for invocation, afters in deps.items():
            self._defer(invocation, [a for a, _ in afters], cancel=bool(afters[0][1]))
        for queue, count in journal.waiting():
            key = self.queue_keys[queue]
            self.waiting[key] = count
            self.feed(ev.Queued(key, count))
        self.next_due = journal.next_due()

    def _take_up(self, row: Any) -> BatchState:
        number, batch, spec_text, submitted, _ended, sealed, seq, seconds, media_s = row
        spec = json.loads(spec_text)
        key = ev.QueueKey(spec["priority"], spec["show"])
        state = BatchState(
            number,
            batch,
            spec,
            submitted,
            key,
            self._queue_number(key),
            shape_of(batch, spec),
            sealed=bool(sealed),
            seq=seq,
            seconds=seconds,
            media_s=media_s,
        )
        self.batches[number] = self.by_id[batch] = state
        self.environments[state.shape.environment] = spec.get("environment") or {}
        return state

    def _queue_number(self, key: ev.QueueKey) -> int:
        if key not in self.queue_numbers:
            self._name_queue(key, self.journal.queue(*key))
        return self.queue_numbers[key]

    def _name_queue(self, key: ev.QueueKey, number: int) -> None:
        self.queue_numbers[key] = number
        self.queue_keys[number] = key

    def feed(self, event: ev.Event) -> None:
        """Tell the scheduler, and carry out what it decides, until it decides nothing more."""
        todo: deque[ev.Event] = deque([event])
        while todo:
            for command in self.scheduler.handle(todo.popleft(), self.now):
                self._carry_out(command, todo)

    def _carry_out(self, command: cmd.Command, todo: deque[ev.Event]) -> None:
        match command:
            case cmd.Start():
                self._start(command.slot, command.ids)
            case cmd.Lease():
                todo.append(self._lease(command.queue, command.count))
            case cmd.OpenSlot():
                self._open(command, todo)
            case cmd.CloseSlot():
                slot = self.slots.pop(command.slot, None)
                if slot is not None:
                    slot.let_go()
                    self._dying.append(slot)
                    self._unwatch(slot)
            case cmd.Recall():
                slot = self.slots.get(command.slot)
                if slot is not None:
                    todo.append(ev.Returned(command.slot, self._take_back(slot)))
                    self.after_commit.append(lambda: slot.interrupt(encode_packet(["back", 0, 0])))
            case cmd.Release():
                todo.extend(self._release(command))

    def flush(self) -> None:
        """Write what the turn has gathered."""
        if self._ends:
            self.journal.ended(self._ends, self._results)
            self._ends, self._results = [], []
        if self._forget:
            self.journal.forget_intents(self._forget)
            self._forget = []

    def close_turn(self) -> None:
        """Write the batches that changed; end those that have nothing left."""
        self.flush()
        for state in [b for b in self.batches.values() if b.dirty or b.stopping]:
            if state.stopping:
                self._stop_some(state)
                self.flush()
            if state.sealed and not state.unfinished and state.ended is None:
                state.ended = self.now
            self.journal.save_batch(
                state.number,
                ended=state.ended,
                sealed=state.sealed,
                seq=state.seq,
                seconds=state.seconds,
                media_s=state.media_s,
            )
            state.dirty = False
            if state.ended is not None:
                del self.batches[state.number], self.by_id[state.id]
                pseudo = state.number << 32
                if pseudo in self.awaited:
                    bad = state.counts[FAILED] or state.counts[CANCELLED]
                    self.awaited.discard(pseudo)
                    self.feed(ev.Ended(pseudo, State.failed if bad else State.succeeded))
                    self.flush()

    def push(self) -> None:
        """Send what the commit has made true."""
        done, self.after_commit = self.after_commit, []
        for act in done:
            act()
        for number in self._push:
            slot = self.slots.get(number)
            if slot is not None:
                slot.push()
        self._push = {n for n in self._push if n in self.slots and self.slots[n].waits}

    # -- submission -----------------------------------------------------------------------------------------

    def open(self, batch: str, spec: dict[str, Any]) -> BatchState:
        """Add a batch."""
        needs = spec.get("resources") or {}
        for noun, have in (("memory", self.capacity.memory), ("gpu", self.capacity.gpu)):
            if float(needs.get(noun, 0.0)) > have:
                raise CallerError(
                    f"{spec['function']} needs {noun} {needs[noun]:.0f}; this pool has {have:.0f}.",
                    code="too-big",
                    fix="Lower its Resources, or run it on a larger machine.",
                )
        self.journal.open_batch(batch, json.dumps(spec), self.now)
        return self._take_up(self.journal.batch(batch))

    def submit(self, state: BatchState, rows: list[Any]) -> int:
        """Add invocations; rows that came before are skipped, so that a client may send them again.

        Each row: [n, source, key, frames, params, subdir, tag, after, on_failure, problem, fingerprint].
        """
        rows = [row for row in rows if row[0] > state.last_n]
        if not rows:
            return 0
        state.last_n = rows[-1][0]
        self.flush()
        base = state.number << 32
        order = order_of(state.spec.get("deadline"), self.now)
        keys = [bytes.fromhex(row[2]) if row[2] else None for row in rows]
        known = self._known(state, keys)
        inserts: list[Any] = []
        queued = 0
        deferred: list[tuple[int, list[int], bool]] = []
        for row, key in zip(rows, keys, strict=True):
            number = base | row[0]
            _, source, _, frames, params, subdir, tag, after, on_failure, problem, fingerprint = row
            status, extra, reason = QUEUED, None, None
            if problem is not None:
                status = FAILED
                self._end_row(state, number, FAILED, 0.0, _error_body(problem))
            elif after:
                ids = self._resolve(after)
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
                    number, status, state.queue_number, order, self.now, key, source,
                    json.dumps(frames) if frames else None, params, subdir or None, tag or None,
                    fingerprint or None, extra, reason,
                )
            )  # fmt: skip
            state.counts[status] += 1
            queued += status == QUEUED
        self.journal.add(inserts)
        self.flush()
        if queued:
            self.waiting[state.queue] = self.waiting.get(state.queue, 0) + queued
            self.feed(ev.Queued(state.queue, queued))
        for number, ids, cancel in deferred:
            self.journal.depend([(number, one, int(cancel)) for one in ids])
            self._defer(number, ids, cancel=cancel)
        state.dirty = True
        return len(rows)

    def _known(self, state: BatchState, keys: list[bytes | None]) -> dict[bytes, Any]:
        """Key → (id, state, seq) of what is known or under way for the same show; the newest success."""
        wanted = [k for k in keys if k is not None]
        if not wanted or state.spec.get("force"):
            return {}
        found: dict[bytes, Any] = {}
        for start in range(0, len(wanted), 900):
            for key, number, status, seq, show in self.journal.known(wanted[start : start + 900]):
                if show == state.spec["show"] and (status <= SUCCEEDED) and _better(status, found.get(key)):
                    found[key] = (number, status, seq)
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
                self._end_as(state, number, other >> 32, seq)
                return SUCCEEDED, None, None, None
            return QUEUED, json.dumps({"known": [other >> 32, seq]}), None, None
        if status < SUCCEEDED:
            self._raise_class(state, other)
            leader = f"{self._name_of(other)}"
            return HELD, json.dumps({"joined": other}), f"the same work is under way as {leader}", other
        return QUEUED, None, None, None

    def _end_as(self, state: BatchState, number: int, batch: int, seq: int) -> None:
        row = self.journal.result_at(batch, seq)
        state.seq += 1
        state.cached += 1
        self._ends.append((SUCCEEDED, state.seq, 0, number))
        self._results.append((state.number, state.seq, number, SUCCEEDED, 0.0, 1, row[5]))

    def _raise_class(self, state: BatchState, leader: int) -> None:
        """A second submitter of the same work can raise its class while it waits."""
        row = self.journal.status_of(leader)
        if row is None or row[0] != QUEUED or leader in self.running:
            return
        before = self.queue_keys[row[6]]
        if before.show != state.queue.show or _RANK[state.queue.priority] >= _RANK[before.priority]:
            return
        if self.hand.pop(leader, None) is not None:
            self._leased[before] -= 1
            self.feed(ev.Withdrawn([leader]))
        else:
            self.waiting[before] = max(self.waiting.get(before, 0) - 1, 0)
        self.journal.requeue([(state.queue_number, leader)])
        self.waiting[state.queue] = self.waiting.get(state.queue, 0) + 1
        self.feed(ev.Queued(state.queue, 1))

    def _name_of(self, number: int) -> str:
        state = self.batches.get(number >> 32)
        return state.public_id(number) if state else f"batch {number >> 32}, {number & 0xFFFFFFFF}"

    def _resolve(self, after: Iterable[str]) -> list[int]:
        ids = []
        for text in after:
            batch, _, n = text.partition(".")
            row = self.journal.batch(batch)
            if row is None or (n and not n.isdigit()):
                raise CallerError(
                    f"after={text!r} names no invocation.",
                    code="not-found",
                    fix="Give the id of an invocation (BATCH.N) or of a batch.",
                )
            ids.append(row[0] << 32 | int(n or 0))
        return ids

    def _defer(self, number: int, ids: list[int], *, cancel: bool) -> None:
        self.awaited.update(ids)
        self.feed(ev.Deferred(number, ids, cancel))
        self.flush()
        for one, status in self.journal.ended_states(ids).items():
            self.feed(ev.Ended(one, STATES[status]))

    def _release(self, command: cmd.Release) -> list[ev.Event]:
        """Dependencies are settled: queue, or end as the one that it waited for."""
        follow: list[ev.Event] = []
        self.flush()
        for number in command.ids:
            state = self.batches.get(number >> 32)
            row = self.journal.status_of(number)
            if state is None or row is None or row[0] != HELD:
                continue
            extra = json.loads(row[9]) if row[9] else {}
            joined = extra.get("joined")
            if command.cancel:
                because = self._name_of(command.because or 0)
                error = {
                    "kind": "cancelled",
                    "code": "dependency-failed",
                    "message": f"{because}, which it waits for, did not succeed.",
                }
                follow.extend(self._end(state, number, HELD, CANCELLED, 0.0, _error_body(error)))
            elif joined is not None and self._end_joined(state, number, joined):
                follow.extend(self._after_end(number, State.succeeded))
            else:
                self.journal.requeue([(state.queue_number, number)])
                state.move(HELD, QUEUED)
                self.waiting[state.queue] = self.waiting.get(state.queue, 0) + 1
                follow.append(ev.Queued(state.queue, 1))
        return follow

    def _end_joined(self, state: BatchState, number: int, leader: int) -> bool:
        """End a follower with its leader's result when that needs no files of its own."""
        row = self.journal.status_of(leader)
        if row is None or row[0] != SUCCEEDED or state.spec.get("out") is not None:
            return False
        self._end_as(state, number, leader >> 32, row[5])
        state.move(HELD, SUCCEEDED)
        return True

    # -- leases and starts ------------------------------------------------------------------------------------

    def _lease(self, queue: ev.QueueKey, count: int) -> ev.Leased:
        self.flush()
        in_hand = self._leased.get(queue, 0)
        asks = []
        if self.waiting.get(queue, 0) > 0:
            for row in self.journal.lease(self._queue_number(queue), count, in_hand):
                number = row[0]
                state = self.batches.get(number >> 32)
                if number in self.hand or number in self.running or state is None:
                    continue
                if len(asks) >= count:
                    break
                self.hand[number] = row
                asks.append(ev.Ask(number, row[11], row[3], state.shape))
        self._leased[queue] = in_hand + len(asks)
        left = max(self.waiting.get(queue, 0) - len(asks), 0)
        self.waiting[queue] = left if asks else 0
        return ev.Leased(queue, asks, self.waiting[queue])

    def _open(self, command: cmd.OpenSlot, todo: deque[ev.Event]) -> None:
        how = self.environments.get(command.environment) or {}
        try:
            slot = SlotProcess(command.slot, command.environment, how, self.home)
        except (OSError, KeyError) as error:
            self._start_failed(command.environment, f"cannot be started: {error}")
            todo.append(ev.SlotLost(command.slot))
            return
        self.slots[command.slot] = slot
        self._watch(slot)

    def _start(self, slot_number: int, ids: Sequence[int]) -> None:
        slot = self.slots[slot_number]
        if not slot.given:
            slot.began = slot.alive = self.now
        # Long invocations travel alone, so that each can be taken back until it is begun.
        size = GROUP if len(ids) >= 2 * GROUP else 1
        for first in range(0, len(ids), size):
            group = ids[first : first + size]
            packet = pack(["run", [self._started(slot, number) for number in group]], b"", self.home)
            slot.give(packet, group)
        self._push.add(slot_number)

    def _started(self, slot: SlotProcess, number: int) -> list[Any]:
        """Take an invocation out of hand and give what its slot is told of it."""
        row = self.hand.pop(number)
        _, attempt, losses, queued_at, source, frames, params, subdir, tag, mark, extra, _, key = row
        state = self.batches[number >> 32]
        self._fence = fence = self._fence + 1
        self.running[number] = _Run(slot.number, fence, attempt + 1, losses, row)
        if state.number not in slot.knows:
            slot.knows.add(state.number)
            slot.give(pack(spec_packet(state), b"", self.home), ())
        slot.given.append(number)
        counts = state.counts
        counts[QUEUED] -= 1
        counts[RUNNING] += 1
        state.dirty = True
        more: dict[str, Any] | None = None
        if state.spec.get("out") is not None:
            more = {"key": key.hex() if key else "", "queued_at": queued_at}
            if extra:
                more.update(self._known_result(json.loads(extra)))
            if number in self.intents:
                more["intent"] = json.loads(self.journal.intent(number) or "null")
        frame_pair = json.loads(frames) if frames else None
        return [
            number, attempt + 1, fence, state.number, source, frame_pair, params, subdir, tag, mark, more,
        ]  # fmt: skip

    def _known_result(self, extra: dict[str, Any]) -> dict[str, Any]:
        if "joined" in extra:
            row = self.journal.status_of(extra["joined"])
            if row is None or row[0] != SUCCEEDED:
                return {}
            extra = {"known": [extra["joined"] >> 32, row[5]]}
        if "known" in extra:
            found = self.journal.result_at(*extra["known"])
            return {"known": json.loads(found[5])} if found is not None and found[5] else {}
        return {}

    # -- what slots say -----------------------------------------------------------------------------------------

    def hear(self, slot: SlotProcess) -> None:
        """Take in what a slot has said, or its death."""
        heard = slot.hear()
        if heard is None:
            if slot.number in self.slots:
                self.lost(slot)
            return
        for header, body in heard:
            verb = header[0]
            if verb == "done":
                self._done(slot, header, body)
            elif verb == "at":
                self._at(slot, header)
            elif verb == "intent":
                self._intend(slot, header, body)
            elif verb == "fail":
                self._fail(slot, header, body)
            elif verb == "back":
                self._back(slot, header[1])
            elif verb == "ready":
                self._ready(slot, header)

    def _ready(self, slot: SlotProcess, header: Any) -> None:
        if header[1] != WIRE:
            self._start_failed(
                slot.environment,
                f"speaks protocol {header[1]} (Rushes {header[3]}); this worker speaks {WIRE}",
                final=True,
            )
            slot.kill()
            return
        slot.ready = True
        self._broken.pop(slot.environment, None)
        self.feed(ev.SlotReady(slot.number))

    def _left(self, slot: SlotProcess, number: int, fence: int) -> _Run | None:
        """The run that an answer is about, taken off its slot; None for a stale answer."""
        run = self.running.get(number)
        if run is None or run.fence != fence or run.slot != slot.number:
            return None
        del self.running[number]
        self._leased[self.batches[number >> 32].queue] -= 1
        with suppress(ValueError):
            if slot.given and slot.given[0] == number:
                slot.given.popleft()
            else:
                slot.given.remove(number)
        slot.began = slot.alive = self.now
        slot.doomed = 0.0
        return run

    def _done(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        text = body.decode("utf-8", "replace")
        ascii_only = len(text) == len(body)
        at = 0
        for number, fence, seconds, media_s, cached, size in header[1]:
            data = text[at : at + size] if ascii_only else body[at : at + size].decode("utf-8", "replace")
            at += size
            run = self._left(slot, number, fence)
            if run is None:
                continue
            state = self.batches[number >> 32]
            state.seconds += seconds
            state.media_s += media_s
            state.cached += cached
            state.seq += 1
            state.move(RUNNING, SUCCEEDED)
            self._ends.append((SUCCEEDED, state.seq, run.attempt, number))
            self._results.append((state.number, state.seq, number, SUCCEEDED, seconds, cached, data))
            if number in self.intents:
                self.intents.discard(number)
                self._forget.append((number,))
            self.feed(ev.Finished(slot.number, number, State.succeeded, seconds))
            if number in self.awaited:
                for event in self._after_end(number, State.succeeded):
                    self.feed(event)

    def _back(self, slot: SlotProcess, numbers: list[int]) -> None:
        """What a slot had taken with a long one, and gave back unstarted."""
        slot.drop(numbers)
        self._back_in_hand(numbers)
        self.feed(ev.Returned(slot.number, numbers))

    def _after_end(self, number: int, state: State) -> list[ev.Event]:
        if number not in self.awaited:
            return []
        self.awaited.discard(number)
        return [ev.Ended(number, state)]

    def _at(self, slot: SlotProcess, header: Any) -> None:
        _, number, fence, fraction, note = header
        run = self.running.get(number)
        slot.alive = self.now
        if run is not None and run.fence == fence:
            run.fraction, run.note = fraction, note

    def _intend(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        """Fencing: only the attempt that holds the lease may publish, and only once that is journalled."""
        _, number, fence = header
        run = self.running.get(number)
        state = self.batches.get(number >> 32)
        if run is None or run.fence != fence or (state is not None and state.stopping):
            self.after_commit.append(lambda: slot.answer(encode_packet(["stop", number, fence])))
            return
        self.journal.intend(number, body.decode())
        self.intents.add(number)
        slot.alive = self.now
        self.after_commit.append(lambda: slot.answer(encode_packet(["go", number, fence])))

    def _fail(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        _, number, fence, seconds = header
        run = self._left(slot, number, fence)
        if run is not None:
            self._failed(slot.number, number, run, seconds, json.loads(body))

    def _failed(
        self, slot: int, number: int, run: _Run, seconds: float, error: dict[str, Any], *, lost: int = 0
    ) -> None:
        """Decide what a failed attempt comes to."""
        state = self.batches[number >> 32]
        state.seconds += seconds
        losses = run.losses + lost
        if error.get("code") == "out-of-memory" and not lost:
            losses, lost = losses + 1, 1
        if state.stopping or error["kind"] == "cancelled":
            after = state.stopping[0] if state.stopping else State.cancelled
            for event in self._end(
                state, number, RUNNING, state_number(after), seconds, _NOTHING, run.attempt
            ):
                self.feed(event)
            self.feed(ev.Finished(slot, number, after, seconds))
            return
        retries = int(state.spec.get("retries", 2))
        verdict = decide(error["kind"], error["code"], run.attempt - losses, losses, retries, number)
        self.journal.attempt([(number, run.attempt, self.now, seconds, error["code"], json.dumps(error))])
        if isinstance(verdict, GiveUp):
            error = {**error, "verdict": verdict.reason, "attempts": run.attempt}
            for event in self._end(state, number, RUNNING, FAILED, seconds, _error_body(error), run.attempt):
                self.feed(event)
            self.feed(ev.Finished(slot, number, State.failed, seconds))
            return
        due = self.now + verdict.delay_s
        self.flush()
        self.journal.moved([(HELD, run.attempt, losses, due, verdict.reason, number)])
        state.move(RUNNING, HELD)
        self.next_due = due if self.next_due is None else min(due, self.next_due)
        self.feed(ev.Finished(slot, number, State.held, seconds))

    def _end(
        self,
        state: BatchState,
        number: int,
        before: int,
        after: int,
        seconds: float,
        body: bytes,
        attempt: int = 0,
    ) -> list[ev.Event]:
        state.move(before, after)
        self._end_row(state, number, after, seconds, body, attempt)
        if number in self.intents:
            self.intents.discard(number)
            self._forget.append((number,))
        return self._after_end(number, STATES[after])

    def _end_row(
        self, state: BatchState, number: int, after: int, seconds: float, body: bytes, attempt: int = 0
    ) -> None:
        state.seq += 1
        self._ends.append((after, state.seq, attempt, number))
        self._results.append((state.number, state.seq, number, after, seconds, 0, body.decode()))

    def _take_back(self, slot: SlotProcess) -> list[int]:
        """Unstarted invocations of a slot, back in hand: they have lost no attempt."""
        back = slot.take_back()
        self._back_in_hand(back)
        return back

    def _back_in_hand(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            run = self.running.pop(number, None)
            if run is None:
                continue
            state = self.batches[number >> 32]
            state.move(RUNNING, QUEUED)
            self.hand[number] = run.row

    def lost(self, slot: SlotProcess) -> None:
        """A slot has died: only what it was running is affected."""
        del self.slots[slot.number]
        self._unwatch(slot)
        back = self._take_back(slot)
        culprit = slot.current
        how = slot.bury()
        if not slot.ready:
            self._start_failed(slot.environment, how)
        # First, so that nothing is given to it again; the scheduler waits for the reports that follow.
        self.feed(ev.SlotLost(slot.number))
        # Of what it had taken, only the one that ran is charged; the others were not begun, or their answers
        # were still under way, and they made no files: those say so before anything becomes visible.
        others = [number for number in slot.given if number != culprit]
        self._back_in_hand(others)
        back += others
        run = self.running.pop(culprit, None) if culprit in slot.given else None
        if run is not None:
            self._leased[self.batches[culprit >> 32].queue] -= 1
            self._failed(slot.number, culprit, run, self.now - slot.began, _loss(slot, how), lost=1)
        if back:
            self.feed(ev.Returned(slot.number, back))

    def _start_failed(self, environment: str, how: str, *, final: bool = False) -> None:
        """After a few slots that never came up, fail the work that needs them, with the reason."""
        self._broken[environment] = self._broken.get(environment, 0) + 1
        if not final and self._broken[environment] < BROKEN_STARTS:
            return
        error = PlatformError(
            f"no slot could be started for it: the process {how}.",
            code="slot-start",
            fix="Run `rushes doctor` in the environment that submitted it.",
        ).to_dict()
        for state in self.batches.values():
            if state.shape.environment == environment and state.stopping is None:
                state.stopping = (State.failed, error)
        self._broken.pop(environment, None)

    # -- people's wishes --------------------------------------------------------------------------------------

    def cancel(self, state: BatchState) -> None:
        """End what waits and stop what runs; the batch ends a few turns later."""
        state.stopping = (State.cancelled, None)
        state.sealed = True
        state.dirty = True

    def _stop_some(self, state: BatchState) -> None:
        if state.stopping is None:
            return
        after, error = state.stopping
        body = _error_body(error) if error else _NOTHING
        rows = self.journal.unfinished(state.number, STOP_CHUNK)
        gone = [number for number, _ in rows if self.hand.pop(number, None) is not None]
        if gone:
            self._leased[state.queue] -= len(gone)
            self.feed(ev.Withdrawn(gone))
        outside = 0
        for number, before in rows:
            if number in self.running:
                continue
            outside += before == QUEUED
            for event in self._end(state, number, before, state_number(after), 0.0, body):
                self.feed(event)
        self.waiting[state.queue] = max(self.waiting.get(state.queue, 0) - (outside - len(gone)), 0)
        for slot in self.slots.values():
            if slot.given and slot.given[0] >> 32 == state.number:
                self._interrupt(slot, "")
            elif any(number >> 32 == state.number for number in slot.given):
                self.feed(ev.Returned(slot.number, self._take_back(slot)))

    def _interrupt(self, slot: SlotProcess, reason: str) -> None:
        if slot.doomed or not slot.given:
            return
        slot.doomed, slot.doom_reason = self.now + GRACE_S, reason
        number = slot.current if slot.current in self.running else slot.given[0]
        run = self.running[number]
        self.after_commit.append(lambda: slot.interrupt(encode_packet(["cancel", number, run.fence])))

    def retry(self, batch: str) -> int:
        """Queue the failed and cancelled invocations of a batch again."""
        row = self._require(batch)
        self.flush()
        reopened = self.journal.reopen(row[0])
        if not reopened:
            return 0
        state = self.batches.get(row[0])
        if state is None:
            state = self._take_up(row)
        state.counts = [0] * len(STATES)
        for number, count in self.journal.counts(state.number):
            state.counts[number] = count
        state.cached = self.journal.cached_count(state.number)
        state.last_n = self.journal.last_n(state.number)
        state.stopping, state.sealed, state.ended, state.dirty = None, True, None, True
        self.waiting[state.queue] = self.waiting.get(state.queue, 0) + len(reopened)
        self.feed(ev.Queued(state.queue, len(reopened)))
        return len(reopened)

    def _require(self, batch: str) -> Any:
        row = self.journal.batch(batch)
        if row is None:
            raise CallerError(
                f"there is no batch {batch!r}.", code="not-found", fix="`rushes list` names the batches."
            )
        return row

    def status(self, batch: str) -> dict[str, Any]:
        """Where a batch stands, with what of it runs now."""
        self.flush()
        row = self._require(batch)
        state = self.by_id.get(batch)
        if state is None:
            counts = [0] * len(STATES)
            for number, count in self.journal.counts(row[0]):
                counts[number] = count
            return status_json(row, counts, self.journal.cached_count(row[0]))
        found = status_json(row, list(state.counts), state.cached)
        found.update(seq=state.seq, seconds=state.seconds, media_s=state.media_s, sealed=state.sealed)
        found["running"] = [
            {
                "invocation": state.public_id(slot.given[0]),
                "asset": self.running[slot.given[0]].row[4],
                "fraction": self.running[slot.given[0]].fraction,
                "note": self.running[slot.given[0]].note,
                "seconds": self.now - slot.began,
            }
            for slot in self.slots.values()
            if slot.given and slot.given[0] >> 32 == state.number
        ]
        return found

    def explain(self, invocation: str) -> dict[str, Any]:
        """Everything known of one invocation."""
        self.flush()
        batch, _, n = invocation.partition(".")
        row = self._require(batch)
        number = row[0] << 32 | int(n) if n.isdigit() else 0
        found = self.journal.status_of(number) if number else None
        if found is None:
            raise CallerError(
                f"there is no invocation {invocation!r}.",
                code="not-found",
                fix=f"`rushes results {batch}` names them.",
            )
        state, attempt, losses, reason, not_before, seq, queue, queued_at, source, _extra = found
        run = self.running.get(number)
        result = self.journal.result_at(row[0], seq) if seq else None
        log = self.home / "logs" / batch / f"{number & 0xFFFFFFFF}.log"
        waits = reason or ""
        if run is None and STATES[state] is State.queued:
            waits = self.scheduler.explain(number, self.now)
        return {
            "invocation": invocation,
            "asset": source,
            "function": json.loads(row[2])["function"],
            "state": "running" if run else STATES[state].value,
            "attempts": run.attempt if run else attempt,
            "losses": losses,
            "reason": waits,
            "not_before": not_before,
            "queued_at": queued_at,
            "priority": self.queue_keys[queue].priority,
            "show": self.queue_keys[queue].show,
            "slot": run.slot if run else None,
            "fraction": run.fraction if run else None,
            "history": [
                {"attempt": a, "ended": e, "seconds": s, "outcome": o, "error": json.loads(d)}
                for a, e, s, o, d in self.journal.attempts(number)
            ],
            "result": json.loads(result[5]) if result and result[5] else None,
            "seconds": result[3] if result else None,
            "log": str(log) if log.exists() else None,
            "spec": {k: v for k, v in json.loads(row[2]).items() if k != "environment"},
        }

    def pool(self) -> dict[str, Any]:
        """Slots and what they run; capacity; queues."""
        return {
            "capacity": {"cpu": self.capacity.cpu, "memory": self.capacity.memory, "gpu": self.capacity.gpu},
            "paused": self.paused,
            "low_on_space": self.wedged,
            "slots": [
                {
                    "slot": slot.number,
                    "pid": slot.pid,
                    "ready": slot.ready,
                    "executable": (self.environments.get(slot.environment) or {}).get("executable"),
                    "running": self._name_of(slot.given[0]) if slot.given else None,
                    "asset": self.running[slot.given[0]].row[4] if slot.given else None,
                    "given": len(slot.given),
                    "seconds": self.now - slot.began if slot.given else 0.0,
                }
                for slot in self.slots.values()
            ],
            "queues": [
                {"priority": key.priority, "show": key.show, "waiting": count}
                for key, count in self._queued_by_queue().items()
            ],
            "batches": [state.id for state in self.batches.values()],
        }

    def _queued_by_queue(self) -> dict[ev.QueueKey, int]:
        found: dict[ev.QueueKey, int] = {}
        for state in self.batches.values():
            if state.counts[QUEUED]:
                found[state.queue] = found.get(state.queue, 0) + state.counts[QUEUED]
        return found

    def pause(self, *, paused: bool) -> None:
        self.paused = paused
        self._tell_paused()

    def _tell_paused(self) -> None:
        self.feed(ev.Paused(self.paused or self.wedged))

    # -- the watch ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """What time alone brings: retries that are due, stalls, memory, space, dead slots."""
        if self.next_due is not None and self.next_due <= self.now:
            self._requeue_due()
        self.feed(ev.Tick())
        if self.now - self._watched < WATCH_EVERY_S:
            return
        self._watched = self.now
        for slot in list(self.slots.values()):
            self._watch_over(slot)
        self._dying = [slot for slot in self._dying if not self._gone(slot)]
        if self.journal.look_for_space() is self.wedged:
            self.wedged = not self.wedged
            self._tell_paused()

    def _requeue_due(self) -> None:
        self.flush()
        rows = self.journal.due(self.now)
        self.journal.requeue([(queue, number) for number, queue in rows])
        for number, queue in rows:
            key = self.queue_keys[queue]
            self.batches[number >> 32].move(HELD, QUEUED)
            self.waiting[key] = self.waiting.get(key, 0) + 1
            self.feed(ev.Queued(key, 1))
        self.next_due = self.journal.next_due()

    def _watch_over(self, slot: SlotProcess) -> None:
        if slot.process.poll() is not None:
            self.hear(slot)
            if slot.number in self.slots:
                self.lost(slot)
            return
        if slot.doomed and self.now >= slot.doomed:
            slot.kill()
            return
        if not slot.given:
            return
        spec = self.batches[slot.given[0] >> 32].spec
        quiet = self.now - slot.alive
        limit = spec.get("timeout_s")
        if quiet > float(spec.get("stall_s") or 120.0) + STALL_MARGIN_S:
            slot.doom_reason = f"made no progress for {quiet:.0f} s"
            slot.kill()
        elif limit and self.now - slot.began > float(limit) + STALL_MARGIN_S:
            slot.doom_reason = f"ran longer than its limit of {float(limit):.0f} s"
            slot.kill()
        elif self.now - slot.began > WATCH_EVERY_S:
            allowed = float((spec.get("resources") or {}).get("memory") or 0.0)
            size = slot.tree_bytes()
            if allowed and size > allowed:
                slot.doom_reason = (
                    f"grew to {size / 2**20:.0f} MiB; its function declares {allowed / 2**20:.0f}"
                )
                slot.kill()

    @staticmethod
    def _gone(slot: SlotProcess) -> bool:
        if slot.process.poll() is None:
            return False
        slot.bury()
        return True

    def stop(self) -> None:
        """End every slot now; what ran is queued again by the next worker."""
        for slot in [*self.slots.values(), *self._dying]:
            slot.kill()
        for slot in [*self.slots.values(), *self._dying]:
            slot.bury()
        self.slots.clear()

    @property
    def idle(self) -> bool:
        return not self.batches and not self.running


def _better(status: int, other: Any) -> bool:
    """A success beats work under way; the newest success beats an older one."""
    return other is None or status == SUCCEEDED or other[1] != SUCCEEDED


def _error_body(error: RushesError | dict[str, Any]) -> bytes:
    data = error.to_dict() if isinstance(error, RushesError) else error
    return b'{"error":' + json.dumps(data).encode() + b"}"


def _loss(slot: SlotProcess, how: str) -> dict[str, Any]:
    if "MiB" in slot.doom_reason:
        code, message = "out-of-memory", f"the attempt {slot.doom_reason} and was stopped."
        fix = "Declare more with Resources(memory=...), or use a smaller clip."
    elif slot.doom_reason:
        code, message = "slot-killed", f"the attempt {slot.doom_reason} and was stopped."
        fix = "If the work is sound, raise stall_s or timeout_s of the function."
    else:
        code, message = "slot-lost", f"the slot that ran it {how}."
        fix = "If it happens again with this clip, the clip or its decoder is at fault."
    return PlatformError(message, code=code, fix=fix).to_dict()
