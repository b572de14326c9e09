"""From invocations to the shared ledger and its queues, in bulk: a request carries about a hundred.

The message goes after the ledger, as everywhere: what is there and was told of by nobody is told of by the
sweep, once its submitter is gone. What is wrong already, and what is known already, is added as it ended and
told of to nobody. This module must not know command lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import End, Entry, Routed, Waiting, WorkItem
from rushes.notices import Notice

if TYPE_CHECKING:
    from rushes.asset import Asset
    from rushes.invocation import Invocation
    from rushes.ports import Ledger, Queue, Store
    from rushes.runtime.sources.inputs import Found
    from rushes.stored import Stored

__all__ = ["Sender", "marked", "sendable"]

CHUNK: Final = 990
"""Invocations between two rounds of messages: ten requests of the ledger, with what they are about."""
TOLD: Final = 100
"""Told of before it is asked whether that was heard: what is said again is all of these."""
LOOKERS: Final = 16
"""Objects that are looked at at once: clips, and outputs whether they still are what they were."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends what a batch is made of.

    Args:
        ledger: takes it.
        store: where outputs of known results are.
        queue: of the batch's class, by who its messages are for.
        place: where work on a clip of so many bytes is to run; None where there is no choice.
        patiently: asks a service, and again where it does not answer; saying anything again does no harm.
    """

    ledger: Ledger
    store: Store
    queue: Callable[[str], Queue]
    place: Callable[[int], Routed | None] = lambda _: None
    patiently: Callable[[Callable[[], Any]], Any] = lambda ask: ask()

    def send(
        self, batch: str, spec: Mapping[str, Any], invocations: Iterable[Invocation], first: int = 1
    ) -> int:
        """Add invocations in order and tell of them; gives how many. Saying it again does no harm.

        Args:
            batch: which is open.
            spec: what it was opened with.
            invocations: in their order.
            first: the number of the first.

        Raises:
            CallerError: the batch was cancelled (``not-open``).
            PlatformError: a service does not answer.
        """
        count, source = 0, iter(invocations)
        while chunk := list(islice(source, CHUNK)):
            work = [self._work(f"{batch}.{first + count + n}", one) for n, one in enumerate(chunk)]
            ended = self.patiently(partial(self._ended_before, spec, work, chunk))
            for one, invocation in zip(work, chunk, strict=True):
                if invocation.problem is not None:
                    ended[one.invocation] = End(State.failed, json.dumps({"error": dict(invocation.problem)}))
            self.patiently(partial(self.ledger.add, batch, work, ended))
            waits = [Waiting(one.invocation, one.tier) for one in work if one.invocation not in ended]
            for start in range(0, len(waits), TOLD):
                self.patiently(partial(self.tell, spec, waits[start : start + TOLD]))
            count += len(chunk)
        return count

    def tell(self, spec: Mapping[str, Any], waiting: Sequence[Waiting]) -> None:
        """Say that there may be something to do."""
        priority, show = str(spec["priority"]), str(spec["show"])
        for tier in dict.fromkeys(one.tier for one in waiting):
            its = (one.invocation for one in waiting if one.tier == tier)
            self.queue(tier).send([Notice(one, priority, show) for one in its])

    def _work(self, invocation: str, one: Invocation) -> WorkItem:
        return WorkItem(
            invocation,
            one.source,
            one.key if one.problem is None else "",
            one.frames,
            one.params,
            one.subdir,
            one.tag,
            one.fingerprint,
            one.size_bytes,
            self.place(one.size_bytes) if one.problem is None else None,
        )

    # -- what is known -------------------------------------------------------------------------------------

    def known_keys(self, spec: Mapping[str, Any], chunk: Sequence[Invocation]) -> frozenset[str]:
        """The keys of invocations whose results are known, and still where they would be; none is sent."""
        work = [self._work(f"q.{number}", one) for number, one in enumerate(chunk, 1)]
        ended = self._ended_before(spec, work, chunk)
        return frozenset(one.key for one in work if one.invocation in ended)

    def _ended_before(
        self, spec: Mapping[str, Any], work: Sequence[WorkItem], chunk: Sequence[Invocation]
    ) -> dict[str, End]:
        return dict(self._known(spec, work, chunk))

    def _known(
        self, spec: Mapping[str, Any], work: Sequence[WorkItem], chunk: Sequence[Invocation]
    ) -> Iterator[tuple[str, End]]:
        """How those ended whose results are known and still there."""
        wanted = [one for one, its in zip(work, chunk, strict=True) if one.key and its.problem is None]
        if not wanted or spec.get("force"):
            return
        known = self.ledger.known(str(spec["show"]), [one.key for one in wanted])
        before = self._entries(set(known.values()))
        pairs = [(one, before[known[one.key]]) for one in wanted if known.get(one.key) in before]
        with ThreadPoolExecutor(LOOKERS) as threads:
            holds = threads.map(lambda pair: self._holds(spec, *pair), pairs)
            for (one, entry), there in zip(pairs, holds, strict=True):
                if there and entry.end is not None:
                    yield one.invocation, End(State.succeeded, entry.end.data, cached=True)

    def _entries(self, invocations: set[str]) -> dict[str, Entry]:
        of: dict[str, list[int]] = {}
        for one in invocations:
            batch, _, n = one.rpartition(".")
            of.setdefault(batch, []).append(int(n))
        found = (entry for batch, numbers in of.items() for entry in self.ledger.entries(batch, numbers))
        return {entry.work.invocation: entry for entry in found if entry.state is State.succeeded}

    def _holds(self, spec: Mapping[str, Any], work: WorkItem, entry: Entry) -> bool:
        """Whether a result stands for this invocation: its outputs are where they would be, unchanged."""
        if spec.get("out") is None:
            return True
        its = self.ledger.spec(entry.work.batch) or {}
        same = all(spec.get(name) == its.get(name) for name in ("out", "name", "receipts"))
        if not same or (work.subdir, work.tag) != (entry.work.subdir, entry.work.tag):
            return False
        published = json.loads(entry.end.data if entry.end else "{}").get("published", ())
        return bool(published) and all(self._unchanged(one) for one in published)

    def _unchanged(self, fact: Mapping[str, Any]) -> bool:
        if not fact.get("mark"):  # a folder, whose objects nobody counts
            return False
        try:
            found = self.store.look(str(fact["path"]))
        except CallerError:
            return False
        return bool(found.mark == fact["mark"])


def marked(found: Iterable[Found], look: Callable[[Asset], Stored]) -> Iterator[Found]:
    """Clips with their marks and sizes: those of which no listing told are looked at, several at once."""
    from rushes.runtime.shared.objects.marks import object_mark  # noqa: PLC0415 - a follower sends nothing

    def with_mark(one: Found) -> Found:
        if one.mark or one.problem is not None:
            return one
        try:
            there = look(one.asset)
            return replace(one, mark=object_mark(there), size_bytes=there.size_bytes)
        except CallerError as error:
            return replace(one, problem=error.to_dict())

    source = iter(found)
    with ThreadPoolExecutor(LOOKERS) as threads:
        while some := list(islice(source, LOOKERS * 4)):
            yield from threads.map(with_mark, some)


def sendable(invocations: Iterable[Invocation]) -> Iterator[Invocation]:
    """Invocations, of which none waits for others.

    Raises:
        CallerError: one does.
    """
    for one in invocations:
        if one.after or one.exclusive:
            what = "waits for others" if one.after else "has an exclusive key"
            raise CallerError(
                f"{one.source} {what}, which only a pool of one machine can see to.",
                code="not-supported",
                fix="Send it once the others have ended, or run it here: --engine local.",
            )
        yield one
