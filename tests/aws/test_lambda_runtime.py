"""The image's entry point under Lambda's own runtime: events as AWS makes them, a limit of time, a death.

What runs is the wheel, called by awslambdaric in AWS's emulator; S3, ledger and queues are a server's.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import on_lambda
import psutil
import pytest
from aws_server import AwsServer
from lambda_runtime import LambdaRuntime, lambda_runtime, sam_event, unpacked_wheel

from rushes.core.states import State
from rushes.engines.aws.host import sweep
from rushes.journal.dynamo import DynamoLedger
from rushes.journal.dynamo_items import TABLE
from rushes.journal.sqs import SqsQueue
from rushes.ledger import Work
from rushes.notices import Notice, notice_text
from rushes.runtime.claim_run import ClaimRunner
from rushes.storage.s3 import S3Store
from rushes.storage.s3_uri import local_name, place_of

# One process builds the wheel for all of these.
pytestmark = pytest.mark.xdist_group("lambda")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpacked_wheel(tmp_path_factory.mktemp("lambda"))
    shutil.copy(str(on_lambda.__file__), folder)
    return folder


class Account:
    """Buckets, a table and queues of one test, and Lambdas in front of them."""

    def __init__(self, server: AwsServer, name: str, package: Path, folder: Path) -> None:
        self._server, self._package, self._folder = server, package, folder
        self._lambdas = ExitStack()
        self.s3, self.sqs = server.client("s3"), server.client("sqs")
        self.cards, self.proxies = f"{name}-cards", f"{name}-proxies"
        for bucket in (self.cards, self.proxies):
            self.s3.create_bucket(Bucket=bucket)
        dynamodb = server.client("dynamodb")
        dynamodb.create_table(TableName=name, **TABLE)
        self.name, self.ledger, self.store = name, DynamoLedger(dynamodb, name), S3Store(self.s3)
        self.queues = {
            one: SqsQueue(self.sqs, self.sqs.create_queue(QueueName=f"{name}-{one}")["QueueUrl"], fair=False)
            for one in ("urgent", "hosts")
        }
        self._urls = {
            one: self.sqs.get_queue_url(QueueName=f"{name}-{one}")["QueueUrl"] for one in self.queues
        }

    def put(self, key: str, body: bytes = b"clip") -> str:
        self.s3.put_object(Bucket=self.cards, Key=key, Body=body)
        return f"s3://{self.cards}/{key}"

    def outputs(self, prefix: str = "") -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.proxies, Prefix=prefix).get("Contents", ())
        return [one["Key"] for one in found]

    def of(self, function: str, *, timeout_s: int = 60, **variables: str) -> LambdaRuntime:
        """A Lambda of a function of `on_lambda`."""
        ref = function if ":" in function else f"on_lambda:{function}"
        said = {
            "RUSHES_FUNCTION": ref,
            "RUSHES_TABLE": self.name,
            "RUSHES_QUEUE_URL": self._urls["urgent"],
            "RUSHES_LONGER_QUEUE_URL": self._urls["hosts"],
            "RUSHES_OUT": f"s3://{self.proxies}/dune",
            "RUSHES_WORK_ROLE": "arn:aws:iam::000000000000:role/work",
            "AWS_ENDPOINT_URL": self._server.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **variables,
        }
        folder = self._folder / f"{function.rpartition(':')[2]}-{len(list(self._folder.iterdir()))}"
        return self._lambdas.enter_context(lambda_runtime(folder, self._package, said, timeout_s=timeout_s))

    def submit(self, function: str, *sources: str, **params: str) -> list[Notice]:
        """A batch of clips, in the ledger; nobody is told."""
        spec = {
            "function": f"on_lambda:{function}", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": f"s3://{self.proxies}/batch",
            "name": None, "receipts": "beside", "retries": 1,
        }  # fmt: skip
        self.ledger.open("k7m2qx", spec, time.time())
        work = [
            Work(f"k7m2qx.{n}", source, f"{n:064x}", params=json.dumps(params), tag=f"~{n}")
            for n, source in enumerate(sources, 1)
        ]
        self.ledger.add("k7m2qx", work)
        self.ledger.seal("k7m2qx")
        return [Notice(one.invocation, "urgent", "dune") for one in work]

    def close(self) -> None:
        self._lambdas.close()


@pytest.fixture
def account(aws: AwsServer, unique: str, package: Path, tmp_path: Path) -> Iterator[Account]:
    folder = tmp_path / "lambdas"
    folder.mkdir()
    made = Account(aws, unique, package, folder)
    yield made
    made.close()


def messages(*bodies: str) -> dict[str, Any]:
    """What Lambda is sent of a queue: as AWS's own example, with these bodies."""
    one = sam_event("sqs", "receive-message")["Records"][0]
    return {"Records": [{**one, "messageId": str(n), "body": body} for n, body in enumerate(bodies)]}


def bridged(bucket: str, key: str) -> dict[str, Any]:
    """As in AWS's guide (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html)."""
    return {
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created",
        "source": "aws.s3", "account": "111122223333", "time": "2021-11-12T00:00:00Z",
        "region": "us-east-1", "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0", "bucket": {"name": bucket},
            "object": {"key": key, "size": 4, "etag": "b1946ac92492d2347c6235b4d2611184",
                       "sequencer": "617f08299329d189"},
            "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012",
            "source-ip-address": "1.2.3.4", "reason": "PutObject",
        },
    }  # fmt: skip


def test_an_object_that_s3_tells_of_twice_is_worked_on_once(account: Account) -> None:
    account.put("day 1/A+001 é.mov")
    event = sam_event("s3", "put", bucket=account.cards, key="day 1/A+001 é.mov")
    shout = account.of("shout")
    first, second = shout.invoke(event), shout.invoke(event)
    assert first == second
    assert first[0]["outputs"] == [f"s3://{account.proxies}/dune/A+001 é.txt"]
    assert account.outputs() == ["dune/A+001 é.txt", "dune/A+001 é.txt.rushes.json"]
    entry = account.ledger.entry(first[0]["invocation"])
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.succeeded, 1)
    assert entry.end is not None
    cost = json.loads(entry.end.data)["cost"]
    assert cost["total"] == entry.end.cost_nano == cost["compute"] + cost["requests"]
    assert cost["compute"] > 0
    # The request of Lambda; a clip and a place looked at, the clip read, a receipt and an output written.
    assert cost["requests"] >= 200 + 3 * 400 + 2 * 5000
    receipt = account.s3.get_object(Bucket=account.proxies, Key="dune/A+001 é.txt.rushes.json")["Body"]
    assert 0 < json.loads(receipt.read())["cost_usd"] * 1e9 < cost["total"]
    measured = [one for one in shout.said() if "_aws" in one]
    assert measured[0]["cost"] == [pytest.approx(cost["total"] / 1e9)]
    assert (measured[0]["cold_start"], measured[0]["attempts"]) == ([1.0], [1.0])
    assert "attempts" not in measured[1]


def test_a_body_has_the_credentials_of_its_attempt_and_not_of_its_function(account: Account) -> None:
    source = account.put("A001.mov")
    (said,) = account.of("who").invoke({"source": source})
    assert said["result"]["key"].startswith("ASIA")


def test_event_bridge_and_a_direct_call_come_to_the_same(account: Account) -> None:
    source = account.put("A001.mov")
    shout = account.of("shout")
    told = shout.invoke(bridged(account.cards, "A001.mov"))
    assert shout.invoke({"source": source}) == told
    assert account.outputs() == ["dune/A001.txt", "dune/A001.txt.rushes.json"]


def test_of_messages_only_those_that_failed_come_back(account: Account) -> None:
    notices = account.submit("shout", account.put("A001.mov"), account.put("A002.mov"))
    event = messages(notice_text(notices[0]), "no notice", notice_text(notices[1]))
    assert account.of("shout").invoke(event) == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    tally = account.ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 2}


def test_a_failure_is_an_error_of_the_call_and_the_next_call_goes_on(account: Account) -> None:
    source = account.put("A001.mov")
    refuse = account.of("refuse", RUSHES_TABLE="")
    for _ in range(2):
        said = refuse.invoke({"source": source})
        assert said["errorType"] == "MediaError"
        assert "cut short" in said["errorMessage"]


def test_inspect_of_the_wheel_describes_a_clip(account: Account, media: Any) -> None:
    account.s3.upload_file(str(media.get("h264.mp4")), account.cards, "A001.mov")
    (said,) = account.of("inspect:", RUSHES_FUNCTION="inspect").invoke(
        {"source": f"s3://{account.cards}/A001.mov"}
    )
    assert said["result"]["media"]["video"][0]["codec"] == "h264"


def test_what_does_not_end_in_time_is_stopped_handed_to_hosts_and_done_there_once(
    account: Account, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    (notice,) = account.submit("sleep", account.put("A001.mov"), gate=str(gate))
    # Twenty seconds before the end of its time an attempt is stopped: here after two.
    sleep = account.of("sleep", timeout_s=22)
    assert sleep.invoke(messages(notice_text(notice))) == {"batchItemFailures": []}
    assert not [one for one in sleep.process.children(recursive=True) if one.name() == "sleep"]
    entry = account.ledger.entry(notice.invocation)
    assert entry is not None
    assert (entry.state, entry.attempt) == (State.queued, 0)

    (message,) = account.queues["hosts"].receive(10, 0)
    assert message.notice == notice
    gate.touch()
    host = ClaimRunner(
        account.ledger, account.store, tmp_path, "host", lambda uri: local_name(place_of(uri).key)
    )
    assert host.run(notice.invocation).state is State.succeeded
    entry = account.ledger.entry(notice.invocation)
    assert entry is not None
    assert entry.end is not None
    assert (entry.state, entry.attempt) == (State.succeeded, 1)
    assert entry.end.cost_nano > 200  # of the Lambda; this host has no price
    assert account.outputs("batch/") == ["batch/A001~1.txt", "batch/A001~1.txt.rushes.json"]


def test_a_process_that_dies_under_a_clip_loses_it_to_the_next_and_nothing_else(
    account: Account, tmp_path: Path
) -> None:
    (notice,) = account.submit("die", account.put("A001.mov"), gate=str(tmp_path / "gate"))
    die = account.of("die")
    assert die.invoke(messages(notice_text(notice)))["errorType"] == "Runtime.ExitError"
    later = time.time() + 61  # its claim has lapsed by then
    queues = {"urgent": account.queues["urgent"]}
    assert sweep(account.ledger, queues, later) == 1
    (message,) = account.queues["urgent"].receive(10, 0)
    runner = ClaimRunner(
        account.ledger, account.store, tmp_path, "other", lambda uri: local_name(place_of(uri).key),
        clock=lambda: later,
    )  # fmt: skip
    assert runner.run(message.notice.invocation).state is State.succeeded
    entry = account.ledger.entry(notice.invocation)
    assert entry is not None
    assert (entry.attempt, entry.losses) == (2, 1)


def test_nothing_listens_beyond_this_machine(account: Account) -> None:
    shout = account.of("shout")
    family = [shout.process, *shout.process.children(recursive=True)]
    places = [
        one.laddr.ip
        for process in family
        for one in process.net_connections()
        if one.status == psutil.CONN_LISTEN
    ]
    assert places
    assert set(places) == {"127.0.0.1"}
