"""What a statement of costs asks of a real server: bounded, however many events there were."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from aws_server import AwsServer

from rushes.core.states import State
from rushes.engines.aws.laptop.costs import spent
from rushes.ledger import Claim, End, WorkItem
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.testing.ledger_contract import NOW, SPEC

EVENTS = 100


class Counted:
    """A ledger on a real server, and how many requests were made of each kind."""

    def __init__(self, server: AwsServer, table: str) -> None:
        client = server.client("dynamodb")
        client.create_table(TableName=table, **TABLE)
        client.meta.events.register("before-call.dynamodb", self._count)
        self.ledger = DynamoLedger(client, table)
        self.made = Counter[str]()

    def _count(self, model: Any, **_: Any) -> None:
        self.made[model.name] += 1

    def do(self, work: WorkItem, nano: int) -> None:
        claim = self.ledger.claim(work.invocation, "host-a", NOW, NOW + 60)
        assert isinstance(claim, Claim)
        data = json.dumps({"cost": {"compute": nano}})
        assert self.ledger.finish(claim, End(State.succeeded, data, 1.0, 2.0, nano))


@pytest.fixture
def counted(aws: AwsServer, unique: str) -> Counted:
    return Counted(aws, unique)


def test_thirty_three_events_are_one_request_of_a_statement(counted: Counted) -> None:
    for number in range(EVENTS):
        work = WorkItem(f"e{number:026}.1", f"s3://cards/{number}.mov")
        counted.ledger.enter({**SPEC, "function": "shows:proxy"}, work, NOW)
        if number % 2:
            counted.do(work, 100)
    counted.ledger.open("k7m2qx", {**SPEC, "function": "shows:proxy"}, NOW)
    counted.ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://cards/a.mov")])
    counted.ledger.seal("k7m2qx")
    counted.do(WorkItem("k7m2qx.1", "s3://cards/a.mov"), 7)

    counted.made.clear()
    found = spent(counted.ledger, str)
    # Which batches there are, and of the one that was sent how far it is and what is in it.
    assert counted.made == {"Query": 3, "BatchGetItem": 4 + 1}
    assert sum(row.compute for row in found["lines"]) == EVENTS // 2 * 100 + 7
    assert found["ledger"]["off"] == []
    assert found["ledger"]["batches"] == EVENTS // 2 + 1

    counted.made.clear()
    assert len(spent(counted.ledger, str, ["e" + "1".zfill(26)])["lines"]) == 1
    assert counted.made == {"BatchGetItem": 1}
