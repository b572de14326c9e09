"""The adapters keep their contracts over HTTP too, where many ask at the same moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rushes.errors import CallerError
from rushes.ledger import Claim, WorkItem
from rushes.ports import Ledger, Queue, Store
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue
from rushes.storage.s3 import S3Store
from rushes.storage.s3_uri import place_of
from rushes.testing.ledger_contract import DONE, NOW, SPEC, LedgerContract
from rushes.testing.queue_contract import QueueContract
from rushes.testing.store_contract import StoreContract


@pytest.fixture
def bucket(clients: dict[str, Any], unique: str) -> str:
    clients["s3"].create_bucket(Bucket=unique)
    return unique


@pytest.fixture
def table(clients: dict[str, Any], unique: str) -> Iterator[str]:
    clients["dynamodb"].create_table(TableName=unique, **TABLE)
    yield unique
    clients["dynamodb"].delete_table(TableName=unique)


class TestS3(StoreContract):
    @pytest.fixture
    def store(self, clients: dict[str, Any], bucket: str) -> Store:
        type(self).root = f"s3://{bucket}/"
        return S3Store(clients["s3"])

    def put(self, store: Store, uri: str, data: bytes) -> None:
        place = place_of(uri)
        store._client.put_object(Bucket=place.bucket, Key=place.key, Body=data)  # type: ignore[attr-defined]


class TestDynamo(LedgerContract):
    @pytest.fixture
    def ledger(self, clients: dict[str, Any], table: str) -> Ledger:
        return DynamoLedger(clients["dynamodb"], table)


class TestSqs(QueueContract):
    lacks = frozenset({"time"})

    @pytest.fixture
    def queue(self, clients: dict[str, Any], unique: str) -> Queue:
        made = clients["sqs"].create_queue(QueueName=unique, Attributes={"VisibilityTimeout": "60"})
        return SqsQueue(clients["sqs"], made["QueueUrl"])


def test_of_fifty_that_publish_one_target_one_does_and_nothing_is_left_over(
    clients: dict[str, Any], bucket: str, tmp_path: Path
) -> None:
    uri, store = f"s3://{bucket}/out.mov", S3Store(clients["s3"])

    def publish(number: int) -> str:
        data = b"the same" if number % 2 else b"another %d" % number
        path = tmp_path / str(number)
        path.write_bytes(data)
        try:
            return store.publish(path, uri, hashlib.sha256(data).hexdigest()).sha256
        except CallerError as error:
            return error.code

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(publish, range(50)))
    winner = store.look(uri).sha256
    assert set(found) <= {winner, "target-exists"}
    assert found.count(winner) == (25 if winner == hashlib.sha256(b"the same").hexdigest() else 1)
    assert clients["s3"].list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_of_eight_hosts_that_ask_for_a_hundred_each_is_one_s_alone(
    clients: dict[str, Any], table: str
) -> None:
    ledger = DynamoLedger(clients["dynamodb"], table)
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.add("k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov", f"{n:x}") for n in range(1, 101)])
    ledger.seal("k7m2qx")

    def host(name: int) -> int:
        done = 0
        for n in range(1, 101):
            claim = ledger.claim(f"k7m2qx.{(n * 37 + name * 13) % 100 + 1}", f"host-{name}", NOW, NOW + 60)
            if isinstance(claim, Claim):
                done += ledger.finish(claim, DONE)
        return done

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(host, range(8))) == 100
    tally = ledger.tally("k7m2qx")
    assert tally is not None
    assert (tally.complete, sum(tally.ended.values()), tally.running) == (True, 100, 0)
    assert (tally.cost_nano, tally.seconds) == (100 * DONE.cost_nano, 100 * DONE.seconds)
