"""The log of attempts on Lambda: of what they said beside printing, in a file that goes with the attempt.

That is what a body says to `ctx.log`, the words of its tools, and why it failed; as on a host, whose slots
write it. It is told when the attempt is over and nobody's prints are taken any more, for the log of the
process may write to what standard output was when it was made. This module must not know whose attempts they
are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rushes.engines.aws.access.words import tell_words, words_of
from rushes.errors import Cancelled
from rushes.runtime.attempts.attempt import run_attempt
from rushes.runtime.attempts.raised import as_error
from rushes.runtime.attempts.task import Gate, Made, Reporter, Task
from rushes.runtime.slots.log import write_failure

__all__ = ["AttemptLog"]


class AttemptLog:
    """Runs attempts, and keeps what they logged until it is told.

    Args:
        scratch: a folder on a disk with room.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._kept: list[tuple[str, int, str]] = []

    def run(self, task: Task, report: Reporter, gate: Gate, cancelled: Callable[[], bool]) -> Made:
        """One attempt, as `run_attempt` makes it, with a log."""
        with tempfile.TemporaryDirectory(prefix="rushes-log-", dir=self._scratch) as folder:
            task = replace(task, logs=Path(folder))
            log = task.log
            assert log is not None  # noqa: S101 - it has a folder
            try:
                return run_attempt(task, report, gate, cancelled)
            except Exception as error:
                if not isinstance(error, Cancelled):
                    write_failure(log, task.attempt, error, as_error(error, task.function.name))
                raise
            finally:
                self._kept.append((task.invocation, task.attempt, words_of(log)))

    def tell(self, say: Callable[..., None]) -> None:
        """Tell what was logged since the last time."""
        kept, self._kept = self._kept, []
        for invocation, attempt, text in kept:
            tell_words(say, invocation, attempt, text)
