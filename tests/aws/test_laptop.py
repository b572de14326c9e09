"""From a command line to Lambdas and hosts of an environment, and back: a real server, real commands."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from click.testing import CliRunner, Result
from zipped import as_zip, package

from rushes.cli.app import app
from rushes.engines.aws.engine import AwsEngine
from rushes.engines.aws.host import Host
from rushes.engines.aws.infra.environment import Environment, stack_name
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.engines.aws.services import Services
from rushes.engines.aws.settings import AwsSettings
from rushes.engines.local import LocalEngine


@pytest.fixture
def environment(unique: str) -> Environment:
    buckets = {name: f"{unique}-{name}" for name in ("cards", "proxies", "sound")}
    return Environment(f"l{unique[-8:]}", buckets=buckets, owned=tuple(buckets.values()), hosts=True)


@pytest.fixture
def cards(
    aws: AwsServer, clients: dict[str, Any], environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An environment that is deployed, its name said, and two clips in its bucket."""
    clients["s3"].create_bucket(Bucket=f"{environment.buckets['cards']}-code")
    clients["s3"].put_object(Bucket=f"{environment.buckets['cards']}-code", Key="package.zip", Body=package())
    planned = template_of([deployed.small, deployed.look], environment)
    stack = Stack(aws.client("cloudformation"), stack_name(environment.name), sleep=lambda _: None)
    stack.deploy(as_zip(planned, aws, f"{environment.buckets['cards']}-code"), {"ImageUri": "none"}, {})
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1", "RUSHES_AWS_ENV": environment.name,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    bucket = environment.buckets["cards"]
    for name in ("A+001 é.mov", "B001.mov"):
        clients["s3"].put_object(Bucket=bucket, Key=f"reel/{name}", Body=name.encode())
    return f"s3://{bucket}/reel/"


@pytest.fixture
def host(  # noqa: PLR0917 - fixtures
    aws: AwsServer,
    environment: Environment,
    cards: str,
    rushes_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Host]:
    """A host that works for the environment's queues."""
    monkeypatch.setenv("RUSHES_CPU", "1")
    monkeypatch.setattr("rushes.engines.aws.host.POLL_S", 1.0)
    pool = LocalEngine()
    services = Services(AwsSettings(environment.table, scratch=tmp_path), "host-a", aws.client)
    working = Host(services, pool, AwsEngine().deployment.of_hosts(), name="host-a", width=2)
    thread = threading.Thread(target=working.run)
    thread.start()
    yield working
    working.stop()
    thread.join()
    pool.control("stop")
    pool.close()


def rushes(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def lines(made: Result) -> list[dict[str, Any]]:
    """What a command said; a host of this process logs to the same place."""
    said = [json.loads(line) for line in made.stdout.splitlines()]
    return [one for one in said if "schema" in one]


def test_a_laptop_sends_to_lambda_follows_and_reads_what_came_of_it(cards: str) -> None:
    made = rushes("run", "deployed:look", cards, "--engine", "aws", "--json", "--show", "dune")
    assert made.exit_code == 0, made.output
    ends = {one["asset"].rpartition("/")[2]: one for one in lines(made)}
    assert {name: one["result"] for name, one in ends.items()} == {
        "A+001 é.mov": {"size_bytes": 12},
        "B001.mov": {"size_bytes": 8},
    }
    batch = ends["B001.mov"]["batch"]
    assert "succeeded" in rushes("why", ends["B001.mov"]["invocation"]).output
    assert batch in rushes("list", "--engine", "aws").output
    assert json.loads(rushes("status", batch, "--json").output)["counts"]["succeeded"] == 2
    assert len(lines(rushes("results", batch, "--json"))) == 2

    again = rushes("run", "deployed:look", cards, "--engine", "aws", "--json", "--show", "dune")
    assert [one["cached"] for one in lines(again)] == [True, True]


@pytest.mark.usefixtures("host")
def test_a_laptop_sends_to_hosts_and_failures_end_as_failures_do_here(
    cards: str, environment: Environment, clients: dict[str, Any]
) -> None:
    out = f"s3://{environment.buckets['proxies']}/dune"
    made = rushes("run", "deployed:small", cards, "--engine", "aws", "--out", out, "--json")
    assert made.exit_code == 0, made.output
    ends = lines(made)
    assert sorted(path for one in ends for path in one["outputs"]) == [
        f"{out}/A+001 é.txt",
        f"{out}/B001.txt",
    ]
    receipt = json.loads(rushes("receipt", ends[0]["invocation"]).output)
    assert receipt["source"]["uri"] == ends[0]["asset"]
    assert receipt["outputs"][0]["path"] in ends[0]["outputs"]

    clients["s3"].put_object(Bucket=environment.buckets["proxies"], Key="dune/C001.txt", Body=b"not ours")
    clients["s3"].put_object(Bucket=environment.buckets["cards"], Key="reel/C001.mov", Body=b"clip")
    failed = rushes("run", "deployed:small", f"{cards}C001.mov", "--engine", "aws", "--out", out)
    assert failed.exit_code == 1
    assert "is not ours" in failed.output


@pytest.mark.usefixtures("cards")
def test_wrong_calls_are_said_before_anything_is_sent(tmp_path: Path) -> None:
    clip = tmp_path / "A.mov"
    clip.write_bytes(b"clip")
    local = rushes("run", "deployed:look", str(clip), "--engine", "aws")
    assert (local.exit_code, "aws s3 cp" in local.output) == (2, True)
    none = rushes("run", "deployed:look", "s3://cards/a.mov", "--engine", "aws:nowhere")
    assert (none.exit_code, "no environment 'nowhere'" in none.output) == (2, True)
    assert rushes("list", "--engine", "aws").output.startswith("no batches yet")
