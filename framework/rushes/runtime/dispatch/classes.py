"""The priority classes of a pool while it works: the file read again, who may use them, hours used up.

A file that has changed is read once it has stood still for a look; while the new one cannot be used, the old
classes stay, and `describe` says why. Hours are counted from the ledger: what a turn adds to a batch's
seconds is added to its class and show in the same transaction. This module must not know how classes are
scheduled.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from rushes.core import events as ev
from rushes.core.capacity.fitting import barred, restricted
from rushes.core.classes import ClassPolicy
from rushes.core.permission import HOUR_S, Beyond, Person, beyond_hours, why_not
from rushes.errors import CallerError, PolicyError
from rushes.runtime.configuration.class_file import ClassFile
from rushes.runtime.dispatch.pool import Pool
from rushes.runtime.dispatch.restamping import restamp
from rushes.runtime.dispatch.turnaround import turnaround
from rushes.runtime.records.batches import BatchState
from rushes.runtime.refusals import known_class

__all__ = ["Classes", "class_json"]

LOOK_EVERY_S: Final = 1.0


class Classes:
    """Who may use which class of a pool, and how much of it."""

    def __init__(self, pool: Pool, file: ClassFile | None = None) -> None:
        self._pool = pool
        self._file = file
        self._stamp = self._seen = file.stamp() if file is not None else ()
        self._problem = ""
        self._looked = 0.0
        self._day = ""
        self._used: dict[ev.QueueKey, float] = {}
        self._fresh: dict[ev.QueueKey, float] = {}  # used since the last write
        self._barred: dict[ev.QueueKey, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all classes, the best first."""
        return tuple(one.name for one in self._pool.scheduler.classes)

    def _policy(self, name: str) -> ClassPolicy:
        known_class(name, self.names)
        return next(one for one in self._pool.scheduler.classes if one.name == name)

    # -- at the door ---------------------------------------------------------------------------------------

    def admit(self, spec: dict[str, Any], person: Person) -> dict[str, Any]:
        """The specification of a batch that somebody opens, in the class in which it may go.

        Raises:
            CallerError: there is no such class.
            PolicyError: the person or the show may not use it (``class-refused``), or the show has used up
                its hours of it (``class-hours``).
        """
        if spec.get("parent"):
            return spec
        wanted = str(spec["priority"])
        name, why = self._may(person, str(spec["show"]), wanted)
        spec = {**spec, "user": person.user}
        return spec if name == wanted else {**spec, "priority": name, "class_note": _went_on(why, name)}

    def check(self, person: Person, show: str, name: str) -> str:
        """The class that a batch of a show may be given by somebody who asks for `name`.

        Raises:
            CallerError, PolicyError: as `admit`.
        """
        return self._may(person, show, name)[0]

    def _may(self, person: Person, show: str, name: str) -> tuple[str, str]:
        policy = self._policy(name)
        reason = why_not(policy, person, show)
        if reason:
            raise PolicyError(
                f"{reason}.",
                code="class-refused",
                fix="`rushes classes` shows who may use which; another class is free to use.",
            )
        if elsewhere := self._elsewhere(name):
            raise PolicyError(
                f"{elsewhere}.",
                code="class-elsewhere",
                fix="Send it in another class; `rushes classes` shows where each may run.",
            )
        over = self._beyond().get(ev.QueueKey(name, show))
        if over is None:
            return name, ""
        if over.lower is None:
            raise PolicyError(
                f"{over.sentence}.",
                code="class-hours",
                fix="Send it in another class, or wait for tomorrow; `rushes classes` shows what is left.",
            )
        return self._may(person, show, over.lower)[0], over.sentence

    def _elsewhere(self, name: str) -> str:
        """Why work of a class may not run on this machine, in a sentence without its end; "" where it may."""
        tier = self._pool.tier
        if tier is None:
            return ""
        reason = barred(name, tier, restricted(self._pool.routing, self._pool.scheduler.classes))
        return f"this machine is of the tier {tier.name} ({tier.purchase.value}): {reason}" if reason else ""

    # -- hours ----------------------------------------------------------------------------------------------

    def count(self, state: BatchState) -> None:
        """Count what a batch has used since it was counted last, for the class in which it is."""
        used_s = state.seconds - state.counted_s
        if used_s > 0:
            state.counted_s = state.seconds
            self._fresh[state.queue] = self._fresh.get(state.queue, 0.0) + used_s

    def write(self) -> None:
        """Write down what was counted in this turn."""
        if not self._fresh:
            return
        self._turn_day()
        self._pool.journal.use([(self._day, *queue, used_s) for queue, used_s in self._fresh.items()])
        for queue, used_s in self._fresh.items():
            self._used[queue] = self._used.get(queue, 0.0) + used_s
        self._fresh.clear()

    def _turn_day(self) -> None:
        """Another day has another page. Days are those of this machine's clock."""
        day = time.strftime("%Y-%m-%d", time.localtime(self._pool.now))
        if day != self._day:
            self._day = day
            rows = self._pool.journal.used(day)
            self._used = {ev.QueueKey(priority, show): seconds for priority, show, seconds in rows}

    def _beyond(self) -> dict[ev.QueueKey, Beyond]:
        if not any(one.slot_hours is not None or one.slot_hours_of for one in self._pool.scheduler.classes):
            return {}
        return beyond_hours(self._pool.scheduler.classes, self._used_today())

    def _used_today(self) -> dict[ev.QueueKey, float]:
        """Slot-seconds of each class and show, with what runs now."""
        self._turn_day()
        used = dict(self._used)
        for queue, seconds in self._fresh.items():
            used[queue] = used.get(queue, 0.0) + seconds
        for _, queue, seconds in self._running():
            used[queue] = used.get(queue, 0.0) + seconds
        return used

    def _running(self) -> Iterator[tuple[BatchState, ev.QueueKey, float]]:
        """What runs now has used so much already."""
        for slot in self._pool.slots.values():
            run = self._pool.running.get(slot.given[0]) if slot.given else None
            state = self._pool.batches.get(slot.given[0] >> 32) if slot.given else None
            if run is not None and state is not None:
                until = run.paused_since or run.waits_since or self._pool.now
                yield state, state.queue, max(until - slot.began, 0.0)

    # -- over time ------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Look at the file and at the hours, when it is time to."""
        if 0 <= self._pool.now - self._looked < LOOK_EVERY_S:
            return
        self._looked = self._pool.now
        if self._file is not None:
            self._look_at(self._file)
        self._bar(self._beyond())

    def _look_at(self, file: ClassFile) -> None:
        stamp = file.stamp()
        settled, self._seen = stamp == self._seen, stamp
        if stamp == self._stamp or not settled:
            return
        self._stamp = stamp
        try:
            classes = file.read()
        except CallerError as error:
            self._problem = f"{error.message} {error.fix} Until then the classes are those from before."
            self._say(self._problem)
            return
        self._problem = ""
        if classes != self._pool.scheduler.classes:
            self._say(f"the classes are those of {file.path} as it is now")
            self._pool.feed(ev.Reclassed(classes))

    def _bar(self, beyond: dict[ev.QueueKey, Beyond]) -> None:
        names = {one.name for one in self._pool.scheduler.classes if self._elsewhere(one.name)}
        queues = {state.queue for state in self._pool.batches.values()} if names else set()
        wanted = {
            queue: f"{self._elsewhere(queue.priority)}; it goes on in another class"
            for queue in queues
            if queue.priority in names
        }
        for queue, over in beyond.items():
            if over.lower is not None:
                self._demote(queue, over, over.lower)
            else:
                wanted.setdefault(queue, f"{over.sentence}; it goes on tomorrow, or in another class")
        for queue in wanted.keys() - self._barred.keys():
            self._pool.feed(ev.Barred(queue, wanted[queue]))
        for queue in self._barred.keys() - wanted.keys():
            self._pool.feed(ev.Barred(queue))
        # What is barred already keeps its reason: more hours that are used change nothing.
        self._barred = {queue: self._barred.get(queue, reason) for queue, reason in wanted.items()}

    def _demote(self, queue: ev.QueueKey, over: Beyond, lower: str) -> None:
        """What a show has of a class goes on in a lower one, what runs of it too."""
        for state in list(self._pool.batches.values()):
            if state.queue == queue and state.unfinished and not state.stopping and not state.parent:
                state.spec["class_note"] = _went_on(over.sentence, lower)
                self.give(state, lower)

    def give(self, state: BatchState, name: str) -> None:
        """Give a batch another class; what of it runs has used so much of the old one."""
        running = list(self._running())
        for one in self._pool.batches.values():
            if one is state or one.parent >> 32 == state.number:
                self.count(one)
                for of, queue, seconds in running:
                    if of is one:
                        self._fresh[queue] = self._fresh.get(queue, 0.0) + seconds
                        one.counted_s += seconds
        restamp(self._pool, state, name)

    def _say(self, text: str) -> None:
        sys.stderr.write(f"rushes worker: {text}\n")
        sys.stderr.flush()

    # -- for people -----------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Each class, what of it is used now, and what shows have used of it today."""
        views = {one.name: one for one in self._pool.scheduler.snapshot().classes}
        used = self._used_today()
        rows = []
        for policy in self._pool.scheduler.classes:
            view = views[policy.name]
            shows = {
                queue.show: {
                    "slot_hours": round(seconds / HOUR_S, 4),
                    "of": policy.hours_of(queue.show),
                    "barred": self._barred.get(queue, ""),
                }
                for queue, seconds in sorted(used.items())
                if queue.priority == policy.name
            }
            now = {"running": view.running, "cpu": view.cpu, "reserved": view.reserved, "most": view.most}
            rows.append(
                {
                    **class_json(policy),
                    "now": now,
                    "today": shows,
                    "turnaround": turnaround(self._pool, policy.name, policy.target_s),
                    "elsewhere": self._elsewhere(policy.name),
                }
            )
        return {"file": str(self._file.path) if self._file else "", "problem": self._problem, "classes": rows}


def class_json(policy: ClassPolicy) -> dict[str, Any]:
    """A class as JSON, of which nothing is used."""
    return {**asdict(policy), "now": None, "today": {}, "turnaround": None, "elsewhere": ""}


def _went_on(why: str, name: str) -> str:
    return f"{why}: it goes on as {name}"
