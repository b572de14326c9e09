"""The pool as an attempt in a slot sees it: it submits parts of its work as a batch, and waits for them.

It is a client of the worker that owns its slot, like any terminal, but for the waiting: that it says as a
slot, so that its slot can be lent meanwhile. This module must not know how a slot talks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rushes.batch import load_engine
from rushes.invocation import PASS_OF, Finished
from rushes.runtime.attempts.signed_in import pass_here

if TYPE_CHECKING:
    from rushes.engines.local import LocalEngine
    from rushes.runtime.attempts.parts import Parts

__all__ = ["MappedParts"]


class MappedParts:
    """`rushes.runtime.attempts.task.PoolOfParts` in a slot.

    Args:
        invocation: whose parts they are.
        number: its number in the journal.
        fence: the token of its lease.
        keep_root: where the folder that outlives attempts goes when there is no destination.
        say: tells the worker something.
        undisturbed: within it, a cancel is not obeyed: half a request would spoil the connection.
        wait_for: lends the slot until batches have ended.
    """

    def __init__(  # noqa: PLR0917 - made once an attempt, in one place
        self,
        invocation: str,
        number: int,
        fence: int,
        keep_root: Path,
        say: Callable[[list[Any]], None],
        undisturbed: Callable[[], AbstractContextManager[None]],
        wait_for: Callable[[int, int, list[str]], None],
    ) -> None:
        self._invocation = invocation
        self._number = number
        self._fence = fence
        self._keep_root = keep_root
        self._say = say
        self._undisturbed = undisturbed
        self._wait_for = wait_for

    @property
    def keep_root(self) -> Path:
        return self._keep_root

    def keeps(self, folder: Path) -> None:
        self._say(["keeps", self._number, self._fence, str(folder)])

    def lacks(self, holders: list[str]) -> None:
        self._say(["lacks", self._number, self._fence, holders])

    def run(self, parts: Parts) -> list[Finished]:
        from rushes.runtime.sending.submission import batch_spec, invocations  # noqa: PLC0415 - few bodies map

        function = parts.function
        rows = list(invocations(function, parts.options, parts.params, parts.found))
        if not rows:
            return []
        signed = pass_here()
        spec = replace(
            batch_spec(function, parts.options, parts.params, environ={}),
            parent=self._invocation,
            lease=self._fence,
            tags={**parts.options.tags, **({PASS_OF: signed} if signed else {})},
        )
        with self._undisturbed():
            engine = cast("LocalEngine", load_engine("local"))
            try:
                batch = engine.open(spec)
                engine.submit(batch, rows)
                engine.seal(batch)
            finally:
                engine.close()  # a worker that has clients does not end
        self._wait_for(self._number, self._fence, [batch])
        with self._undisturbed():
            try:
                ends = _all_ends(engine, batch, len(rows))
            finally:
                engine.close()
        return sorted(ends, key=lambda end: int(end.invocation.rpartition(".")[2]))


def _all_ends(engine: LocalEngine, batch: str, total: int) -> list[Finished]:
    found: list[Finished] = []
    while len(found) < total:
        found += engine.results(batch, after=found[-1].seq if found else 0, wait_s=10.0)
    return found
