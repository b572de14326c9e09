"""What becomes of work is told to EventBridge, from the stream of the ledger: by record, and deployed."""

from __future__ import annotations

import json
import time
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from hypothesis import given
from hypothesis import strategies as st
from stream_records import record
from waiting import until
from zipped import as_zip, package

from rushes.core.states import State
from rushes.engines.aws.called.telling import Telling, change_of
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.ledger import Claim, End, WorkItem
from rushes.shared_ledger.dynamo import DynamoLedger

SPEC = {
    "function": "deployed:small", "version": "1", "source_digest": "", "params": "{}", "show": "dune",
    "priority": "urgent", "deadline": None, "out": None, "name": None, "receipts": "beside", "retries": 1,
    "tags": {"reel": "A001"},
}  # fmt: skip


class Bus:
    """Hears events, and refuses some."""

    def __init__(self, refuse_after: int = 10_000) -> None:
        self.heard: list[dict[str, Any]] = []
        self.refuse_after = refuse_after

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as AWS calls it
        assert len(Entries) <= 10
        if len(self.heard) + len(Entries) > self.refuse_after:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
        self.heard += Entries
        return {"FailedEntryCount": 0, "Entries": []}


def test_an_end_says_what_a_webhook_of_the_embedded_worker_says() -> None:
    bus = Bus()
    data = {"outputs": ["s3://proxies/a.mp4"], "result": {"frames": 3}, "encoder": "libx264"}
    assert Telling(bus, lambda _: SPEC, "dev").tell([record("running", "succeeded", data=data)]) == []
    (entry,) = bus.heard
    said = json.loads(entry["Detail"])
    assert (entry["Source"], entry["DetailType"]) == ("rushes", "rushes.invocation.succeeded")
    assert (said["specversion"], said["id"], said["source"], said["subject"]) == (
        "1.0", "e1", "rushes://dev", "k7m2qx.1",
    )  # fmt: skip
    assert said["data"] == {
        "batch": "k7m2qx", "function": "small", "version": "1", "show": "dune", "priority": "urgent",
        "tags": {"reel": "A001"}, "invocation": "k7m2qx.1", "asset": "s3://cards/a.mov",
        "state": "succeeded", "attempt": 1, "seconds": 2.5, "cost_nano": 7,
        "outputs": ["s3://proxies/a.mp4"], "encoder": "libx264",
    }  # fmt: skip


class Scales(Bus):
    """Takes no more in one request than EventBridge does."""

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as AWS calls it
        texts = [text for one in Entries for text in (one["Source"], one["DetailType"], one["Detail"])]
        assert sum(len(text.encode()) for text in texts) < 256 * 1024
        return super().put_events(Entries=Entries)


def test_large_events_go_in_several_requests() -> None:
    bus, data = Scales(), {"outputs": ["s3://proxies/" + "x" * 900] * 60}
    many = [record("running", "succeeded", number=n, data=data) for n in range(1, 26)]
    assert Telling(bus, lambda _: SPEC, "dev").tell(many) == []
    assert [json.loads(one["Detail"])["id"] for one in bus.heard] == [f"e{n}" for n in range(1, 26)]


@pytest.mark.parametrize("field", ["attempt", "sk", "source"])
def test_a_record_that_cannot_be_read_is_passed_over_and_said(field: str) -> None:
    bus, said = Bus(), list[str]()
    broken = record("running", "succeeded", number=2)
    broken["dynamodb"]["NewImage"][field] = {"M": {}}
    records = [record("running", "failed", number=1), broken, record("running", "failed", number=3)]
    telling = Telling(bus, lambda _: SPEC, "dev", say=lambda what, **_: said.append(what))
    assert telling.tell(records) == []
    assert len(bus.heard) + len(said) == 3
    assert [json.loads(one["Detail"])["id"] for one in bus.heard][-1] == "e3"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("queued", "running", None),
        ("running", "running", None),
        ("running", "queued", None),
        ("running", "held", "held"),
        ("held", "held", None),
        ("held", "running", None),
        ("running", "failed", "failed"),
        ("queued", "cancelled", "cancelled"),
        ("succeeded", "succeeded", None),
        ("succeeded", None, None),
        (None, "queued", None),
    ],
)
def test_only_what_somebody_may_have_to_act_on_is_told(
    old: str | None, new: str | None, kind: str | None
) -> None:
    found = change_of(record(old, new))
    assert (found and found.kind) == kind


@given(count=st.integers(0, 35), refuse_after=st.integers(0, 40))
def test_what_could_not_be_told_comes_again_with_all_that_follows_it(count: int, refuse_after: int) -> None:
    bus = Bus(refuse_after)
    records = [record("running", "failed", number=number) for number in range(1, count + 1)]
    again = Telling(bus, lambda _: SPEC, "dev").tell(records)
    told = [json.loads(one["Detail"])["id"] for one in bus.heard]
    first = int(again[0]) if again else count + 1
    assert told == [f"e{number}" for number in range(1, first)]


def test_an_event_that_is_too_large_says_so_and_is_told_all_the_same() -> None:
    bus = Bus()
    many = [f"s3://proxies/{number:0200}.mp4" for number in range(2000)]
    Telling(bus, lambda _: SPEC, "dev").tell([record("running", "succeeded", data={"outputs": many})])
    assert json.loads(bus.heard[0]["Detail"])["data"]["truncated"] is True


def test_who_listens_hears_of_ends_in_the_ledger(
    aws: AwsServer, clients: dict[str, Any], unique: str
) -> None:
    name, code = f"e{unique[-8:]}", f"{unique}-code"
    clients["s3"].create_bucket(Bucket=code)
    clients["s3"].put_object(Bucket=code, Key="package.zip", Body=package())
    template = template_of([deployed.asked], Environment(name, tells=True))
    stack = Stack(aws.client("cloudformation"), f"rushes-{name}", sleep=lambda _: time.sleep(0.05))
    stack.deploy(as_zip(template, aws, code), {"ImageUri": "none"}, {})
    url = clients["sqs"].create_queue(QueueName=f"{unique}-hears")["QueueUrl"]
    arn = clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    events = aws.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["rushes"]}), State="ENABLED")
    events.put_targets(Rule=name, Targets=[{"Id": "hears", "Arn": arn}])

    ledger, now = DynamoLedger(clients["dynamodb"], f"rushes-{name}-ledger"), time.time()
    ledger.open("k7m2qx", SPEC, now)
    ledger.add("k7m2qx", [WorkItem("k7m2qx.1", "s3://cards/a.mov")])
    ledger.seal("k7m2qx")

    heard: dict[str, Any] = {}

    def ended() -> bool:
        for one in clients["sqs"].receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            event = json.loads(one["Body"])
            heard[event["detail-type"]] = event["detail"]
        return "rushes.invocation.succeeded" in heard

    claim = ledger.claim("k7m2qx.1", "host", now, now + 60)
    assert isinstance(claim, Claim)
    assert ledger.finish(claim, End(State.succeeded, '{"outputs": ["s3://proxies/a.mp4"]}', 1.0))
    until(ended, seconds=120)

    assert set(heard) <= {"rushes.invocation.succeeded", "rushes.batch.ended"}
    assert heard["rushes.invocation.succeeded"]["data"]["outputs"] == ["s3://proxies/a.mp4"]
    assert stack.destroy()
