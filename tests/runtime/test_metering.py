"""Whatever slots do, and whenever a worker is killed, the ledger's lines sum to price × time."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rushes.core import events as ev
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.tiers import Purchase
from rushes.journal.schema import MIGRATIONS
from rushes.journal.sqlite import SqliteJournal
from rushes.journal.turns import SqliteTurns
from rushes.runtime.dispatch.metering import KEEP_EVERY_S, MeteredEnd, Metering
from rushes.runtime.dispatch.slot_run import SlotRun
from rushes.runtime.records.batches import BatchState, shape_of
from rushes.runtime.records.ports import LeasedRow
from rushes.runtime.records.statement import audit, statement

TIERS = st.builds(
    TierPrice,
    st.just("t"),
    st.sampled_from([Purchase.owned, Purchase.on_demand]),
    st.just("here"),
    st.sampled_from([0, 1, 7, 360_000_000, 3_600_000_001]),
    st.just(Source("a list", "2026-01")),
    request_nano=st.sampled_from([0, 200]),
    idle_milliwatts=st.sampled_from([None, 0, 50_001]),
    busy_milliwatts=st.sampled_from([60_000, 150_007]),
    billed_step_us=st.sampled_from([1, 1_000_000]),
    billed_least_us=st.sampled_from([0, 60_000_000]),
)
CAPACITY = ev.Capacity(4, 8 << 30)
TURN_S = 10.0
"""The longest turn of this worker."""


@dataclass
class Slot:
    """As much of a slot as is counted."""

    number: int
    began: float = 0.0
    given: deque[int] = field(default_factory=deque)


class Pool:
    """As much of a pool as is counted."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.now = 1_000_000.0
        self.slept_s = 0.0
        self.slots = {number: Slot(number) for number in (1, 2, 3)}
        self.running: dict[int, SlotRun] = {}
        self.batches: dict[int, BatchState] = {}

    def run_on(self, _slot: int, number: int) -> SlotRun | None:
        return self.running.get(number)

    def number_of(self, invocation: str) -> int:
        batch, _, n = invocation.partition(".")
        row = self.journal.batch(batch)
        return 0 if row is None else row.number << 32 | int(n)

    def add(self, name: str, **needs: Any) -> BatchState:
        spec = {"function": name, "version": "1", "priority": "standard", "show": f"of {name}", **needs}
        number = self.journal.open_batch(name, json.dumps(spec), 0.0)
        queue = ev.QueueKey("standard", spec["show"])
        state = BatchState(number, name, spec, 0.0, queue, 1, shape_of(name, spec))
        if "parent" in spec:
            state.parent = self.number_of(spec["parent"])
        self.batches[number] = state
        return state


class Ledger(RuleBasedStateMachine):
    """Slots are given work, pause, wait, answer and die; workers come and go; time passes."""

    @initialize(tier=TIERS, kwh=st.sampled_from([0, 310_000_000]))
    def begin(self, tier: TierPrice, kwh: int) -> None:
        self.folder = TemporaryDirectory()
        self.journal = SqliteJournal(Path(self.folder.name) / "j", synchronous="OFF")
        self.pool = Pool(self.journal)
        self.price = MachinePrice(tier, CAPACITY, 0 if tier.purchase is Purchase.on_demand else kwh)
        self.journal.begin()
        self.pool.add("small", resources={"cpu": 1})
        self.pool.add("large", resources={"cpu": 3, "memory": 6 << 30})
        self.pool.add("part", resources={"cpu": 2}, parent="small.1")
        self.n = 1
        self.charged = 0
        self.forgotten = False
        self.up_s = self.lost_s = 0.0
        self._open()

    def _open(self) -> None:
        self.pool.running.clear()
        for slot in self.pool.slots.values():
            slot.given.clear()
        self.meter = Metering(self.pool, self.price)  # type: ignore[arg-type]
        self.meter.open()
        self.journal.commit()

    def _end_turn(self) -> None:
        self.meter.turn()
        self.journal.commit()

    @rule(seconds=st.floats(0, TURN_S))
    def time_passes(self, seconds: float) -> None:
        self.pool.now += seconds
        self.up_s += seconds
        self._end_turn()

    @rule(seconds=st.floats(1, 9e5))
    def the_machine_sleeps(self, seconds: float) -> None:
        self.pool.now += seconds
        self.pool.slept_s = seconds
        self._end_turn()
        self.pool.slept_s = 0.0

    @rule(slot=st.integers(1, 3), since_s=st.floats(0, TURN_S))
    def what_a_slot_was_given_was_done_a_while_ago(self, slot: int, since_s: float) -> None:
        self.meter.rest(self.pool.slots[slot], self.pool.now - since_s)  # type: ignore[arg-type]
        self._end_turn()

    @rule(slot=st.integers(1, 3), batch=st.integers(1, 3), count=st.integers(1, 5))
    def work_is_given(self, slot: int, batch: int, count: int) -> None:
        one = self.pool.slots[slot]
        one.began = one.began if one.given else self.pool.now
        for _ in range(count):
            self.n += 1
            number = batch << 32 | self.n
            row = LeasedRow(number, 0, 0, 0.0, "", None, None, None, None, None, None, 0, None, 1)
            self.pool.running[number] = SlotRun(slot, self.n, 1, 0, row)
            one.given.append(number)
        self.meter.look(one)  # type: ignore[arg-type]
        self._end_turn()

    @rule(slot=st.integers(1, 3), paused=st.booleans())
    def work_is_paused_or_waits_and_goes_on(self, slot: int, *, paused: bool) -> None:
        one = self.pool.slots[slot]
        if one.given:
            run = self.pool.running[one.given[0]]
            name = "paused_since" if paused else "waits_since"
            setattr(run, name, 0.0 if getattr(run, name) else self.pool.now)
            self.meter.look(one)  # type: ignore[arg-type]
            self._end_turn()

    @rule(
        slot=st.integers(1, 3), seconds=st.lists(st.floats(0, 5), min_size=1, max_size=4), bad=st.booleans()
    )
    def an_answer_is_heard(self, slot: int, seconds: list[float], *, bad: bool) -> None:
        one = self.pool.slots[slot]
        ends = []
        for took in seconds[: len(one.given)]:
            number = one.given.popleft()
            del self.pool.running[number]
            ends.append(
                MeteredEnd(
                    number, took, wasted=bad, wasted_for="vfx" if bad and took > 2 else "", media_s=took
                )
            )
        self.charged += len(ends)
        self.meter.settle(one, ends)  # type: ignore[arg-type]
        self._end_turn()

    @rule(slot=st.integers(1, 3))
    def work_is_taken_back(self, slot: int) -> None:
        one = self.pool.slots[slot]
        for number in one.given:
            del self.pool.running[number]
        one.given.clear()
        self.meter.look(one)  # type: ignore[arg-type]
        self._end_turn()

    @rule()
    def the_worker_stops_and_another_starts(self) -> None:
        self.charged += sum(1 for slot in self.pool.slots.values() if slot.given)
        self.meter.close()
        self.journal.commit()
        self._open()

    @rule()
    def the_worker_is_killed_and_another_starts(self) -> None:
        (left,) = self.journal.left_machines()
        self.charged += len(json.loads(left.running or ""))  # what ran is waste, as far as it was written
        self.lost_s += KEEP_EVERY_S + TURN_S
        path = self.journal.path
        self.meter.keep()
        self.journal.close()  # what was not committed is lost
        self.journal = self.pool.journal = SqliteJournal(path, synchronous="OFF")
        self.journal.begin()
        self._open()

    @precondition(lambda self: self.charged > 3)
    @rule()
    def a_batch_is_forgotten(self) -> None:
        self.journal.begin()
        self.journal.forget_costs([1])
        self.forgotten = True
        self.journal.commit()

    @invariant()
    def it_adds_up(self) -> None:
        found = statement(self.journal, since=0.0, batches=False)
        assert found["ledger"]["off"] == []
        assert found["ledger"]["owed"] == found["ledger"]["lines"]
        assert all(line.compute >= 0 and line.energy >= 0 for line in found["lines"])
        assert all(row[1] >= 0 and row[2] >= 0 and row[3] >= 0 for row in found["idle"])

    @invariant()
    def every_attempt_is_there_once_and_has_its_request(self) -> None:
        lines = self.journal.costs_by(0.0)
        assert sum(line.attempts for line in lines) == self.charged
        assert sum(line.requests for line in lines) == self.charged * self.price.tier.request_nano

    @invariant()
    def a_batch_has_the_sum_of_its_invocations_and_their_parts(self) -> None:
        (whole,) = self.journal.db.execute(
            "SELECT coalesce(sum(compute+requests+transfer+energy),0) FROM costs WHERE root>>32=1"
        ).fetchone()
        (parts,) = self.journal.db.execute(
            "SELECT coalesce(sum(compute+requests+transfer+energy),0) FROM costs WHERE invocation>>32=3"
        ).fetchone()
        assert self.journal.spent_on_batch(1).nano == whole
        assert self.forgotten or self.journal.spent_on_batch(3).nano == parts

    @invariant()
    def only_the_time_that_a_worker_was_awake_is_counted(self) -> None:
        counted_s = sum(machine.counted_us for machine in self.journal.machines()) / 1e6
        unwritten_s = self.pool.now - self.meter._kept_at if self.up_s else 0.0
        assert counted_s <= self.up_s + 0.01
        assert counted_s >= self.up_s - self.lost_s - min(unwritten_s, KEEP_EVERY_S) - 0.01

    @invariant()
    def who_urged_pays_for_what_is_done_again_and_parts_are_of_their_whole(self) -> None:
        lines = self.journal.costs_by(0.0)
        assert {line.function for line in lines} <= {"small", "large"}
        assert all(line.waste for line in lines if line.show == "vfx")

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=50, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
def test_many_ledgers_add_up() -> None:
    run_state_machine_as_test(
        Ledger,
        settings=settings(max_examples=1500, stateful_step_count=60, suppress_health_check=list(HealthCheck)),
    )


def test_a_row_that_is_lost_or_entered_twice_is_found(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j")
    journal.begin()
    pool = Pool(journal)
    pool.add("small", resources={"cpu": 1})
    tier = TierPrice("t", Purchase.owned, "here", 3_600_000_000, Source("a list", "2026-01"))
    meter = Metering(pool, MachinePrice(tier, CAPACITY))  # type: ignore[arg-type]
    meter.open()
    row = LeasedRow(1 << 32 | 1, 0, 0, 0.0, "", None, None, None, None, None, None, 0, None, 1)
    pool.running[row.id] = SlotRun(1, 1, 1, 0, row)
    pool.slots[1].given.append(row.id)
    meter.look(pool.slots[1])  # type: ignore[arg-type]
    pool.now += 3
    pool.slots[1].given.clear()
    del pool.running[row.id]
    meter.settle(pool.slots[1], [MeteredEnd(row.id, 3.0)])  # type: ignore[arg-type]
    meter.close()
    assert audit(journal.machines(), journal.machine_sums())["off"] == []

    journal.write("INSERT INTO costs SELECT * FROM costs", [()])
    assert audit(journal.machines(), journal.machine_sums())["off"] == [1]
    journal.write("DELETE FROM costs", [()])
    assert audit(journal.machines(), journal.machine_sums())["off"] == [1]
    journal.close()


def test_a_journal_from_before_anything_was_counted_is_brought_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = next(i for i, version in enumerate(MIGRATIONS) if any("TABLE costs" in one for one in version))
    monkeypatch.setattr("rushes.journal.turns.MIGRATIONS", MIGRATIONS[:before])
    old = SqliteJournal(tmp_path / "j")
    old.begin()
    old.open_batch("abc", "{}", 1.0)
    old.commit()
    old.close()
    monkeypatch.undo()

    journal = SqliteJournal(tmp_path / "j")

    assert isinstance(journal, SqliteTurns)
    assert statement(journal, since=0.0, batches=True)["lines"] == []
    assert journal.spent_on(1 << 32).nano == journal.spent_on_batch(1).nano == 0
    assert journal.batch("abc") is not None
    journal.close()


def test_the_sums_of_batches_are_made_of_what_was_counted_before_there_were_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = next(i for i, version in enumerate(MIGRATIONS) if any("batch_costs" in one for one in version))
    monkeypatch.setattr("rushes.journal.turns.MIGRATIONS", MIGRATIONS[:before])
    old = SqliteJournal(tmp_path / "j")
    row = "INSERT INTO costs VALUES(?,?,1,1,?,1,0,0,0,?,0,0,0,7,0)"
    old.write(row, [(1 << 32, 1 << 32, 0, 100), (1 << 32, 3 << 32, 1, 10), (2 << 32, 2 << 32, 0, 5)])
    old.commit()
    old.close()
    monkeypatch.undo()

    journal = SqliteJournal(tmp_path / "j")

    assert journal.spent_on_batch(1) == (110, 10, 0.014)
    assert journal.spent_on_batch(2) == (5, 0, 0.007)
    assert journal.spent_on_batch(3) == (10, 10, 0.007)
    journal.close()
