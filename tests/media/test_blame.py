"""Whose fault it is that a reader could not answer; see `rushes.media.readers.blame`."""

from __future__ import annotations

import errno
import json
import resource
import sys
from collections.abc import Callable, Mapping
from typing import Any

import av.error
import pytest

from rushes.core.host_health import DOUBTS, Part
from rushes.core.retry import GiveUp, RetryAfter, decide
from rushes.errors import MediaError, RushesError
from rushes.media import reading
from rushes.media.readers.blame import blamed_for

_TOO_LARGE = MediaError("a.mov asks for more memory than its function may have.", code="too-large")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "has_memory", "kind", "code"),
    [
        (MediaError("its end is missing.", code="truncated"), True, "media", "truncated"),
        (av.error.InvalidDataError(1094995529, "Invalid data found"), True, "media", "unreadable"),
        (av.error.EOFError(541478725, "End of file"), True, "media", "unreadable"),
        (av.error.OSError(errno.EIO, "Input/output error"), True, "media", "unreadable"),
        (MemoryError(), True, "media", "too-large"),
        (MemoryError(), False, "platform", "out-of-memory"),
        (caused(_TOO_LARGE, MemoryError()), True, "media", "too-large"),
        (caused(_TOO_LARGE, MemoryError()), False, "platform", "out-of-memory"),
        (OSError(errno.EIO, "I/O error"), True, "platform", "io-error"),
        (OSError(errno.ESTALE, "Stale file handle"), True, "platform", "io-error"),
        (PermissionError(errno.EACCES, "of the seal: a bug"), True, "platform", "reader-failed"),
        (AttributeError("'AVRational' object has no attribute 'x'"), True, "platform", "reader-failed"),
        (TypeError("open() got an unexpected keyword argument"), True, "platform", "reader-failed"),
        (ImportError("libavcodec.so.62: cannot open"), True, "platform", "reader-failed"),
        (ValueError("what the file holds"), True, "platform", "reader-failed"),
        (ZeroDivisionError(), True, "platform", "reader-failed"),
    ],
)
def test_only_what_libav_says_of_the_data_is_the_clips_fault(
    raised: Exception, *, has_memory: bool, kind: str, code: str
) -> None:
    told = blamed_for(raised, "a.mov", can_have=lambda: has_memory)
    assert (told.kind, told.code) == (kind, code)
    assert isinstance(decide(told.kind, told.code, 1, 1, 2, 7), RetryAfter if kind == "platform" else GiveUp)


def _raise(error: Exception) -> None:
    raise error


def test_a_bug_is_told_by_its_name_and_place_and_never_by_what_a_file_holds() -> None:
    def fails(error: Exception) -> RushesError:
        with pytest.raises(type(error)) as caught:
            _raise(error)
        return blamed_for(caught.value, "a.mov", can_have=lambda: True)

    bug = fails(AttributeError("'AVRational' object has no attribute 'real'"))
    assert "AttributeError ('AVRational' object has no attribute 'real') at test_blame.py:" in bug.message
    assert "nothing is said against the clip" in bug.message
    assert bug.details["places"]
    assert "secret" not in json.dumps(fails(ValueError("secret of the file")).to_dict())


def test_what_a_reader_fails_of_is_looked_at_on_a_host() -> None:
    assert DOUBTS["reader-failed"] is DOUBTS["no-reader"] is Part.reader
    assert "unreadable" not in DOUBTS


def answered(question: Callable[[Mapping[str, Any]], bytes], allowed: int = 2**20) -> tuple[str, bool]:
    kind, body, is_spent = reading._answer(question, {"name": "a.mov"}, allowed)
    assert kind == 0
    return json.loads(body)["code"], is_spent


def test_a_reader_that_failed_of_itself_answers_so_and_reads_nothing_more() -> None:
    def bug(_: Mapping[str, Any]) -> bytes:
        raise AttributeError

    def damaged(_: Mapping[str, Any]) -> bytes:
        raise MediaError("its end is missing.", code="truncated")

    assert answered(bug) == ("reader-failed", True)
    assert answered(damaged) == ("truncated", False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no such limit")
def test_memory_is_the_machines_fault_where_that_has_less_than_the_clip_may_have() -> None:
    def asks(_: Mapping[str, Any]) -> bytes:
        raise MemoryError

    before = resource.getrlimit(resource.RLIMIT_AS)
    assert answered(asks) == ("too-large", True)
    assert answered(asks, allowed=2**62) == ("out-of-memory", True)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
