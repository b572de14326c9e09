"""Hearing: what slots say, and what it means for their invocations.

What an attempt's failure comes to is `failures`. This module must not know queues.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rushes.core import events as ev
from rushes.core.states import State
from rushes.errors import PlatformError
from rushes.invocation import Spent
from rushes.runtime.dispatch.displacing import Displacing
from rushes.runtime.dispatch.failures import Failures
from rushes.runtime.dispatch.families import Families
from rushes.runtime.dispatch.hedging import Hedging
from rushes.runtime.dispatch.joint_rows import member_keys
from rushes.runtime.dispatch.metering import MeteredEnd
from rushes.runtime.dispatch.pool import RUNNING, SUCCEEDED, Pool
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.dispatch.supply import Supply
from rushes.runtime.slots.processes import SlotProcess
from rushes.runtime.wire import WIRE, encode_packet

__all__ = ["Hearing"]


class Hearing:
    """Turns answers, failures and deaths into ends, retries and intents."""

    def __init__(
        self,
        pool: Pool,
        supply: Supply,
        families: Families,
        displacing: Displacing,
        hedging: Hedging,
        *,
        unwatch: Callable[[SlotProcess], None],
    ) -> None:
        self.pool = pool
        self.supply = supply
        self.families = families
        self.displacing = displacing
        self.hedging = hedging
        self._failures = Failures(pool, families, displacing, hedging)
        self._unwatch = unwatch

    def hear(self, slot: SlotProcess) -> None:  # noqa: C901, PLR0912 - one branch a verb
        """Take in what a slot has said, or its death."""
        heard = slot.hear()
        if heard is None:
            if slot.number in self.pool.slots:
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
            elif verb == "member":
                self._member(slot, header, body)
            elif verb == "fail":
                self._fail(slot, header, body)
            elif verb == "back":
                self._back(slot, header[1])
            elif verb == "waits":
                self._wait(slot, header)
            elif verb == "keeps":
                self._keep(slot, header)
            elif verb == "lacks":
                self._lack(slot, header)
            elif verb == "spent?":
                self._spent(slot, header)
            elif verb == "ready":
                self._ready(slot, header)

    def _ready(self, slot: SlotProcess, header: Any) -> None:
        if header[1] != WIRE:
            self.supply.start_failed(
                slot.environment,
                f"speaks protocol {header[1]} (Rushes {header[3]}); this worker speaks {WIRE}",
                final=True,
            )
            slot.kill()
            return
        slot.ready = True
        self.supply.warmed(slot.environment)
        self.pool.feed(ev.SlotReady(slot.number))

    def _left(self, slot: SlotProcess, number: int, fence: int) -> SlotRun | None:
        """The run that an answer is about, taken off its slot; None for a stale answer."""
        run = self.pool.running.get(number)
        if run is None or run.fence != fence or run.slot != slot.number:
            return None
        del self.pool.running[number]
        if run.paused_since:
            self.displacing.leave(slot, run, number)
        self.pool.unlend(run.row)
        if slot.given and slot.given[0] == number:  # `SlotProcess.answered`, without a call
            slot.given.popleft()
        elif number in slot.given:
            slot.given.remove(number)
        slot.began = slot.alive = self.pool.now
        slot.doomed = 0.0
        return run

    def _done(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        text = body.decode("utf-8", "replace")
        ascii_only = len(text) == len(body)
        at = loaded = 0
        meter, hedged = self.pool.meter, self.pool.hedged
        ends: list[MeteredEnd] = []
        told: list[ev.AttemptFinished] = []
        for number, fence, seconds, media_s, cached, size in header[1]:
            data = text[at : at + size] if ascii_only else body[at : at + size].decode("utf-8", "replace")
            at += size
            if hedged and number in hedged and self._beaten(slot, number, fence, seconds):
                continue
            run = self._left(slot, number, fence)
            if run is None:
                continue
            if run.paused_s:
                seconds = max(seconds - run.paused_s, 0.0)  # noqa: PLW2901 - what it was at work
            state = self.pool.batches[number >> 32]
            if state.number != loaded:
                loaded = state.number
                self.supply.loaded(loaded)
            state.seconds += seconds
            state.media_s += media_s
            state.move(RUNNING, SUCCEEDED)
            self.pool.succeed(state, number, seconds=seconds, cached=cached, attempt=run.attempt, data=data)
            self.families.count_down(state)
            ask = -number if run.hedge else number  # `Run.ask`, without a call
            if meter is None:
                self.pool.feed(ev.AttemptFinished(slot.number, ask, State.succeeded, seconds))
                if number in self.pool.awaited:
                    self._tell_waiters(number)
            else:
                ends.append(MeteredEnd(number, seconds, media_s=media_s, hedge=run.hedge))
                told.append(ev.AttemptFinished(slot.number, ask, State.succeeded, seconds))
        if meter is not None:
            # What they have cost is known before what they leave of their money is given to others.
            meter.settle(slot, ends)
            self._tell_done(told)

    def _tell_done(self, told: list[ev.AttemptFinished]) -> None:
        for event in told:
            self.pool.feed(event)
            if abs(event.id) in self.pool.awaited:
                self._tell_waiters(abs(event.id))

    def _tell_waiters(self, number: int) -> None:
        for event in self.pool.after_end(number, State.succeeded):
            self.pool.feed(event)

    def _beaten(self, slot: SlotProcess, number: int, fence: int, seconds: float) -> bool:
        """Whether an attempt of a pair succeeded too late; the one that did so first beats the other."""
        self.hedging.claim(slot, number, fence)
        run = self.pool.run_on(slot.number, number)
        if run is None or run.fence != fence or not run.beaten:
            return False
        return self.hedging.left(slot, number, run, max(seconds - run.paused_s, 0.0), None)

    def _back(self, slot: SlotProcess, numbers: list[int]) -> None:
        """What a slot had taken with a long one, and gave back unstarted."""
        slot.drop(numbers)
        numbers = self.supply.back_in_hand(slot.number, numbers)
        if self.pool.meter is not None:
            self.pool.meter.look(slot)
        self.pool.feed(ev.Returned(slot.number, numbers))

    def _wait(self, slot: SlotProcess, header: Any) -> None:
        """The attempt on a slot waits for batches that it mapped, and lends the slot meanwhile."""
        _, number, fence, batches = header
        run = self.pool.run_on(slot.number, number)
        if run is None or run.fence != fence:
            return
        if run is self.pool.second.get(number):  # the parts are those of the other one of its pair
            self.displacing.interrupt(slot, number)
        else:
            self.families.wait(number, run, batches)

    def _keep(self, slot: SlotProcess, header: Any) -> None:
        """An attempt has made the folder that it shares with those after it."""
        _, number, fence, folder = header
        run = self.pool.running.get(number)
        if run is not None and run.fence == fence and run.slot == slot.number:
            self.pool.keeps[number] = Path(folder)

    def _lack(self, slot: SlotProcess, header: Any) -> None:
        """An attempt waits for a device; whoever holds it may be of this pool, and less urgent."""
        _, number, fence, names = header
        run = self.pool.run_on(slot.number, number)
        if run is None or run.fence != fence:
            return
        numbers = [self.pool.number_of(name) for name in names]
        held = [(self.pool.running[n], n) for n in numbers if n in self.pool.running]
        holders = [(one.slot, one.ask(n)) for one, n in held]
        if holders:
            self.pool.feed(ev.Lacks(slot.number, run.ask(number), holders))

    def _spent(self, slot: SlotProcess, header: Any) -> None:
        """An attempt asks what its invocation has cost until now, for the receipt."""
        _, number, fence = header
        meter, run = self.pool.meter, self.pool.run_on(slot.number, number)
        current = meter is not None and run is not None and run.fence == fence
        # Whoever was overtaken meanwhile is told so when it asks for leave to publish.
        spent = meter.spent_on(number, slot.number) if meter is not None and current else Spent()
        packet = encode_packet(["spent", number, fence, *spent])
        self.pool.after_commit.append(lambda: slot.answer(packet))

    def _at(self, slot: SlotProcess, header: Any) -> None:
        _, number, fence, fraction, note = header
        run = self.pool.run_on(slot.number, number)
        slot.alive = self.pool.now
        if run is not None and run.fence == fence:
            if fraction > run.fraction:
                run.rose_s = self.pool.now - slot.began
            run.fraction, run.note = max(fraction, run.reached), note
            if fraction > 0.0:
                self.pool.feed(ev.Reached(slot.number, run.ask(number), fraction))
            if self.pool.outlet is not None:
                state = self.pool.batches[number >> 32]
                self.pool.outlet.note_progress(state, number, fraction, note, self.pool.now)

    def _intend(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        """Fencing: only the attempt that holds the lease may publish, and only once that is journalled."""
        _, number, fence = header
        if number in self.pool.hedged:
            self.hedging.claim(slot, number, fence)
        run = self.pool.running.get(number)
        state = self.pool.batches.get(number >> 32)
        if run is None or run.fence != fence or (state is not None and state.stopping):
            self.pool.after_commit.append(lambda: slot.answer(encode_packet(["stop", number, fence])))
            return
        self.pool.journal.intend(number, body.decode())
        self.pool.intents.add(number)
        slot.alive = self.pool.now
        self.pool.after_commit.append(lambda: slot.answer(encode_packet(["go", number, fence])))

    def _member(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        """One function of a joint invocation is made: known from now on, whatever becomes of the others."""
        _, number, fence, which = header
        run = self.pool.running.get(number)
        slot.alive = self.pool.now
        if run is None or run.fence != fence:
            return
        key = member_keys(run.row.key)[which]
        show = self.pool.batches[number >> 32].spec["show"]
        self.pool.journal.keep_member(key, show, number, body.decode("utf-8", "replace"))

    def _fail(self, slot: SlotProcess, header: Any, body: bytes) -> None:
        _, number, fence, seconds = header
        if number in self.pool.hedged and self._failures.goes_on_in_pair(
            slot, number, fence, seconds, json.loads(body)
        ):
            return
        run = self._left(slot, number, fence)
        if run is not None:
            worked_s = max(seconds - run.paused_s, 0.0)
            self._failures.wasted(slot, number, run, worked_s)
            self._failures.failed(slot.number, number, run, worked_s, json.loads(body))

    def lost(self, slot: SlotProcess) -> None:
        """A slot has died: only what it was running is affected."""
        del self.pool.slots[slot.number]
        self._unwatch(slot)
        back = self.supply.take_back(slot)
        culprit = slot.current
        how = slot.bury()
        if not slot.ready:
            self.supply.start_failed(slot.environment, "never came up" if slot.killed_for else how)
        elif culprit and not culprit & 0xFFFFFFFF:
            self.supply.load_failed(culprit >> 32, _loss(slot, how))
        # First, so that nothing is given to it again; the scheduler waits for the reports that follow.
        self.pool.feed(ev.SlotLost(slot.number))
        # Of what it had taken, only the one that ran is charged; the others were not begun, or their answers
        # were still under way, and they made no files: those say so before anything becomes visible.
        others = [number for number in slot.given if number != culprit]
        back += self.supply.back_in_hand(slot.number, others)
        mine = culprit in slot.given
        if mine and culprit in self.pool.hedged:
            ran_s = self.pool.now - slot.began
            mine = not self._failures.goes_on_in_pair(slot, culprit, None, ran_s, _loss(slot, how))
        run = self.pool.running.pop(culprit, None) if mine else None
        if run is not None:
            state = self.pool.batches[culprit >> 32]
            state.littered = True
            self.displacing.leave(slot, run, culprit)
            self.pool.unlend(run.row)
            self._failures.wasted(slot, culprit, run, self.pool.now - slot.began)
            self._failures.failed(
                slot.number, culprit, run, self.pool.now - slot.began, _loss(slot, how), lost=1
            )
        elif self.pool.meter is not None:
            self.pool.meter.look(slot)
        if back:
            self.pool.feed(ev.Returned(slot.number, back))

    def close(self, number: int) -> None:
        """Let an idle slot go."""
        slot = self.pool.slots.pop(number, None)
        if slot is not None:
            slot.let_go()
            self.pool.dying.append(slot)
            self._unwatch(slot)


def _loss(slot: SlotProcess, how: str) -> dict[str, Any]:
    error = slot.killed_for or PlatformError(
        f"the slot that ran it {how}.",
        code="slot-lost",
        fix="If it happens again with this clip, the clip or its decoder is at fault.",
    )
    return error.to_dict()
