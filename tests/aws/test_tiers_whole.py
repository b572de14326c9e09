"""A Lambda and hosts that learn from real runs which clips are whose, over HTTP, from object to output."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aws_server import AwsServer
from waiting import until

from rushes import catalog
from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import aws_settings
from rushes.engines.aws.called.handler import LambdaHandler
from rushes.engines.aws.called.router import EventRouter
from rushes.engines.aws.hosts.host import AwsHost
from rushes.engines.local import LocalEngine
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Entry
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.dynamo_runs import DynamoRunCounts

FUNCTION = f"{Path(__file__).with_name('hosted.py')}:lasts"
SHORT, LONG = 100_000, 6_000_000
"""Bytes of clips that take 20 s, and 1,200 s, which is longer than a Lambda has."""
TIERS = json.dumps({"clip": 1 << 32, "region": "us-east-1"})


class Both:
    """A function with a Lambda and hosts behind it, in an account of its own."""

    def __init__(self, server: AwsServer, name: str, scratch: Path, engine: LocalEngine) -> None:
        self._clock = scratch.with_name("clock")
        self._clock.touch()
        self._began = time.time()
        self.clients = {one: server.client(one) for one in ("s3", "sqs", "dynamodb")}
        self.cards, self.proxies = f"{name}-cards", f"{name}-proxies"
        for bucket in (self.cards, self.proxies):
            self.clients["s3"].create_bucket(Bucket=bucket)
        self.clients["dynamodb"].create_table(TableName=name, **TABLE)
        queue = self.clients["sqs"].create_queue
        self.urls = {one: queue(QueueName=f"{name}-{one}")["QueueUrl"] for one in ("lambda", "hosts")}
        self.settings = aws_settings(
            {
                "RUSHES_TABLE": name, "RUSHES_QUEUE_URL": self.urls["lambda"],
                "RUSHES_LONGER_QUEUE_URL": self.urls["hosts"], "RUSHES_SCRATCH": str(scratch),
                "RUSHES_LEASE": "30d", "RUSHES_POLL": "1s",
            }
        )  # fmt: skip
        self.engine = engine
        self.function = catalog.find(FUNCTION)
        self.handler = LambdaHandler(self.function, self._services("lasts"), self.now)
        self.ledger = DynamoLedger(self.clients["dynamodb"], name)
        self.runs = DynamoRunCounts(self.clients["dynamodb"], name)

    def _services(self, name: str) -> Services:
        return Services(self.settings, name, self.clients.__getitem__)

    def now(self) -> float:
        """As time goes by for those who work: however long a busy machine takes for it."""
        return self._began + len(self._clock.read_bytes()) / 2

    def comes(self, key: str, size_bytes: int) -> str:
        """An object comes to a router that has just started; gives its invocation."""
        self.clients["s3"].put_object(Bucket=self.cards, Key=key, Body=bytes(size_bytes))
        queues = {"lasts/urgent": self.urls["lambda"], "hosts/urgent": self.urls["hosts"]}
        buckets = {"cards": self.cards, "proxies": self.proxies}
        router = EventRouter(
            [self.function], queues, self._services("router"), self.now, buckets=buckets, tiers=TIERS
        )
        event = {"source": "aws.s3", "detail": {"bucket": {"name": self.cards}, "object": {"key": key}}}
        (invocation,) = router(event, None)
        return str(invocation)

    def lambda_works(self) -> list[str]:
        """What the Lambda's queue tells of, one call each, as the event source mapping makes it."""
        worked = []
        while bodies := self._received():
            (body,) = bodies
            context = SimpleNamespace(
                aws_request_id="r", get_remaining_time_in_millis=lambda: 900_000, function_name="lasts"
            )
            record = {
                "eventSource": "aws:sqs", "messageId": "1", "body": body, "receiptHandle": "r",
                "attributes": {}, "messageAttributes": {}, "md5OfBody": "", "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:lambda",
            }  # fmt: skip
            assert self.handler({"Records": [record]}, context) == {"batchItemFailures": []}
            worked.append(str(json.loads(body)["invocation"]))
        return worked

    def _received(self) -> list[str]:
        url = self.urls["lambda"]
        found = self.clients["sqs"].receive_message(QueueUrl=url).get("Messages", ())
        for one in found:
            self.clients["sqs"].delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return [one["Body"] for one in found]

    def hosts_work(self, *invocations: str) -> None:
        """A host works until these have succeeded."""
        services = self._services("host-a")
        host = AwsHost(
            services, self.engine, {"urgent": self.urls["hosts"]}, name="host-a", width=2, clock=self.now
        )
        thread = threading.Thread(target=host.run)
        thread.start()
        try:
            until(lambda: all(self.entry(one).state is State.succeeded for one in invocations), seconds=60)
        finally:
            host.stop()
            thread.join()

    def entry(self, invocation: str) -> Entry:
        found = self.ledger.entry(invocation)
        assert found is not None
        return found

    def receipt(self, stem: str) -> dict[str, Any]:
        body = self.clients["s3"].get_object(Bucket=self.proxies, Key=f"{stem}.txt.rushes.json")["Body"]
        return dict(json.loads(body.read()))


@pytest.fixture
def both(
    aws: AwsServer, unique: str, rushes_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Both]:
    monkeypatch.setenv("RUSHES_CPU", "2")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    engine = LocalEngine()
    yield Both(aws, unique, scratch, engine)
    engine.control("stop")


def test_what_a_lambda_had_to_stop_goes_up_once_and_the_next_of_its_size_at_once(both: Both) -> None:
    # Nobody knows that it takes so long: the Lambda tries it, and is stopped.
    first = both.comes("first.mov", LONG)
    assert both.entry(first).work.tier == ON_LAMBDA
    assert both.lambda_works() == [first]
    stopped = both.entry(first)
    assert (stopped.state, stopped.attempt, stopped.work.tier) == (State.queued, 0, ON_HOSTS)
    assert stopped.work.routed is not None
    assert stopped.work.routed.reason == "hosts: it did not fit into the time that was left."
    assert [one.outcome for one in stopped.tried] == ["given-back"]

    # Its event comes again, and the Lambda does not begin it again. Of small ones it has shown nothing yet.
    assert both.comes("first.mov", LONG) == first
    shorts = [both.comes(f"short{n}.mov", SHORT) for n in range(4)]
    assert both.lambda_works() == shorts
    assert all(both.entry(one).state is State.succeeded for one in shorts)

    # The next one of its size goes to hosts at once, a small one to the Lambda.
    second, small = both.comes("second.mov", LONG), both.comes("small.mov", SHORT)
    assert both.lambda_works() == [small]
    both.hosts_work(first, second)

    why = both.entry(second).work.routed
    assert why is not None
    assert (why.tier, why.limit_s) == (ON_HOSTS, 880.0)
    assert why.expected_s is not None
    assert 880 < why.expected_s < 3000
    assert [(one.attempt, one.holder[:4]) for one in both.entry(second).tried] == [(1, "host")]
    assert both.receipt("second")["routed"] == why._asdict()
    assert both.receipt("small")["routed"]["tier"] == ON_LAMBDA
    assert 10 < both.receipt("small")["routed"]["expected_s"] < 60
    assert set(both.runs.counted("lasts")) == {ON_LAMBDA, ON_HOSTS}
