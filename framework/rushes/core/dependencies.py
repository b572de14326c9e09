"""Who waits for whom: the graph of held invocations.

An invocation is held until everything that it waits for has ended. What failed or was cancelled cancels
those that asked for it; the runtime then reports each of them ended, and so the cancellation goes on.
Dependencies that ended before an invocation was deferred are the runtime's to resolve: nothing is
remembered here of what has ended. This module must not know queues, slots or clocks.
"""

from __future__ import annotations

from collections.abc import Iterable

from rushes.core.commands import Release
from rushes.core.states import State

__all__ = ["Dependencies"]


class Dependencies:
    """The held invocations of one pool."""

    __slots__ = ("_cancelled_too", "_dependents", "_unmet")

    def __init__(self) -> None:
        self._unmet: dict[int, set[int]] = {}
        self._dependents: dict[int, dict[int, None]] = {}  # a dict keeps the order in which they came
        self._cancelled_too: set[int] = set()

    def __len__(self) -> int:
        return len(self._unmet)

    def waits_for(self, id_: int) -> frozenset[int]:
        """What `id_` still waits for; empty when it is not held here."""
        return frozenset(self._unmet.get(id_, ()))

    def waiters(self, id_: int) -> tuple[int, ...]:
        """Those that are held for `id_`."""
        return tuple(self._dependents.get(id_, ()))

    def defer(self, id_: int, after: Iterable[int], *, cancel_on_failure: bool) -> list[Release]:
        """Hold `id_` until all of `after` have ended; a repeated call changes nothing."""
        if id_ in self._unmet:
            return []
        unmet = {other for other in after if other != id_}
        if not unmet:
            return [Release((id_,))]
        self._unmet[id_] = unmet
        for other in unmet:
            self._dependents.setdefault(other, {})[id_] = None
        if cancel_on_failure:
            self._cancelled_too.add(id_)
        return []

    def ended(self, id_: int, state: State) -> list[Release]:
        """`id_` has ended: those that waited for nothing else are released, or cancelled with it."""
        if not state.ended:
            return []
        self.forget(id_)
        free: list[int] = []
        lost: list[int] = []
        for dependent in self._dependents.pop(id_, ()):
            unmet = self._unmet[dependent]
            unmet.discard(id_)
            if state is not State.succeeded and dependent in self._cancelled_too:
                lost.append(dependent)
            elif not unmet:
                free.append(dependent)
        for dependent in (*free, *lost):
            self.forget(dependent)
        released = [Release(tuple(free))] if free else []
        if lost:
            released.append(Release(tuple(lost), cancel=True, because=id_))
        return released

    def forget(self, id_: int) -> None:
        """`id_` is no longer held here: released, or cancelled by somebody. Those after it still wait."""
        for other in self._unmet.pop(id_, ()):
            dependents = self._dependents.get(other)
            if dependents is not None:
                dependents.pop(id_, None)
                if not dependents:
                    del self._dependents[other]
        self._cancelled_too.discard(id_)
