"""A virtual pool that begins second attempts at what crawls, as `core/stragglers.py` says.

The second one's run time is drawn anew; the first of the two to end counts, the other is stopped, and what it
had taken is waste. This module must not know what makes an attempt slow.
"""

from __future__ import annotations

import random
from typing import Any

from rushes.core.events import Ask, AttemptFinished, Leased, Withdrawn
from rushes.core.ordering import order_of
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.states import State
from rushes.core.stragglers import Expectation, Hedge, Hedges, Progress, StragglerPolicy, judge
from rushes.simulator.pool import VirtualPool

__all__ = ["HedgedPool"]


class HedgedPool(VirtualPool):
    """One run of a load, with second attempts.

    Args:
        stragglers: when there is one; None for never.
        price: what an attempt is charged; None for nothing.
        seed: of the run times, also of second attempts.
        more: as for `VirtualPool`.
    """

    def __init__(
        self,
        *given: Any,
        stragglers: StragglerPolicy | None = None,
        price: MachinePrice | None = None,
        seed: int = 1,
        **more: Any,
    ) -> None:
        super().__init__(*given, seed=seed, **more)
        self._price = price
        self._stragglers = stragglers if stragglers is not None and stragglers.hedge else None
        self._chance = random.Random(seed + 1)  # noqa: S311 - a simulation that can be repeated
        self._other: dict[int, int] = {}
        """Of each of a pair, the other one. A second attempt has a number beyond those of the load."""
        self._had: set[int] = set()
        self._expected: dict[int, float] = {}
        """What was expected of an attempt when it began."""
        if self._stragglers is None:  # every end passes there
            self._finish = super()._finish  # type: ignore[method-assign]

    def _tick(self, one: int, other: int) -> None:
        super()._tick(one, other)
        if self._stragglers is not None:
            for slot in list(self._slots.values()):
                if slot.running:
                    self._consider(slot, self._stragglers)

    def _consider(self, slot: Any, policy: StragglerPolicy) -> None:
        """Begin a second attempt beside the one on a slot, if it crawls and nothing speaks against it."""
        id_ = slot.backlog[0]
        shape = self._shapes[self._batch_of[id_]]
        run_s = self._expected.get(id_)
        if run_s is None and (run_s := self._scheduler.expected_s(shape.function)) is not None:
            self._expected[id_] = run_s
        ran_s = slot.ran_s + self._now - slot.since
        if ran_s < policy.least_s or id_ in self._other or id_ in self._had:
            return
        cost = 0 if self._price is None or run_s is None else self._price.price_of(shape, run_s)
        running = sum(slot.running for slot in self._slots.values())
        verdict = judge(
            Progress(ran_s, min(ran_s / self._seconds[id_], 1.0), ran_s),
            Expectation(run_s, cost_nano=cost),
            Hedges(running=running, hedged=len(self._other) // 2, most_nano=policy.most_nano),
            policy,
        )
        if isinstance(verdict, Hedge):
            self._begin_second(id_)

    def _begin_second(self, first: int) -> None:
        batch, trace = self._batch_of[first], self.trace
        arrival, second = self._load[batch], len(self._seconds)
        self._seconds.append(arrival.run_time.draw(self._chance))
        self._batch_of.append(batch)
        for times in (trace.submitted, trace.started):
            times.append(self._now)
        trace.ended.append(-1.0)
        trace.hedged += 1
        self._other |= {first: second, second: first}
        self._had.add(first)
        queue = self._queues[batch]
        ask = Ask(second, order_of(arrival.deadline, arrival.at), arrival.at, self._shapes[batch])
        self._tell(Leased(queue, (ask,), self._outside.waiting(queue)))

    def _finish(self, number: int, stint: int) -> None:
        slot = self._slots.get(number)
        if not self._other or slot is None or slot.stint != stint or slot.paused:
            super()._finish(number, stint)
            return
        id_ = slot.backlog[0]
        beaten = self._other.pop(id_, None)
        if beaten is not None:
            del self._other[beaten]
            self.trace.ended[min(id_, beaten)] = self._now
            self._stop_beaten(beaten)  # before the slot is free: it must not be given what is not wanted
        super()._finish(number, stint)

    def _stop_beaten(self, beaten: int) -> None:
        """The other of a pair was done first: this one leaves its slot, or the line."""
        for number, slot in self._slots.items():
            if beaten not in slot.backlog:
                continue
            ran_s = 0.0
            if slot.backlog[0] == beaten:
                if slot.running:
                    self._stop(slot)
                ran_s, slot.ran_s = slot.ran_s, 0.0
                slot.stint += 1
                slot.paused = False
                self.trace.redone_cpu_s += ran_s * self._cpus[self._batch_of[beaten]]
            slot.backlog.remove(beaten)
            self._go_on(number)
            self._tell(AttemptFinished(number, beaten, State.cancelled, ran_s))
            return
        self._outside.drop(self._queues[self._batch_of[beaten]], beaten)
        self._tell(Withdrawn((beaten,)))
