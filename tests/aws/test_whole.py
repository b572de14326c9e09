"""The whole way over HTTP: messages, a Lambda that runs for real, outputs, the ledger."""

from __future__ import annotations

import io
import json
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from waiting import until

from rushes.core.states import State
from rushes.ledger import WorkItem
from rushes.notices import Notice
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue
from rushes.storage.s3 import S3Store

FUNCTIONS = Path(__file__).parents[1] / "runtime" / "claimed.py"
_ROOT = Path(__file__).parents[2]
# The server runs a function with its own interpreter, so the package says where everything is.
_INDEX = f"""
import sys
sys.path[:0] = {[str(_ROOT / "framework"), str(_ROOT / "functions"), sysconfig.get_paths()["purelib"]]!r}
from rushes import catalog
handler = catalog.find({f"{FUNCTIONS}:write"!r}).lambda_handler
"""


@pytest.fixture
def package() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.py", _INDEX)
    return file.getvalue()


class Environment:
    """Bucket, table, queues and one function on a server."""

    def __init__(self, server: AwsServer, name: str, package: bytes) -> None:
        self.name = name
        self.s3, self.sqs, self.lambda_ = (server.client(one) for one in ("s3", "sqs", "lambda"))
        self.dynamodb = server.client("dynamodb")
        for bucket in (f"{name}-cards", f"{name}-proxies"):
            self.s3.create_bucket(Bucket=bucket)
        self.dynamodb.create_table(TableName=name, **TABLE)
        self.dead = self._queue(f"{name}-dead", {})
        redrive = {"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": "3"}
        self.url = self._queue(
            f"{name}-urgent", {"VisibilityTimeout": "5", "RedrivePolicy": json.dumps(redrive)}
        )
        self.ledger = DynamoLedger(self.dynamodb, name)
        self.store = S3Store(self.s3)
        self._function(server, package)

    def _queue(self, name: str, attributes: dict[str, str]) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def _arn(self, url: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def _function(self, server: AwsServer, package: bytes) -> None:
        variables = {
            "RUSHES_TABLE": self.name,
            "RUSHES_QUEUE_URL": self.url,
            "RUSHES_OUT": f"s3://{self.name}-proxies/dune",
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        made = self.lambda_.create_function(
            FunctionName=self.name,
            Runtime=f"python3.{sys.version_info.minor}",
            Role="arn:aws:iam::000000000000:role/none",
            Handler="index.handler",
            Code={"ZipFile": package},
            Timeout=60,
            MemorySize=512,
            Environment={"Variables": variables},
        )
        self.arn = made["FunctionArn"]

    def listen(self) -> None:
        """Let the function take the queue's messages."""
        self.lambda_.create_event_source_mapping(
            EventSourceArn=self._arn(self.url),
            FunctionName=self.name,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )

    def submit(self, count: int) -> list[Notice]:
        """A batch of as many clips."""
        spec = {
            "function": f"{FUNCTIONS}:write", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": f"s3://{self.name}-proxies/batch",
            "name": None, "receipts": "beside", "retries": 1,
        }  # fmt: skip
        self.ledger.open("k7m2qx", spec, 1_700_000_000.0)
        work = []
        for n in range(1, count + 1):
            self.s3.put_object(Bucket=f"{self.name}-cards", Key=f"day 1/A{n:04}.mov", Body=b"clip %d" % n)
            work.append(WorkItem(f"k7m2qx.{n}", f"s3://{self.name}-cards/day 1/A{n:04}.mov", f"{n:064x}"))
        self.ledger.add("k7m2qx", work)
        self.ledger.seal("k7m2qx")
        return [Notice(one.invocation, "urgent", "dune") for one in work]

    def outputs(self, prefix: str) -> list[str]:
        return [one.uri for one in self.store.listing(f"s3://{self.name}-proxies/{prefix}")]


@pytest.fixture
def environment(aws: AwsServer, unique: str, package: bytes) -> Environment:
    return Environment(aws, unique, package)


def test_messages_that_come_twice_and_out_of_order_end_each_clip_once(environment: Environment) -> None:
    notices = environment.submit(12)
    queue = SqsQueue(environment.sqs, environment.url, fair=False)
    queue.send([*reversed(notices), *notices])
    environment.listen()
    until(lambda: _ended(environment) == 12, seconds=120, pause_s=0.1)
    tally = environment.ledger.tally("k7m2qx")
    assert tally is not None
    assert tally.ended == {State.succeeded: 12}
    made = environment.outputs("batch/")
    assert len([uri for uri in made if uri.endswith(".txt")]) == 12
    assert len([uri for uri in made if uri.endswith(".rushes.json")]) == 12
    entries = environment.ledger.results("k7m2qx", 0, 100)
    assert [entry.attempt for entry in entries] == [1] * 12


def test_a_message_that_is_no_notice_ends_among_the_dead_and_the_others_do_not(
    environment: Environment,
) -> None:
    first, *others = environment.submit(4)
    queue = SqsQueue(environment.sqs, environment.url, fair=False)
    queue.send([first])
    environment.listen()
    until(
        lambda: _ended(environment) == 1, seconds=120, pause_s=0.1
    )  # the Lambda has started, and from now on is quick
    environment.sqs.set_queue_attributes(QueueUrl=environment.url, Attributes={"VisibilityTimeout": "10"})
    environment.sqs.send_message(QueueUrl=environment.url, MessageBody="no notice")
    queue.send(others)
    until(lambda: _ended(environment) == 4, seconds=120, pause_s=0.1)

    def dead() -> Any:
        return environment.sqs.receive_message(QueueUrl=environment.dead).get("Messages")

    assert [one["Body"] for one in until(dead, seconds=120, pause_s=0.1)] == ["no notice"]


def test_a_direct_call_over_http_is_answered_with_where_the_output_is(environment: Environment) -> None:
    environment.s3.put_object(Bucket=f"{environment.name}-cards", Key="a+b c.mov", Body=b"clip")
    event = {"source": f"s3://{environment.name}-cards/a+b c.mov"}
    answer = environment.lambda_.invoke(FunctionName=environment.name, Payload=json.dumps(event))
    said = json.loads(answer["Payload"].read())
    assert answer.get("FunctionError") is None, said
    assert said[0]["outputs"] == [f"s3://{environment.name}-proxies/dune/a+b c.txt"]
    assert environment.outputs("dune/") == [said[0]["outputs"][0], f"{said[0]['outputs'][0]}.rushes.json"]


def _ended(environment: Environment) -> int:
    tally = environment.ledger.tally("k7m2qx")
    return sum(tally.ended.values()) if tally is not None else 0
