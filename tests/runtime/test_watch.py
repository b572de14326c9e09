"""The watch over slots, on a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from rushes.runtime.dispatch.watch import START_S, WATCH_EVERY_S, Watch
from rushes.runtime.slots.processes import SlotProcess

STALL_S = 30.0


class Slot:
    """A slot that has been given one invocation and has nothing to say."""

    def __init__(self, now: float, *, ready: bool = True) -> None:
        self.number, self.pid = 1, 0
        self.given, self.ready = [1 << 32 | 1] if ready else [], ready
        self.began = self.alive = now
        self.doomed = 0.0
        self.killed_for: Any = None
        self.killed = False
        self.process = SimpleNamespace(poll=lambda: None)

    def tree_bytes(self) -> int:
        return 0

    def kill(self) -> None:
        self.killed = True


class Bench:
    """A watch over one slot; `at` lets it look at a time."""

    def __init__(self, slot: Slot, now: float) -> None:
        batch = SimpleNamespace(spec={"stall_s": STALL_S})
        journal = SimpleNamespace(look_for_space=lambda: True)
        self.pool: Any = SimpleNamespace(
            now=now, slept_s=0.0, next_due=None, feed=lambda _: None,
            slots={1: cast("SlotProcess", slot)}, dying=[], spares=[], journal=journal, wedged=False,
            batches={1: batch}, running={}, second={}, hedged=set(), stragglers=None, most_run_s=None,
            run_on=lambda _, number: self.pool.running.get(number),
        )  # fmt: skip
        displacing = SimpleNamespace(keep_reports=lambda: None)
        nobody: Any = None
        self.watch = Watch(cast("Any", self.pool), nobody, nobody, cast("Any", displacing), nobody)
        self.at(now)

    def at(self, now: float) -> None:
        self.pool.now = now
        self.watch.tick()


@pytest.mark.parametrize("why", ["waits_since", "paused_since"])
def test_an_attempt_that_waits_for_parts_of_its_own_or_is_paused_does_not_hang(why: str) -> None:
    slot = Slot(1000.0)
    bench = Bench(slot, 1000.0)
    known = {"waits_since": 0.0, "paused_since": 0.0, why: 1000.0}
    bench.pool.running[slot.given[0]] = SimpleNamespace(**known)

    for second in range(1, int(STALL_S) + 10):
        bench.at(1000.0 + second)

    assert not slot.killed


def test_an_attempt_that_hangs_while_the_worker_looks_on_is_stopped() -> None:
    slot = Slot(1000.0)
    bench = Bench(slot, 1000.0)

    for second in range(1, int(STALL_S) + 10):
        bench.at(1000.0 + second)

    assert slot.killed


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0], ids=["the machine slept", "the clock was set back"])
def test_an_hour_that_nobody_saw_is_not_held_against_an_attempt(jump_s: float) -> None:
    slot = Slot(10_000.0)
    bench = Bench(slot, 10_000.0)

    bench.at(10_000.0 + jump_s)
    bench.at(10_000.0 + jump_s + WATCH_EVERY_S)
    assert not slot.killed

    for second in range(2, int(STALL_S) + 10):
        bench.at(10_000.0 + jump_s + second)
    assert slot.killed


def test_a_slot_that_never_comes_up_is_given_up() -> None:
    slot = Slot(0.0, ready=False)
    bench = Bench(slot, 0.0)

    for second in range(1, int(START_S) + 3):
        assert not slot.killed or second > START_S
        bench.at(float(second))

    assert slot.killed


@pytest.mark.parametrize(
    ("fraction", "rose_s", "code", "says"),
    [
        (0.4, 24.0, "time-limit", "it was at 40%, and would have needed about"),
        (0.4, 5.0, "slot-killed", "did not get on"),
        (-1.0, 0.0, "slot-killed", "did not get on"),
    ],
    ids=["too big", "hung", "says nothing of how far it is"],
)
def test_work_that_reaches_its_time_limit_is_too_big_only_if_it_still_got_on(
    fraction: float, rose_s: float, code: str, says: str
) -> None:
    slot = Slot(1000.0)
    bench = Bench(slot, 1000.0)
    bench.pool.batches[1].spec["timeout_s"] = 20.0
    bench.pool.running[slot.given[0]] = SimpleNamespace(
        waits_since=0.0, paused_since=0.0, fraction=fraction, rose_s=rose_s
    )

    for second in range(1, 27):
        slot.alive = 1000.0 + second
        bench.at(1000.0 + second)

    assert slot.killed_for.code == code
    assert says in slot.killed_for.message
