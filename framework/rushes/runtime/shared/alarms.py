"""One thread that sees to it that something begins in a while, unless it is not needed by then.

What seldom lasts so long would else have a thread each, that is started, waits and is ended for nothing. The
thread is there while something waits, and goes with the last. This module must not know what begins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

__all__ = ["Alarms"]

AGAIN_S: Final = 0.5
"""Between two tries to begin what cannot be begun."""


@dataclass(slots=True, eq=False)
class _Alarm:
    at: float
    begin: Callable[[], object] | None


class Alarms:
    """Begins things that are needed once something has lasted for long.

    Args:
        after_s: how long; the same for all, so that they are due in the order in which they come.
        clock: seconds, on a clock that never goes back.
        name: the thread's.
    """

    def __init__(
        self, after_s: float, clock: Callable[[], float] = time.monotonic, name: str = "alarms"
    ) -> None:
        self._after_s = after_s
        self._clock = clock
        self._name = name
        self._changing = threading.Lock()
        self._waiting: deque[_Alarm] = deque()
        self._runs = False

    @contextmanager
    def set(self, begin: Callable[[], object]) -> Iterator[None]:
        """Let something begin if what is done meanwhile lasts for long; it must return at once."""
        mine = _Alarm(self._clock() + self._after_s, begin)
        with self._changing:
            self._waiting.append(mine)
            starts, self._runs = not self._runs, True
        if starts:
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        try:
            yield
        finally:
            mine.begin = None

    def _run(self) -> None:
        while True:
            with self._changing:
                while self._waiting and self._waiting[0].begin is None:
                    self._waiting.popleft()
                if not self._waiting:
                    self._runs = False
                    return
                left_s = self._waiting[0].at - self._clock()
                due = self._waiting.popleft() if left_s <= 0 else None
            if due is None:
                time.sleep(left_s)
                continue
            try:
                if (begin := due.begin) is not None:
                    begin()
            except RuntimeError:  # it wants a thread, and the machine has none to give
                time.sleep(AGAIN_S)
                with self._changing:
                    self._waiting.appendleft(due)
