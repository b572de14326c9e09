"""What attempts in a host's own pool logged, told to the log of the host: its disk goes when it does.

A slot says first that an attempt has ended and writes down what it printed after, so a log is read at the
second look after its end. This module must not know what an attempt is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from rushes.engines.aws.access.words import tell_words, words_of

__all__ = ["HostLog"]


class HostLog:
    """The logs of one pool.

    Args:
        say: writes a record.
        logs: the pool's folder of them.
    """

    def __init__(self, say: Callable[..., None], logs: Path) -> None:
        self._say = say
        self._logs = logs
        self._ended: deque[tuple[str, int, str]] = deque()
        self._seen = 0

    def ended(self, invocation: str, attempt: int, inner: str) -> None:
        """An attempt has ended; called by any thread.

        Args:
            invocation: what it was for.
            attempt: which try.
            inner: its name in the pool.
        """
        self._ended.append((invocation, attempt, inner))

    def tend(self, *, ends: bool = False) -> None:
        """Tell what ended before the last look; `ends`: all, for there is no other look."""
        there: dict[str, bool] = {}  # mostly nothing was logged: of a batch that is asked once
        for _ in range(len(self._ended) if ends else self._seen):
            invocation, attempt, inner = self._ended.popleft()
            batch, _, number = inner.rpartition(".")
            if batch not in there:
                there[batch] = (self._logs / batch).is_dir()
            if there[batch]:
                tell_words(self._say, invocation, attempt, words_of(self._logs / batch / f"{number}.log"))
        self._seen = len(self._ended)
