"""What a body prints and logs on Lambda, without what gives access.

Whatever a process writes there stands in CloudWatch, for whoever may read logs. Only whole lines are written,
so that a signed link that comes in pieces is seen. This module must not know who prints.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from rushes.media.running.redact import unsigned

__all__ = ["unsigned_prints"]

LONGEST_LINE: int = 64 * 1024


@contextmanager
def unsigned_prints() -> Iterator[None]:
    """What is printed and logged meanwhile loses the queries of its links, and signatures."""
    out, err = _Unsigned(sys.stdout), _Unsigned(sys.stderr)
    handlers = logging.getLogger().handlers  # the runtime's own, which every logger of a body comes to
    for handler in handlers:
        handler.addFilter(_unsign)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_unsign)
        out.end()
        err.end()


def _unsign(record: logging.LogRecord) -> bool:
    """A record whose text gives nobody access; its traceback is told likewise."""
    record.msg, record.args = unsigned(record.getMessage()), None
    if record.exc_info:
        record.exc_text = unsigned(logging.Formatter().formatException(record.exc_info))
        record.exc_info = None
    return True


class _Unsigned(io.TextIOBase):
    """A stream in front of another."""

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        whole, newline, rest = (self._line + text).rpartition("\n")
        if newline:
            self._to.write(unsigned(whole) + newline)
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
        self._to.write(unsigned(self._line))
        self._line = ""
