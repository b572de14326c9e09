"""Everything that is on AWS, while requests fail and workers are killed."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from botocore.exceptions import ClientError
from fault_plan import ROUGH, Call, Fault, Plan, call_of
from fault_proxy import FaultProxy, between
from fault_studio import FaultyStudio

from rushes.engines.aws.notices.redrive import redrive
from rushes.engines.local import LocalEngine
from rushes.storage.s3 import S3Store

BATCHES = {"aaaaaa": "urgent", "bbbbbb": "standard"}
DEADLY = "cccccc"
_GET = Call("s3", "GetObject")


@pytest.fixture
def proxy(aws: AwsServer) -> Iterator[FaultProxy]:
    with between(aws.endpoint, Plan(seed=1)) as made:
        yield made


@pytest.fixture
def bucket(clients: dict[str, Any], unique: str) -> str:
    clients["s3"].create_bucket(Bucket=unique)
    return unique


@pytest.fixture
def studio(
    aws: AwsServer, proxy: FaultProxy, unique: str, tmp_path: Path, rushes_home: Path
) -> Iterator[FaultyStudio]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    made = FaultyStudio(aws, proxy, unique, scratch, rushes_home)
    try:
        yield made
    finally:
        made.stop()
        engine = LocalEngine()
        engine.control("stop")
        engine.close()
    made.assert_no_scratch()


# -- that what goes wrong goes wrong as it does on AWS ----------------------------------------------------


def test_the_same_seed_has_the_same_faults_and_another_has_others() -> None:
    found = [[Plan(seed).fault(_GET, n) for n in range(2000)] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    counts = Counter(found[0])
    for fault, rate in ROUGH.items():
        assert 0.3 * rate <= counts[fault] / 2000 <= 3 * rate + 0.01


@pytest.mark.parametrize(
    ("method", "target", "headers", "call"),
    [
        ("PUT", "/b/k", {"authorization": "x/s3/y"}, ("s3", "PutObject", False)),
        ("HEAD", "/b/k%2Fl", {"authorization": "x/s3/y"}, ("s3", "HeadObject", True)),
        ("PUT", "/b", {"authorization": "x/s3/y"}, ("s3", "PutBucket", False)),
        ("GET", "/b?list-type=2&prefix=", {"authorization": "x/s3/y"}, ("s3", "List", False)),
        ("POST", "/b/k?uploads", {"authorization": "x/s3/y"}, ("s3", "CreateMultipartUpload", False)),
        ("PUT", "/b/k?partNumber=1&uploadId=2", {"authorization": "x/s3/y"}, ("s3", "UploadPart", False)),
        ("POST", "/b/k?uploadId=2", {"authorization": "x/s3/y"}, ("s3", "CompleteMultipartUpload", False)),
        ("POST", "/", {"x-amz-target": "AmazonSQS.SendMessageBatch"}, ("sqs", "SendMessageBatch", False)),
        ("POST", "/", {"x-amz-target": "DynamoDB_20120810.Query"}, ("dynamodb", "Query", False)),
    ],
)
def test_a_request_is_known_by_what_it_asks_for(
    method: str, target: str, headers: dict[str, str], call: tuple[str, str, bool]
) -> None:
    assert call_of(method, target, headers) == call


@pytest.mark.parametrize(
    ("fault", "act", "code"),
    [
        ("busy", "get_object", "SlowDown"),
        ("broken", "get_object", "InternalError"),
        ("skewed", "get_object", "RequestTimeTooSkewed"),
        ("skewed", "head_object", "403"),
    ],
)
def test_a_refusal_is_that_of_aws(proxy: FaultProxy, unique: str, fault: Fault, act: str, code: str) -> None:
    proxy.plan = Plan(1, {fault: 1.0})
    client = AwsServer(proxy.endpoint).client("s3", max_attempts=1)
    with pytest.raises(ClientError) as caught:
        getattr(client, act)(Bucket=unique, Key="a.mov")
    assert caught.value.response["Error"]["Code"] == code
    assert set(proxy.met) == {fault}


def test_what_is_sent_to_a_queue_comes_twice_and_out_of_order(
    aws: AwsServer, proxy: FaultProxy, unique: str
) -> None:
    proxy.plan = Plan(1, {}, twice=1.0, late=0.0)
    client = AwsServer(proxy.endpoint).client("sqs")
    url = client.create_queue(QueueName=unique)["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(3)]
    client.send_message_batch(QueueUrl=url, Entries=entries)
    came: list[str] = []
    while len(came) < 6:
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        came += [one["Body"] for one in found.get("Messages", ())]
    assert Counter(came) == {"0": 2, "1": 2, "2": 2}


class Once(Plan):
    """The first request of an action, and no other, is answered to nobody."""

    def fault(self, call: Call, number: int) -> Fault | None:
        return "lost" if number == 1 and f"{call.service}.{call.act}" in self.only else None


@pytest.mark.parametrize("act", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_an_upload_of_which_an_answer_was_lost_leaves_one_object_and_nothing_open(
    proxy: FaultProxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    monkeypatch.setattr("rushes.storage.s3_transfers.PART_BYTES", 5 * 2**20)
    proxy.plan = Once(1, only=frozenset({f"s3.{act}"}))
    made, data = tmp_path / "made", bytes(6 * 2**20)
    made.write_bytes(data)
    sha256, client = hashlib.sha256(data).hexdigest(), AwsServer(proxy.endpoint).client("s3")
    stored = S3Store(client).publish(made, f"s3://{bucket}/out.mov", sha256)
    assert (stored.sha256, stored.size_bytes) == (sha256, len(data))
    assert client.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert proxy.met == {"lost": 1}


# -- the proof ---------------------------------------------------------------------------------------------


def _proven(studio: FaultyStudio, count: int, kills: int, seconds: float) -> None:
    """Half of it for Lambdas and hosts, half for hosts alone; somebody is killed as the work gets on.

    One more kills whatever works on it, and is set aside.
    """
    studio.listen()
    for _ in range(2):
        studio.host()
    for batch, priority in BATCHES.items():
        studio.submit(batch, count // 2, priority)
    studio.submit(DEADLY, 1, "standard", "deadly")
    drawn, end = random.Random(1), time.monotonic() + seconds  # noqa: S311 - not a secret
    killed = 0
    while not all(studio.tally(one).complete for one in (*BATCHES, DEADLY)):
        assert time.monotonic() < end, [studio.tally(one) for one in (*BATCHES, DEADLY)]
        if killed < kills and studio.ended(list(BATCHES)) >= count * killed // kills:
            studio.kill(drawn)
            killed += 1
        if studio.idle():  # what is left was set aside, with nine others that somebody was killed with
            redrive(studio.ledger, studio.sqs, studio.urls.values())
        time.sleep(0.1)
    assert killed
    for batch in BATCHES:
        studio.assert_whole(batch, count // 2)
    entry = studio.ledger.entry(f"{DEADLY}.1")
    assert entry is not None
    assert entry.end is not None
    assert json.loads(entry.end.data)["error"]["code"] == "set-aside"


def test_killed_and_throttled_everything_ends_once(studio: FaultyStudio) -> None:
    _proven(studio, 8, 2, 280)


@pytest.mark.soak
def test_two_thousand_end_once_while_one_after_another_is_killed(studio: FaultyStudio) -> None:
    _proven(studio, 2000, 150, 3500)
