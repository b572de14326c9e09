"""Whose fault it is when a body raises, in words that fit a journal.

The one place where an author's exceptions become ours. This module must not know who ran the body.
"""

from __future__ import annotations

import errno
import json
import traceback
from pathlib import Path
from typing import Any, Final

from rushes.errors import CallerError, PlatformError, RushesError, error_from_dict
from rushes.media.running.redact import unsigned

__all__ = ["MAX_KEPT_BYTES", "as_error", "bounded"]

MAX_KEPT_BYTES: Final = 4 * 1024 * 1024
"""Of one result, or one error: it is kept in the journal and read by terminals; data belongs into outputs."""
MAX_ERROR_CHARS: Final = 4000
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def as_error(error: BaseException, function: str) -> RushesError:
    """Whose fault an exception is: ours by its class, the machine's, else the author's body.

    Args:
        error: what the body of `function` raised.
        function: the name by which its author knows it.
    """
    if isinstance(error, RushesError):
        return _unsigned(error)
    if isinstance(error, MemoryError):
        return PlatformError(
            "the attempt ran out of memory.",
            code="out-of-memory",
            fix="Declare more with Resources(memory=...).",
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return PlatformError(
            f"no space left on the disk of {error.filename or 'the scratch folder'}.",
            code="disk-full",
            fix="Free some space; the invocation is tried again by itself.",
        )
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return CallerError(
        f"{function} raised {type(error).__name__}{where}: {_words(error)}",
        code="function-raised",
        fix="See its log for the traceback, mend the function and submit again.",
    )


def _unsigned(error: RushesError) -> RushesError:
    """An error that gives nobody access: what it says stands in ledgers, logs and terminals."""
    said = error.to_dict()
    clean = _clean(said)
    return error if clean == said else error_from_dict(clean)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return unsigned(value)
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items()}
    return type(value)(map(_clean, value)) if type(value) in {list, tuple} else value


def bounded(failure: dict[str, Any]) -> bytes:
    """An error as it is kept: one that carries too much loses its details, then the end of its message."""
    body = json.dumps(failure).encode()
    if len(body) <= MAX_KEPT_BYTES:
        return body
    return json.dumps({**failure, "details": {}, "message": failure["message"][:MAX_ERROR_CHARS]}).encode()


def _words(error: BaseException) -> str:
    """What an exception says, as far as anybody reads; an author's class may fail at saying it."""
    try:
        text = str(error)
    except Exception as worse:  # noqa: BLE001 - whatever it is, the slot goes on
        return f"(its text cannot be had: {type(worse).__name__})"
    text = unsigned(text)
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]} ..."
