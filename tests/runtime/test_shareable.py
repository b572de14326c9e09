"""What a shared ledger, a log and an error may hold: nothing that gives access."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest

from rushes import CallerError, MediaError
from rushes.engines.aws.called.prints import LONGEST_LINE, unsigned_prints
from rushes.media.running.redact import carries_signature, unsigned
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.sending.shareable import as_told, require_shareable
from rushes.runtime.slots.log import write_failure

SIGNED = "https://b.s3.amazonaws.com/k.mov?X-Amz-Credential=AK&X-Amz-Signature=abc"
TOLD = "https://b.s3.amazonaws.com/k.mov?[redacted]"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"403 for {SIGNED}.", f"403 for {TOLD}"),
        (f'{{"link":"{SIGNED}","n":1}}', f'{{"link":"{TOLD}","n":1}}'),
        ("s3://cards/reel#2?.mov does not exist", "s3://cards/reel#2?.mov does not exist"),
        ("s3://cards/a.mov?versionId=v1", "s3://cards/a.mov?versionId=v1"),
        ("/cards/reel #2 (what?).mov", "/cards/reel #2 (what?).mov"),
        ("https://user:word@host/a", "https://[redacted]@host/a"),
        ("X-Amz-Security-Token: abc", "X-Amz-Security-Token: [redacted]"),
        ("a\tb\x1b[0m", "a\tb\x1b[0m"),
    ],
)
def test_what_gives_access_is_left_out_and_names_of_objects_are_not(text: str, kept: str) -> None:
    assert unsigned(text) == kept


@pytest.mark.parametrize(
    ("text", "signed"),
    [
        (SIGNED, True),
        ("gs://b/k?x=1&X-Goog-Signature=a", True),
        ("https://c.blob.core.windows.net/a/b?sv=2024&sig=a%3D", True),
        ("https://user:word@host/a", True),
        ("https://example.org/look?page=2", False),
        ("s3://cards/a.mov?versionId=v1", False),
        ("Signature: a film", False),
        ('{"sig": "a"}', False),
    ],
)
def test_only_what_gives_access_is_refused_or_cut(text: str, *, signed: bool) -> None:
    assert carries_signature(text) is signed
    assert (as_told(text) == text) is not signed
    if not signed:
        assert require_shareable(text) == text
        return
    with pytest.raises(CallerError) as caught:
        require_shareable(text)
    assert caught.value.code == "signed-link"
    assert text not in str(caught.value)


def test_an_error_that_says_nothing_of_the_kind_is_the_same_error() -> None:
    error = MediaError("it is cut short.", code="truncated", details={"argv": ("ffmpeg", "-i"), "rc": 1})
    assert as_error(error, "f") is error


def test_an_error_is_told_without_it_wherever_it_has_it() -> None:
    error = MediaError(f"{SIGNED} broke.", code="truncated", fix=SIGNED, details={"argv": ["a", SIGNED]})
    assert as_error(error, "f").to_dict() == {
        "kind": "media", "code": "truncated", "message": f"{TOLD} broke.", "fix": TOLD,
        "details": {"argv": ["a", TOLD]},
    }  # fmt: skip


def test_what_is_printed_in_pieces_or_without_an_end_is_seen_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with unsigned_prints():
        for piece in ("one\ntwo ", SIGNED[:50], SIGNED[50:], "\nlast ", SIGNED):
            sys.stdout.write(piece)
        assert out.getvalue() == f"one\ntwo {TOLD}\n"
    assert out.getvalue() == f"one\ntwo {TOLD}\nlast {TOLD}"


def test_where_it_is_known_whose_a_line_is_each_is_a_record_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    handler = logging.StreamHandler(log := io.StringIO())
    handler.setFormatter(logging.Formatter("%(invocation)s %(body)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        with unsigned_prints("k7m2qx.1"):
            sys.stdout.write(f'one\n{{"level": "ERROR", "message": "two"}}\n{{broken\nlast {SIGNED}')
            logging.getLogger("studio").error("three")
    finally:
        logging.getLogger().removeHandler(handler)
    of = {"invocation": "k7m2qx.1", "body": True}
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"level": "INFO", "message": "one", **of},
        {"level": "ERROR", "message": "two", **of},
        {"level": "INFO", "message": "{broken", **of},
        {"level": "INFO", "message": f"last {TOLD}", **of},
    ]
    assert log.getvalue() == "k7m2qx.1 True three\n"


def test_a_line_without_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with unsigned_prints():
        sys.stdout.write("x" * (LONGEST_LINE + 1))
        assert len(out.getvalue()) == LONGEST_LINE + 1


def test_what_a_body_logs_comes_to_the_runtime_without_it() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    try:
        with unsigned_prints():
            try:
                raise OSError(SIGNED)  # noqa: TRY301 - a body's
            except OSError:
                logging.getLogger("studio").exception("asked for %s", SIGNED)
        logging.getLogger("studio").error("after %s", SIGNED)
    finally:
        logging.getLogger().removeHandler(handler)
    first, _, last = out.getvalue().rpartition("after")
    assert f"asked for {TOLD}" in first
    assert f"OSError: {TOLD}" in first
    assert "abc" not in first
    assert "abc" in last


def test_the_log_of_an_invocation_has_a_failure_without_it(tmp_path: Path) -> None:
    try:
        raise OSError(SIGNED)  # noqa: TRY301 - a body's
    except OSError as error:
        write_failure(tmp_path / "1.log", 1, error, as_error(error, "f"))
    text = (tmp_path / "1.log").read_text()
    assert f"OSError: {TOLD}" in text
    assert "abc" not in text
