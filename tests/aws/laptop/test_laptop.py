"""From a command line to Lambdas and hosts of an environment, and back: a real server, real commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deployed
import pytest
from aws_server import AwsServer
from click.testing import CliRunner, Result
from waiting import until
from zipped import as_zip, package

from rushes.cli.app import app
from rushes.core.learning.run_cells import Counted, RunKind, cell, week_of
from rushes.engines.aws.infra.environment import Environment, stack_name
from rushes.engines.aws.infra.executor import Stack
from rushes.engines.aws.infra.template import template_of
from rushes.engines.local import LocalEngine
from rushes.shared_ledger.dynamo_runs import DynamoRunCounts


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


_RUSHES = "import sys; from rushes.cli import main; sys.exit(main())"


class Worker:
    """`rushes worker --engine aws`, as a process."""

    def __init__(self, home: Path) -> None:
        self.log = home / "host.log"
        environ = {
            **os.environ,
            "RUSHES_POLL": "1s",
            "RUSHES_CPU": "1",
            "RUSHES_SCRATCH": str(home),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUSHES, "worker", "--engine", "aws", "--width", "2"],
                env=environ, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def worker(cards: str, rushes_home: Path, tmp_path: Path) -> Iterator[Worker]:
    """A host that works for the environment's queues."""
    made = Worker(tmp_path)
    until(lambda: "takes" in made.log.read_text() or made.process.poll() is not None)
    assert made.process.poll() is None, made.log.read_text()
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    pool = LocalEngine()
    pool.control("stop")
    pool.close()


def rushes(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def lines(made: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.stdout.splitlines()]


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

    assert f"{batch} ·" in rushes("status", "last").output
    assert "succeeded" in rushes("why", "last.1").output
    assert "dune" in rushes("cost", "last").output
    assert rushes("logs", "last.1").stdout == "looking at A+001 é\n"
    assert rushes("logs", "last.2", "--follow").stdout == "looking at B001\n"
    part = rushes("logs", "--of", "look", "--engine", "aws")
    assert f"invocation={batch.partition('@')[0]}.1" in part.stdout

    again = rushes("run", "deployed:look", cards, "--engine", "aws", "--json", "--show", "dune")
    assert [one["cached"] for one in lines(again)] == [True, True]


def test_a_laptop_sends_to_hosts_and_failures_end_as_failures_do_here(
    cards: str, environment: Environment, clients: dict[str, Any], worker: Worker
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
    missing = rushes("submit", "deployed:small", cards, "--engine", "aws", "--out", f"{out[:-5]}-gone/a")
    assert (missing.exit_code, "-proxies-gone, of --out s3://" in missing.output) == (2, True), missing.output

    assert worker.stop() == 0
    assert "takes hosts/urgent, hosts/standard" in worker.log.read_text()


def test_a_laptop_is_told_what_it_will_cost_and_when_it_is_done(
    cards: str, environment: Environment, clients: dict[str, Any], tmp_path: Path
) -> None:
    bucket, tones = environment.buckets["cards"], cards.replace("/reel/", "/tones/")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as tone:
        tone.setparams((1, 2, 8000, 0, "NONE", ""))
        tone.writeframes(bytes(32_000))
    for name in ("A.wav", "B.wav"):
        clients["s3"].upload_file(str(tmp_path / "tone.wav"), bucket, f"tones/{name}")
    clients["s3"].put_object(Bucket=bucket, Key="tones/C.wav", Body=b"no tone")

    def quoted(*more: str, function: str = "deployed:look") -> dict[str, Any]:
        made = rushes("quote", function, tones, "--engine", "aws", "--json", *more)
        return dict(json.loads(made.stdout))

    cold = quoted("--priority", "urgent", function="deployed:small")
    assert (cold["invocations"], cold["unreadable"], cold["runs"]) == (2, 1, 0)
    assert cold["quote"]["basis"] == "unknown"
    clients["s3"].delete_object(Bucket=bucket, Key="tones/C.wav")
    runs = DynamoRunCounts(clients["dynamodb"], environment.table)
    took = {cell(RunKind.ran, 32_044, 20.0): 50}
    runs.add("look", "lambda", Counted("3", week_of(time.time()), took))
    learnt = quoted()
    assert (learnt["quote"]["basis"], learnt["runs"], learnt["unreadable"]) == ("learnt", 50, 0)
    assert learnt["quote"]["seconds"]["likely"] == pytest.approx(40.0, rel=0.3)  # it runs one at a time
    assert 0.0001 < learnt["quote"]["cost_usd"]["likely"] < 0.01
    declined = rushes("quote", "deployed:look", tones, "--engine", "aws", "--by", "5s")
    assert (declined.exit_code, "not within" in declined.output) == (3, True)

    sent = rushes("run", "deployed:look", tones, "--engine", "aws", "--quote")
    assert sent.exit_code == 0, sent.output
    assert "what it took" in sent.output
    assert "quoted" in rushes("status", "last").output
    assert quoted()["known"] == 2
    assert quoted("--force")["invocations"] == 2
    on_hosts = rushes("quote", "deployed:small", tones, "--engine", "aws", "--priority", "standard")
    assert "hosts of your own work on it" in on_hosts.output


@pytest.mark.usefixtures("cards")
def test_wrong_calls_are_said_before_anything_is_sent(tmp_path: Path) -> None:
    clip = tmp_path / "A.mov"
    clip.write_bytes(b"clip")
    local = rushes("run", "deployed:look", str(clip), "--engine", "aws")
    assert (local.exit_code, "aws s3 cp" in local.output) == (2, True)
    none = rushes("run", "deployed:look", "s3://cards/a.mov", "--engine", "aws:nowhere")
    assert (none.exit_code, "no environment 'nowhere'" in none.output) == (2, True)
    assert rushes("list", "--engine", "aws").output.startswith("no batches yet")
