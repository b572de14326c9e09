"""Dead letters: what waits is sent again once, what is over is removed, what is strange stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.engines.aws.infra.deployment import Deployment
from rushes.engines.aws.notices.redrive import redrive
from rushes.ledger import Claim, WorkItem
from rushes.notices import Notice, Redriven
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import batch_key, work_key
from rushes.shared_ledger.sqs import SqsQueue
from rushes.shared_ledger.sqs_dead import DeadLetters
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import DONE, NOW, SPEC

EVENT = {
    "Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]
}


@pytest.fixture
def ledger() -> StubLedger:
    made = StubLedger()
    made.open("k7m2qx", SPEC, NOW)
    made.add("k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov") for n in range(1, 31)])
    made.seal("k7m2qx")
    return made


@pytest.fixture
def urls(aws: dict[str, Any]) -> dict[str, str]:
    sqs = aws["sqs"]
    dead = sqs.create_queue(QueueName="t-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
    made = {
        name: sqs.create_queue(QueueName=f"t-{name}", Attributes={"RedrivePolicy": policy})["QueueUrl"]
        for name in ("urgent", "standard")
    }
    return {**made, "dead": dead, "alone": sqs.create_queue(QueueName="t-alone")["QueueUrl"]}


def told(aws: dict[str, Any], url: str) -> list[str]:
    queue, out = SqsQueue(aws["sqs"], url), list[str]()
    while found := queue.receive(10, 0):
        out += [one.notice.invocation for one in found]
        queue.done(found)
    return sorted(out, key=lambda one: int(one.rpartition(".")[2]))


def test_what_waits_goes_back_to_the_queue_of_its_class_and_what_is_over_goes(
    aws: dict[str, Any], urls: dict[str, str], ledger: StubLedger
) -> None:
    dead = SqsQueue(aws["sqs"], urls["dead"])
    dead.send([Notice(f"k7m2qx.{n}", "standard" if n % 2 else "urgent", "dune") for n in range(1, 31)])
    dead.send([Notice("k7m2qx.99", "urgent", "dune")])
    ended, runs = (ledger.claim(f"k7m2qx.{n}", "a", NOW, NOW + 60) for n in (1, 2))
    assert isinstance(ended, Claim)
    assert isinstance(runs, Claim)
    ledger.finish(ended, DONE)
    assert redrive(ledger, aws["sqs"], urls.values()) == Redriven(28, 3, 0)
    assert told(aws, urls["urgent"]) == [f"k7m2qx.{n}" for n in range(4, 31, 2)]
    assert told(aws, urls["standard"]) == [f"k7m2qx.{n}" for n in range(3, 31, 2)]
    assert redrive(ledger, aws["sqs"], urls.values()) == Redriven()


def test_letters_that_break_whoever_reads_them_keep_no_other_from_going_back(
    aws: dict[str, Any], urls: dict[str, str], ledger: StubLedger
) -> None:
    strange = [
        "[" * 200_000,
        json.dumps({"schema": 1, "invocation": "k7m2qx.y", "priority": "x", "show": ""}),
    ]
    for body in strange:
        aws["sqs"].send_message(QueueUrl=urls["dead"], MessageBody=body)
    SqsQueue(aws["sqs"], urls["dead"]).send([Notice("k7m2qx.5", "urgent", "dune")])
    assert redrive(ledger, aws["sqs"], urls.values()) == Redriven(1, 0, 2)
    assert told(aws, urls["urgent"]) == ["k7m2qx.5"]


def test_a_letter_of_what_cannot_be_read_stays_and_those_beside_it_go_back(
    aws: dict[str, Any], urls: dict[str, str]
) -> None:
    ledger = DynamoLedger(aws["dynamodb"], "rushes-test")
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.add("k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov") for n in range(1, 5)])
    SqsQueue(aws["sqs"], urls["dead"]).send(
        [Notice(f"k7m2qx.{n}", "urgent", "dune") for n in range(1, 5)] + [Notice("bb.1", "urgent", "dune")]
    )
    ledger.open("bb", SPEC, NOW)
    ledger.add("bb", [WorkItem("bb.1", "s3://b/a.mov")])
    for key, field in ((work_key("k7m2qx", 2), "state"), (batch_key("bb"), "spec")):
        aws["dynamodb"].update_item(
            TableName="rushes-test", Key=key, UpdateExpression="SET #f=:v",
            ExpressionAttributeNames={"#f": field}, ExpressionAttributeValues={":v": {"S": "gone"}},
        )  # fmt: skip
    assert redrive(DynamoLedger(aws["dynamodb"], "rushes-test"), aws["sqs"], urls.values()) == Redriven(
        3, 0, 2
    )
    assert told(aws, urls["urgent"]) == ["k7m2qx.1", "k7m2qx.3", "k7m2qx.4"]


def test_events_go_back_as_they_came_and_strange_letters_stay(
    aws: dict[str, Any], urls: dict[str, str], ledger: StubLedger
) -> None:
    for body in (json.dumps(EVENT), "no notice"):
        aws["sqs"].send_message(QueueUrl=urls["dead"], MessageBody=body)
    for sent in (1, 0):
        assert redrive(ledger, aws["sqs"], [urls["urgent"]]) == Redriven(sent, 0, 1)
    (came,) = aws["sqs"].receive_message(QueueUrl=urls["urgent"])["Messages"]
    assert json.loads(came["Body"]) == EVENT
    assert [one.body for one in DeadLetters(aws["sqs"], urls["dead"]).letters()] == ["no notice"]


def test_a_queue_that_sets_nothing_aside_has_no_dead(
    aws: dict[str, Any], urls: dict[str, str], ledger: StubLedger
) -> None:
    assert redrive(ledger, aws["sqs"], [urls["alone"]]) == Redriven(0, 0, 0)


def test_each_letter_goes_to_those_whose_it_is(aws: dict[str, Any], ledger: StubLedger) -> None:
    """One queue of dead letters is that of all hosts; a person has moved some into another function's."""
    sqs = aws["sqs"]

    def queue(name: str, dead: str) -> str:
        there = sqs.create_queue(QueueName=dead)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=there, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "3"})
        return str(sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"])

    queues = {
        "QueueHostsUrgent": queue("e-hosts-urgent", "e-hosts-dead"),
        "QueueHostsNvencUrgent": queue("e-hosts-nvenc-urgent", "e-hosts-dead"),
        "QueueProxyUrgent": queue("e-proxy-urgent", "e-proxy-dead"),
        "QueueInspectUrgent": queue("e-inspect-urgent", "e-inspect-dead"),
    }
    its = {
        "bcard": {"title": "encode", "group": "hosts-nvenc", "function": "m:encode"},
        "bproxy": {"title": "proxy", "group": "hosts", "function": "m:proxy"},
        "bcardless": {"title": "encode", "group": "hosts-netint", "function": "m:encode"},
    }
    for batch, spec in its.items():
        ledger.open(batch, {**SPEC, **spec}, NOW)
        ledger.add(batch, [WorkItem(f"{batch}.{n}", "s3://b/a.mov") for n in (1, 2)])
        ledger.seal(batch)

    def dead(name: str, *invocations: str) -> None:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        SqsQueue(sqs, url).send([Notice(one, "urgent", "dune") for one in invocations])

    dead("e-hosts-dead", "bcard.1", "bproxy.1", "bcardless.1")
    dead("e-inspect-dead", "bproxy.2", "bcard.2")

    home = Deployment("dev", "t", queues).home_of
    assert redrive(ledger, sqs, queues.values(), home) == Redriven(5, 0, 0)
    assert sorted(told(aws, queues["QueueHostsNvencUrgent"])) == ["bcard.1", "bcard.2"]
    assert sorted(told(aws, queues["QueueHostsUrgent"])) == [
        "bcardless.1",
        "bproxy.1",
    ]  # handed on by its Lambda
    assert told(aws, queues["QueueProxyUrgent"]) == ["bproxy.2"]
    assert told(aws, queues["QueueInspectUrgent"]) == []
