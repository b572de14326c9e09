"""An account of one test: buckets, a table, queues and Lambdas; and what Lambdas are sent."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aws_server import AwsServer
from lambda_runtime import LambdaRuntime, lambda_runtime, sam_event

from rushes.ledger import WorkItem
from rushes.notices import Notice
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue
from rushes.storage.s3 import S3Store


class Account:
    """Buckets, a table and queues of one test, and Lambdas in front of them."""

    def __init__(self, server: AwsServer, name: str, package: Path, folder: Path) -> None:
        self._server, self._package, self._folder = server, package, folder
        self._lambdas = ExitStack()
        self.s3, self.sqs = server.client("s3"), server.client("sqs")
        self.cards, self.proxies = f"{name}-cards", f"{name}-proxies"
        for bucket in (self.cards, self.proxies):
            self.s3.create_bucket(Bucket=bucket)
        self.dynamodb = server.client("dynamodb")
        self.dynamodb.create_table(TableName=name, **TABLE)
        self.name, self.ledger, self.store = name, DynamoLedger(self.dynamodb, name), S3Store(self.s3)
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

    def of(
        self,
        function: str,
        variables: Mapping[str, str] = MappingProxyType({}),
        *,
        timeout_s: int = 60,
        walled: bool = False,
    ) -> LambdaRuntime:
        """A Lambda of a function of `on_lambda`; `walled`, it finds what Lambda has, and no more."""
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
        made = lambda_runtime(folder, self._package, said, timeout_s=timeout_s, walled=walled)
        return self._lambdas.enter_context(made)

    def submit(self, function: str, *sources: str, **params: str) -> list[Notice]:
        """A batch of clips, in the ledger; nobody is told."""
        spec = {
            "function": f"on_lambda:{function}", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": "urgent", "deadline": None, "out": f"s3://{self.proxies}/batch",
            "name": None, "receipts": "beside", "retries": 1,
        }  # fmt: skip
        self.ledger.open("k7m2qx", spec, time.time())
        work = [
            WorkItem(f"k7m2qx.{n}", source, f"{n:064x}", params=json.dumps(params), tag=f"~{n}")
            for n, source in enumerate(sources, 1)
        ]
        self.ledger.add("k7m2qx", work)
        self.ledger.seal("k7m2qx")
        return [Notice(one.invocation, "urgent", "dune") for one in work]

    def close(self) -> None:
        self._lambdas.close()


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
