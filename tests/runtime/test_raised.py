"""What an author's body raises becomes an error of ours, with whose fault it is."""

from __future__ import annotations

import errno
import json
import os

import pytest

from rushes.errors import CallerError, MediaError, PlatformError, RushesError
from rushes.runtime.attempts.raised import MAX_KEPT_BYTES, as_error, bounded


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def raised(error: BaseException) -> BaseException:
    """`error`, with the traceback of a body that raised it."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (MemoryError(), PlatformError, "out-of-memory"),
        (OSError(errno.ENOSPC, "full", "/scratch/a"), PlatformError, "disk-full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), PlatformError, "disk-full"),
        (OSError(errno.ENOENT, "nowhere"), CallerError, "function-raised"),
        (ValueError("seven"), CallerError, "function-raised"),
        (SystemExit(3), CallerError, "function-raised"),
    ],
)
def test_a_foreign_exception_is_laid_at_the_door_of_who_can_act(
    error: BaseException, kind: type[RushesError], code: str
) -> None:
    found = as_error(raised(error), "still")

    assert (type(found), found.code) == (kind, code)
    assert found.fix


def test_an_error_of_ours_stays_what_it_is() -> None:
    error = MediaError("A001.mov is cut.", code="truncated")

    assert as_error(raised(error), "still") is error


def test_an_authors_mistake_is_named_with_its_function_and_line() -> None:
    found = as_error(raised(ValueError("seven")), "still")

    assert found.message.startswith("still raised ValueError at test_raised.py:")
    assert found.message.endswith(": seven")


def test_an_exception_that_cannot_say_what_it_is_is_still_told() -> None:
    found = as_error(raised(UnspeakableError()), "still")

    assert "UnspeakableError" in found.message
    assert "its text cannot be had: ZeroDivisionError" in found.message


def test_what_an_exception_says_is_cut_where_nobody_reads_on() -> None:
    found = as_error(raised(ValueError("x" * 1_000_000)), "still")

    assert len(found.message) < 5000


def test_an_error_that_carries_too_much_keeps_its_message_and_loses_its_details() -> None:
    small = MediaError("cut.", code="truncated", details={"at": 3}).to_dict()
    large = MediaError("cut.", code="truncated", details={"at": "x" * MAX_KEPT_BYTES}).to_dict()

    assert json.loads(bounded(small)) == small
    assert json.loads(bounded(large)) == {**small, "details": {}}
