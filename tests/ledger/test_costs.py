"""What a shared ledger says was spent: the same as one machine's journal does of the same work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.cli.statement import Sheet
from rushes.core.spending.cost import Cost
from rushes.core.states import State
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.aws.infra.deployment import Deployment
from rushes.engines.aws.laptop.costs import spent
from rushes.journal.sqlite import SqliteJournal
from rushes.ledger import Claim, End, LetGo, Waiting, WorkItem
from rushes.ports import Ledger
from rushes.runtime.records.cost_records import CostRow
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.testing.clock import FakeClock
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import SPEC

TIME_S = 10.0
"""Of every attempt."""
LONG_AGO = 1_600_000_000.0

# Of one invocation: what attempts cost that were tried again, or fell silent; how it ended; what that cost by
# lines, and the seconds of media that it published.
Work = tuple[Sequence[tuple[str, int]], State, Cost, float]
DAILIES: dict[str, list[Work]] = {
    "bcdf": [
        ([], State.succeeded, Cost(900, 200, 30), 60.0),
        ([("again", 400), ("silent", 70)], State.succeeded, Cost(1_100, 200), 30.0),
        ([("again", 500)], State.failed, Cost(250, 200), 0.0),
    ],
    "ghjk": [([("quietly", 33)], State.succeeded, Cost(77, 200), 6.0)],
}
FUNCTIONS = {"bcdf": "shows:proxy", "ghjk": "shows:transcode"}


def do(ledger: Ledger, clock: FakeClock, batch: str, work: Sequence[Work]) -> None:
    """Work on a batch as hosts do."""
    spec = {**SPEC, "function": FUNCTIONS.get(batch, "shows:proxy")}
    ledger.open(batch, spec, clock.now())
    ledger.add(batch, [WorkItem(f"{batch}.{n}", "s3://cards/a.mov") for n in range(1, len(work) + 1)])
    ledger.seal(batch)
    for n, (before, state, cost, media_s) in enumerate(work, 1):
        for how, nano in before:
            give_up(ledger, clock, f"{batch}.{n}", how, nano)
        claim = claimed(ledger, clock, f"{batch}.{n}")
        clock.advance(TIME_S)
        lines = {"compute": cost.compute, "requests": cost.requests, "transfer": cost.transfer}
        data = json.dumps({"cost": lines} if state is State.succeeded else {"error": {}, "cost": lines})
        ledger.finish(claim, End(state, data, TIME_S, media_s, claim.spent_nano + cost.total))


def claimed(ledger: Ledger, clock: FakeClock, invocation: str) -> Claim:
    found = ledger.claim(invocation, "host-a", clock.now(), clock.now() + 60)
    assert isinstance(found, Claim)
    return found


def give_up(ledger: Ledger, clock: FakeClock, invocation: str, how: str, nano: int) -> None:
    """An attempt that ends before its invocation does."""
    claim = claimed(ledger, clock, invocation)
    clock.advance(TIME_S)
    error = {"kind": "platform", "code": "tool-failed", "message": "it did not start"}
    if how == "silent":
        ledger.extend(claim, clock.now() + 60, cost_nano=nano)
        clock.advance(61)
    elif how == "quietly":  # of what is given back for want of money nobody tells but its sum
        ledger.give_back(claim, LetGo("for money", cost_nano=nano))
    else:
        ledger.hold(claim, clock.now(), LetGo("again", cost_nano=nano, error=error))


def journal_of(journal: SqliteJournal, batches: dict[str, list[Work]]) -> dict[str, Any]:
    """The statement of one machine that did the same work."""
    machine = journal.open_machine("here", json.dumps({"purchase": "owned"}), LONG_AGO)
    rows = []
    for number, (batch, work) in enumerate(batches.items(), 1):
        payer = journal.payer("dune", FUNCTIONS.get(batch, "shows:proxy").partition(":")[2])
        for n, (before, state, cost, media_s) in enumerate(work, 1):
            root = number << 32 | n
            ends = [(True, Cost(compute=nano), 0.0) for _, nano in before]
            ends.append((state is not State.succeeded, cost, media_s))
            rows += [
                CostRow(
                    root, root, machine, payer, int(is_waste), 1, LONG_AGO, 1_000_000, TIME_S,
                    one.compute, one.requests, one.transfer, 0, 0, round(seconds * 1e6),
                )
                for is_waste, one, seconds in ends
            ]  # fmt: skip
    journal.charge(rows)
    found = {"lines": journal.costs_by(0.0), "since": 0.0, "idle": [], "running": [0, 0, 0, 0]}
    return {**found, "ledger": {"machines": 1, "seconds": 0.0, "owed": 0, "lines": 0, "off": []}}


def rows_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", Sheet.of(found).to_json()["rows"])


@pytest.fixture(params=["memory", "dynamodb"])
def made(request: pytest.FixtureRequest) -> Iterator[tuple[Ledger, FakeClock]]:
    clock = FakeClock()
    if request.param == "memory":
        yield StubLedger(clock.now), clock
    else:
        client = request.getfixturevalue("aws")["dynamodb"]
        yield DynamoLedger(client, "rushes-test", sleep=lambda _: None, clock=clock.now), clock


@pytest.fixture
def rushes(made: tuple[Ledger, FakeClock]) -> Callable[..., str]:
    """What `rushes cost` says of an environment where the dailies were worked on."""
    ledger, clock = made
    for batch, work in DAILIES.items():
        do(ledger, clock, batch, work)
    services = type("Services", (), {"ledger": ledger, "money": None})()
    engine = AwsEngine(services=services, deployment=Deployment("dev", "t", {}), clock=clock.now)

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["cost", *arguments], obj=Session(engine))
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_the_same_work_has_the_same_lines_as_on_one_machine(
    made: tuple[Ledger, FakeClock], tmp_path: Path
) -> None:
    ledger, clock = made
    told = {name: work for name, work in DAILIES.items() if name == "bcdf"}
    do(ledger, clock, "bcdf", told["bcdf"])
    journal = SqliteJournal(tmp_path / "journal.db", synchronous="OFF")
    journal.begin()

    assert rows_of(spent(ledger, str)) == rows_of(journal_of(journal, told))
    journal.close()


def test_a_batch_has_a_row_of_each_function_and_the_cost_of_a_minute(rushes: Callable[..., str]) -> None:
    said = json.loads(rushes("bcdf@dev", "--json"))

    (row,) = said["rows"]
    assert (row["show"], row["function"], row["attempts"], row["published_s"]) == ("dune", "proxy", 6, 90.0)
    assert row["useful"] == {
        "compute_nano": 2_000, "requests_nano": 400, "transfer_nano": 30, "energy_nano": 0, "joules": 0.0,
    }  # fmt: skip
    assert row["waste"]["compute_nano"] == 400 + 70 + 500 + 250
    assert row["total_nano"] == 2_430 + 1_420
    assert row["minute_nano"] == -(-3_850 * 60 // 90)
    assert said["ledger"] == {
        "batches": 1, "owed": 3_850, "lines": 3_850, "off": [], "cut": False, "adds_up": True,
    }  # fmt: skip
    assert json.loads(rushes("last", "--json"))["rows"][0]["function"] == "transcode"


def test_all_of_an_environment_is_told_by_show_and_function(rushes: Callable[..., str]) -> None:
    said = rushes("--engine", "aws:dev", "--show", "dune")
    head, *_ = said.splitlines()

    assert head.split() == [
        "show",
        "function",
        "attempts",
        "useful",
        "waste",
        "total",
        "published",
        "a",
        "minute",
    ]
    assert "it adds up: what 2 batches that ended counted is $0.000004160, and so is the sum" in said
    assert "not in it: what runs now; idle hosts" in said
    assert rushes("--show", "nobody").startswith("nothing was spent there")
    assert rushes("--csv", "--by", "batch").splitlines()[1].startswith("bcdf@dev,dune,proxy,6,")


def test_what_no_attempt_tells_of_is_waste_of_its_batch(rushes: Callable[..., str]) -> None:
    (row,) = json.loads(rushes("--function", "transcode", "--json"))["rows"]

    assert (row["attempts"], row["waste"]["compute_nano"], row["total_nano"]) == (1, 33, 310)


def test_what_the_ledger_does_not_keep_is_said(rushes: Callable[..., str]) -> None:
    assert "does not keep on which tier" in rushes("--by", "tier", code=2)
    assert "zzzz" in rushes("zzzz@dev", code=2)
    assert "is one invocation" in rushes("bcdf@dev.1", code=2)


def test_only_what_ended_since_then_is_told(made: tuple[Ledger, FakeClock]) -> None:
    ledger, clock = made
    do(ledger, clock, "bcdf", [([], State.succeeded, Cost(5), 1.0)])
    since = clock.advance(100)
    do(ledger, clock, "ghjk", [([], State.succeeded, Cost(7), 1.0)])
    ledger.open("lmnp", SPEC, clock.now())
    ledger.add("lmnp", [WorkItem("lmnp.1", "s3://cards/a.mov")])
    give_up(ledger, clock, "lmnp.1", "again", 11)

    found = Sheet.of(spent(ledger, str, since=since), by="batch")

    assert {key[0]: row.total for key, row in found.rows.items()} == {"ghjk": 7, "lmnp": 11}
    assert found.ledger["batches"] == 1  # the other goes on
    assert Sheet.of(spent(ledger, str)).made.total == 23


def test_what_is_tried_again_by_a_person_keeps_what_it_has_cost(made: tuple[Ledger, FakeClock]) -> None:
    ledger, clock = made
    do(ledger, clock, "bcdf", [([("again", 3)], State.failed, Cost(20, 2), 0.0)])
    assert ledger.retry("bcdf") == [Waiting("bcdf.1")]
    claim = claimed(ledger, clock, "bcdf.1")
    clock.advance(TIME_S)
    ledger.finish(claim, End(State.succeeded, '{"cost": {"compute": 40}}', TIME_S, 6.0, 40))

    found = Sheet.of(spent(ledger, str))

    (row,) = found.rows.values()
    assert (row.useful.total, row.waste.total, row.attempts) == (40, 25, 3)
    assert found.ledger["owed"] == found.ledger["lines"] == 65


def test_what_was_known_already_cost_nothing_and_published_nothing_here(
    made: tuple[Ledger, FakeClock],
) -> None:
    ledger, clock = made
    ledger.open("bcdf", SPEC, clock.now())
    ended = {"bcdf.1": End(State.succeeded, "{}", 0.0, 60.0, cached=True)}
    ledger.add("bcdf", [WorkItem("bcdf.1", "s3://cards/a.mov")], ended)
    ledger.seal("bcdf")

    assert spent(ledger, str)["lines"] == []


TRIED_AGAIN = st.tuples(st.sampled_from(["again", "silent", "quietly"]), st.integers(0, 10**9))
# Nine times two are more than a ledger tells of one by one.
ATTEMPTS = st.builds(
    lambda some, times: some * times, st.lists(TRIED_AGAIN, max_size=2), st.sampled_from([1, 9])
)
ENDS = st.tuples(
    ATTEMPTS,
    st.sampled_from([State.succeeded, State.failed]),
    st.builds(Cost, st.integers(0, 10**12), st.integers(0, 10**6), st.integers(0, 10**6)),
    st.integers(0, 600).map(float),
)


@given(st.lists(ENDS, min_size=1, max_size=3))
def test_whatever_happened_the_lines_sum_to_what_was_counted(work: list[Work]) -> None:
    work = [
        (before, state, cost, media_s if state is State.succeeded else 0.0)
        for before, state, cost, media_s in work
    ]
    clock = FakeClock()
    ledger = StubLedger(clock.now)
    do(ledger, clock, "bcdf", work)

    made = Sheet.of(spent(ledger, str))

    all_ = sum(cost.total + sum(nano for _, nano in before) for before, _, cost, _ in work)
    kept = sum(cost.total for _, state, cost, _ in work if state is State.succeeded)
    assert (made.made.total, made.made.of().useful.total) == (all_, kept)
    assert made.ledger["off"] == []
    assert made.ledger["owed"] == made.ledger["lines"] == all_
    assert made.made.of().published_us == sum(round(media_s * 1e6) for *_, media_s in work)
