"""A studio on AWS where everything goes wrong: hosts and Lambdas that are killed, behind a proxy that lets
requests fail. What has to be true afterwards stands here too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import psutil
from aws_server import AwsServer
from fault_proxy import FaultProxy
from waiting import until

from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.errors import PlatformError
from rushes.ledger import Entry, Tally, WorkItem
from rushes.notices import Notice
from rushes.runtime.shared.objects.scratch import sweep_scratch
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE
from rushes.shared_ledger.sqs import SqsQueue

__all__ = ["FaultyStudio"]

FUNCTIONS: Final = Path(__file__).parent / "aws" / "hosted.py"
_ROOT: Final = Path(__file__).parents[1]
_PLACES: Final = [str(_ROOT / one) for one in ("framework", "functions", "tests")]
_INDEX: Final = f"""
import sys
sys.path[:0] = {[*_PLACES, sysconfig.get_paths()["purelib"]]!r}
from rushes import catalog
from rushes.storage import s3_transfers
s3_transfers.PART_BYTES = 5 * 2**20
handler = catalog.find({f"{FUNCTIONS}:stamp"!r}).lambda_handler
"""
DELIVERIES: Final = 4
"""Of a message before it is among the dead."""
T = TypeVar("T")


class FaultyStudio:
    """Buckets, a table, queues, a Lambda, and hosts that may be killed.

    Args:
        server: AWS, to look at what is there.
        proxy: AWS as the hosts and the Lambda see it.
        name: which no other has.
        folder: for scratch and logs.
        home: the state folder of the pool that all hosts share.
        lease_s: how long a claim holds.
    """

    def __init__(
        self, server: AwsServer, proxy: FaultProxy, name: str, folder: Path, home: Path, *, lease_s: int = 6
    ) -> None:
        self.server, self.name, self.folder, self._home = server, name, folder, str(home)
        self._faulty = AwsServer(proxy.endpoint)
        self.s3, self.sqs, self.lambda_ = (server.client(one) for one in ("s3", "sqs", "lambda"))
        self.dynamodb = server.client("dynamodb")
        self.cards, self.proxies = f"{name}-cards", f"{name}-proxies"
        for bucket in (self.cards, self.proxies):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=self.proxies, VersioningConfiguration={"Status": "Enabled"})
        self.dynamodb.create_table(TableName=name, **TABLE)
        self.dead = self._queue(f"{name}-dead", {})
        redrive = {"deadLetterTargetArn": self._arn(self.dead), "maxReceiveCount": str(DELIVERIES)}
        attributes = {"VisibilityTimeout": "5", "RedrivePolicy": json.dumps(redrive)}
        self.urls = {one: self._queue(f"{name}-{one}", attributes) for one in ("urgent", "standard")}
        self.ledger = DynamoLedger(self.dynamodb, name)
        self._environ = {
            "RUSHES_TABLE": name,
            "RUSHES_QUEUE_URL": ",".join(f"{one}={url}" for one, url in self.urls.items()),
            "RUSHES_LEASE": f"{lease_s}s",
            "RUSHES_SCRATCH": str(self._scratch("hosts")),
            "RUSHES_HOME": str(home),
            "RUSHES_CPU": "2",
            "AWS_ENDPOINT_URL": proxy.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_METRICS_DISABLED": "true",
        }
        self._hosts: list[subprocess.Popen[bytes]] = []
        self._started = 0
        self.killed: Counter[str] = Counter()

    def _scratch(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _queue(self, name: str, attributes: dict[str, str]) -> str:
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def _arn(self, url: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    # -- who works -----------------------------------------------------------------------------------------

    def listen(self, most: int = 2) -> None:
        """Let a Lambda take the urgent queue's messages, as many of them at once as that."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("index.py", _INDEX)
        self.lambda_.create_function(
            FunctionName=self.name,
            Runtime=f"python3.{sys.version_info.minor}",
            Role="arn:aws:iam::000000000000:role/none",
            Handler="index.handler",
            Code={"ZipFile": file.getvalue()},
            Timeout=60,
            MemorySize=512,
            Environment={"Variables": {**self._environ, "RUSHES_SCRATCH": str(self._scratch("lambda"))}},
        )
        self.lambda_.create_event_source_mapping(
            EventSourceArn=self._arn(self.urls["urgent"]),
            FunctionName=self.name,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": most},
        )

    def host(self) -> None:
        """Another host, working for all queues."""
        self._started += 1
        name = f"host-{self._started}"
        asked = json.dumps({"name": name, "queues": self.urls, "width": 3})
        with (self.folder.parent / f"{self.folder.name}-{name}.log").open("wb") as log:
            script = str(Path(__file__).with_name("fault_host.py"))
            environ = {**os.environ, **self._environ, "PYTHONPATH": os.pathsep.join(_PLACES)}
            self._hosts.append(
                subprocess.Popen([sys.executable, script, asked], env=environ, stdout=log, stderr=log)
            )

    def kill(self, drawn: random.Random) -> None:
        """Kill one of those who work, and start a host where it was one."""
        others = [
            *(
                ("lambda", one)
                for one in psutil.Process(self.server.pid).children()
                if _runs(one, "_worker.py")
            ),
            *(("pool", one) for one in psutil.process_iter() if self._is_pool(one)),
        ]
        number = drawn.randrange(len(self._hosts) + len(others))
        if number >= len(self._hosts):
            name, process = others[number - len(self._hosts)]
            with suppress(psutil.NoSuchProcess):  # it had nothing to do any more
                process.kill()
            self.killed[name] += 1
            return
        victim = self._hosts.pop(number)
        victim.kill()
        victim.wait()
        self.killed["host"] += 1
        self.host()

    def _is_pool(self, process: psutil.Process) -> bool:
        """Whether this is the worker of the pool that all hosts share."""
        try:
            return (
                _runs(process, "rushes.engines.local_worker")
                and process.environ().get("RUSHES_HOME") == self._home
            )
        except psutil.Error:
            return False

    def assert_no_scratch(self) -> None:
        """What the killed have left is found by whoever works there next, a while later."""
        until(self._swept)  # an attempt of a Lambda that was overtaken may take its time

    def _swept(self) -> bool:
        for one in self.folder.glob("*/*"):
            with suppress(FileNotFoundError):
                os.utime(one, (0, 0))
        for one in self.folder.iterdir():
            sweep_scratch(one)
        return not list(self.folder.glob("*/*"))

    def stop(self) -> None:
        """End the hosts: those that hang are killed."""
        for one in self._hosts:
            one.terminate()
        for one in self._hosts:
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
        self._hosts.clear()

    # -- what is to be done --------------------------------------------------------------------------------

    def submit(self, batch: str, count: int, priority: str, function: str = "stamp") -> None:
        """A batch of as many clips, by requests that fail."""
        clients = {one: self._faulty.client(one) for one in ("dynamodb", "sqs")}
        ledger = DynamoLedger(clients["dynamodb"], self.name)
        spec = {
            "function": f"{FUNCTIONS}:{function}", "version": "1", "source_digest": "", "params": "{}",
            "show": "dune", "priority": priority, "deadline": None, "out": f"s3://{self.proxies}/{batch}",
            "name": None, "receipts": "beside", "retries": 1,
        }  # fmt: skip
        work = []
        for n in range(1, count + 1):
            key = f"{batch}/A{n:05}.mov"
            self.s3.put_object(Bucket=self.cards, Key=key, Body=b"clip %d" % n)
            work.append(WorkItem(f"{batch}.{n}", f"s3://{self.cards}/{key}", f"{batch}{n:08x}"))
        notices = [Notice(one.invocation, priority, "dune") for one in work]
        queue = SqsQueue(clients["sqs"], self.urls[priority])
        _again(lambda: ledger.open(batch, spec, time.time()))
        for start in range(0, count, 50):
            _again(lambda start=start: ledger.add(batch, work[start : start + 50]))  # type: ignore[misc]
        _again(lambda: ledger.seal(batch))
        for start in range(0, count, 10):
            _again(lambda start=start: queue.send(notices[start : start + 10]))  # type: ignore[misc]

    def services(self) -> Services:
        """What a person at a terminal has, without faults."""
        settings = AwsSettings(self.name, scratch=self.folder)
        clients = {"s3": self.s3, "sqs": self.sqs, "dynamodb": self.dynamodb}
        return Services(settings, "test", clients.__getitem__)

    def tally(self, batch: str) -> Tally:
        found = self.ledger.tally(batch)
        assert found is not None
        return found

    def idle(self) -> bool:
        """Nobody is told of anything, and nobody works on anything."""
        for url in self.urls.values():
            found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            if any(int(value) for name, value in found.items() if name.startswith("ApproximateNumberOf")):
                return False
        return True

    def ended(self, batches: Sequence[str]) -> int:
        """How many invocations have ended."""
        return sum(sum(self.tally(one).ended.values()) for one in batches)

    # -- what is true afterwards ---------------------------------------------------------------------------

    def assert_whole(self, batch: str, count: int) -> None:
        """Every invocation has ended well, once, with its output and the receipt of that beside it."""
        entries = self.ledger.results(batch, 0, count + 1)
        failed = [one.end.data for one in entries if one.end and one.state is not State.succeeded]
        assert not failed, "\n".join(failed)
        assert [one.work.n for one in entries] == list(range(1, count + 1))
        self._assert_counts(batch, entries)
        objects = self._versions(batch)
        for one in entries:
            self._assert_published(one, objects)
        assert objects == {}, "something is there that no invocation has made"
        assert self.s3.list_multipart_uploads(Bucket=self.proxies).get("Uploads", []) == []

    def _assert_counts(self, batch: str, entries: Sequence[Entry]) -> None:
        tally, ends = self.tally(batch), [one.end for one in entries if one.end]
        assert tally.complete
        assert tally.total == len(entries) == sum(tally.ended.values())
        assert tally.cost_nano == sum(end.cost_nano for end in ends)
        assert round(tally.seconds * 1e6) == sum(round(end.seconds * 1e6) for end in ends)
        assert list(tally.active) == []
        assert all(one.attempt >= 1 for one in entries)

    def _versions(self, batch: str) -> dict[str, int]:
        """How often each object of a batch was written."""
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.proxies, Prefix=f"{batch}/"
        )
        return dict(Counter(one["Key"] for page in pages for one in page.get("Versions", ())))

    def _assert_published(self, entry: Entry, objects: dict[str, int]) -> None:
        assert entry.end is not None
        data = json.loads(entry.end.data)
        (uri,) = data["outputs"]
        key = uri.removeprefix(f"s3://{self.proxies}/")
        assert objects.pop(key) == 1, f"{uri} was published twice"
        objects.pop(
            f"{key}.rushes.json"
        )  # may be written again by who takes over, before its output is there
        body = self.s3.get_object(Bucket=self.proxies, Key=key)["Body"].read()
        receipt = json.loads(self.s3.get_object(Bucket=self.proxies, Key=f"{key}.rushes.json")["Body"].read())
        assert receipt["key"] == entry.work.key
        assert [one["sha256"] for one in receipt["outputs"]] == [hashlib.sha256(body).hexdigest()], uri


def _again(act: Callable[[], T]) -> T:
    """Say it again until it is answered: nothing is done twice."""
    for _ in range(50):
        try:
            return act()
        except PlatformError:
            continue
    raise AssertionError("it was never answered")


def _runs(process: psutil.Process, what: str) -> bool:
    try:
        return any(one.endswith(what) for one in process.cmdline())
    except psutil.Error:
        return False
