"""Environments that go while something of their work has not ended: told, refused, and stopped by force."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aws_server import AwsServer
from click.testing import CliRunner

from rushes import CallerError
from rushes.cli.app import app
from rushes.core.states import State
from rushes.engines.aws.infra.in_flight import in_flight, refuse_in_flight
from rushes.ledger import Claim, WorkItem
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.testing.ledger import StubLedger
from rushes.testing.ledger_contract import NOW, SPEC


class NoQueues:
    """An SQS with a message in some of its queues."""

    def __init__(self, **counts: int) -> None:
        self._counts = counts

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803 - as boto3 has it
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Any) -> Any:  # noqa: N803 - as above
        return {"Attributes": {AttributeNames[0]: str(self._counts.get(QueueUrl, 0))}}


def test_what_has_ended_is_not_in_flight() -> None:
    ledger = StubLedger()
    ledger.open("k7m2qx", SPEC, NOW)
    ledger.seal("k7m2qx")
    found = in_flight(ledger, NoQueues(), ["a", "b"])
    assert not found
    refuse_in_flight("dev", found)


def test_batches_claims_of_events_and_messages_are_in_flight_and_said() -> None:
    ledger = StubLedger()
    for batch in (f"k7m2q{number}" for number in range(7)):
        ledger.open(batch, SPEC, NOW)
        ledger.add(batch, [WorkItem(f"{batch}.{n}", "s3://b/a.mov") for n in (1, 2)])
    ledger.enter(SPEC, WorkItem("eab0.1", "s3://b/a.mov"), NOW)
    assert isinstance(ledger.claim("eab0.1", "host-a", NOW, NOW + 60), Claim)
    found = in_flight(ledger, NoQueues(b=3), ["a", "b"])
    with pytest.raises(CallerError) as caught:
        refuse_in_flight("dev", found)
    assert caught.value.code == "work-in-flight"
    for said in ("k7m2q0 with 2 invocations", "2 more batches", "1 invocations that events", "b with 3 mess"):
        assert said in caught.value.message
    assert "a with" not in caught.value.message


def test_a_ledger_that_is_gone_has_nothing_in_flight(aws: AwsServer) -> None:
    assert not in_flight(DynamoLedger(aws.client("dynamodb"), "rushes-nowhere-ledger"), NoQueues(), ["a"])


def infra(*args: str, status: int = 0) -> str:
    made = CliRunner().invoke(app, ["infra", *args])
    assert made.exit_code == status, made.output
    return made.output


def test_an_environment_goes_with_work_in_flight_by_force_alone_and_its_buckets_never(
    clients: dict[str, Any], environment_name: str
) -> None:
    bucket = f"{environment_name}-made"
    infra(
        "deploy", "--env", environment_name, "--hosts", "--class", "urgent", "--own", bucket,
        "--image", "none", "deployed:hold",
    )  # fmt: skip
    clients["s3"].put_object(Bucket=bucket, Key="dune/A001.mov", Body=b"made")
    ledger = DynamoLedger(clients["dynamodb"], f"rushes-{environment_name}-ledger")
    now = time.time()
    ledger.open("k7m2qx", {**SPEC, "title": "hold"}, now)
    ledger.add("k7m2qx", [WorkItem(f"k7m2qx.{n}", "s3://b/a.mov") for n in (1, 2)])
    ledger.seal("k7m2qx")
    assert isinstance(ledger.claim("k7m2qx.1", "a host that dies", now, now + 2), Claim)

    refused = infra("destroy", "--env", environment_name, "--yes", status=2)
    assert "batch k7m2qx with 2 invocations" in refused
    entry = ledger.entry("k7m2qx.1")
    assert entry is not None
    assert entry.state is State.running  # asking does nothing

    said = infra("destroy", "--env", environment_name, "--yes", "--force")
    assert "1 batch cancelled" in said
    assert f"Bucket {bucket} stays." in said
    assert clients["s3"].get_object(Bucket=bucket, Key="dune/A001.mov")["Body"].read() == b"made"
