"""What `rushes infra` makes, deployed to a local AWS: an object comes in, and its output is there.

The server runs no containers, so a Lambda's image is exchanged for a zip that calls the same entry, and it
knows no budgets; everything else of the template is deployed as it is planned.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from click.testing import CliRunner
from waiting import until
from zipped import as_zip, package

from rushes import CallerError, PlatformError
from rushes.cli.app import app
from rushes.engines.aws.called.intake import Order, take_in
from rushes.engines.aws.infra.environment import Environment
from rushes.engines.aws.infra.executor import Stack, client_of, put_template
from rushes.engines.aws.infra.template import template_of
from rushes.ledger import Claim
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.storage.s3 import S3Store


@pytest.fixture
def environment(unique: str) -> Environment:
    cards = f"{unique}-cards"
    buckets = {name: f"{unique}-{name}" for name in ("cards", "proxies", "sound")}
    return Environment(f"t{unique[-8:]}", buckets=buckets, owned=(cards, f"{unique}-sound"))


@pytest.fixture
def stack(aws: AwsServer, environment: Environment) -> Stack:
    return Stack(aws.client("cloudformation"), f"rushes-{environment.name}", sleep=lambda _: time.sleep(0.05))


@pytest.fixture
def signed_in(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks boto3 for a client gets one of the server."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def test_an_object_that_comes_is_worked_on_by_what_was_deployed(
    aws: AwsServer, clients: dict[str, Any], environment: Environment, stack: Stack, unique: str
) -> None:
    s3 = clients["s3"]
    for bucket in ("code", "proxies"):
        s3.create_bucket(Bucket=f"{unique}-{bucket}")
    s3.put_object(Bucket=f"{unique}-code", Key="package.zip", Body=package())
    template = as_zip(template_of([deployed.small, deployed.look], environment), aws, f"{unique}-code")

    done = stack.deploy(template, {"ImageUri": "none"}, {"rushes:environment": environment.name})
    assert done.changed
    assert done.outputs["Ledger"] == environment.table
    s3.put_object(Bucket=f"{unique}-cards", Key="dune/Day 1/A+001 é.MOV", Body=b"clip")
    s3.put_object(Bucket=f"{unique}-cards", Key="dune/stills/A001.mov", Body=b"nobody wants it")

    def outputs() -> list[str]:
        found = s3.list_objects_v2(Bucket=f"{unique}-proxies").get("Contents", [])
        return [one["Key"] for one in found]

    until(lambda: len(outputs()) == 2, seconds=120)
    assert outputs() == ["dune/A+001 é.txt", "dune/A+001 é.txt.rushes.json"]
    body = s3.get_object(Bucket=f"{unique}-proxies", Key="dune/A+001 é.txt")["Body"].read()
    assert body == b"CLIP"
    ledger = DynamoLedger(clients["dynamodb"], environment.table)
    until(lambda: not [*ledger.unfinished()], seconds=60)

    # What a host that died has left is told of by the sweep, and worked on.
    s3.put_object(Bucket=f"{unique}-proxies", Key="cards/B001.mov", Body=b"left")
    source = S3Store(s3).look(f"s3://{unique}-proxies/cards/B001.mov")
    out = f"s3://{unique}-proxies/dune"
    order = Order(deployed.small, source, deployed.small.params(), out, "dune", "urgent")
    notice = take_in(order, ledger, time.time() - 90)
    assert isinstance(ledger.claim(notice.invocation, "dead", time.time() - 90, time.time() - 30), Claim)
    answer = aws.client("lambda").invoke(FunctionName=environment.called("sweep"))
    assert json.loads(answer["Payload"].read()) == {"told": 1}
    until(lambda: "dune/B001.txt" in outputs(), seconds=120)

    assert stack.template() == template
    assert not stack.deploy(template, {"ImageUri": "none"}, {"rushes:environment": environment.name}).changed
    assert stack.destroy()
    assert stack.template() is None
    s3.head_bucket(Bucket=f"{unique}-cards")  # it stays, with what is in it
    assert not stack.destroy()


@pytest.mark.usefixtures("signed_in")
def test_hours_messages_whole_reels_and_what_lies_there_start_what_was_deployed(
    aws: AwsServer, clients: dict[str, Any], environment: Environment, stack: Stack, unique: str
) -> None:
    s3, cards = clients["s3"], f"{unique}-cards"
    for bucket in (f"{unique}-code", cards):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=f"{unique}-code", Key="package.zip", Body=package())
    there = replace(environment, owned=())
    notification: dict[str, Any] = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=cards, NotificationConfiguration=notification)
    s3.put_object(Bucket=cards, Key="reels/0/A000.mov", Body=b"it lay there before")
    s3.put_object(Bucket=cards, Key="reels/0/reel.csv", Body=b"source\nA000.mov\n")
    template = template_of([deployed.often], there)
    outputs = stack.deploy(as_zip(template, aws, f"{unique}-code"), {"ImageUri": "none"}, {}).outputs
    ledger = DynamoLedger(clients["dynamodb"], environment.table)

    def sources() -> set[str]:
        """What has ended."""
        ended = {one for one in ledger.batches(100) if (t := ledger.tally(one)) is not None and t.complete}
        return {Path(entry.work.source).name for batch in ended for entry in ledger.results(batch, 0, 10)}

    def ends(*names: str) -> None:
        until(lambda: set(names) <= sources(), seconds=120, pause_s=0.1)

    s3.put_object(Bucket=cards, Key="night/B001.mov", Body=b"night")
    s3.put_object(Bucket=cards, Key="day/C001.mov", Body=b"asked")
    message = json.dumps({"source": f"s3://{cards}/day/C001.mov"})
    clients["sqs"].send_message(QueueUrl=outputs["QueueInRequests"], MessageBody=message)
    ends("C001.mov")
    for key, body in (("reel.csv", b"source\nA001.mov\nA002.mov\n"), ("A001.mov", b"1"), ("A002.mov", b"2")):
        s3.put_object(Bucket=cards, Key=f"reels/7/{key}", Body=body)
    ends("A001.mov", "A002.mov")
    assert not {"B001.mov", "A000.mov"} & sources()

    hour = json.dumps({"hour": "often/0"})
    said = aws.client("lambda").invoke(FunctionName=environment.called("router"), Payload=hour)
    assert json.loads(said["Payload"].read()) == {"handed over": 1}
    ends("B001.mov")
    asked = ["infra", "backfill", "--env", environment.name, f"s3://{cards}/reels/"]
    made = CliRunner().invoke(app, asked)
    assert "5 objects below" in made.output
    ends("A000.mov")
    assert stack.destroy()


def test_a_stack_that_cannot_be_made_says_which_resource_and_why(
    clients: dict[str, Any], stack: Stack, environment: Environment
) -> None:
    template = {"Resources": {"Bad": {"Type": "AWS::Nothing::AtAll", "Properties": {}}}}
    with pytest.raises((PlatformError, CallerError)) as caught:
        stack.deploy(template, {}, {})
    assert caught.value.code == "deploy-failed"
    assert "Nothing::AtAll" in caught.value.message


@pytest.mark.usefixtures("signed_in")
def test_a_template_that_no_request_holds_goes_through_a_bucket(
    stack: Stack, environment: Environment, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushes.engines.aws.infra.executor.MOST_INLINE", 100)
    template = template_of([deployed.asked], environment)
    with pytest.raises(CallerError) as caught:
        stack.deploy(template, {"ImageUri": "none"}, {})
    assert caught.value.code == "template-too-large"

    client_of("s3", "us-east-1").create_bucket(Bucket=f"{unique}-code")
    done = stack.deploy(
        template,
        {"ImageUri": "none"},
        {},
        place=lambda body: put_template(body, f"{unique}-code", "rushes/t.json", "us-east-1"),
    )
    assert done.outputs["FunctionAsked"] == environment.called("asked")
    assert stack.destroy()


@pytest.mark.usefixtures("signed_in")
def test_the_commands_deploy_compare_and_remove(unique: str) -> None:
    name = f"c{unique[-8:]}"

    def said(*args: str, status: int = 0) -> str:
        made = CliRunner().invoke(app, ["infra", *args, "--env", name])
        assert made.exit_code == status, made.output
        return made.output

    small = ("deployed:small", "--own", f"{unique}-cards", "--bucket", f"cards={unique}-cards")
    assert "+ Resources.FunctionSmall" in said("diff", *small)
    made = said("deploy", *small, "--image", "1.dkr.ecr.us-east-1.amazonaws.com/rushes:1")
    assert f"rushes-{name}-ledger" in made
    assert said("diff", *small) == "Nothing would change.\n"
    assert "~ Resources.SourceSmallUrgent.Properties.ScalingConfig.MaximumConcurrency: 50 → 7" in said(
        "diff", *small, "--concurrency", "7"
    )
    assert "Say --yes." in said("destroy", status=2)
    assert f"Bucket {unique}-cards stays." in said("destroy", "--yes")
    assert "There is no environment" in said("destroy", "--yes")
    assert json.loads(said("synth", *small, "--format", "json"))["Description"].endswith(name)
