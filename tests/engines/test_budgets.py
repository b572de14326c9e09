"""Caps on a real pool: never overshot, kept over kills of the worker, and told to whoever is held by one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from kept_money import SECOND, money_kept
from waiting import until

from rushes import PlatformError, PolicyError, catalog
from rushes.cli.app import app
from rushes.core.money import NANO
from rushes.core.spending.tariff import LEASE_S
from rushes.engines.local import LocalEngine

Find = Callable[[str], Any]
SPENDS = Path(__file__).with_name("spends.py")


@pytest.fixture
def spends(priced: None, engine: LocalEngine) -> Find:
    return lambda name: catalog.find(f"{SPENDS}:{name}")


@pytest.fixture
def rushes(priced: None) -> Callable[..., Any]:
    """The command line, on the real pool."""
    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args])


def sent(function: Any, clip: str, count: int, seconds: float, **options: Any) -> Any:
    named = function.with_options(show="dune", **options)
    return named.starmap((clip, {"n": n, "seconds": seconds}) for n in range(count))


def test_a_cap_holds_what_does_not_fit_and_lets_it_go_once_it_is_raised(
    spends: Find, engine: LocalEngine, clip: str, rushes_home: Path
) -> None:
    cap = 2 * SECOND
    batch = sent(spends("spend"), clip, 60, 0.1, max_cost=cap / NANO)

    with pytest.raises(PolicyError) as refused:
        list(batch)
    held = batch.progress
    kept = money_kept(rushes_home).books

    assert refused.value.code == "budget-held"
    assert held.held.startswith(f"held: batch {batch.id} has spent ")
    assert (held.only_held, held.held_by, held.frees_at) == (True, ("batch", batch.id), None)
    assert held.counts.held + held.counts.paused == 60 - held.counts.succeeded
    assert held.counts.held > 0
    assert engine.explain(f"{batch.id}.60")["state"] == "held"
    assert engine.explain(f"{batch.id}.60")["reason"] == held.held
    assert cap // 2 <= kept["batch", batch.id] <= cap
    assert kept["show", "dune"] == kept["organisation", ""] == kept["batch", batch.id]

    engine.set_max_cost(batch.id, NANO)
    assert sum(outcome.ok for outcome in batch) == 60
    settled = money_kept(rushes_home)
    assert settled.books["show", "dune"] == settled.ledger
    assert settled.set_aside == 0


def test_no_cap_is_overshot_by_a_worker_that_is_killed_again_and_again(
    spends: Find, engine: LocalEngine, clip: str, rushes_home: Path
) -> None:
    cap, kills, began = 12 * SECOND, 0, 0
    batch = sent(spends("spend"), clip, 200, 0.1, max_cost=cap / NANO)

    def looked_at() -> bool:
        nonlocal kills, began
        try:
            status = batch.progress
        except PlatformError:  # it is being started, and nothing runs
            return False
        kept = money_kept(rushes_home)
        taken = kept.books.get(("batch", batch.id), 0) + kept.set_aside
        assert taken <= cap
        assert kept.ledger <= taken
        if kills < 2 and status.counts.running and status.counts.succeeded > began:
            began = status.counts.succeeded
            os.kill(engine.pool()["worker"]["pid"], signal.SIGKILL)
            kills += 1
        return status.only_held or status.ended is not None

    until(looked_at)
    kept = money_kept(rushes_home)

    assert kills
    assert cap // 2 <= kept.books["batch", batch.id] <= cap
    # What was cut off is charged with all that it can have spent by the look that never came.
    assert 0 <= kept.books["batch", batch.id] - kept.ledger <= kills * 2 * LEASE_S * SECOND
    assert kept.set_aside == 0


def test_an_attempt_that_has_spent_what_it_may_is_paused_where_it_stands_and_goes_on_first(
    spends: Find, engine: LocalEngine, clip: str, tmp_path: Path, rushes_home: Path
) -> None:
    starts, cap = tmp_path / "starts", SECOND
    batch = spends("spend").with_options(max_cost=cap / NANO).map([clip], seconds=2.0, starts=str(starts))

    status = until(lambda: (found := batch.progress).only_held and found)
    (slot,) = [slot for slot in engine.pool()["slots"] if slot["paused"]]

    assert status.counts.paused == 1
    assert psutil.Process(slot["pid"]).status() == psutil.STATUS_STOPPED
    assert "having spent what was reserved for it; held: " in engine.explain(f"{batch.id}.1")["reason"]
    assert cap // 2 <= money_kept(rushes_home).books["batch", batch.id] <= cap

    engine.set_max_cost(batch.id, NANO)
    (outcome,) = batch
    kept = money_kept(rushes_home)

    assert outcome.ok
    assert outcome.finished.attempts == 1
    assert starts.read_text() == "x"
    assert kept.books["batch", batch.id] == kept.ledger


def test_parts_are_paid_for_by_the_batch_that_mapped_them(
    spends: Find, engine: LocalEngine, clip: str, rushes_home: Path
) -> None:
    cap = SECOND
    batch = spends("spend_on_parts").with_options(max_cost=cap / NANO).map([clip], seconds=2.0)

    status = until(lambda: (found := batch.progress).only_held and found, seconds=200)
    spent = money_kept(rushes_home).books["batch", batch.id]

    assert status.held_by == ("batch", batch.id)
    assert 0 < spent <= cap
    engine.set_max_cost(batch.id, NANO)
    (outcome,) = batch
    assert outcome.result.n == 4
    kept = money_kept(rushes_home)
    assert kept.books["batch", batch.id] == kept.ledger > spent


def test_a_show_that_gets_a_cap_while_it_runs_is_under_it_with_all_that_it_has_spent(
    spends: Find, engine: LocalEngine, clip: str, rushes_home: Path
) -> None:
    first = sent(spends("spend"), clip, 4, 0.1)
    assert sum(outcome.ok for outcome in first) == 4
    before = money_kept(rushes_home).ledger
    batch = sent(spends("spend"), clip, 3, 30.0, force=True)
    until(lambda: batch.progress.counts.running == 2)

    engine.set_budget("show", "dune", {"cap": before + 3 * SECOND})
    status = until(lambda: (found := batch.progress).only_held and found)

    (row,) = engine.budgets()["rows"]
    assert status.counts.paused == 2
    assert before < row["spent_nano"] <= before + 3 * SECOND
    assert row["held"] == [batch.id]
    batch.cancel()
    kept = money_kept(rushes_home)
    assert kept.books["show", "dune"] == kept.ledger <= before + 3 * SECOND


def test_beyond_a_soft_limit_a_batch_goes_one_class_lower_until_that_is_raised(
    spends: Find, engine: LocalEngine, clip: str
) -> None:
    engine.set_budget("show", "dune", {"soft": SECOND // 10})
    batch = sent(spends("spend"), clip, 300, 0.1)

    until(lambda: batch.progress.priority == "background")
    assert "soft limit" in engine.explain(f"{batch.id}.300")["spec"]["demoted_why"]
    engine.set_budget("show", "dune", {"soft": 100 * NANO})

    until(lambda: batch.progress.priority == "standard")
    batch.cancel()


def test_where_nothing_costs_anything_a_cap_holds_nothing_and_says_so(
    rushes_home: Path, engine: LocalEngine, clip: str
) -> None:
    ran = CliRunner().invoke(app, ["run", f"{SPENDS}:spend", clip, "--max-cost", "0", "--seconds", "0.01"])
    shown = CliRunner().invoke(app, ["budget"])

    assert ran.exit_code == 0, ran.output
    assert "costs nothing, so no cap holds anything back" in ran.stderr
    assert "RUSHES_PRICES" in shown.stderr
    assert engine.budgets()["free"]


# -- the command line -------------------------------------------------------------------------------------


def files(folder: Path, count: int) -> Sequence[Path]:
    made = [folder / f"{n}.mov" for n in range(count)]
    for n, path in enumerate(made):
        path.write_bytes(bytes([n]))
    return made


def test_a_run_that_is_held_ends_with_three_and_says_what_lets_it_go_on(
    rushes: Callable[..., Any], engine: LocalEngine, tmp_path: Path
) -> None:
    clips = files(tmp_path, 8)
    ran = rushes(
        "run", f"{SPENDS}:spend", *clips, "--seconds", "0.3", "--max-cost", "0.006", "--show", "dune"
    )
    (batch,) = engine.batches(limit=1)

    assert ran.exit_code == 3, ran.output
    assert f"held: batch {batch.batch} has spent" in ran.stderr
    assert f"rushes set {batch.batch} --max-cost USD" in ran.stderr
    assert f"rushes set {batch.batch} --max-cost USD" in rushes("status", batch.batch).stdout
    held = next(n for n in range(1, 9) if engine.explain(f"{batch.batch}.{n}")["state"] == "held")
    why = rushes("why", f"{batch.batch}.{held}").stdout
    assert f"next: rushes set {batch.batch} --max-cost USD" in why
    assert rushes("follow", batch.batch).exit_code == 3
    assert rushes("set", batch.batch, "--max-cost", "1").exit_code == 0
    assert rushes("follow", batch.batch).exit_code == 0


def test_a_cap_that_is_taken_off_holds_nothing_any_more(
    rushes: Callable[..., Any], spends: Find, engine: LocalEngine, clip: str
) -> None:
    batch = sent(spends("spend"), clip, 3, 0.3, max_cost=SECOND / 2 / NANO)
    until(lambda: batch.progress.only_held)

    done = rushes("set", batch.id, "--max-cost", "none")

    assert done.exit_code == 0, done.output
    assert "has no cap of its own" in done.stderr
    assert sum(outcome.ok for outcome in batch) == 3
    assert engine.budgets()["rows"] == []


@pytest.mark.parametrize("wrong", ["abc", "-1", "nan"])
def test_what_is_no_amount_is_refused_as_such(rushes: Callable[..., Any], clip: str, wrong: str) -> None:
    said = rushes("run", f"{SPENDS}:spend", clip, f"--max-cost={wrong}")
    assert said.exit_code == 2
    assert "is no number of dollars" in said.stderr or "it has to be 0 or more" in said.stderr


def test_a_soft_limit_that_no_work_reaches_below_its_cap_is_noted(rushes: Callable[..., Any]) -> None:
    assert "note" not in rushes("budget", "set", "show:dune", "400", "--soft", "300").stderr
    said = rushes("budget", "set", "show:dune", "--soft", "600")
    assert said.exit_code == 0
    assert "note: the soft limit of $600.00 is not below the cap of $400.00" in said.stderr


def test_budgets_are_set_shown_and_taken_away(rushes: Callable[..., Any], engine: LocalEngine) -> None:
    assert rushes("budget", "set", "show:dune", "400", "--per-hour", "20").exit_code == 0
    assert rushes("budget", "set", "show:dune", "--soft", "300").exit_code == 0
    assert rushes("budget", "set", "organisation", "2000").exit_code == 0
    engine.control("stop")  # they outlive a worker

    shown = rushes("budget").stdout

    assert "the organisation  ░░░░░░░░░░░░░░░░░░░░  $0 of $2,000.00 spent, $2,000.00 left" in shown
    assert "$0 of $400.00 spent, $400.00 left, one class lower beyond $300.00" in shown
    assert "this hour  ░░░░░░░░░░░░░░░░░░░░  $0 of $20.00 spent" in shown
    assert rushes("budget", "unset", "show:dune").exit_code == 0
    assert "show dune" not in rushes("budget").stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["set", "shw:dune", "4"], "'shw:dune' is no payer: write organisation, show:NAME or batch:ID."),
        (["set", "organisation:x", "4"], "is no payer"),
        (["set", "show:dune", "cheap"], "'cheap' is no number of dollars."),
        (["set", "show:dune", "5,00"], "has a comma that sets no thousands apart"),
        (["set", "show:dune ", "4"], "'dune ' is no name of a show."),
        (["set", "show:dune"], "no limit is given"),
        (["set", "batch:nothere", "4"], "there is no batch 'nothere'"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(
    rushes: Callable[..., Any], engine: LocalEngine, args: list[str], message: str
) -> None:
    refused = rushes("budget", *args)

    assert refused.exit_code == 2
    assert message in refused.stderr
