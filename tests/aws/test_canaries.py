"""No secret, no signature: not in a log, a receipt, the ledger, a message or the list of processes.

Credentials and a signed link are planted where they are in earnest: in the environment of a Lambda, in what a
body holds, in options. Then it succeeds, fails in every way, and is killed, and all that is left is read.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from lambda_account import Account, messages
from lambda_runtime import LambdaRuntime
from waiting import until

from rushes.notices import notice_text
from rushes.shared_ledger.dynamo_items import plain

pytestmark = pytest.mark.xdist_group("lambda")

OWN = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYOFTHEROLE0",
    "AWS_SECRET_ACCESS_KEY": "canary0wnSecret/AccessKey+0123456789abcd",
    "AWS_SESSION_TOKEN": "canarySessionToken//////////wEaCXVzLWVhc3QtMQ==",
}
SIGNED = "canary5ignature0f0a0link"
LINK = (
    "https://cards.s3.amazonaws.com/day1/A001.mov?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIACANARYOFTHELINK0%2F20261121%2Fus-east-1%2Fs3%2Faws4_request"
    f"&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNED}"
)
CANARIES = (*OWN.values(), SIGNED, "AKIACANARYOFTHELINK0")


def leaks(text: str) -> list[str]:
    """The canaries that are in a text."""
    return [one for one in CANARIES if one in text]


@pytest.fixture
def link(tmp_path: Path) -> Path:
    file = tmp_path / "link"
    file.write_text(LINK)
    return file


def left(account: Account, function: LambdaRuntime) -> Iterator[tuple[str, str]]:
    """All that is written anywhere, with where."""
    yield "the log", function.log
    for bucket in (account.cards, account.proxies):
        for one in account.s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            found = account.s3.get_object(Bucket=bucket, Key=one["Key"])
            yield one["Key"], found["Body"].read().decode(errors="replace") + str(found["Metadata"])
    for item in account.dynamodb.scan(TableName=account.name)["Items"]:
        values = plain(item)
        yield f"the ledger, {values['pk']}", str({name: repr(one) for name, one in values.items()})
        if "data" in values:
            ended = account.ledger.entry(f"{values['pk'].split('#')[1]}.{int(values['sk'])}")
            assert ended is not None
            yield "a result", str(ended)
    for name, queue in account.queues.items():
        yield f"queue {name}", str(queue.receive(10, 0))


def nothing_leaks(account: Account, function: LambdaRuntime, answer: Any = "") -> None:
    found = [(where, leaks(text)) for where, text in [*left(account, function), ("the answer", str(answer))]]
    assert [one for one in found if one[1]] == []
    assert len(found) >= 4


@pytest.mark.parametrize("body", ["tell", "leak", "burst", "blame"])
def test_what_a_body_says_gives_nobody_access(account: Account, link: Path, body: str) -> None:
    source = account.put("A001.mov")
    (notice,) = account.submit(body, source)
    function = account.of(body, {"CANARY_LINK": str(link), **OWN})
    answers = [function.invoke(messages(notice_text(notice))), function.invoke({"source": source})]
    assert "cards.s3.amazonaws.com" in function.log  # it was said, but for what gives access
    nothing_leaks(account, function, answers)


@pytest.mark.parametrize("body", ["tell", "burst"])
def test_nor_does_it_where_there_is_no_ledger(account: Account, link: Path, body: str) -> None:
    function = account.of(body, {"CANARY_LINK": str(link), "RUSHES_TABLE": "", **OWN})
    answer = function.invoke({"source": account.put("A001.mov")})
    assert "cards.s3.amazonaws.com" in function.log
    nothing_leaks(account, function, answer)


def test_an_option_with_a_signed_link_is_refused_and_not_repeated(account: Account) -> None:
    source = account.put("A001.mov")
    function = account.of("sleep", OWN)
    answer = function.invoke({"source": source, "params": {"link": LINK}})
    assert answer["errorType"] == "CallerError"
    assert "signed link" in answer["errorMessage"]
    wrong = function.invoke({"source": source, "params": {"gate": [LINK]}})
    assert wrong["errorType"] == "CallerError"
    nothing_leaks(account, function, [answer, wrong])


def test_processes_of_an_attempt_and_what_a_crash_leaves_hold_no_credential(
    account: Account, tmp_path: Path
) -> None:
    (notice,) = account.submit("sleep", account.put("A001.mov"), gate=str(tmp_path / "gate"))
    function = account.of("sleep", OWN, timeout_s=300)
    answers: list[Any] = []
    call = threading.Thread(target=lambda: answers.append(function.invoke(messages(notice_text(notice)))))
    call.start()
    try:
        until(lambda: function.processes("sleep"))
        there = function.processes()
        assert [one.name for one in there if leaks(one.command)] == []
        # What the runtime was started with is in its own environment, as AWS has it; in no other's.
        started = [one for one in there if "awslambdaric" not in one.command]
        assert [one.name for one in started if leaks(json.dumps(one.environ))] == []
        (handler,) = function.process.children()
        handler.kill()
    finally:
        call.join()
    assert answers[0]["errorType"] == "Runtime.ExitError"
    nothing_leaks(account, function, answers)


def test_the_process_that_reads_clips_has_no_credential(account: Account, media: Any) -> None:
    account.s3.upload_file(str(media.get("h264.mp4")), account.cards, "A001.mov")
    function = account.of("inspect:", {"RUSHES_FUNCTION": "inspect", **OWN})
    answer = function.invoke({"source": f"s3://{account.cards}/A001.mov"})
    readers = [one for one in function.processes() if "awslambdaric" not in one.command]
    assert readers
    assert [one.name for one in readers if leaks(json.dumps(one.environ) + one.command)] == []
    nothing_leaks(account, function, answer)


_TRACED = """
import sys
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.runtime.attempts.raised import as_error
services = Services(AwsSettings(tracing=sys.argv[1] == "on"), "burst")
with services.traced("attempt", "k7m2qx.1") as note:
    note("state", "succeeded")
try:
    with services.traced("attempt", "k7m2qx.2"):
        raise as_error(ValueError(sys.argv[2]), "burst") from None
except Exception:
    print("aws_xray_sdk" in sys.modules)
"""


@pytest.mark.parametrize("tracing", ["on", "off"])
def test_what_x_ray_is_told_of_attempts_gives_nobody_access(tracing: str) -> None:
    """The emulator has no traces, so this is a process that has what Lambda gives it for one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(0.0)
        environ = {
            **os.environ,
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "LAMBDA_TASK_ROOT": "/var/task",
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        }
        argv = [sys.executable, "-c", _TRACED, tracing, LINK]
        said = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
        told = []
        with suppress(BlockingIOError):  # what was sent on loopback is here once its sender has ended
            while True:
                told.append(daemon.recv(65_536).decode())
    assert said.stdout == f"{tracing == 'on'}\n"
    parts = [json.loads(one.partition("\n")[2]) for one in told]
    if tracing == "off":
        assert parts == []
        return
    assert [one["annotations"] for one in parts] == [
        {"invocation": "k7m2qx.1", "state": "succeeded"},
        {"invocation": "k7m2qx.2"},
    ]
    assert "burst raised ValueError" in told[1]
    assert leaks(str(told)) == []
