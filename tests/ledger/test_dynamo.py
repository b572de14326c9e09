"""The DynamoDB ledger: the contract, what a call costs, and transactions that meet."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rushes.core.states import State
from rushes.engines.aws.notices.sweeping import sweep
from rushes.errors import CallerError, PlatformError
from rushes.ledger import LONE, Claim, End, LetGo, WorkItem
from rushes.ports import Ledger
from rushes.runtime.shared.claims.run import ClaimRunner
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_claims import Ending, id_of
from rushes.shared_ledger.dynamo_items import (
    WAKERS,
    batch_key,
    done_key,
    end_fields,
    ms,
    typed,
    wake_key,
    work_key,
)
from rushes.shared_ledger.dynamo_table import MEETINGS
from rushes.testing.clock import FakeClock
from rushes.testing.ledger_contract import DONE, NOW, SPEC, LedgerContract
from rushes.testing.queue import StubQueue
from rushes.testing.store import StubStore


class TestDynamoLedger(LedgerContract):
    lacks = frozenset({"race"})  # moto takes no lock in one process; the server over HTTP does
    many = 200  # and copies the whole table for each transaction

    @pytest.fixture
    def ledger(self, aws: dict[str, Any]) -> Ledger:
        return DynamoLedger(aws["dynamodb"], "rushes-test", sleep=lambda _: None)


class Counted:
    """A client that counts its requests; the next transactions meet others."""

    def __init__(self, client: Any, *, meet: int = 0) -> None:
        self._client = client
        self._meet = meet
        self.requests: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in {"get_paginator", "exceptions", "meta"}:
            return found

        def call(**asked: Any) -> Any:
            self.requests[name] += 1
            if name == "transact_write_items" and self._meet:
                self._meet -= 1
                answer: Any = {
                    "Error": {"Code": "TransactionCanceledException", "Message": ""},
                    "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
                }
                raise ClientError(answer, "TransactWriteItems")
            return found(**asked)

        return call


class Resent:
    """A client whose every write is sent twice, as botocore does where an answer was lost."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in {"update_item", "put_item"}:
            return found

        def call(**asked: Any) -> Any:
            found(**asked)
            return found(**asked)

        return call


def claimed(ledger: Ledger, n: int = 1) -> Claim:
    found = ledger.claim(f"k7m2qx.{n}", "host-a", NOW, NOW + 60)
    assert isinstance(found, Claim)
    return found


def filled(client: Any, count: int = 1) -> DynamoLedger:
    ledger = DynamoLedger(client, "rushes-test", sleep=lambda _: None)
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.add("k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov", "aa") for n in range(1, count + 1)])
    return ledger


class _Cleared(dict[str, Any]):
    """Another thread of the host makes room the moment that something is put here."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.clear()


def test_what_is_asked_of_a_batch_is_given_though_another_thread_makes_room(aws: dict[str, Any]) -> None:
    ledger = DynamoLedger(aws["dynamodb"], "rushes-test", sleep=lambda _: None)
    ledger.open("k7m2qx", SPEC, NOW)
    ledger._specs = _Cleared()
    found = ledger.spec("k7m2qx")
    assert found is not None
    assert found["show"] == SPEC["show"]


def test_an_invocation_takes_two_requests_and_a_hundredth(aws: dict[str, Any]) -> None:
    client = Counted(aws["dynamodb"])
    ledger = filled(client, 99)
    assert client.requests == {"put_item": 1, "get_item": 1, "transact_write_items": 1}
    client.requests.clear()
    for n in range(1, 11):
        ledger.finish(claimed(ledger, n), DONE)
    assert client.requests == {"update_item": 10, "transact_write_items": 10}


@pytest.mark.parametrize(("function", "most"), [("write", 3), ("waits", 2)])
def test_an_attempt_takes_three_requests_where_it_publishes_and_else_two(
    aws: dict[str, Any], tmp_path: Path, function: str, most: int
) -> None:
    client, clock = Counted(aws["dynamodb"]), FakeClock(NOW)
    ledger, store = DynamoLedger(client, "rushes-test", clock=clock.now), StubStore(clock)
    functions = Path(__file__).parents[1] / "runtime" / "claimed.py"
    spec = {
        "function": f"{functions}:{function}", "version": "1", "source_digest": "", "params": "{}",
        "show": "dune", "priority": "urgent", "deadline": None, "name": None, "receipts": "beside",
        "retries": 0, "out": "stub://out" if function == "write" else None,
    }  # fmt: skip
    ledger.open("k7m2qx", spec, NOW)
    for n in range(1, 11):
        store.put(f"stub://cards/{n}.mov", b"clip")
    ledger.add(
        "k7m2qx", [WorkItem(f"k7m2qx.{n}", f"stub://cards/{n}.mov", f"{n:064x}") for n in range(1, 11)]
    )
    client.requests.clear()
    runner = ClaimRunner(
        ledger, store, tmp_path, "host-a", lambda uri: uri.rpartition("/")[2], clock=clock.now
    )
    for n in range(1, 11):
        assert runner.run(f"k7m2qx.{n}").state is State.succeeded
    assert client.requests.total() == 10 * most


def running(ledger: DynamoLedger, count: int, *, key: str = "") -> list[Claim]:
    """As many invocations that somebody works on."""
    ledger.open("k7m2qx", SPEC, NOW)
    work = [WorkItem(f"k7m2qx.{n}", "s3://b/a", key or f"{n:064x}") for n in range(1, count + 1)]
    ledger.add("k7m2qx", work)
    found = [ledger.claim(one.invocation, "host-a", NOW, NOW + 60) for one in work]
    return [one for one in found if isinstance(one, Claim)]


def ended_at_once(ledger: DynamoLedger, claims: list[Claim], ends: list[End]) -> list[bool]:
    """End these as threads do that come while another one waits for its answer."""
    mine = "fence=:fence AND #state=:was"
    return ledger._end_all(
        [
            Ending(*id_of(one.work.invocation), {"fence": one.fence, "state": "running"}, end,
                   end_fields(end), mine, one.work.key)
            for one, end in zip(claims, ends, strict=True)
        ]
    )  # fmt: skip


def test_what_ends_at_the_same_moment_takes_one_request_and_one_count(aws: dict[str, Any]) -> None:
    client = Counted(aws["dynamodb"])
    ledger = DynamoLedger(client, "rushes-test")
    claims = running(ledger, 10)
    client.requests.clear()
    assert ended_at_once(ledger, claims, [DONE] * 10) == [True] * 10
    assert client.requests["transact_write_items"] == 1
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert (tally.ended, tally.cost_nano) == ({State.succeeded: 10}, 10 * DONE.cost_nano)
    assert len(ledger.known("dune", [one.work.key for one in claims])) == 10
    assert ledger.cancel("k7m2qx") == 0
    assert client.requests["get_item"] <= 2


def test_one_that_was_overtaken_holds_up_none_of_those_that_end_beside_it(aws: dict[str, Any]) -> None:
    ledger = DynamoLedger(aws["dynamodb"], "rushes-test")
    claims = running(ledger, 4)
    assert isinstance(ledger.claim("k7m2qx.2", "host-b", NOW + 61, NOW + 121), Claim)
    assert ended_at_once(ledger, claims, [DONE] * 4) == [True, False, True, True]
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 3}


def test_the_same_work_or_the_same_invocation_ends_twice_beside_itself(aws: dict[str, Any]) -> None:
    ledger = DynamoLedger(aws["dynamodb"], "rushes-test")
    first, second = running(ledger, 2, key="ab" * 32)
    assert ended_at_once(ledger, [first, second, first], [DONE] * 3) == [True, True, False]
    assert ledger.finish(first, DONE)  # which says so once more
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 2}
    assert set(ledger.known("dune", ["ab" * 32])) == {"ab" * 32}


def test_ends_that_are_too_large_for_one_request_take_several(
    aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.shared_ledger.dynamo_claims.MOST_BYTES", 1000)
    client = Counted(aws["dynamodb"])
    ledger = DynamoLedger(client, "rushes-test")
    claims = running(ledger, 3)
    client.requests.clear()
    large = [
        End(State.succeeded, f'"{"".join(hashlib.sha256(b"%d %d" % (n, m)).hexdigest() for m in range(16))}"')
        for n in range(3)
    ]
    assert ended_at_once(ledger, claims, large) == [True] * 3
    assert client.requests["transact_write_items"] == 3


def test_transactions_that_meet_are_sent_again(aws: dict[str, Any]) -> None:
    client = Counted(aws["dynamodb"])
    ledger = filled(client)
    client._meet = 3
    assert ledger.finish(claimed(ledger), DONE) is True
    assert client.requests["transact_write_items"] == 5


def test_transactions_that_meet_for_ever_are_the_platforms_fault(aws: dict[str, Any]) -> None:
    client = Counted(aws["dynamodb"])
    ledger = filled(client)
    claim = claimed(ledger)
    client._meet = MEETINGS
    with pytest.raises(PlatformError) as caught:
        ledger.finish(claim, DONE)
    assert caught.value.code == "service-busy"
    assert ledger.finish(claim, DONE) is True


class Busy:
    """A client whose next writes of one item meet a transaction."""

    def __init__(self, client: Any, meet: int) -> None:
        self._client = client
        self.meet = meet

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in {"update_item", "put_item"}:
            return found

        def call(**asked: Any) -> Any:
            if self.meet:
                self.meet -= 1
                raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": ""}}, name)
            return found(**asked)

        return call


def test_a_write_that_meets_a_transaction_is_sent_again(aws: dict[str, Any]) -> None:
    filled(aws["dynamodb"])
    client = Busy(aws["dynamodb"], 2)
    ledger = DynamoLedger(client, "rushes-test", sleep=lambda _: None)
    claim = claimed(ledger)
    client.meet = 2
    assert ledger.extend(claim, NOW + 90) == "kept"
    client.meet = 2
    ledger.seal("k7m2qx")
    client.meet = 2
    ledger.open("other", SPEC, NOW)
    assert client.meet == 0


def test_a_write_that_meets_transactions_for_ever_is_the_platforms_fault(aws: dict[str, Any]) -> None:
    filled(aws["dynamodb"])
    ledger = DynamoLedger(Busy(aws["dynamodb"], MEETINGS), "rushes-test", sleep=lambda _: None)
    with pytest.raises(PlatformError) as caught:
        claimed(ledger)
    assert caught.value.code == "service-busy"
    assert claimed(ledger).attempt == 1


def test_what_is_known_and_large_is_added_in_as_many_transactions_as_it_takes(aws: dict[str, Any]) -> None:
    client = Counted(aws["dynamodb"])
    ledger = filled(client)
    client.requests.clear()
    work = [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov", "aa") for n in range(2, 14)]
    said = End(State.succeeded, f'"{hashlib.shake_256(b"noise").hexdigest(250_000)}"', cached=True)
    ledger.add("k7m2qx", work, {one.invocation: said for one in work})
    # Half a megabyte each, and a transaction takes four, items and all.
    assert client.requests["transact_write_items"] == 3
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert (tally.total, tally.ended) == (13, {State.succeeded: 12})


def test_a_result_that_the_ledger_cannot_keep_is_refused(aws: dict[str, Any]) -> None:
    noise = hashlib.shake_256(b"noise").hexdigest(500_000)
    ledger = filled(aws["dynamodb"])
    with pytest.raises(CallerError) as caught:
        ledger.finish(claimed(ledger), End(State.succeeded, f'"{noise}"'))
    assert caught.value.code == "result-too-big"


def test_nothing_is_added_to_a_batch_that_was_cancelled(aws: dict[str, Any]) -> None:
    ledger = filled(aws["dynamodb"])
    ledger.cancel("k7m2qx")
    with pytest.raises(CallerError) as caught:
        ledger.add("k7m2qx", [WorkItem("k7m2qx.2", "s3://b/b.mov")])
    assert caught.value.code == "not-open"
    assert ledger.entry("k7m2qx.2") is None


def test_items_vanish_when_they_are_to(aws: dict[str, Any]) -> None:
    ledger = DynamoLedger(aws["dynamodb"], "rushes-test", kept_s=86_400)
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://b/a.mov", "aa")])
    ledger.finish(claimed(ledger), DONE)
    items = aws["dynamodb"].scan(TableName="rushes-test")["Items"]
    assert len(items) == 4
    assert {item["ttl"]["N"] for item in items} == {str(round(NOW + 86_400))}


def test_a_table_that_is_not_there_is_named(aws: dict[str, Any]) -> None:
    ledger = DynamoLedger(aws["dynamodb"], "rushes-none")
    with pytest.raises(CallerError, match="no table 'rushes-none'"):
        ledger.open("k7m2qx", SPEC, NOW)


def test_a_claim_whose_answer_was_lost_is_still_whose_it_is(aws: dict[str, Any]) -> None:
    ledger = DynamoLedger(Resent(aws["dynamodb"]), "rushes-test")
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://b/a.mov")])
    first = claimed(ledger)
    assert (first.attempt, first.losses) == (1, 0)
    assert not isinstance(ledger.claim("k7m2qx.1", "host-a", NOW, NOW + 60), Claim)
    assert ledger.extend(first, NOW + 90) == "kept"
    assert ledger.give_back(first, LetGo("spot notice")) is True
    second = claimed(ledger)
    assert ledger.hold(second, NOW + 1, LetGo("x")) is True
    lapsed = ledger.claim("k7m2qx.1", "host-a", NOW + 2, NOW + 62)
    assert isinstance(lapsed, Claim)
    assert isinstance(ledger.claim("k7m2qx.1", "host-b", NOW + 99, NOW + 159), Claim)


# -- items that somebody has changed by hand ----------------------------------------------------------------


def changed(aws: dict[str, Any], key: dict[str, Any], field: str, value: dict[str, Any] | None) -> None:
    """Somebody changes a field of an item by hand; None removes it."""
    how = "REMOVE #field" if value is None else "SET #field=:value"
    aws["dynamodb"].update_item(
        TableName="rushes-test",
        Key=key,
        UpdateExpression=how,
        ExpressionAttributeNames={"#field": field},
        **({} if value is None else {"ExpressionAttributeValues": {":value": value}}),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("state", None), ("state", {"S": "gone"}), ("attempt", {"S": "many"}), ("frames", {"S": "ab"})],
)
def test_an_item_that_cannot_be_read_is_named(
    aws: dict[str, Any], field: str, value: dict[str, Any] | None
) -> None:
    ledger = filled(aws["dynamodb"])
    changed(aws, work_key("k7m2qx", 1), field, value)
    with pytest.raises(CallerError) as caught:
        ledger.entry("k7m2qx.1")
    assert caught.value.code == "bad-item"
    assert "I#k7m2qx#0 0000000001" in caught.value.message


def test_a_batch_is_cancelled_but_for_what_cannot_be_read(
    aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.shared_ledger.dynamo.STEERERS", 1)  # moto takes no lock
    ledger = filled(aws["dynamodb"], 40)
    changed(aws, work_key("k7m2qx", 2), "state", {"S": "gone"})
    with pytest.raises(CallerError, match="0000000002"):
        ledger.cancel("k7m2qx")
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.cancelled: 39}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spec", None),
        ("spec", {"S": "{"}),
        ("spec", {"S": "[]"}),
        ("spec", {"S": "null"}),
        ("total", {"S": "x"}),
        ("total", None),
        ("at", {"S": "x"}),
    ],
)
def test_a_batch_that_cannot_be_read_keeps_no_other_from_being_told_of(
    aws: dict[str, Any], field: str, value: dict[str, Any] | None
) -> None:
    ledger = filled(aws["dynamodb"])
    ledger.seal("k7m2qx")
    claimed(ledger)
    for batch in ("a1", "z9"):  # one that stands before the other, and one behind
        ledger.open(batch, SPEC, NOW)
        ledger.add(batch, [WorkItem(f"{batch}.1", "s3://b/a.mov", "aa")])
        changed(aws, batch_key(batch), field, value)
    lone = WorkItem(f"{LONE}zz.1", "s3://b/a.mov", "bb")
    ledger.enter(SPEC, lone, NOW)
    assert isinstance(ledger.claim(lone.invocation, "host-a", NOW, NOW + 60), Claim)
    broken = f"{LONE}aa.1"
    ledger.enter(SPEC, WorkItem(broken, "s3://b/a.mov", "cc"), NOW)
    assert isinstance(ledger.claim(broken, "host-a", NOW, NOW + 60), Claim)
    changed(aws, batch_key(f"{LONE}aa"), field, value)
    queue = StubQueue(FakeClock())
    with suppress(CallerError):
        sweep(DynamoLedger(aws["dynamodb"], "rushes-test"), {SPEC["priority"]: queue}, NOW + 10_000)
    told = {one.notice.invocation for one in queue.receive(20, 0)}
    assert {"k7m2qx.1", lone.invocation} <= told


@pytest.mark.parametrize(
    ("field", "value"),
    [("state", None), ("state", {"S": "gone"}), ("until", None), ("until", {"S": "x"}), ("fence", {"L": []}),
     ("so_far", {"S": "x"}), ("attempt", None)],
)  # fmt: skip
def test_work_that_cannot_be_read_is_named_by_whoever_would_claim_it(
    aws: dict[str, Any], field: str, value: dict[str, Any] | None
) -> None:
    ledger = filled(aws["dynamodb"])
    claim = claimed(ledger)
    changed(aws, work_key("k7m2qx", 1), field, value)
    with pytest.raises(CallerError, match="item I#k7m2qx#0 0000000001 of the ledger cannot be read"):
        ledger.claim("k7m2qx.1", "host-b", NOW + 1000, NOW + 1060)
    with suppress(CallerError):
        ledger.give_back(claim, LetGo("spot notice"))
    with suppress(CallerError):
        ledger.finish(claim, DONE)


def test_a_batch_gets_another_class_but_for_what_cannot_be_read(
    aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.shared_ledger.dynamo.STEERERS", 1)  # moto takes no lock
    ledger = filled(aws["dynamodb"], 3)
    changed(aws, work_key("k7m2qx", 1), "state", None)
    ledger.restamp("k7m2qx", "urgent")
    claim = ledger.claim("k7m2qx.3", "host-a", NOW, NOW + 60)
    assert isinstance(claim, Claim)
    assert claim.priority == "urgent"


@pytest.mark.parametrize("value", [None, {"S": "x"}, {"L": []}])
@pytest.mark.parametrize("verb", ["cancel", "retry", "waiting"])
def test_a_batch_of_which_nobody_knows_how_many_it_has_is_named(
    aws: dict[str, Any], verb: str, value: dict[str, Any] | None
) -> None:
    ledger = filled(aws["dynamodb"])
    changed(aws, batch_key("k7m2qx"), "total", value)
    with pytest.raises(CallerError, match="item B#k7m2qx B of the ledger cannot be read"):
        getattr(ledger, verb)("k7m2qx")


def test_counts_that_outlive_their_batch_are_no_batch(aws: dict[str, Any]) -> None:
    ledger = filled(aws["dynamodb"])
    assert ledger.finish(claimed(ledger), DONE)
    aws["dynamodb"].delete_item(TableName="rushes-test", Key=batch_key("k7m2qx"))
    assert ledger.tally("k7m2qx") is None


@pytest.mark.parametrize(
    ("pk", "sk"),
    [("note", "x"), ("I#k7m2qx#0", "x"), ("I#k7m2qx", "1"), ("I#a#b#c", "1"), ("X#k7m2qx#0", "1")],
)
def test_what_somebody_has_put_into_the_index_is_passed_over(aws: dict[str, Any], pk: str, sk: str) -> None:
    ledger = filled(aws["dynamodb"], 20)
    ledger.seal("k7m2qx")
    claimed(ledger)
    for number in range(WAKERS):
        for index, key in enumerate(
            (wake_key("k7m2qx", number), done_key("k7m2qx", number), wake_key(LONE, number))
        ):
            item = {"pk": pk, "sk": sk if sk == "x" else f"{sk}{number}{index}", "wk": key, "wa": ms(NOW)}
            aws["dynamodb"].put_item(TableName="rushes-test", Item=typed(item))
    assert [one.invocation for one in ledger.lapsed("k7m2qx", NOW + 1000, NOW + 2000)] == ["k7m2qx.1"]
    assert ledger.ends("k7m2qx", 0.0) == []
    assert ledger.alone() == []
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert list(tally.active) == [1]
