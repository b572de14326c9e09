"""The supply of slots: invocations go from the journal into hand, from there to slots, and back.

This module must not know what comes of an attempt.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rushes.core import commands as cmd
from rushes.core import events as ev
from rushes.core.states import State
from rushes.errors import PlatformError
from rushes.runtime.dispatch.joint_rows import is_joint, known_members, row_data
from rushes.runtime.dispatch.pool import QUEUED, RUNNING, SUCCEEDED, Pool
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.dispatch.spares import Spares
from rushes.runtime.records.batches import BatchState, spec_packet
from rushes.runtime.records.ports import LeasedRow
from rushes.runtime.slots.processes import SlotProcess
from rushes.runtime.slots.spool import pack
from rushes.runtime.wire import encode_packet

__all__ = ["Supply"]

GROUP: Final = 8
"""Short invocations in one packet: the cost of a packet is that of waking its reader."""
BATCHES_KNOWN: Final = 256
BROKEN_STARTS: Final = 3
"""Slots of one environment that die before they are ready until its work is failed with the reason."""


class Supply:
    """Leases, slot processes, and what each has been given. `watch` is told of new slots."""

    def __init__(self, pool: Pool, spares: Spares, watch: Callable[[SlotProcess], None]) -> None:
        self.pool = pool
        self.spares = spares
        self._watch = watch
        self._broken: dict[str, int] = {}
        self._unloaded: dict[int, int] = {}
        self._fence = 0

    def next_epoch(self) -> None:
        """From here on fencing tokens are larger than any that an earlier worker gave."""
        self._fence = self.pool.journal.next_epoch() << 32

    def lease(self, command: cmd.Lease) -> ev.Leased:
        """The first invocations of a queue, in its order, that are not in hand or with a slot already."""
        self.pool.flush()
        queue, count = command.queue, command.count
        held_back = self.pool.leased.get(queue, 0)
        asks: list[ev.Ask] = []
        if self.pool.waiting.get(queue, 0) > 0:
            left_out = [self.pool.by_id[one].number for one in command.without if one in self.pool.by_id]
            left_out += [state.number for state in self.pool.batches.values() if state.stopping]
            rows = self.pool.journal.lease(self.pool.queue_number(queue), count, held_back, left_out)
            for row in rows:
                number = row.id
                state = self.pool.batches.get(number >> 32)
                if number in self.pool.hand or number in self.pool.running or state is None:
                    continue
                if len(asks) >= count:
                    break
                self.pool.hand[number] = row
                shape = state.shape if row.extra is None else state.shape_with(row.extra)
                asks.append(ev.Ask(number, row.ord, row.queued_at, shape))
            if not asks and not left_out:
                self.pool.waiting[queue] = 0
        self.pool.leased[queue] = held_back + len(asks)
        self.pool.waiting[queue] = max(self.pool.waiting.get(queue, 0) - len(asks), 0)
        return ev.Leased(queue, asks, self.pool.waiting[queue])

    def open_slot(self, command: cmd.OpenSlot, todo: deque[ev.Event]) -> None:
        spare = self.spares.take(command.slot, command.environment)
        if spare is not None:
            self.pool.slots[command.slot] = spare
            if spare.ready:
                self.warmed(command.environment)
                todo.append(ev.SlotReady(command.slot))
            return
        how = self.pool.environments.get(command.environment) or {}
        try:
            slot = SlotProcess(command.slot, command.environment, how, self.pool.home)
        except (OSError, KeyError) as error:
            self.start_failed(command.environment, f"cannot be started: {error}")
            todo.append(ev.SlotLost(command.slot))
            return
        self.pool.slots[command.slot] = slot
        self._watch(slot)

    def start(self, slot_number: int, ids: Sequence[int]) -> None:
        slot = self.pool.slots[slot_number]
        idle = not slot.given
        slot.gave_ns = self.pool.monotonic_ns
        if idle:
            slot.began = slot.alive = self.pool.now
        # Long invocations travel alone, so that each can be taken back until it is begun.
        size = GROUP if len(ids) >= 2 * GROUP else 1
        for first in range(0, len(ids), size):
            group = ids[first : first + size]
            packet = pack(["run", [self._started(slot, number) for number in group]], b"", self.pool.home)
            slot.give(packet, [abs(id_) for id_ in group] if self.pool.hedged else group)
        if idle and self.pool.meter is not None:
            self.pool.meter.look(slot)
        self.pool.to_push.add(slot_number)

    def _started(self, slot: SlotProcess, number: int) -> list[Any]:
        """Take an invocation out of hand and give what its slot is told of it."""
        pool = self.pool
        if hedge := number < 0:
            number = -number
            row = pool.running[number].row
        else:
            row = pool.hand.pop(number)
        _, attempt, losses, _, source, frames, params, subdir, tag, mark, _, _, key, _ = row
        state = pool.batches[number >> 32]
        self._fence = fence = self._fence + 1
        run = SlotRun(slot.number, fence, attempt + 1, losses, row)
        if state.number not in slot.knows:
            # A slot that has served hundreds of batches starts anew, so that its memory stays bounded.
            forget = len(slot.knows) >= BATCHES_KNOWN
            if forget:
                slot.knows.clear()
            slot.knows.add(state.number)
            told = spec_packet(state, counted=pool.meter is not None, rank=pool.rank_of(state.queue.priority))
            slot.give(pack([*told, forget], b"", pool.home), ())
        slot.given.append(number)
        if hedge:
            run.hedge = True
            pool.second[number] = run
        else:
            pool.running[number] = run
            state.move(QUEUED, RUNNING)
            if pool.outlet is not None:
                pool.outlet.note("started", state, number, attempt=attempt + 1)
        more: dict[str, Any] | None = None
        if hedge or state.spec.get("out") is not None or is_joint(key):
            more = self._more(state, row, hedge=hedge)
        frame_pair = json.loads(frames) if frames else None
        return [
            number, attempt + 1, fence, state.number, source, frame_pair, params, subdir, tag, mark, more,
        ]  # fmt: skip

    def _more(self, state: BatchState, row: LeasedRow, *, hedge: bool) -> dict[str, Any]:
        """What a slot is told of an invocation that few of them need."""
        pool, number, key = self.pool, row.id, row.key
        more: dict[str, Any] = {"key": key.hex() if key else "", "queued_at": row.queued_at}
        if state.spec.get("out") is not None:
            if row.extra:
                more.update(self._known_result(json.loads(row.extra), state.spec["show"]))
            if number in pool.intents:
                more["intent"] = json.loads(pool.journal.intent(number) or "null")
        if is_joint(key):
            show, force = state.spec["show"], bool(state.spec.get("force"))
            more["members"] = known_members(pool.journal, key, show=show, invocation=number, force=force)
        if hedge:
            more["hedge"] = True
        return more

    def _known_result(self, extra: dict[str, Any], show: str) -> dict[str, Any]:
        if "joined" in extra:
            row = self.pool.journal.status_of(extra["joined"])
            if row is None or row.state != SUCCEEDED:
                return {}
            extra = {"known": [extra["joined"] >> 32, row.seq]}
        if "known" in extra:
            batch, place = extra["known"]
            data = row_data(self.pool.journal, batch, place, show)
            return {"known": json.loads(data)} if data else {}
        return {}

    def take_back(self, slot: SlotProcess) -> list[int]:
        """Unstarted invocations of a slot, back in hand: they have lost no attempt."""
        back = self.back_in_hand(slot.number, slot.take_back())
        if self.pool.meter is not None:
            self.pool.meter.look(slot)
        return back

    def back_in_hand(self, slot: int, numbers: Iterable[int]) -> list[int]:
        """These were with a slot and have not begun; gives them as the scheduler knows them."""
        asks: list[int] = []
        for number in numbers:
            run = self.pool.run_on(slot, number)
            if run is None:
                asks.append(number)
                continue
            if run is self.pool.second.get(number):  # it stands in line again, beside the other one
                del self.pool.second[number]
                asks.append(-number)
                continue
            del self.pool.running[number]
            self.pool.batches[number >> 32].move(RUNNING, QUEUED)
            if run.hedge:  # the first is gone: it waits as any other
                self.pool.unlend(run.row)
                queue = self.pool.queue_keys[run.row.queue]
                self.pool.await_more(queue, 1)
                self.pool.feed(ev.AttemptFinished(slot, -number, State.queued, 0.0))
                self.pool.feed(ev.Queued(queue, 1))
                continue
            self.pool.hand[number] = run.row
            asks.append(number)
        return asks

    def start_failed(self, environment: str, how: str, *, final: bool = False) -> None:
        """After a few slots that never came up, fail the work that needs them, with the reason."""
        self._broken[environment] = self._broken.get(environment, 0) + 1
        if not final and self._broken[environment] < BROKEN_STARTS:
            return
        error = PlatformError(
            f"no slot could be started for it: the process {how}.",
            code="slot-start",
            fix="Run `rushes doctor` in the environment that submitted it.",
        ).to_dict()
        for state in self.pool.batches.values():
            if state.shape.environment == environment and state.stopping is None:
                state.stopping = (State.failed, error)
        self._broken.pop(environment, None)

    def load_failed(self, batch: int, error: dict[str, Any]) -> None:
        """After a few slots that died of loading a batch's function, fail what is left of it."""
        self._unloaded[batch] = self._unloaded.get(batch, 0) + 1
        state = self.pool.batches.get(batch)
        if state is None or state.stopping or self._unloaded[batch] < BROKEN_STARTS:
            return
        function = state.spec["function"]
        error = {
            **error,
            "message": f"{function} could not be loaded: {error['message']}",
            "fix": "Import it in the environment that submitted it, and see what ends the process.",
        }
        state.stopping = (State.failed, error)
        del self._unloaded[batch]

    def loaded(self, batch: int) -> None:
        """A slot could load the function of this batch."""
        if self._unloaded:
            self._unloaded.pop(batch, None)

    def go_on(self, slot_number: int, number: int) -> None:
        """The attempt that waited on a slot has its cores again. The time that it waited does not count."""
        number = abs(number)
        slot, run = self.pool.slots.get(slot_number), self.pool.running.get(number)
        if slot is None or run is None:
            return
        slot.began += self.pool.now - run.waits_since
        slot.alive = self.pool.now
        run.waits_since = 0.0
        if self.pool.meter is not None:
            self.pool.meter.look(slot)
        self.pool.after_commit.append(lambda: slot.answer(encode_packet(["go-on", number, run.fence])))

    def recall(self, number: int) -> list[ev.Event]:
        """The first of what a slot was given is long: take the rest back, also what it has taken in."""
        slot = self.pool.slots.get(number)
        if slot is None:
            return []
        back = self.take_back(slot)
        self.pool.after_commit.append(lambda: slot.interrupt(encode_packet(["back", 0, 0])))
        return [ev.Returned(number, back)]

    def warmed(self, environment: str) -> None:
        """A slot of this environment came up."""
        self._broken.pop(environment, None)
