"""A host that stands still for longer than its claims hold, and wakes up: what it made is nobody's by now."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_server import AwsServer
from waiting import until

from rushes.core.states import State
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.local import LocalEngine
from rushes.ledger import WorkItem
from rushes.notices import Notice
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE

TESTS = Path(__file__).parents[2]
BATCH, ONE = "k7m2qx", "k7m2qx.1"


class Two:
    """Hosts as processes of their own, each with its own pool, and one clip that they may work on."""

    def __init__(self, aws: AwsServer, name: str, folder: Path) -> None:
        self._folder, self._name = folder, name
        self.s3, self._sqs = aws.client("s3"), aws.client("sqs")
        self.out = f"{name}-proxies"
        for bucket in (f"{name}-cards", self.out):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_versioning(Bucket=self.out, VersioningConfiguration={"Status": "Enabled"})
        aws.client("dynamodb").create_table(TableName=name, **TABLE)
        self._url = self._sqs.create_queue(QueueName=f"{name}-urgent")["QueueUrl"]
        self.ledger = DynamoLedger(aws.client("dynamodb"), name)
        self._endpoint = self.s3.meta.endpoint_url
        self.gate = folder / "gate"
        self.hosts: dict[str, subprocess.Popen[bytes]] = {}

    def submit(self) -> None:
        self.s3.put_object(Bucket=f"{self._name}-cards", Key="A001.mov", Body=b"clip")
        spec = {
            "function": f"{TESTS / 'aws' / 'hosted.py'}:held_stamp", "version": "1", "source_digest": "",
            "params": "{}", "show": "dune", "priority": "urgent", "deadline": None,
            "out": f"s3://{self.out}/dune", "name": None, "receipts": "beside", "retries": 0,
        }  # fmt: skip
        self.ledger.open(BATCH, spec, 1.0)
        params = json.dumps({"gate": str(self.gate)})
        work = WorkItem(ONE, f"s3://{self._name}-cards/A001.mov", "ab" * 32, params=params)
        self.ledger.add(BATCH, [work])
        self.ledger.seal(BATCH)
        services = Services(AwsSettings(self._name), "test", {"sqs": self._sqs}.__getitem__)
        services.queue(self._url).send([Notice(ONE, "urgent", "dune")])

    def host(self, name: str) -> None:
        folder = self._folder / name
        (folder / "scratch").mkdir(parents=True)
        environ = {
            **os.environ, "RUSHES_TABLE": self._name, "RUSHES_LEASE": "3s", "RUSHES_CPU": "1",
            "RUSHES_SCRATCH": str(folder / "scratch"), "RUSHES_HOME": str(folder / "home"),
            "AWS_ENDPOINT_URL": str(self._endpoint), "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS.parent / "framework"))),
        }  # fmt: skip
        asked = json.dumps({"name": name, "queues": {"urgent": self._url}, "width": 1})
        with (folder / "log").open("wb") as log:
            argv = [sys.executable, str(TESTS / "fault_host.py"), asked]
            self.hosts[name] = subprocess.Popen(argv, env=environ, stdout=log, stderr=log)

    def ended(self) -> dict[State, int]:
        tally = self.ledger.tally(BATCH)
        assert tally is not None
        return dict(tally.ended)

    def begun(self) -> int:
        """How often the body has begun."""
        return len(list(self.gate.parent.glob("gate.*.begun")))

    def versions(self) -> list[str]:
        """Every version of every output, receipts beside."""
        found = self.s3.list_object_versions(Bucket=self.out).get("Versions", ())
        return sorted(one["Key"] for one in found)

    def close(self) -> None:
        for name, host in self.hosts.items():
            host.send_signal(signal.SIGCONT)
            host.terminate()
            host.wait(30)
            home = self._folder / name / "home"
            engine = LocalEngine({**os.environ, "RUSHES_HOME": str(home)})
            engine.control("stop")
            engine.close()


@pytest.fixture
def two(aws: AwsServer, unique: str, tmp_path: Path) -> Iterator[Two]:
    made = Two(aws, unique, tmp_path)
    yield made
    made.close()


def test_a_host_that_stood_still_while_another_took_its_work_over_publishes_nothing(two: Two) -> None:
    two.submit()
    two.host("host-a")
    until(lambda: two.begun() == 1, seconds=60)
    two.hosts["host-a"].send_signal(
        signal.SIGSTOP
    )  # its pool goes on, as that of a frozen container does not
    two.host("host-b")
    until(lambda: two.begun() == 2, seconds=60)
    two.gate.touch()
    until(lambda: two.ended() == {State.succeeded: 1}, seconds=60)
    made = two.versions()
    assert made == ["dune/A001.txt", "dune/A001.txt.rushes.json"]

    two.hosts["host-a"].send_signal(signal.SIGCONT)
    scratch = two.gate.parent / "host-a" / "scratch"
    until(lambda: not list(scratch.glob("rushes-attempt-*")), seconds=60)  # it has given up what it made
    assert two.versions() == made
    entry = two.ledger.entry(ONE)
    assert entry is not None
    assert (entry.holder, entry.losses, entry.attempt) == ("host-b", 1, 2)
    assert two.ended() == {State.succeeded: 1}
