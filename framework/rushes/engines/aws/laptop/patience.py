"""A laptop that sends outlasts services that do not answer: what it says again does no harm.

A list of ten thousand clips takes minutes to send, and half a list is not what was asked for. So each request
is said again until it is answered, while whoever looks is told why nothing goes on. This module must not know
what is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from rushes.core.silence import Silence
from rushes.errors import RushesError

if TYPE_CHECKING:
    from rushes.ports import Shelf
    from rushes.stored import Stored

__all__ = ["PatientStore", "Patiently"]

T = TypeVar("T")


class Patiently:
    """Asks until there is an answer; several threads may.

    Args:
        clock: seconds, on a clock that goes forward.
        sleep: waits.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._turn = threading.Lock()
        self._heard = False
        self._waits: dict[int, str] = {}

    @property
    def waits(self) -> str:
        """Why something is being asked again now, in a sentence; "" where all is answered."""
        with self._turn:
            return next(iter(self._waits.values()), "")

    def __call__(self, ask: Callable[[], T]) -> T:
        """The answer.

        Raises:
            RushesError: it is no silence, nothing was ever answered, or it has lasted for long.
        """
        silence = Silence(self._heard)
        while True:
            try:
                found = ask()
            except RushesError as error:
                rest_s = silence.failed(error.code, self._clock())
                self._note("" if rest_s is None else error.message)
                if rest_s is None:
                    raise
                self._sleep(rest_s)
            else:
                self._heard = True
                if silence.answered():
                    self._note("")
                return found

    def _note(self, why: str) -> None:
        with self._turn:
            if why:
                self._waits[threading.get_ident()] = why
            else:
                self._waits.pop(threading.get_ident(), None)


class PatientStore:
    """A store that is only looked at, patiently: a listing goes on behind the last object that it gave."""

    def __init__(self, store: Shelf, patiently: Patiently) -> None:
        self._store, self._patiently = store, patiently

    def look(self, uri: str) -> Stored:
        return self._patiently(lambda: self._store.look(uri))

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Stored]:
        last, rest = after, self._store.listing(prefix, after=after)

        def step() -> Stored | None:
            nonlocal rest
            try:
                return next(rest, None)
            except RushesError:  # what has raised gives nothing more
                rest = self._store.listing(prefix, after=last)
                raise

        while (one := self._patiently(step)) is not None:
            last = one.uri
            yield one
