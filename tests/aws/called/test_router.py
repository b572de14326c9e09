"""Events of S3 become invocations of every function that wants them, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto_cloud import empty

from rushes import Asset, CallerError, Context, Output, Params, Result, function, on_s3
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.called.router import EventRouter
from rushes.runtime.shared.objects.marks import KEY
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue


class Wrote(Result):
    file: Output


@function(
    version="1",
    triggers=[
        on_s3(
            "cards/{show}/day*/**", kinds="video", show="{show}", out="s3://proxies/{show}", priority="urgent"
        )
    ],
)
def small(clip: Asset, params: Params, ctx: Context) -> Wrote:
    """A proxy."""
    raise AssertionError


@function(version="1", triggers=[on_s3("cards/**"), on_s3("sound/**", kinds="audio", ready="sidecar:.xml")])
def look(clip: Asset, params: Params) -> Result:
    """An inspection."""
    raise AssertionError


class Cloud:
    def __init__(self, clients: dict[str, Any]) -> None:
        self.clients = clients
        for bucket in ("cards", "sound", "proxies"):
            self.clients["s3"].create_bucket(Bucket=bucket)
        self.clients["dynamodb"].create_table(TableName="rushes", **TABLE)
        self.urls = {
            name: self.clients["sqs"].create_queue(QueueName=name)["QueueUrl"]
            for name in ("urgent", "standard")
        }
        self.ledger = DynamoLedger(self.clients["dynamodb"], "rushes")
        services = Services(AwsSettings("rushes"), "router", self.clients.__getitem__)
        self.router = EventRouter([small, look], self.urls, services, lambda: 1_700_000_000.0)

    def put(self, bucket: str, key: str, **more: Any) -> dict[str, Any]:
        """An object comes; gives the event."""
        self.clients["s3"].put_object(Bucket=bucket, Key=key, Body=b"clip", **more)
        return {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
        }

    def told(self, priority: str) -> list[str]:
        found = SqsQueue(self.clients["sqs"], self.urls[priority]).receive(100, 0)
        return [one.notice.invocation for one in found]


@pytest.fixture
def cloud(mocked: dict[str, Any]) -> Iterator[Cloud]:
    yield Cloud(mocked)
    empty()


def test_an_object_goes_to_every_function_that_wants_it(cloud: Cloud) -> None:
    event = cloud.put("cards", "dune/Day 1/A001.MOV")
    routed = cloud.router(event, None)
    assert (len(routed), len(cloud.told("urgent")), len(cloud.told("standard"))) == (2, 1, 1)
    specs = [cloud.ledger.spec(one.rpartition(".")[0]) for one in routed]
    assert [(one["title"], one["show"], one["out"]) for one in specs if one] == [
        ("small", "dune", "s3://proxies/dune"),
        ("look", "default", None),
    ]


def test_an_event_that_comes_again_is_the_same_invocations(cloud: Cloud) -> None:
    event = cloud.put("cards", "dune/day1/A001.mov")
    assert len({tuple(cloud.router(event, None)) for _ in range(5)}) == 1


def test_what_is_under_way_is_not_told_of_again(cloud: Cloud) -> None:
    event = cloud.put("cards", "x.mov")
    (invocation,) = cloud.router(event, None)
    cloud.ledger.claim(invocation, "host", 1_700_000_000.0, 1_700_000_060.0)
    assert cloud.router(event, None) == []


def test_an_object_that_changes_is_another_invocation(cloud: Cloud) -> None:
    before = cloud.router(cloud.put("cards", "x.mov"), None)
    cloud.clients["s3"].put_object(Bucket="cards", Key="x.mov", Body=b"another")
    after = cloud.router(cloud.put("cards", "x.mov") | {}, None)
    assert before == after  # its content is what it was at first
    cloud.clients["s3"].put_object(Bucket="cards", Key="x.mov", Body=b"another")
    event = {
        "source": "aws.s3", "detail": {"bucket": {"name": "cards"}, "object": {"key": "x.mov"}},
    }  # fmt: skip
    assert cloud.router(event, None) != before


def test_what_nobody_wants_goes_nowhere(cloud: Cloud) -> None:
    assert cloud.router(cloud.put("proxies", "x.mov"), None) == []


def test_our_own_outputs_and_receipts_start_nothing(cloud: Cloud) -> None:
    assert cloud.router(cloud.put("cards", "dune/day1/x.mov", Metadata={KEY: "ab"}), None) == []
    assert cloud.router(cloud.put("cards", "dune/day1/x.mov.rushes.json"), None) == []


def test_an_object_that_was_removed_again_starts_nothing(cloud: Cloud) -> None:
    event = cloud.put("cards", "x.mov")
    cloud.clients["s3"].delete_object(Bucket="cards", Key="x.mov")
    assert cloud.router(event, None) == []


@pytest.mark.parametrize("order", [("a.wav", "a.XML"), ("a.XML", "a.wav")])
def test_a_clip_starts_once_its_sidecar_is_there_whichever_comes_last(
    cloud: Cloud, order: tuple[str, str]
) -> None:
    assert cloud.router(cloud.put("sound", f"day1/{order[0]}"), None) == []
    (invocation,) = cloud.router(cloud.put("sound", f"day1/{order[1]}"), None)
    entry = cloud.ledger.entry(invocation)
    assert entry is not None
    assert entry.work.source == "s3://sound/day1/a.wav"


def test_what_is_there_already_can_be_handed_over(cloud: Cloud) -> None:
    for number in range(3):
        cloud.put("cards", f"old/{number}.mov")
    assert len(cloud.router.backfill("s3://cards/old/")) == 3
    assert len(cloud.told("standard")) == 3


def test_messages_of_a_queue_that_cannot_be_read_come_back(cloud: Cloud) -> None:
    good = json.dumps(cloud.put("cards", "x.mov"))
    records = [
        {"messageId": str(n), "body": body, "eventSource": "aws:sqs", "receiptHandle": "h", "attributes": {},
         "messageAttributes": {}, "md5OfBody": "", "eventSourceARN": "arn:aws:sqs:x:1:q", "awsRegion": "x"}
        for n, body in enumerate([good, "nonsense"])
    ]  # fmt: skip
    assert cloud.router({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert len(cloud.told("standard")) == 1


def test_a_class_without_a_queue_is_named(cloud: Cloud) -> None:
    services = Services(AwsSettings("rushes"), "router", cloud.clients.__getitem__)
    router = EventRouter([small], {}, services)
    with pytest.raises(CallerError) as caught:
        router(cloud.put("cards", "dune/day1/A001.mov"), None)
    assert caught.value.code == "no-queue"


def test_one_of_many_that_were_handed_over_keeps_the_others_from_nothing(cloud: Cloud) -> None:
    for key in ("a.mov", "b.mov"):
        cloud.put("cards", key)
    for wrong in ("y" * 1030, "\ud800.mov"):
        with pytest.raises(CallerError):
            cloud.router({"objects": [["cards", "a.mov"], ["cards", wrong], ["cards", "b.mov"]]}, None)
        assert len(cloud.told("standard")) == 2


@pytest.mark.parametrize(
    "event",
    [{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": 5}}}]},
     {"Records": [5]}, {"source": "aws.s3", "detail": {"bucket": [], "object": "x"}},
     {"source": "s3://cards/a.mov", "params": {"params": 1}}],
)  # fmt: skip
def test_events_of_nobody_are_refused_as_such(cloud: Cloud, event: dict[str, Any]) -> None:
    cloud.put("cards", "a.mov")
    with pytest.raises(CallerError):
        cloud.router(event, None)


@pytest.mark.parametrize("part", [" dune", "dune\u200b", "d" * 300])
def test_a_part_of_a_key_that_is_no_name_of_a_show_pays_for_nothing(cloud: Cloud, part: str) -> None:
    """As `--show` is: it would stand in budgets, statements and tables, beside one that looks like it."""
    with pytest.raises(CallerError) as caught:
        cloud.router(cloud.put("cards", f"{part}/day1/A001.mov"), None)
    assert caught.value.code == "bad-value"
    assert (cloud.told("urgent"), [*cloud.ledger.batches(10)]) == ([], [])
