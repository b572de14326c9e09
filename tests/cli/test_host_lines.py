"""What a host of an environment tells a person at its terminal, and a file that its log goes to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.cli import pool
from rushes.cli.host_lines import host_line, tell_person
from rushes.cli.session import Session
from rushes.engines.aws import worker
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.errors import PlatformError

_ERROR = PlatformError("the disk is full.", code="no-scratch", fix="Free some space.").to_dict()


@pytest.mark.parametrize(
    ("what", "more", "line"),
    [
        ("succeeded", {"invocation": "k7m2qx.1", "cost_usd": 0.0031}, "succeeded  k7m2qx.1 · $0.0031"),
        ("failed", {"invocation": "k7m2qx.2"}, "failed     k7m2qx.2"),
        ("rests", {"reason": "the disk is full."}, "rests      the disk is full."),
        ("works again", {}, "works again"),
        (
            "waits",
            {"queue": "hosts/urgent", "error": _ERROR},
            "waits      queue hosts/urgent · the disk is full. Free some space.",
        ),
        ("lacks", {"function": "look\x1b[2J"}, "lacks      function look\\x1b[2J"),
        ("odd", {"error": "text"}, "odd        error text"),
    ],
)
def test_an_event_is_a_line(what: str, more: dict[str, Any], line: str) -> None:
    assert host_line(what, more) == line


def test_a_person_is_told_in_lines_without_signatures(capsys: pytest.CaptureFixture[str]) -> None:
    told = Services(AwsSettings(), "host-a", tell=tell_person)
    told.say("rests", reason="https://b.s3.amazonaws.com/k?X-Amz-Signature=abc123 did not answer")
    said = capsys.readouterr().out
    assert "rests" in said
    assert "abc123" not in said
    assert "{" not in said


def test_a_log_that_nobody_reads_is_json_and_names_no_line_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Services(AwsSettings(), "json-host").say("succeeded", invocation="k7m2qx.1")
    said = json.loads(capsys.readouterr().out)
    assert (said["message"], said["invocation"], said["service"]) == ("succeeded", "k7m2qx.1", "json-host")
    assert "location" not in said


@pytest.mark.parametrize("is_read", [True, False])
def test_a_host_writes_lines_where_its_output_is_a_terminal(
    monkeypatch: pytest.MonkeyPatch, *, is_read: bool
) -> None:
    asked = dict[str, Any]()
    monkeypatch.setattr(worker, "run_host", lambda *_, **more: asked.update(more))
    monkeypatch.setattr(Session, "prints_to_terminal", is_read)

    class Pool:
        def pool(self) -> dict[str, Any]:
            return {}

    pool._host(Session(Pool()), "dev", width=1, group=(), classes=())  # type: ignore[arg-type]
    assert asked["tell"] is (tell_person if is_read else None)
