"""What has run on a real pool, replayed by the simulator from its ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rushes.cli.app import app
from rushes.core.accounts import Scope, SpendLimits
from rushes.core.events import Capacity
from rushes.core.money import NANO
from rushes.core.spending.machine_price import MachinePrice
from rushes.core.spending.prices import Source, TierPrice
from rushes.core.tiers import Purchase
from rushes.engines.local import LocalEngine
from rushes.journal.replay import RanBatch, kept_budgets, ran_batches
from rushes.runtime.configuration.settings import settings_from
from rushes.simulator.changing import ChangingPool, Course
from rushes.simulator.pool import simulate
from rushes.simulator.replay import replayed

Find = Callable[[str], Any]


def test_what_has_run_arrives_again_with_its_class_needs_and_run_times(
    plain: Find, engine: LocalEngine, clip: str, rushes_home: Path
) -> None:
    echo = plain("echo").with_options(priority="urgent", show="dune")
    assert all(outcome.ok for outcome in echo.starmap([(clip, {"n": n}) for n in range(3)]))
    assert plain("echo").with_options(show="tron").remote(clip, n=9).pid
    journal = settings_from({"RUSHES_HOME": str(rushes_home)}).journal

    first, second = ran_batches(journal)
    load = replayed([first, second]).load
    trace = simulate(load, Capacity(cpu=2.0, memory=2.0**34))

    assert (first.priority, first.show, len(first.seconds)) == ("urgent", "dune", 3)
    assert all(0 < seconds < 60.0 for seconds in first.seconds)
    assert (second.priority, second.show) == ("standard", "tron")
    assert first.resources["memory"] > 0
    assert load[0].memory == first.resources["memory"]
    assert load[0].at == 0.0
    assert load[1].at > 0.0
    assert sum(trace.ended[:3]) - sum(trace.started[:3]) == pytest.approx(sum(first.seconds))
    assert ran_batches(journal, since=second.submitted) == [second]


RAN = RanBatch("a", "echo", "standard", "dune", 5.0, None, {"cpu": 1.0}, None, (1.0,), 0.0)


PRICE = MachinePrice(
    TierPrice("rack", Purchase.owned, "here", 3600 * NANO, Source("a test", "undated")),
    Capacity(1.0, 2.0**34),
)
"""A dollar a second of a machine of one core."""


def played(*batches: RanBatch, budgets: dict[Scope, SpendLimits]) -> Course:
    return ChangingPool(replayed(batches, budgets), Capacity(1.0, 2.0**34), price=PRICE).follow()


def test_the_budgets_of_the_ledger_are_read_less_what_was_spent_before(
    plain: Find, engine: LocalEngine, clip: str, rushes_home: Path
) -> None:
    plain("echo").with_options(show="dune", max_cost=7).remote(clip)
    engine.set_budget("show", "dune", {"cap": 400, "hour_cap": 20, "soft": 300})
    journal = settings_from({"RUSHES_HOME": str(rushes_home)}).journal
    (batch,) = ran_batches(journal)
    assert batch.max_cost_nano == 7 * NANO
    assert kept_budgets(journal) == {Scope("show", "dune"): SpendLimits(400, 20, 300)}
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("DELETE FROM costs")
        db.execute("DELETE FROM payers")
        db.execute("INSERT INTO payers VALUES(1,'dune','echo')")
        at = batch.submitted - 1
        db.execute("INSERT INTO costs VALUES(1,1,1,1,0,1,?,1000,1,150,0,0,0,0,0)", (at,))
    before = kept_budgets(journal, since=batch.submitted)
    assert before == {Scope("show", "dune"): SpendLimits(250, 20, 150)}


def test_what_the_ledgers_budgets_hold_is_held_in_a_replay(rushes_home: Path) -> None:
    long = replace(RAN, seconds=(10.0,) * 6)
    for scope in (Scope("show", "dune"), Scope("organisation")):
        course = played(long, budgets={scope: SpendLimits(cap=35 * NANO)})
        assert sum(end >= 0 for end in course.trace.ended) == 3
    capped = replace(long, max_cost_nano=25 * NANO)
    assert sum(end >= 0 for end in played(capped, budgets={}).trace.ended) == 2


def test_a_cap_by_the_hour_lets_a_replay_go_on_at_the_full_hour_of_the_clock() -> None:
    long = replace(RAN, submitted=7_200.0 + 3_000.0, seconds=(10.0,) * 6)
    course = played(long, budgets={Scope("show", "dune"): SpendLimits(hour_cap=45 * NANO)})
    ends = sorted(course.trace.ended)
    assert ends[0] == pytest.approx(3_010.0, abs=2)
    assert sum(end < 3_600.0 for end in ends) == 4
    assert 3_600.0 <= ends[4] < 3_700.0


def test_half_a_century_in_which_nothing_came_is_played_as_a_week_and_keeps_the_hour_of_the_day() -> None:
    late = [
        replace(RAN, id="b", submitted=1.7e9),
        replace(RAN, id="c", submitted=1.7e9 + 60, deadline=1.7e9 + 90),
    ]
    first, second, third = replayed([RAN, *late]).load
    assert (first.at, third.at - second.at) == (0.0, 60.0)
    assert 7 * 86_400 <= second.at < 8 * 86_400
    assert (second.at + RAN.submitted) % 86_400 == pytest.approx(1.7e9 % 86_400)
    assert third.deadline == third.at + 30.0


@pytest.mark.parametrize(
    "change",
    ["spec='{'", "spec='[]'", "spec=json_set(spec,'$.resources','x')", "submitted=1e300",
     "spec=json_set(spec,'$.resources.cpu','x')"],
)  # fmt: skip
def test_a_batch_that_cannot_be_read_is_named(
    plain: Find, engine: LocalEngine, clip: str, rushes_home: Path, change: str
) -> None:
    assert plain("echo").remote(clip, n=1).pid
    engine.control("stop")
    journal = settings_from({"RUSHES_HOME": str(rushes_home)}).journal
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute(f"UPDATE batches SET {change}")  # noqa: S608 - of the table above

    said = CliRunner().invoke(app, ["simulate", "--replay"])

    assert said.exit_code == 1
    assert "of the ledger cannot be read" in said.stderr


def test_the_command_replays_the_ledger_of_this_pool(plain: Find, engine: LocalEngine, clip: str) -> None:
    assert all(outcome.ok for outcome in plain("echo").starmap([(clip, {"n": n}) for n in range(2)]))

    said = CliRunner().invoke(app, ["simulate", "--replay", "--cores", "2", "--json"])

    assert said.exit_code == 0, said.output
    (group,) = json.loads(said.stdout)["groups"]
    assert group["invocations"] == 2


def test_a_replay_is_on_a_pool_as_large_as_this_one_unless_another_is_named(
    plain: Find, engine: LocalEngine, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plain("echo").remote(clip, n=1).pid
    monkeypatch.setenv("RUSHES_CPU", "3")

    said = CliRunner().invoke(app, ["simulate", "--replay", "--json"])

    assert json.loads(said.stdout)["cores"] == 3.0
