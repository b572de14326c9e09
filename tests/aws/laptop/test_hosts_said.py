"""Why work waits for hosts, as hosts and the scaler say it, and what a person can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from moto_cloud import clients_of, empty

from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.core.capacity.elastic import Desired
from rushes.core.hosts import Host, HostState
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.aws.fleet.fleet_notes import SCALER, FleetNotes, Resting
from rushes.engines.aws.fleet.scaling import fleet_rows
from rushes.engines.aws.infra.deployment import Deployment
from rushes.engines.aws.laptop.hosts_said import HostsSaid, steps_for, why_of
from rushes.ledger import WorkItem
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_document import DynamoDocument
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.testing.ledger_contract import NOW, SPEC

FULL = Resting("box-1", "its disk is full", NOW - 300, NOW, whole=True)
LACKS = Resting("box-2", "it has not look", NOW, NOW, lacks=("look",))
MOST = (
    "20 hosts: 300 invocations are not finished; 20 up, 20 of them busy; 30 would be wanted, 20 are the most."
)


def test_who_rests_who_lacks_the_function_and_what_the_scaler_says_is_why_work_waits() -> None:
    said = HostsSaid([FULL, LACKS], [{"tier": "cpu", "reason": MOST}])
    assert why_of("look", said) == [
        "host box-1 rests for 5 m 00 s: its disk is full",
        "box-2 got it and left it to others: they have not look",
        f"cpu: {MOST}",
    ]
    assert why_of("proxy", HostsSaid([LACKS])) == []


def test_of_many_hosts_some_are_named_and_the_others_counted() -> None:
    many = [FULL._replace(host=f"box-{n}") for n in range(9)] + [
        LACKS._replace(host=f"a-{n}") for n in range(5)
    ]
    lines = why_of("look", HostsSaid(many))
    assert len(lines) == 5
    assert "6 more rest" in lines
    assert "a-0, a-1, a-2 and 2 more got it" in lines[-1]


def test_a_step_is_said_for_each_that_helps() -> None:
    assert steps_for([]) == []
    mend, deploy = steps_for([FULL, LACKS, LACKS])
    assert "gives its place to another" in mend
    assert "Work of look waits for a host that has it" in deploy


def test_rows_of_the_scaler_say_the_same_in_the_same_words() -> None:
    hosts = [Host("a", "cpu", HostState.busy, 1.0), Host("b", "cpu", HostState.leaving, 2.0)]
    row = Desired("cpu", 3, 1, (), "t", "why.", least=0, most=20)
    assert fleet_rows([row], hosts) == [
        {"tier": "cpu", "hosts": 3, "least": 0, "most": 20, "busy": 1, "leaving": 1, "reason": "why."}
    ]


# -- as commands -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mocked() -> Iterator[dict[str, Any]]:
    with clients_of("dynamodb", "sqs") as found:
        yield found


@pytest.fixture
def engine(mocked: dict[str, Any]) -> Iterator[AwsEngine]:
    """An environment of which a host rests, another lacks a function, and all that there may be are busy."""
    dynamo = mocked["dynamodb"]
    dynamo.create_table(TableName="t", **TABLE)
    url = mocked["sqs"].create_queue(QueueName="hosts-standard")["QueueUrl"]
    notes = FleetNotes(dynamo, "t")
    notes.rest("box-1", "its disk is full", NOW, whole=True)
    notes.rest("box-2", "it has not look", NOW, lacks=["look", "proxy"])
    row = {"tier": "cpu", "hosts": 20, "least": 0, "most": 20, "busy": 20, "leaving": 0, "reason": MOST}
    document = DynamoDocument(dynamo, "t", SCALER)
    document.read()
    document.write({"rows": [row], "memory": {}})
    ledger = DynamoLedger(dynamo, "t")
    ledger.open("k7m2qx", {**SPEC, "title": "look"}, NOW)
    ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://b/a.mov")])
    services = Services(AwsSettings("t"), "laptop", mocked.__getitem__)
    deployment = Deployment("dev", "t", {"QueueHostsStandard": url})
    yield AwsEngine(services=services, deployment=deployment, poll_s=0.0)
    empty()


def rushes(engine: AwsEngine, *args: str) -> str:
    made = CliRunner().invoke(app, list(args), obj=Session(engine))
    assert made.exit_code == 0, made.output
    return made.output


def test_why_names_the_hosts_that_do_not_take_it_and_what_the_scaler_makes_of_it(engine: AwsEngine) -> None:
    said = rushes(engine, "why", "k7m2qx@dev.1")
    assert "host box-1 rests for" in said
    assert "box-2 got it and left it to others" in said
    assert "20 are the most" in said
    assert "next: Hosts take it." in said


def test_pool_names_them_with_the_next_step(engine: AwsEngine) -> None:
    said = rushes(engine, "pool")
    assert "host box-1 rests" in said
    assert "cpu: 20 of 0 to 20 hosts, 20 busy" in said
    assert "next: Work of look, proxy waits for a host that has it" in said
    assert json.loads(rushes(engine, "pool", "--json"))["resting"][1]["lacks"] == ["look", "proxy"]


def test_a_table_that_does_not_say_leaves_the_rest_of_why_as_it_is(
    engine: AwsEngine, monkeypatch: pytest.MonkeyPatch, mocked: dict[str, Any]
) -> None:
    document = DynamoDocument(mocked["dynamodb"], "t", SCALER)
    document.read()
    document.write({"rows": []})
    key = {"pk": {"S": SCALER}, "sk": {"S": "S"}}
    mocked["dynamodb"].put_item(TableName="t", Item={**key, "version": {"N": "9"}, "text": {"S": "[broken"}})
    said = rushes(engine, "why", "k7m2qx@dev.1")
    assert "waits: for who works in class" in said
    assert "box-1" not in said
