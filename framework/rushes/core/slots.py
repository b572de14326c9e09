"""The slots of a pool: which are opening, idle, busy; which to open, which to close.

A slot runs one invocation at a time and holds a short backlog behind it, all of one lane. Slots are warm
for one environment. There may be at most `limit` of them; when another environment needs one, the idle
slot that was used least recently makes room. This module must not know classes, shows or capacity.

A slot is `opening` until its process is warm, then `idle`; it is `busy` from the moment it is given a lane
until its backlog is empty, but `waiting` while its attempt waits for parts of its own. One whose attempt
waits, or has waited, counts towards no limit, so that there are slots for the parts. Only an idle slot is
closed; any may be lost. Both end it: it has no state after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Final

from rushes.core.commands import CloseSlot, Command, OpenSlot
from rushes.core.events import Ask, ClassPolicy, QueueKey
from rushes.core.ordering import Lane, Level
from rushes.core.policy import SchedulerSettings
from rushes.core.states import IllegalTransition

__all__ = ["SLOT_TRANSITIONS", "Slot", "SlotState", "Slots"]


class SlotState(Enum):
    """Where a slot process is; not to be confused with the states of an invocation."""

    opening = "opening"
    idle = "idle"
    busy = "busy"
    waiting = "waiting"
    paused = "paused"

    # Members are compared by identity anyway; an Enum's own hash is a Python call, here twice a transition.
    __hash__ = object.__hash__


SLOT_TRANSITIONS: Final[dict[SlotState, frozenset[SlotState]]] = {
    SlotState.opening: frozenset({SlotState.idle}),
    SlotState.idle: frozenset({SlotState.busy}),
    SlotState.busy: frozenset({SlotState.idle, SlotState.waiting, SlotState.paused}),
    SlotState.waiting: frozenset({SlotState.busy}),
    SlotState.paused: frozenset({SlotState.busy}),
}


class Slot:
    """One slot process."""

    __slots__ = (
        "able", "backlog", "done", "each_s", "environment", "good", "good_s", "head_since", "idle_since",
        "lane", "level", "low", "number", "policy", "queue", "ran_before_s", "recalling", "slow", "spent_s",
        "state", "unpaid", "waited", "yields",
    )  # fmt: skip

    def __init__(self, number: int, environment: str) -> None:
        self.number = number
        self.environment = environment
        self.state = SlotState.opening
        self.lane: Lane | None = None  # set while busy
        self.backlog: deque[Ask] = deque()  # the first of it is running
        self.low = 0  # refill when the backlog is down to this
        self.head_since = 0.0  # when the first of the backlog began, as far as is known
        self.idle_since = 0.0
        self.slow = False  # the first runs longer than expected: give it nothing to hold back
        self.recalling = False  # a Recall is not answered yet
        # The queue and the class of what it runs, and its level, as stamped when it was given its lane.
        self.queue: QueueKey | None = None
        self.policy: ClassPolicy | None = None
        self.level: Level | None = None
        self.ran_before_s = 0.0  # how long the first of its backlog ran before it was paused, or waited
        self.yields = False  # the first of its backlog is to be given back, for more urgent work
        self.able: dict[int, Slot] | None = None  # among whom it may be asked to stand aside: of `standing`
        self.unpaid = False  # it is paused because it has spent what it may
        self.waited = False  # its attempt waits for parts of its own, or has
        # Since the last settlement: what the show was charged for each run, and what came of it.
        self.each_s = 0.0
        self.done = 0
        self.spent_s = 0.0
        self.good = 0
        self.good_s = 0.0

    def become(self, then: SlotState) -> None:
        """Go on to `then`.

        Raises:
            IllegalTransition: it cannot follow; nothing has changed.
        """
        if then not in SLOT_TRANSITIONS[self.state]:
            raise IllegalTransition(f"slot {self.number} cannot go from {self.state.value} to {then.value}")
        self.state = then

    @property
    def occupied(self) -> bool:
        """An attempt is on it: at work, waiting, or paused."""
        return self.lane is not None and self.state not in {SlotState.opening, SlotState.idle}

    def worked_s(self, now: float) -> float:
        """How long the first of its backlog has been at work: not paused, not waiting for its parts."""
        return self.ran_before_s + (max(now - self.head_since, 0.0) if self.state is SlotState.busy else 0.0)

    def refillable(self) -> bool:
        return (
            self.state is SlotState.busy
            and len(self.backlog) <= self.low
            and not self.slow
            and not self.recalling
        )

    def remove(self, ids: frozenset[int], now: float) -> list[Ask]:
        """Take these out of the backlog, in their order."""
        taken = [ask for ask in self.backlog if ask[0] in ids]
        if taken:
            first = self.backlog[0]
            self.backlog = deque(ask for ask in self.backlog if ask[0] not in ids)
            if self.backlog and self.backlog[0] is not first:
                self.begin_head(now)
        return taken

    def begin_head(self, now: float) -> None:
        """Another is the first of the backlog now."""
        self.slow = self.yields = False
        self.ran_before_s = 0.0
        self.head_since = now


class Slots:
    """All slots of a pool."""

    __slots__ = (
        "_idle",
        "_next",
        "_opening",
        "_settings",
        "_stacked",
        "_warm",
        "by_number",
        "exempt",
        "failures",
        "limit",
        "lost",
    )

    def __init__(self, limit: int, settings: SchedulerSettings) -> None:
        self.limit = limit
        self.by_number: dict[int, Slot] = {}
        self.exempt = 0  # slots whose attempts wait or have waited
        self.lost: dict[int, Slot] = {}  # gone, but what they were given has not been reported yet
        self._settings = settings
        self._next = 1
        self._idle: dict[str, list[Slot]] = {}  # by environment, the most recently used last
        self._opening: dict[str, int] = {}
        self._warm: dict[str, int] = {}  # by environment: how many slots there are
        self._stacked: dict[int, Slot] = {}  # by number: had something behind its first, when last seen
        self.failures: dict[str, tuple[int, float]] = {}  # by environment: how often in a row, rest until

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.by_number.values())

    def find(self, number: int) -> Slot | None:
        return self.by_number.get(number) or self.lost.get(number)

    def idle(self, environment: str) -> int:
        return len(self._idle.get(environment, ()))

    def opening(self, environment: str) -> int:
        return self._opening.get(environment, 0)

    def has(self, environment: str) -> bool:
        return environment in self._warm

    def rests_until(self, environment: str) -> float:
        """Until when no slot is opened for an environment whose slots die before they are ready."""
        failure = self.failures.get(environment)
        return failure[1] if failure else 0.0

    def open(
        self, environment: str, out: list[Command], *, close_idle: bool = True, beyond: bool = False
    ) -> bool:
        """Open a slot, closing an idle one of another environment if that is what it takes.

        `beyond`: open it even where there are as many as there may be; it is closed once it is idle.
        """
        is_full = len(self.by_number) - self.exempt >= self.limit
        if is_full and not (close_idle and self._close_oldest(environment, out)) and not beyond:
            return False
        slot = Slot(self._next, environment)
        self._next += 1
        self.by_number[slot.number] = slot
        self._warm[environment] = self._warm.get(environment, 0) + 1
        self._opening[environment] = self._opening.get(environment, 0) + 1
        out.append(OpenSlot(slot.number, environment))
        return True

    def take_idle(self, environment: str) -> Slot | None:
        """The warmest idle slot; it is busy from now on."""
        idle = self._idle.get(environment)
        if not idle:
            return None
        slot = idle.pop()
        slot.become(SlotState.busy)
        return slot

    def rest(self, slot: Slot, now: float) -> None:
        """A slot became ready, or has run all that it was given."""
        if slot.state is SlotState.opening:
            self._opening[slot.environment] -= 1
            self.failures.pop(slot.environment, None)
        slot.become(SlotState.idle)
        if slot.waited:
            self._settle_wait(slot)
        slot.lane = None
        slot.low = 0
        slot.slow = slot.recalling = slot.yields = False
        slot.ran_before_s = 0.0
        slot.idle_since = now
        idle = self._idle.get(slot.environment)
        if idle is None:
            idle = self._idle[slot.environment] = []
        idle.append(slot)

    def stand_aside(self, slot: Slot, then: SlotState) -> None:
        """The attempt of a busy slot waits, or is paused: its slot counts towards no limit."""
        slot.become(then)
        if not slot.waited:
            slot.waited = True
            self.exempt += 1

    def _settle_wait(self, slot: Slot) -> None:
        self.exempt -= slot.waited
        slot.waited = False

    def stack(self, slot: Slot) -> None:
        """A slot has something behind the first of its backlog."""
        self._stacked[slot.number] = slot

    def stacked(self) -> list[Slot]:
        """The slots that have something behind the first of their backlog."""
        if not self._stacked:
            return []
        self._stacked = {
            number: slot
            for number, slot in sorted(self._stacked.items())
            if len(slot.backlog) > 1 and number in self.by_number
        }
        return list(self._stacked.values())

    def trim(self, out: list[Command]) -> None:
        """Close idle slots that are too many now that attempts which waited have ended."""
        while len(self.by_number) - self.exempt > self.limit and self._close_oldest("", out):
            pass

    def lose(self, slot: Slot, now: float) -> None:
        """A slot is gone, whatever it was doing."""
        self._forget(slot)
        self._settle_wait(slot)
        if slot.state is SlotState.idle:
            self._idle[slot.environment].remove(slot)
        elif slot.state is SlotState.opening:
            self._opening[slot.environment] -= 1
            failures = self.failures.get(slot.environment, (0, 0.0))[0] + 1
            rest_s = self._settings.reopen_after_s * 2.0 ** min(failures - 1, 20)
            self.failures[slot.environment] = (failures, now + min(rest_s, self._settings.reopen_max_s))

    def close_unused(self, now: float, out: list[Command]) -> None:
        """Close what has been idle for too long, and forget environments that have nothing any more."""
        for environment, idle in list(self._idle.items()):
            while idle and now - idle[0].idle_since >= self._settings.idle_slot_s:
                self._close(idle[0], out)
            if not idle:
                del self._idle[environment]
        for environment in [e for e, count in self._opening.items() if not count]:
            del self._opening[environment]

    def _close_oldest(self, environment: str, out: list[Command]) -> bool:
        oldest = [idle[0] for e, idle in self._idle.items() if idle and e != environment]
        if not oldest:
            return False
        self._close(min(oldest, key=lambda slot: (slot.idle_since, slot.number)), out)
        return True

    def _close(self, slot: Slot, out: list[Command]) -> None:
        self._idle[slot.environment].remove(slot)
        self._forget(slot)
        out.append(CloseSlot(slot.number))

    def _forget(self, slot: Slot) -> None:
        del self.by_number[slot.number]
        self._warm[slot.environment] -= 1
        if not self._warm[slot.environment]:
            del self._warm[slot.environment]
