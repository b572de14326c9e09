"""A virtual pool whose batches change their class: soft limits of money, and slot-hours of a class a day.

What is beyond a limit is said by the scheduler and by `core/permission.py`, as on a real pool; here a batch
is moved to another queue, or its queue is barred. A day has 24 hours and begins with the clock. This module
must not know how a pool changes size.
"""

from __future__ import annotations

from typing import Any, Final

from rushes.core.commands import Demote, Promote
from rushes.core.events import Barred, Queued, QueueKey, Restamped, Withdrawn
from rushes.core.ordering import order_of
from rushes.core.permission import beyond_hours
from rushes.simulator.hedged import HedgedPool

__all__ = ["RuledPool"]

_DAY_S: Final = 86_400.0


class RuledPool(HedgedPool):
    """One run of a load under the rules of its classes and the soft limits of its shows."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        classes = self._scheduler.classes
        self._hours = any(one.slot_hours is not None or one.slot_hours_of for one in classes)
        if not self._hours:  # every end passes there
            self._stop = super()._stop  # type: ignore[method-assign]
        self._used: dict[QueueKey, float] = {}
        self._day = 0
        self._barred: set[QueueKey] = set()
        self._above: dict[str, str] = {}
        """Of batches that are beyond a soft limit, the class from which they were taken."""
        self._reclass: dict[str, bool] = {}
        self._number_of = {arrival.batch: number for number, arrival in enumerate(self._load)}

    # -- soft limits --------------------------------------------------------------------------------------

    def _demote(self, command: Demote) -> None:
        self._give_class_soon(command.batch, down=True)

    def _promote(self, command: Promote) -> None:
        self._give_class_soon(command.batch, down=False)

    def _give_class_soon(self, batch: str, *, down: bool) -> None:
        """At this moment, but when no command about the old class is left."""
        if not self._reclass:
            self._at(self._now, self._give_classes)
        self._reclass[batch] = down

    def _give_classes(self, _one: int, _other: int) -> None:
        reclass, self._reclass = self._reclass, {}
        for batch, down in reclass.items():
            number = self._number_of[batch]
            if number not in self._under_way_of:
                continue
            name = self._queues[number].priority
            if down and batch not in self._above and (lower := self._lower(name)):
                self._above[batch] = name
                self.trace.demoted.add(batch)
                self._restamp(number, lower)
            elif not down and batch in self._above:
                self._restamp(number, self._above.pop(batch))

    def _lower(self, priority: str) -> str:
        """The next class below one; "" where there is none."""
        names = [one.name for one in self._scheduler.classes]
        at = names.index(priority) + 1 if priority in names else len(names)
        return names[at] if at < len(names) else ""

    # -- hours of a class -----------------------------------------------------------------------------------

    def _stop(self, slot: Any) -> None:
        queue = self._queues[self._batch_of[slot.backlog[0]]]
        self._used[queue] = self._used.get(queue, 0.0) + self._now - slot.since
        super()._stop(slot)

    def _look_at_hours(self) -> None:
        """What shows have used of classes is looked at now and then."""
        if not self._hours:
            return
        if (day := int(self._now // _DAY_S)) != self._day:
            self._day, self._used = day, {}
        beyond = beyond_hours(self._scheduler.classes, self._used_by_now())
        for queue, over in beyond.items():
            if over.lower is not None:
                for number in [n for n in self._under_way_of if self._queues[n] == queue]:
                    self.trace.demoted.add(self._load[number].batch)
                    self._restamp(number, over.lower)
            elif queue not in self._barred:
                self._barred.add(queue)
                self._tell(Barred(queue, over.sentence))
        for queue in [one for one in self._barred if one not in beyond]:
            self._barred.discard(queue)
            self._tell(Barred(queue))

    def _used_by_now(self) -> dict[QueueKey, float]:
        used = dict(self._used)
        for slot in self._slots.values():
            if slot.running:
                queue = self._queues[self._batch_of[slot.backlog[0]]]
                used[queue] = used.get(queue, 0.0) + self._now - slot.since
        return used

    # -- another class --------------------------------------------------------------------------------------

    def _restamp(self, number: int, priority: str) -> None:
        """A batch goes on in another class: what waits of it is put in line there, what runs goes on."""
        arrival = self._load[number]
        old, new = self._queues[number], QueueKey(priority, arrival.show)
        self._queues[number] = new
        count = self._outside.move(old, new, arrival.batch)
        mine = self._in_hand(number, new)
        order = order_of(arrival.deadline, arrival.at)
        for id_ in mine:
            self._outside.put(new, order, range(id_, id_ + 1), arrival.at, self._shapes[number])
        if mine:
            self._tell(Withdrawn(mine))
        self._tell(Restamped(arrival.batch, new))
        if count + len(mine):
            self._tell(Queued(new, count + len(mine)))

    def _in_hand(self, number: int, queue: QueueKey) -> list[int]:
        """What of a batch the scheduler has been given and has given to no slot."""
        first = self._firsts[number]
        outside = self._outside.ids(queue, self._load[number].batch)
        given = {id_ for slot in self._slots.values() for id_ in slot.backlog}
        return [
            id_
            for id_ in range(first, first + self._load[number].count)
            if self.trace.ended[id_] < 0 and id_ not in given and id_ not in outside
        ]
