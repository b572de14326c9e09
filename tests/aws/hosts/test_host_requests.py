"""What an invocation asks of AWS, counted on the wire: of who sends it, and of the host that works on it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from fault_proxy import FaultProxy, between
from waiting import until

from rushes import Asset
from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.aws.hosts.host import AwsHost
from rushes.engines.local import LocalEngine
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE

POLL_S = 5.0
COUNT = 60
ONCE = 20
"""What a batch and a host ask whatever there is to do."""


@pytest.fixture
def proxy(aws: AwsServer) -> Iterator[FaultProxy]:
    with between(aws.endpoint, None) as made:
        yield made


@pytest.fixture
def queue(aws: AwsServer, unique: str) -> str:
    """A queue, beside a bucket with clips and a ledger."""
    clients = {one: aws.client(one) for one in ("s3", "sqs", "dynamodb")}
    clients["s3"].create_bucket(Bucket=unique)
    for n in range(COUNT):
        clients["s3"].put_object(Bucket=unique, Key=f"cards/A{n:03}.mov", Body=b"clip %d" % n)
    clients["dynamodb"].create_table(TableName=unique, **TABLE)
    return str(clients["sqs"].create_queue(QueueName=unique)["QueueUrl"])


@pytest.fixture
def host(
    proxy: FaultProxy, queue: str, unique: str, rushes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[AwsHost, threading.Thread]]:
    """A host that asks through the proxy, as whoever sends does."""
    for name, value in {
        "AWS_ENDPOINT_URL": proxy.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1", "RUSHES_TABLE": unique, "RUSHES_QUEUES": f"hosts/standard={queue}",
        "RUSHES_CPU": "1", "PYTHONPATH": str(Path(__file__).parents[2]),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    scratch = rushes_home / "scratch"
    scratch.mkdir(parents=True)
    services = Services(AwsSettings(unique, region="us-east-1", scratch=scratch, poll_s=POLL_S), "host-a")
    engine = LocalEngine()
    made = AwsHost(services, engine, {"standard": queue}, name="host-a", width=4)
    thread = threading.Thread(target=made.run)
    yield made, thread
    if thread.ident is not None:
        made.stop()
        thread.join()
    engine.close()


@pytest.mark.parametrize("function", [deployed.small, deployed.look], ids=["with outputs", "without"])
def test_an_invocation_asks_the_ledger_thrice_at_most_queues_half_a_time_and_looks_four_times(
    aws: AwsServer, proxy: FaultProxy, host: tuple[AwsHost, threading.Thread], unique: str, function: Any
) -> None:
    makes = function.makes_outputs
    options = function.with_options(out=f"s3://{unique}/made").options if makes else function.options
    items = ((Asset(f"s3://{unique}/cards/A{n:03}.mov"), None) for n in range(COUNT))
    batch, _ = AwsEngine().launch(function, options, items, function.params())
    works, thread = host
    begun = time.monotonic()
    thread.start()
    ledger = DynamoLedger(aws.client("dynamodb"), unique)
    until(lambda: ended(ledger, batch) == {State.succeeded: COUNT}, seconds=120)
    works.stop()
    thread.join()

    asked: Counter[str] = Counter()
    for what, many in proxy.asked.items():
        asked[what.partition(".")[0]] += many
    assert asked["dynamodb"] <= (3 if makes else 2) * COUNT + ONCE, proxy.asked
    # A poll that finds nothing lasts its time: how many of those there are says how busy the machine is.
    idle = (time.monotonic() - begun) / POLL_S
    assert asked["sqs"] <= 0.5 * COUNT + idle, proxy.asked
    # At the clip when it is fetched and when it was read; at the target, and its receipt once all is there.
    assert proxy.asked["s3.HeadObject"] <= (4 if makes else 2) * COUNT, proxy.asked
    made = aws.client("s3").list_objects_v2(Bucket=unique, Prefix="made/").get("KeyCount", 0)
    assert made == (2 * COUNT if makes else 0)  # each with its receipt


def ended(ledger: DynamoLedger, batch: str) -> dict[State, int]:
    tally = ledger.tally(batch.partition("@")[0], active=False)
    return {} if tally is None else dict(tally.ended)
