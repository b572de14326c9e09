"""Stubs whose calls can be made to fail, or whose answers to be lost once they were done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rushes.errors import RushesError

__all__ = ["Failing"]


class Failing:
    """Calls that fail, or whose answer is lost."""

    def __init__(self) -> None:
        self._failing: dict[str, list[tuple[RushesError, bool]]] = {}
        self._turn = threading.RLock()

    def fail_next(self, verb: str, error: RushesError, *, after: bool = False) -> None:
        """The next call of `verb` raises this; `after`: once it has been done, so that its answer is lost."""
        self._failing.setdefault(verb, []).append((error, after))

    @contextmanager
    def _called(self, verb: str) -> Iterator[None]:
        with self._turn:
            waiting = self._failing.get(verb)
            error, after = waiting.pop(0) if waiting else (None, False)
            if error is not None and not after:
                raise error
            yield
            if error is not None:
                raise error
