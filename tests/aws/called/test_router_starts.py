"""What starts work beside an object that comes: hours, messages, manifests, what lies there, our outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto_cloud import empty

from rushes import Asset, CallerError, Context, Output, Params, Result, function, on_s3, on_schedule, on_sqs
from rushes.engines.aws.access.services import Services, _clean
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.called.backfill import hand_over
from rushes.engines.aws.called.router import EventRouter
from rushes.runtime.shared.objects.marks import HOPS, KEY
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue
from rushes.storage.s3 import S3Store


class Sized(Params):
    height: int = 540


class Wrote(Result):
    file: Output


@function(
    version="1", triggers=[on_schedule("rate(1 day)", "cards/night/**", kinds="video"), on_s3("cards/*.mov")]
)
def nightly(clip: Asset, params: Params) -> Result:
    """Looks at what came by day."""
    raise AssertionError


@function(version="1", triggers=[on_sqs("requests", "cards/**", out="s3://proxies/asked", priority="urgent")])
def asked(clip: Asset, params: Sized, ctx: Context) -> Wrote:
    """Makes what somebody asks for."""
    raise AssertionError


@function(
    version="1", triggers=[on_s3("reels/{show}/**", kinds="video", show="{show}", ready="manifest:reel.csv")]
)
def whole(clip: Asset, params: Params) -> Result:
    """Wants a whole reel."""
    raise AssertionError


@function(version="1", triggers=[on_s3("reels/frames/**", kinds="image", ready="manifest:reel.csv")])
def plates(clip: Asset, params: Params) -> Result:
    """Wants whole sequences."""
    raise AssertionError


@function(version="1", triggers=[on_s3("proxies/**", ours=True)])
def stills(clip: Asset, params: Params) -> Result:
    """Takes stills of proxies."""
    raise AssertionError


class Cloud:
    def __init__(self, clients: dict[str, Any]) -> None:
        self.clients = clients
        for bucket in ("cards", "reels", "proxies"):
            self.clients["s3"].create_bucket(Bucket=bucket)
        self.clients["dynamodb"].create_table(TableName="rushes", **TABLE)
        made = ("urgent", "standard", "background", "events", "rushes-dev-in-requests")
        self.urls = {name: self.clients["sqs"].create_queue(QueueName=name)["QueueUrl"] for name in made}
        self.ledger = DynamoLedger(self.clients["dynamodb"], "rushes")
        services = Services(AwsSettings("rushes"), "router", self.clients.__getitem__)
        self.router = EventRouter(
            [nightly, asked, whole, plates, stills], self.urls, services, lambda: 1_700_000_000.0,
            intakes={"requests": "rushes-dev-in-requests"}, events=self.urls["events"],
        )  # fmt: skip

    def put(self, bucket: str, key: str, body: bytes = b"clip", **more: Any) -> Any:
        """An object comes, and the router hears of it; gives the invocations."""
        self.clients["s3"].put_object(Bucket=bucket, Key=key, Body=body, **more)
        detail = {"bucket": {"name": bucket}, "object": {"key": key}}
        return self.router({"source": "aws.s3", "detail-type": "Object Created", "detail": detail}, None)

    def hear(self, queue: str, source: str = "") -> Any:
        """The router gets every message of a queue; gives what it answers."""
        found = self.clients["sqs"].receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10)
        records = [
            {
                "messageId": one["MessageId"], "body": one["Body"], "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:1:{source or queue}", "attributes": {},
            }
            for one in found.get("Messages", ())
        ]  # fmt: skip
        return self.router({"Records": records}, None)

    def asks(self, **message: Any) -> Any:
        self.clients["sqs"].send_message(
            QueueUrl=self.urls["rushes-dev-in-requests"], MessageBody=json.dumps(message)
        )
        return self.hear("rushes-dev-in-requests")

    def told(self, priority: str) -> list[str]:
        """The sources of what was told of in a class."""
        found = SqsQueue(self.clients["sqs"], self.urls[priority]).receive(100, 0)
        entries = [self.ledger.entry(one.notice.invocation) for one in found]
        return sorted(one.work.source for one in entries if one is not None)


@pytest.fixture
def cloud(mocked: dict[str, Any]) -> Iterator[Cloud]:
    yield Cloud(mocked)
    empty()


# -- hours ------------------------------------------------------------------------------------------------


def test_when_its_hour_comes_what_lies_there_is_worked_on_once(cloud: Cloud) -> None:
    for key in ("night/a.mov", "night/deep/b.mxf", "night/c.txt", "day/d.mov"):
        assert cloud.put("cards", key) == []

    for _ in range(2):
        assert cloud.router({"hour": "nightly/0"}, None) == {"handed over": 3}
        assert cloud.hear("events") == {"batchItemFailures": []}

    sources = cloud.told("background")
    assert sorted(set(sources)) == ["s3://cards/night/a.mov", "s3://cards/night/deep/b.mxf"]


def test_an_hour_of_one_trigger_starts_no_other(cloud: Cloud) -> None:
    cloud.put("cards", "night/a.mov")
    cloud.router({"hour": "nightly/0"}, None)
    cloud.hear("events")
    assert cloud.told("urgent") == cloud.told("standard") == []


def test_an_hour_that_nobody_declared_is_refused(cloud: Cloud) -> None:
    with pytest.raises(CallerError, match="no schedule 'nightly/1'"):
        cloud.router({"hour": "nightly/1"}, None)


@pytest.mark.parametrize("when", ["", "daily", "rate(0 days)", "cron(0 20 * *)", "rate(1 day) "])
def test_a_time_that_eventbridge_does_not_know_is_refused_at_import(when: str) -> None:
    with pytest.raises(CallerError, match="names no time"):
        on_schedule(when, "cards/**")


# -- messages ---------------------------------------------------------------------------------------------


def test_a_message_says_which_object_and_how(cloud: Cloud) -> None:
    cloud.put("cards", "day/a.mov")
    said = cloud.asks(
        source="s3://cards/day/a.mov", params={"height": 720}, show="dune", out="s3://proxies/asked/x"
    )
    assert said == {"batchItemFailures": []}
    (notice,) = SqsQueue(cloud.clients["sqs"], cloud.urls["urgent"]).receive(10, 0)
    entry, spec = (
        cloud.ledger.entry(notice.notice.invocation),
        cloud.ledger.spec(notice.notice.invocation[:-2]),
    )
    assert entry is not None
    assert spec is not None
    assert json.loads(entry.work.params or "{}") == {"height": 720}
    assert (spec["show"], spec["out"]) == ("dune", "s3://proxies/asked/x")


@pytest.mark.parametrize(
    "message",
    [
        {"source": "s3://cards/day/a.mov", "out": "s3://elsewhere/x"},
        {"source": "s3://cards/day/a.mov", "out": "s3://proxies/asked-not"},
        {"source": "s3://cards/day/a.mov", "params": {"width": 1}},
        {"source": "s3://cards/day/a.mov", "shoe": "dune"},
    ],
)
def test_a_message_that_cannot_be_meant_comes_back_and_ends_among_the_dead(
    cloud: Cloud, message: dict[str, Any]
) -> None:
    cloud.put("cards", "day/a.mov")
    assert len(cloud.asks(**message)["batchItemFailures"]) == 1
    assert cloud.told("urgent") == []


def test_what_becomes_of_a_message_that_starts_nothing_stands_in_the_log(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(Services, "say", lambda _, what, **more: told.append((what, more)))
    cloud.clients["s3"].put_object(Bucket="reels", Key="a.mov", Body=b"clip")
    cloud.asks(source="s3://reels/a.mov")
    assert told == [("not wanted", {"object": "s3://reels/a.mov", "queue": "requests"})]
    told.clear()
    url = cloud.urls["rushes-dev-in-requests"]
    cloud.clients["sqs"].send_message(QueueUrl=url, MessageBody="nonsense")
    assert len(cloud.hear("rushes-dev-in-requests")["batchItemFailures"]) == 1
    ((what, more),) = told
    assert (what, more["queue"]) == ("not routed", "rushes-dev-in-requests")
    assert more["error"]["fix"]
    told.clear()
    cloud.put("cards", "day/notes.txt")  # of events most are nobody's
    assert told == []


def test_a_message_names_objects_of_its_place_alone(cloud: Cloud) -> None:
    cloud.put("reels", "dune/a.mov")
    cloud.asks(source="s3://reels/dune/a.mov")
    assert cloud.told("urgent") == []


# -- manifests --------------------------------------------------------------------------------------------

_LIST = b"source\nA001.mov\nsub/A002.mov\nnotes.txt\n"


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_clips_start_when_all_that_their_manifest_lists_is_there_whichever_comes_last(
    cloud: Cloud, order: tuple[int, ...]
) -> None:
    comes = [("reel.csv", _LIST), ("A001.mov", b"1"), ("sub/A002.mov", b"2"), ("notes.txt", b"3")]
    for number in order[:-1]:
        assert cloud.put("reels", f"dune/reel 7/{comes[number][0]}", comes[number][1]) == []
    cloud.put("reels", f"dune/reel 7/{comes[order[-1]][0]}", comes[order[-1]][1])

    if comes[order[-1]][0] != "notes.txt":  # no pattern matches it: the next one that comes tells
        assert cloud.told("standard") == [
            "s3://reels/dune/reel 7/A001.mov", "s3://reels/dune/reel 7/sub/A002.mov",
        ]  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_a_sequence_starts_as_one_clip_when_all_its_frames_are_there(
    cloud: Cloud, order: tuple[int, ...]
) -> None:
    comes = [("reel.csv", b"source\nplate.[0001-0003].exr\n")]
    comes += [(f"plate.{number:04}.exr", b"frame %d" % number) for number in (1, 2, 3)]
    for number in order[:-1]:
        assert cloud.put("reels", f"frames/dune/{comes[number][0]}", comes[number][1]) == []
    (invocation,) = cloud.put("reels", f"frames/dune/{comes[order[-1]][0]}", comes[order[-1]][1])
    entry = cloud.ledger.entry(invocation)
    assert entry is not None
    assert entry.work.source == "s3://reels/frames/dune/plate.[0001-0003].exr"
    cloud.put("reels", "frames/dune/plate.0002.exr", b"another frame")
    again = SqsQueue(cloud.clients["sqs"], cloud.urls["standard"]).receive(100, 0)
    assert len({one.notice.invocation for one in again}) == 2  # what a frame was is part of what it is


def test_a_clip_that_no_manifest_lists_waits(cloud: Cloud) -> None:
    cloud.put("reels", "dune/reel 7/reel.csv", b"source\nA001.mov\n")
    cloud.put("reels", "dune/reel 7/A001.mov")
    cloud.told("standard")
    assert cloud.put("reels", "dune/reel 7/other.mov") == []


def test_the_show_of_a_listed_clip_is_that_of_its_own_place(cloud: Cloud) -> None:
    cloud.put("reels", "dune/A001.mov")
    (invocation,) = cloud.put("reels", "dune/reel.csv", b"source\nA001.mov\n")
    spec = cloud.ledger.spec(invocation.rpartition(".")[0])
    assert spec is not None
    assert spec["show"] == "dune"


@pytest.mark.parametrize("ready", ["manifest", "manifest:*.csv", "manifest:a/b.csv", "manifest:reel.xml"])
def test_a_manifest_that_cannot_be_named_so_is_refused_at_import(ready: str) -> None:
    with pytest.raises(CallerError, match="has ready="):
        on_s3("cards/**", ready=ready)


# -- what lies there, and what is ours -----------------------------------------------------------------------


def test_what_lies_there_is_handed_over_in_few_messages_and_worked_on_once(cloud: Cloud) -> None:
    for number in range(45):
        cloud.clients["s3"].put_object(Bucket="cards", Key=f"{number:02}.mov", Body=b"clip")
    store = S3Store(cloud.clients["s3"])
    heard: list[tuple[int, str]] = []

    def told(count: int, last: str) -> None:
        heard.append((count, last))

    count = hand_over(store, cloud.clients["sqs"], cloud.urls["events"], "s3://cards/", told=told)

    assert (count, heard) == (45, [(45, "s3://cards/44.mov")])
    attributes = cloud.clients["sqs"].get_queue_attributes(
        QueueUrl=cloud.urls["events"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "3"
    cloud.hear("events")
    assert len(set(cloud.told("standard"))) == 45


def test_long_names_are_handed_over_in_requests_that_a_queue_takes(cloud: Cloud) -> None:
    reel = "\U0001f3ac" * 250
    for number in range(110):
        cloud.clients["s3"].put_object(Bucket="cards", Key=f"{number:03}{reel}.mov", Body=b"clip")
    sizes: list[int] = []

    class Sqs:
        """A queue that says how much it is asked to take at once."""

        def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> Any:  # noqa: N803
            sizes.append(sum(len(one["MessageBody"].encode()) for one in Entries))
            return cloud.clients["sqs"].send_message_batch(QueueUrl=QueueUrl, Entries=Entries)

    assert hand_over(S3Store(cloud.clients["s3"]), Sqs(), cloud.urls["events"], "s3://cards/") == 110
    assert len(sizes) == 2
    assert max(sizes) < 256 * 1024


@pytest.mark.parametrize(
    ("hops", "starts"), [("1", True), ("2", True), ("3", False), ("9", False), ("x", True)]
)
def test_what_we_made_starts_what_asks_for_it_and_a_loop_ends(
    cloud: Cloud, hops: str, *, starts: bool
) -> None:
    found = cloud.put("proxies", "dune/a.mov", Metadata={KEY: "ab", HOPS: hops})
    assert (len(found) == 1) is starts


def test_a_clip_that_somebody_brought_starts_what_also_takes_ours(cloud: Cloud) -> None:
    assert len(cloud.put("proxies", "dune/a.mov")) == 1


def test_an_object_that_a_message_names_a_thousand_times_is_one(cloud: Cloud) -> None:
    cloud.clients["s3"].put_object(Bucket="cards", Key="night/a.mov", Body=b"clip")
    cloud.clients["sqs"].send_message(
        QueueUrl=cloud.urls["events"],
        MessageBody=json.dumps({"objects": [["cards", "night/a.mov"]] * 1000, "only": "nightly/0"}),
    )
    assert cloud.hear("events") == {"batchItemFailures": []}
    assert cloud.told("background") == ["s3://cards/night/a.mov"]


@pytest.mark.parametrize(
    "out", ["s3://proxies/asked/../other", "s3://proxies/asked/..", "s3://proxies/asked/./x"]
)
def test_a_message_names_no_place_that_a_folder_would_take_for_another(cloud: Cloud, out: str) -> None:
    cloud.clients["s3"].put_object(Bucket="cards", Key="a.mov", Body=b"clip")
    answer = cloud.asks(source="s3://cards/a.mov", out=out)
    assert len(answer["batchItemFailures"]) == 1
    assert cloud.told("urgent") == []


def test_what_cannot_be_written_of_a_message_loses_no_line_of_the_log() -> None:
    said = _clean({"object": "s3://cards/\ud800.mov", "error": ["\ud800"]})
    assert json.dumps(said, ensure_ascii=False).encode()
