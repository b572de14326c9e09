"""Spares: slot processes that are ready before anybody needs one, so that an urgent start finds one.

How many there should be is decided in `core.spares`, from what runs. A spare becomes a slot when the
scheduler has one opened for the same interpreter. This module must not know who displaces whom, nor why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from rushes.core.spares import HeldSlot, SparePolicy, to_open, wanted
from rushes.runtime.dispatch.pool import Pool
from rushes.runtime.slots.processes import SlotProcess
from rushes.runtime.wire import WIRE

__all__ = ["Spares"]

LOOK_EVERY_S: Final = 1.0
COMES_UP_S: Final = 60.0
REST_S: Final = 300.0
"""So long none is tried for an interpreter whose spare did not come up: its slots tell people why."""


class Spares:
    """The spare slot processes of one pool. `watch` and `unwatch` are told whose sockets to listen to."""

    def __init__(
        self,
        pool: Pool,
        watch: Callable[[SlotProcess], None],
        unwatch: Callable[[SlotProcess], None],
        policy: SparePolicy = SparePolicy(),  # noqa: B008 - frozen
    ) -> None:
        self._pool = pool
        self._watch = watch
        self._unwatch = unwatch
        self._policy = policy
        self._looked = 0.0
        self._rests_until: dict[str, float] = {}
        self._opened = 0

    def take(self, number: int, environment: str) -> SlotProcess | None:
        """A spare that is this slot from now on, the readiest there is; None where there is none."""
        fitting = [one for one in self._pool.spares if one.environment == _interpreter(environment)]
        if not fitting:
            return None
        slot = max(fitting, key=lambda one: one.ready)
        self._pool.spares.remove(slot)
        slot.number, slot.environment = number, environment
        slot.began = slot.alive = self._pool.now
        return slot

    def hear(self, slot: SlotProcess) -> None:
        """A spare has come up, or died."""
        if slot not in self._pool.spares:
            return
        heard = slot.hear()
        hellos = [header for header, _ in heard or () if header[0] == "ready"]
        if heard is None or any(header[1] != WIRE for header in hellos):
            self._give_up(slot)
        elif hellos:
            slot.ready = True

    def tick(self) -> None:
        """Once in a while: open one that is missing, close what nobody could have used for long."""
        pool, now = self._pool, self._pool.now
        if 0 <= now - self._looked < LOOK_EVERY_S or not (pool.running or pool.spares):
            return
        self._looked = now
        for slot in list(pool.spares):
            if slot.process.poll() is not None or (not slot.ready and now - slot.began > COMES_UP_S):
                self._give_up(slot)
        should = {} if pool.draining else wanted(self._held(), pool.size.cpu, pool.size.memory, self._policy)
        for slot in list(pool.spares):
            if slot.environment in should:
                slot.alive = now
            elif now - slot.alive >= self._policy.unused_s:
                self._close(slot)
        found = to_open(
            {one: count for one, count in should.items() if self._rests_until.get(one, 0.0) <= now},
            Counter(slot.environment for slot in pool.spares),
            cores_are_wanted=self._cores_are_wanted(),
        )
        if found is not None:
            self._open(found)

    def _held(self) -> Iterator[HeldSlot]:
        pool = self._pool
        classes = {one.name: one for one in pool.scheduler.classes}
        best = min((one.rank for one in classes.values() if one.may_displace), default=None)
        for slot in pool.slots.values():
            run = pool.run_on(slot.number, slot.given[0]) if slot.given else None
            if run is None or run.waits_since:
                continue
            state = pool.batches[slot.given[0] >> 32]
            policy = classes.get(state.queue.priority)
            may_yield = policy is not None and policy.may_be_displaced and state.shape.preemptible
            below = best is not None and policy is not None and policy.rank > best
            ran_s = (run.paused_since or pool.now) - slot.began
            yield HeldSlot(_interpreter(slot.environment), ran_s, may_yield and below)

    def _cores_are_wanted(self) -> bool:
        pool = self._pool
        if not all(slot.ready for slot in (*pool.slots.values(), *pool.spares)):
            return True
        stands = pool.scheduler.swarms.stands
        return any(run.paused_since and stands(run.ask(number)) for number, run in pool.running.items())

    def _open(self, interpreter: str) -> None:
        environments = self._pool.environments
        how = next((how for name, how in environments.items() if _interpreter(name) == interpreter), {})
        self._opened += 1
        try:
            slot = SlotProcess(-self._opened, interpreter, how, self._pool.home, prepared=True)
        except (OSError, KeyError):  # what is the matter is said when a slot is to be opened
            self._rests_until[interpreter] = self._pool.now + REST_S
            return
        self._pool.spares.append(slot)
        self._watch(slot)

    def _close(self, slot: SlotProcess) -> None:
        """Let it end by itself."""
        slot.let_go()
        self._pool.spares.remove(slot)
        self._pool.dying.append(slot)
        self._unwatch(slot)

    def _give_up(self, slot: SlotProcess) -> None:
        """It died, or is of no use."""
        if not slot.ready:
            self._rests_until[slot.environment] = self._pool.now + REST_S
        slot.kill()
        self._close(slot)


def _interpreter(environment: str) -> str:
    """The part of a slot's environment that is not the function's source."""
    return environment.partition(":")[0]
