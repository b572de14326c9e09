"""What an invocation's log gets of a slot: why an attempt failed, and what its body printed.

Signatures of links are left out of it: who reads a log is not who may open what it names. This module must
not know what a slot runs.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

from rushes.errors import RushesError
from rushes.media.running.redact import unsigned

__all__ = ["take_prints", "write_failure"]


def write_failure(log: Path, attempt: int, error: BaseException, failure: RushesError) -> str | None:
    """Add why an attempt failed to a log; its path, or None where it cannot be written.

    Args:
        log: the invocation's.
        attempt: which try it was.
        error: what was raised.
        failure: what that is taken for.
    """
    lines = [f"attempt {attempt} failed: {failure}"]
    stderr = failure.details.get("stderr_tail") or failure.details.get("stderr")
    if stderr and not failure.details.get("log"):  # a tool's own words are in the log already
        lines.append(str(stderr))
    if not isinstance(error, RushesError):
        lines.append("".join(traceback.format_exception(error)))
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(unsigned("\n".join(lines)) + "\n")
    except OSError:
        return None
    return str(log)


def take_prints(folder: Path | None, name: str) -> bool:
    """Move what a body printed from the slot's own output file into a log; False when that file is closed.

    Args:
        folder: of the batch's logs; None where there is nowhere to put it.
        name: of the invocation's log. The two are joined only where there is something: mostly there is not.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        if not os.lseek(1, 0, os.SEEK_END) or folder is None:
            return True
        log = folder / name
        text = os.pread(1, 1 << 20, 0)
        os.ftruncate(1, 0)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(unsigned(text.decode(errors="surrogateescape")).encode(errors="surrogateescape"))
    except (OSError, ValueError) as error:
        return getattr(error, "errno", None) != errno.EBADF
    return True
