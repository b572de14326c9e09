"""Killed with SIGKILL between the gate and the end: a real process, a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aws_server import AwsServer
from killed_runner import runner_of

from rushes.core.states import State
from rushes.ledger import WorkItem
from rushes.shared_ledger.dynamo import DynamoLedger
from rushes.shared_ledger.dynamo_items import TABLE

TESTS = Path(__file__).parents[1]
FUNCTIONS = TESTS / "runtime" / "claimed.py"
ONE = "k7m2qx.1"


@pytest.mark.parametrize(("at", "left", "runs"), [("finish", 0, 1), ("publish", 3, 2)])
def test_what_a_killed_host_had_published_is_ended_by_the_next_without_the_body(
    aws: AwsServer, clients: dict[str, Any], unique: str, tmp_path: Path, *, at: str, left: int, runs: int
) -> None:
    scratch, tally = tmp_path / "scratch", tmp_path / "tally"
    scratch.mkdir()
    clients["s3"].create_bucket(Bucket=unique)
    clients["s3"].put_bucket_versioning(Bucket=unique, VersioningConfiguration={"Status": "Enabled"})
    clients["s3"].put_object(Bucket=unique, Key="A001.mov", Body=b"clip")
    clients["dynamodb"].create_table(TableName=unique, **TABLE)
    ledger = DynamoLedger(clients["dynamodb"], unique)
    spec = {
        "function": f"{FUNCTIONS}:several", "version": "1", "source_digest": "", "params": "{}",
        "show": "dune", "priority": "urgent", "deadline": None, "out": f"s3://{unique}/out", "name": None,
        "receipts": "beside", "retries": 2,
    }  # fmt: skip
    ledger.open("k7m2qx", spec, time.time())
    params = json.dumps({"tally": str(tally)})
    ledger.add("k7m2qx", [WorkItem(ONE, f"s3://{unique}/A001.mov", "ab" * 32, params=params)])
    ledger.seal("k7m2qx")

    told = {
        "endpoint": aws.endpoint, "table": unique, "scratch": str(scratch), "invocation": ONE, "at": at,
        "left": left,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(TESTS / "killed_runner.py"), json.dumps(told)], check=False, cwd=TESTS
    )
    assert done.returncode == -signal.SIGKILL
    later = lambda: time.time() + 120.0  # noqa: E731
    after = runner_of(aws, unique, scratch, "host-b", clock=later).run(ONE)

    entry = ledger.entry(ONE)
    assert entry is not None
    assert (after.state, entry.state, entry.losses) == (State.succeeded, State.succeeded, 1)
    assert len(tally.read_text().splitlines()) == runs
    pages = clients["s3"].list_object_versions(Bucket=unique, Prefix="out/")["Versions"]
    outputs = [one["Key"] for one in pages if not one["Key"].endswith(".rushes.json")]
    if runs == 1:
        assert sorted(outputs) == sorted(set(outputs))  # each written once
    assert len(set(outputs)) == 4
