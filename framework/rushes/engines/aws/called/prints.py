"""What a body prints and logs on Lambda, without what gives access.

Whatever a process writes there stands in CloudWatch, for whoever may read logs. Only whole lines are written,
so that a signed link that comes in pieces is seen; where it is known whose they are, each is a record that
names the invocation, for many share a log. This module must not know who prints.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from typing import Any, TextIO

from rushes.engines.aws.access.words import OF_BODY
from rushes.media.running.redact import unsigned

__all__ = ["unsigned_prints"]

LONGEST_LINE: int = 64 * 1024


@contextmanager
def unsigned_prints(invocation: str = "") -> Iterator[None]:
    """What is printed and logged meanwhile loses the queries of its links, and signatures.

    Args:
        invocation: whose it is; "" where nobody knows: then it is written as it came.
    """
    of = {"invocation": invocation, OF_BODY: True} if invocation else {}
    out, err = _Unsigned(sys.stdout, of), _Unsigned(sys.stderr, of)
    handlers = logging.getLogger().handlers  # the runtime's own, which every logger of a body comes to
    unsign = partial(_unsign, of)
    for handler in handlers:
        handler.addFilter(unsign)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(unsign)
        out.end()
        err.end()


def _unsign(of: dict[str, Any], record: logging.LogRecord) -> bool:
    """A record whose text gives nobody access, and has its traceback: the runtime's JSON has no place."""
    record.msg, record.args = unsigned(record.getMessage()), None
    if record.exc_info:
        record.msg += "\n" + unsigned(logging.Formatter().formatException(record.exc_info))
        record.exc_info = record.exc_text = None
    record.__dict__.update(of)
    return True


class _Unsigned(io.TextIOBase):
    """A stream in front of another."""

    def __init__(self, to: TextIO, of: dict[str, Any]) -> None:
        self._to = to
        self._of = of
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        whole, newline, rest = (self._line + text).rpartition("\n")
        if newline:
            self._to.write(self._told(unsigned(whole)) + newline)
        self._line = rest
        if len(rest) > LONGEST_LINE:
            self.end()
        return len(text)

    def flush(self) -> None:
        self._to.flush()

    def fileno(self) -> int:
        return self._to.fileno()

    def end(self) -> None:
        """Write what has no end of line."""
        if self._line:
            self._to.write(self._told(unsigned(self._line)) + ("\n" if self._of else ""))
        self._line = ""

    def _told(self, text: str) -> str:
        """Text as it is written; what is JSON, as a logger of the body's own writes it, keeps its fields."""
        return text if not self._of else "\n".join(json.dumps(self._record(one)) for one in text.split("\n"))

    def _record(self, line: str) -> dict[str, Any]:
        if line.startswith("{"):
            try:
                return {**json.loads(line), **self._of}
            except (ValueError, RecursionError):
                pass
        return {"level": "INFO", "message": line, **self._of}
