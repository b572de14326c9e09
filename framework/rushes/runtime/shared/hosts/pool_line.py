"""Work of one kind that comes one by one to a pool: one batch there takes all of it.

A batch a piece costs a pool more than the piece, where that is small. So a batch stays open; what several
threads bring at the same moment goes to it in one request, and one of those who wait hears for all of them.
This module must not know which engine the pool is, nor where work comes from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from rushes.errors import CallerError, RushesError
from rushes.invocation import BatchSpec, Finished, Invocation
from rushes.runtime.shared.together import Together

__all__ = ["HostPool", "PoolLine", "run_alone"]

LOOKS_EVERY_S: Final = 1.0
"""How soon a cancel is heard that comes from outside."""
MOST: Final = 1000
"""Of one batch: it is ended, and its results may be pruned, though there is always more."""
AT_ONCE: Final = 100


class HostPool(Protocol):
    """What is asked of a machine's own pool by who brings it the work of others."""

    def open(self, spec: BatchSpec) -> str:
        """Open a batch; gives its id."""
        ...

    def submit(self, batch: str, invocations: Iterable[Invocation], *, after: int = 0) -> int:
        """Add invocations, the first as number `after` + 1; gives the last number."""
        ...

    def seal(self, batch: str) -> None:
        """Nothing more is added."""
        ...

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        """The ends after sequence number `after`; waits so long for the first."""
        ...

    def set_priority(self, batch: str, priority: str) -> None:
        """Give a batch another class."""
        ...

    def withdraw(self, batch: str, numbers: Sequence[int]) -> None:
        """End these of a batch, whether they wait or run; they are told of like others that end."""
        ...


class PoolLine:
    """One kind of work.

    Args:
        engine: the pool.
        spec: what all of it shares.
        follows: all of it is of one batch, whose class its batches have as it is now.
    """

    def __init__(self, engine: HostPool, spec: BatchSpec, *, follows: bool = True) -> None:
        self._engine = engine
        self._spec = spec
        self._follows = follows
        self._adding = Together(self._add, AT_ONCE)
        self._batch: _Batch | None = None
        self._here = 0
        self._counting = threading.Lock()

    @property
    def here(self) -> int:
        """How many are waited for."""
        return self._here

    def run(
        self, one: Invocation, stopped: Callable[[], bool], class_now: Callable[[], str] = lambda: ""
    ) -> Finished:
        """Let it run, and wait for its end; once it is `stopped` it is withdrawn, and that end is waited for.

        Args:
            one: what is to be done.
            stopped: asked meanwhile.
            class_now: what class it has; "" for that which it came in.

        Raises:
            RushesError: the pool takes nothing.
        """
        with self._counting:
            self._here += 1
        try:
            batch, number = self._adding(one)
            return batch.wait(number, stopped, class_now if self._follows else lambda: "")
        finally:
            with self._counting:
                self._here -= 1

    def close(self) -> None:
        """Nothing more comes for now; what does opens another batch."""
        batch, self._batch = self._batch, None
        if batch is not None:
            self._engine.seal(batch.id)

    def _add(self, some: Sequence[Invocation]) -> Sequence[tuple[_Batch, int]]:
        if self._batch is not None and self._batch.added + len(some) > MOST:
            self.close()
        batch, self._batch = self._batch, None  # what is not known to have been added is added to another
        if batch is not None:
            try:
                found = batch.add(some)
            except RushesError as error:
                with suppress(RushesError):
                    self._engine.seal(batch.id)
                # Nothing came for a while, and it was taken to be complete.
                if error.code != "not-open":
                    raise
            else:
                self._batch = batch
                return found
        batch = _Batch(self._engine, self._spec)
        found = batch.add(some)
        self._batch = batch
        return found


def run_alone(
    engine: HostPool,
    spec: BatchSpec,
    one: Invocation,
    stopped: Callable[[], bool],
    class_now: Callable[[], str] = lambda: "",
) -> Finished:
    """Let one run as a batch of its own, and wait for its end, as a line does.

    Raises:
        RushesError: the pool does not take it.
    """
    batch = _Batch(engine, spec)
    batch.add([one])
    engine.seal(batch.id)
    return batch.wait(1, stopped, class_now)


class _Batch:
    """A batch of the pool, and who waits for which of it."""

    def __init__(self, engine: HostPool, spec: BatchSpec) -> None:
        self._engine = engine
        self.id = engine.open(spec)
        self._priority = spec.priority
        self.added = 0
        self._seen = 0
        self._changed = threading.Condition()
        self._waits: set[int] = set()
        self._ended: dict[int, Finished] = {}
        self._hearing = False

    def add(self, some: Sequence[Invocation]) -> Sequence[tuple[_Batch, int]]:
        numbers = range(self.added + 1, self.added + len(some) + 1)
        with self._changed:
            self._waits.update(numbers)
        self._engine.submit(self.id, some, after=self.added)
        self.added += len(some)
        return [(self, number) for number in numbers]

    def wait(self, number: int, stopped: Callable[[], bool], class_now: Callable[[], str]) -> Finished:
        """The end of one: heard by this thread, or by another for it."""
        try:
            return self._followed(number, stopped, class_now)
        except BaseException:
            with suppress(RushesError):  # else the pool would go on with what nobody waits for
                self._engine.withdraw(self.id, [number])
            raise

    def _followed(self, number: int, stopped: Callable[[], bool], class_now: Callable[[], str]) -> Finished:
        """The end of one; meanwhile all of the batch has the class that the shared ledger gives it."""
        withdrawn = False
        while True:
            now = class_now()
            if now and now != self._priority:
                self._priority = now
                with suppress(CallerError):  # it has ended just now, or this pool has no such class
                    self._engine.set_priority(self.id, now)
            if stopped() and not withdrawn:
                withdrawn = True
                self._engine.withdraw(self.id, [number])
            with self._changed:
                if number not in self._ended and self._hearing:
                    self._changed.wait(LOOKS_EVERY_S)
                found = self._ended.pop(number, None)
                if found is not None:
                    self._waits.discard(number)
                    return found
                if self._hearing:
                    continue
                self._hearing = True
                seen, many = self._seen, len(self._waits)
            try:
                self._hear(seen, many)
            finally:
                with self._changed:
                    self._hearing = False
                    self._changed.notify_all()

    def _hear(self, seen: int, many: int) -> None:
        # A page that is full goes at once, and the pool gathers for a moment what does not fill one.
        page = self._engine.results(self.id, after=seen, limit=max(many // 2, 1), wait_s=LOOKS_EVERY_S)
        with self._changed:
            for one in page:
                self._seen = one.seq
                self._ended[int(one.invocation.rpartition(".")[2])] = one
