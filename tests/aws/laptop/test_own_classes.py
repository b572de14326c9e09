"""A class of a studio's own from its file to what it cost: real commands, a real host, a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from click.testing import CliRunner, Result
from waiting import until

from rushes.cli.app import app
from rushes.engines.local import LocalEngine

_CLASSES = {"classes": {"dailies": {"rank": 2, "target": "20m"}, "review": {"rank": 1, "may_displace": True}}}
_PRICES = {
    "schema": 1,
    "tiers": {"here": {"usd_per_hour": 3.6, "source": "invoice", "as_of": "2026-02-01"}},
}
_MAIN = "import sys; from rushes.cli import main; sys.exit(main())"


def rushes(*args: str) -> Result:
    made = CliRunner().invoke(app, list(args))
    assert made.exit_code in {0, 2}, made.output
    return made


@pytest.fixture
def studio(
    aws: AwsServer, clients: dict[str, Any], unique: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """The name of an environment that was deployed with the file of classes; this machine has none."""
    name, file = f"c{unique[-8:]}", tmp_path / "classes.json"
    file.write_text(json.dumps(_CLASSES))
    for variable, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    clients["s3"].create_bucket(Bucket=name)
    for clip in ("A001.mov", "B001.mov"):
        clients["s3"].put_object(Bucket=name, Key=f"reel/{clip}", Body=clip.encode())
    with monkeypatch.context() as deploying:
        deploying.setenv("RUSHES_CLASSES", str(file))
        rushes("infra", "deploy", "--env", name, "--hosts", "--image", "none", "deployed:hold")
    yield name
    rushes("infra", "destroy", "--env", name, "--yes", "--force")


@pytest.fixture
def host(studio: str, rushes_home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A machine of the studio, with one core, its file of classes and its price."""
    prices, log = tmp_path / "prices.json", tmp_path / "host.log"
    prices.write_text(json.dumps(_PRICES))
    environ = {
        **os.environ, "RUSHES_POLL": "1s", "RUSHES_CPU": "1", "RUSHES_SCRATCH": str(tmp_path),
        "RUSHES_CLASSES": str(tmp_path / "classes.json"), "RUSHES_PRICES": str(prices),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, "worker", "--engine", f"aws:{studio}", "--width", "2"],
            env=environ, stdout=file, stderr=file,
        )  # fmt: skip
    until(lambda: "takes" in log.read_text() or process.poll() is not None)
    assert process.poll() is None, log.read_text()
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    pool = LocalEngine()
    pool.control("stop")
    pool.close()


def test_a_class_of_ones_own_is_sent_worked_on_displaced_and_counted(
    studio: str, host: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert host.poll() is None
    gate = tmp_path / "gate"
    to = ["--engine", f"aws:{studio}", "--out", f"s3://{studio}/made"]
    clip = f"s3://{studio}/reel/A001.mov"
    sent = rushes("submit", "deployed:hold", clip, "--gate", str(gate), "--priority", "dailies", *to)
    batch = sent.stdout.strip()
    assert f"{batch} · dailies" in rushes("status", "last").stdout
    pool = LocalEngine()
    until(lambda: any(s["seconds"] > 1.1 for s in pool.pool().get("slots", ()) if s["running"]))
    assert "runs on slot" in rushes("why", "last.1").stdout

    # Another one of the studio's classes goes before it, on the only core.
    swarm = rushes("run", "deployed:hold", f"s3://{studio}/reel/B001.mov", "--priority", "review", *to)
    assert swarm.exit_code == 0
    assert json.loads(rushes("status", batch, "--json").stdout)["ended"] is None

    gate.touch()
    assert rushes("follow", batch).exit_code == 0
    history = json.loads(rushes("why", f"{batch}.1", "--json").stdout)
    assert (history["state"], history["attempts"]) == ("succeeded", 1)
    assert json.loads(rushes("cost", batch, "--json").stdout)["total_nano"] > 0


def test_who_has_no_file_of_classes_is_told_by_the_environment_which_it_has(studio: str) -> None:
    argv = ["run", "deployed:hold", f"s3://{studio}/reel/", "--engine", f"aws:{studio}"]
    made = rushes(*argv, "--out", f"s3://{studio}/made", "--priority", "trailer")
    assert made.exit_code == 2
    assert "dailies" in made.output
    assert "review" in made.output
    here = rushes("run", "deployed:hold", __file__, "--out", "/tmp", "--priority", "dailies")
    assert "'dailies' is not one of 'interactive'" in here.output
