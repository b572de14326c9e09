"""Objects that land in a bucket, to their outputs and the ledger: all of it deployed, and run for real."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from click.testing import CliRunner
from waiting import until
from zipped import as_zip, package

from rushes.cli.app import app
from rushes.core.states import State
from rushes.engines.aws.infra.environment import Environment, stack_name
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.shared_ledger.dynamo import DynamoLedger

DEAD = 4
"""Clips that come while the function can do nothing."""
DELIVERIES = 2


class Deployed:
    """One environment with a router and a function, and what is in it."""

    def __init__(self, aws: AwsServer, clients: dict[str, Any], environment: Environment) -> None:
        self.clients, self.environment = clients, environment
        self.lambda_ = aws.client("lambda")
        self.function = environment.called("small")
        code = f"{environment.buckets['cards']}-code"
        clients["s3"].create_bucket(Bucket=code)
        clients["s3"].put_object(Bucket=code, Key="package.zip", Body=package())
        planned = as_zip(template_of([deployed.small], environment), aws, code)
        # Each Lambda at once is a process that has to start: few are enough for what is shown.
        planned["Resources"]["SourceEvents"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 2
        planned["Resources"]["QueueSmallUrgent"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] = (
            DELIVERIES
        )
        stack = Stack(aws.client("cloudformation"), stack_name(environment.name), sleep=lambda _: None)
        self.outputs = stack.deploy(planned, {"ImageUri": "none"}, {}).outputs
        self.cards, self.proxies = environment.buckets["cards"], environment.buckets["proxies"]
        clients["s3"].put_bucket_versioning(
            Bucket=self.proxies, VersioningConfiguration={"Status": "Enabled"}
        )
        self.ledger = DynamoLedger(clients["dynamodb"], environment.table)

    def put(self, first: int, last: int) -> None:
        """Clips land in the bucket."""
        for n in range(first, last + 1):
            key = f"dune/day1/A{n:04} é+.mov"
            self.clients["s3"].put_object(Bucket=self.cards, Key=key, Body=b"clip %d" % n)

    def knows(self, table: str, hidden_s: int) -> None:
        """Let the function have another ledger, and its messages be hidden so long while it works."""
        self.clients["sqs"].set_queue_attributes(
            QueueUrl=self.outputs["QueueSmallUrgent"], Attributes={"VisibilityTimeout": str(hidden_s)}
        )
        found = self.lambda_.get_function_configuration(FunctionName=self.function)
        variables = found["Environment"]["Variables"] | {"RUSHES_TABLE": table}
        self.lambda_.update_function_configuration(
            FunctionName=self.function, Environment={"Variables": variables}
        )

    def messages(self, *queue: str) -> int:
        """In a queue, whether anybody can see them or not."""
        url = self.clients["sqs"].get_queue_url(QueueName=self.environment.called(*queue))["QueueUrl"]
        found = self.clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumberOf"))

    def all_dead(self) -> bool:
        """Nobody could take in any of what came, and nothing is told of any more."""
        waiting = self.messages("events") + self.messages("small", "urgent")
        return waiting == 0 and self.messages("small", "dead") > DEAD

    def written(self) -> Counter[str]:
        """How often each object of the outputs was written."""
        pages = self.clients["s3"].get_paginator("list_object_versions").paginate(Bucket=self.proxies)
        return Counter(one["Key"] for page in pages for one in page.get("Versions", ()))


@pytest.fixture
def environment(
    aws: AwsServer, clients: dict[str, Any], unique: str, monkeypatch: pytest.MonkeyPatch
) -> Deployed:
    buckets = {name: f"{unique}-{name}" for name in ("cards", "proxies")}
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    owned = tuple(buckets.values())
    environment = Environment(f"o{unique[-8:]}", buckets=buckets, owned=owned, concurrency=2)
    return Deployed(aws, clients, environment)


def redrive(name: str) -> dict[str, int]:
    made = CliRunner().invoke(app, ["redrive", "--engine", f"aws:{name}", "--json"])
    assert made.exit_code == 0, made.output
    found: dict[str, int] = json.loads(made.stdout)
    return found


def _whole(environment: Deployed, count: int) -> None:
    """Some clips come while the function has no ledger, the others later; all of it ends once."""
    environment.knows("gone", 1)
    environment.put(1, DEAD)
    environment.clients["sqs"].send_message(
        QueueUrl=environment.outputs["QueueSmallUrgent"], MessageBody="no notice"
    )
    until(environment.all_dead, seconds=240, pause_s=0.1)

    environment.knows(environment.environment.table, 120)
    name = environment.environment.name
    found = redrive(name)
    assert found["sent"] >= DEAD  # more where an event was delivered twice
    assert (found["over"], found["strange"]) == (0, 1)
    assert redrive(name) == {"schema": 1, "sent": 0, "over": 0, "strange": 1}
    environment.put(DEAD + 1, count)
    until(lambda: sum(environment.written().values()) >= 2 * count, seconds=1800, pause_s=0.1)

    ledger = environment.ledger
    until(lambda: _ended(ledger) == {State.succeeded: count}, seconds=240, pause_s=0.1)
    written = environment.written()
    stems = [f"dune/A{n:04} é+.txt" for n in range(1, count + 1)]
    assert sorted(written) == sorted([*stems, *(f"{one}.rushes.json" for one in stems)])
    assert {written[one] for one in stems} == {1}
    assert (
        environment.clients["s3"].list_multipart_uploads(Bucket=environment.proxies).get("Uploads", []) == []
    )


def _ended(ledger: DynamoLedger) -> dict[State, int]:
    found = (ledger.entry(f"{batch}.1") for batch in ledger.batches(5000))
    return dict(Counter(one.state for one in found if one))


def test_objects_become_outputs_once_and_dead_letters_are_sent_again_once(environment: Deployed) -> None:
    _whole(environment, 20)


@pytest.mark.soak
def test_a_thousand_objects_become_outputs_once(environment: Deployed) -> None:
    _whole(environment, 1000)
