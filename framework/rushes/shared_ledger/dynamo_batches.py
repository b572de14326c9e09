"""Batches in the shared ledger's table: opened, filled, counted, found.

What a batch was opened with never changes and is read once. What is promised stands in `rushes.ledger`. This
module must not know claims.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import islice
from typing import Any, Final

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.ledger import LONE, End, Tally, WorkItem
from rushes.shared_ledger.dynamo_items import (
    BAD_ITEM,
    COUNTERS,
    WAKERS,
    batch_key,
    count_key,
    item_read,
    ms,
    new_item,
    numbered,
    spec_text,
    sums_of,
    typed,
    wake_key,
    work_key,
)
from rushes.shared_ledger.dynamo_table import Table, unless_refused

__all__ = ["DynamoBatches", "counting", "no_batch"]

AT_ONCE: Final = 99
"""Invocations in one transaction, which takes 100 items; the batch is the other one."""
MOST_BYTES: Final = 3_000_000
ITEM_BYTES: Final = 4_000
"""Of a transaction, which takes 4 MB; and of an invocation beside its options and its end: its clip has a key
of 1,024 bytes, and is named with its fingerprint."""
SPECS_KEPT: Final = 1000
OPEN: Final = "OPEN"
DONE: Final = "DONE"
"""Where the index has the batches of which something may be left to do, and where the others."""
_ENDED: Final = tuple(state for state in State if state.ended)
_SUMMED: Final = frozenset({"cached", "seconds_us", "media_us", "cost_nano", *(one.value for one in _ENDED)})


class DynamoBatches:
    """The part of `rushes.shared_ledger.dynamo.DynamoLedger` that is about whole batches.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: its name; `rushes.shared_ledger.dynamo_items.TABLE` says what it is made of.
        kept_s: items vanish so long after their batch was opened; None keeps them.
        sleep: waits between transactions that met.
        clock: when something ends, UTC epoch seconds.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        *,
        kept_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = Table(client, table, sleep)
        self._kept_s = kept_s
        self._clock = clock
        self._specs: dict[str, tuple[dict[str, Any], int | None]] = {}

    def open(self, batch: str, spec: Mapping[str, Any], now: float) -> None:
        with unless_refused():
            self._table.put(f"open batch {batch}", self._new(batch, spec, now), "attribute_not_exists(pk)")

    def _new(self, batch: str, spec: Mapping[str, Any], now: float, **more: Any) -> dict[str, Any]:
        """The item of a batch that is opened now."""
        fields = {"spec": spec_text(spec), "at": ms(now), "total": 0, "wk": OPEN, "wa": ms(now), **more}
        ttl = self._ttl(now)
        return {**batch_key(batch), **typed(fields if ttl is None else {**fields, "ttl": ttl})}

    def _ttl(self, now: float) -> int | None:
        return None if self._kept_s is None else round(now + self._kept_s)

    def enter(self, spec: Mapping[str, Any], work: WorkItem, now: float) -> bool:
        # A sweep finds what lapsed of these without asking for each: there may be any number of them.
        head = self._new(work.batch, spec, now, total=1, sealed=True, wk=DONE)
        parts = [
            {
                "Put": {
                    "TableName": self._table.name,
                    "Item": item,
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            }
            for item in (head, new_item(work, self._ttl(now)))
        ]
        return not self._table.transact(parts, f"enter {work.invocation}")

    def add(self, batch: str, work: Sequence[WorkItem], ended: Mapping[str, End] | None = None) -> None:
        ttl, ended = self._spec(batch)[1], ended or {}
        # A count for each sixteenth of what has ended already is an item of the transaction, too.
        for some in _at_once(work, ended, AT_ONCE - (COUNTERS if ended else 0)):
            self._add_some(batch, some, ended, ttl)

    def _add_some(
        self, batch: str, work: Sequence[WorkItem], ended: Mapping[str, End], ttl: int | None
    ) -> None:
        """Add what is not there yet, and count it, together."""
        while work:
            at = self._clock()
            puts = [
                {
                    "Put": {
                        "TableName": self._table.name,
                        "Item": new_item(one, ttl, ended.get(one.invocation), at),
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                }
                for one in work
            ]
            added = self._table.update(
                batch_key(batch),
                "SET touched=:touched ADD #total :count",
                {":count": len(work), ":touched": ms(at)},
                "attribute_exists(pk) AND attribute_not_exists(cancelled)",
                {"#total": "total"},
            )
            counts = self._counts(batch, [one for one in work if one.invocation in ended], ended, ttl, at)
            parts = [*puts, *({"Update": one} for one in counts), {"Update": added}]
            refused = self._table.transact(parts, f"add to batch {batch}")
            if not refused:
                return
            if refused[-1]:
                raise CallerError(
                    f"batch {batch!r} takes nothing more: it was cancelled.",
                    code="not-open",
                    fix="Open a new one.",
                )
            work = [one for one, no in zip(work, refused, strict=False) if not no]

    def _counts(
        self, batch: str, work: Sequence[WorkItem], ended: Mapping[str, End], ttl: int | None, at: float
    ) -> list[dict[str, Any]]:
        """What is added to the counts of a batch for those of it that have ended."""
        ends: dict[int, list[End]] = {}
        for one in work:
            ends.setdefault(one.n % COUNTERS, []).append(ended[one.invocation])
        return [counting(self._table, batch, n, sums_of(some), ttl=ttl, at=at) for n, some in ends.items()]

    def seal(self, batch: str) -> None:
        self._mark(batch, "SET sealed=:yes", "seal")

    def _mark(self, batch: str, change: str, act: str) -> None:
        asked = self._table.update(batch_key(batch), change, {":yes": True}, "attribute_exists(pk)")
        with unless_refused() as refused:
            self._table.send(f"{act} batch {batch}", asked)
        if refused:
            raise no_batch(batch)

    def unfinished(self) -> Sequence[str]:
        found = []
        for item in self._table.query("list batches", wk=OPEN):
            batch = item["pk"].removeprefix("B#")
            try:
                tally = self.tally(batch, active=False)
            except CallerError as error:
                if error.code != BAD_ITEM:
                    raise
                tally = None  # what is below it can be looked at all the same
            if tally is None or not tally.complete:
                found.append(batch)
                continue
            done = self._table.update(
                batch_key(batch), "SET wk=:done", {":done": DONE, ":open": OPEN}, "wk=:open"
            )
            with unless_refused():
                self._table.send(f"close batch {batch}", done)
        return found

    def alone(self) -> Sequence[str]:
        return [
            f"{batch}.{n}"
            for number in range(WAKERS)
            for _, batch, n in numbered(
                self._table.query("look for what stands alone", wk=wake_key(LONE, number))
            )
        ]

    def abandoned(self, before: float) -> Sequence[str]:
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in self._table.query("list batches", wk=OPEN)]
        heads = self._table.items([typed(key) for key in keys], "look for batches that nobody sends")
        return [
            head["pk"].removeprefix("B#")
            for head in heads
            if not head.get("sealed") and "spec" in head and _touched(head) < ms(before)
        ]

    def batches(self, limit: int) -> Sequence[str]:
        found = [
            (int(item["wa"]), item["pk"].removeprefix("B#"))
            for wk in (OPEN, DONE)
            for item in islice(
                self._table.query("list batches", wk=wk, ScanIndexForward=False, Limit=limit), limit
            )
        ]
        return [batch for _, batch in nlargest(limit, found)]

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        found = self._head(batch)
        return None if found is None else found[0]

    def tally(self, batch: str, *, active: bool = True) -> Tally | None:
        items = [*self._table.query(f"read batch {batch}", pk=f"B#{batch}")]
        head = next((item for item in items if item["sk"] == "B"), None)
        if head is None:  # with a time to live its counts may vanish later than it
            return None
        with item_read(head):
            return self._tally(batch, head, items, active=active)

    def _tally(
        self, batch: str, head: Mapping[str, Any], items: Sequence[Mapping[str, Any]], *, active: bool
    ) -> Tally:
        total: Counter[str] = Counter()
        for item in (one for one in items if one is not head):
            total.update({name: int(value) for name, value in item.items() if name in _SUMMED})
        ended = {state: count for state in _ENDED if (count := total[state.value])}
        left = int(head["total"]) > sum(ended.values())
        last = max((int(item["last"]) for item in items if "last" in item), default=None)
        return Tally(
            _stamped(head),
            int(head["at"]) / 1000,
            int(head["total"]),
            self._active(batch) if active and left else (),
            ended,
            total["cached"],
            bool(head.get("sealed")),
            bool(head.get("cancelled")),
            total["seconds_us"] / 1e6,
            total["media_us"] / 1e6,
            total["cost_nano"],
            None if last is None else last / 1000,
        )

    def _active(self, batch: str) -> list[int]:
        """The numbers of what is claimed or waits for its next try, those that lapse first before others."""
        if batch.startswith(LONE):
            item = self._table.item(work_key(batch, 1))
            return [] if item is None or "wk" not in item or State(item["state"]).ended else [1]
        found = [
            (int(item["wa"]), n)
            for number in range(WAKERS)
            for item, _, n in numbered(self._table.query("look at what runs", wk=wake_key(batch, number)))
        ]
        return [n for _, n in sorted(found)]

    def _spec(self, batch: str) -> tuple[dict[str, Any], int | None]:
        """A batch's spec, and when its items vanish.

        Raises:
            CallerError: there is no such batch.
        """
        found = self._head(batch)
        if found is None:
            raise no_batch(batch)
        return found

    def _now(self, batch: str) -> dict[str, Any]:
        """A batch's spec with the class that it has now; empty where there is none that can be read."""
        head = self._table.item(batch_key(batch))
        try:
            return {} if head is None else _stamped(head)
        except CallerError as error:
            if error.code != BAD_ITEM:
                raise
            return {}  # nobody can be told of its work; that of others goes on

    def _head(self, batch: str) -> tuple[dict[str, Any], int | None] | None:
        """What of a batch never changes, read once."""
        found = self._specs.get(batch)
        if found is None:
            item = self._table.item(batch_key(batch))
            if item is None:
                return None
            with item_read(item):
                found = _spec_of(item), int(item["ttl"]) if "ttl" in item else None
            if len(self._specs) > SPECS_KEPT:  # by whichever thread of a host: what is asked is given by hand
                self._specs.clear()
            self._specs[batch] = found
        return found


def counting(
    table: Table, batch: str, n: int, sums: Mapping[str, int], *, ttl: int | None, at: float | None
) -> dict[str, Any]:
    """The request that adds to the count of an invocation's number; `at`: when something of it ended."""
    sets = {} if at is None else {"last": ms(at)}
    sets |= {} if ttl is None else {"ttl": ttl}
    said = "SET " + ", ".join(f"#{name}=:{name}" for name in sets) if sets else ""
    values = {**sets, **sums}
    return table.update(
        count_key(batch, n),
        f"{said} ADD " + ", ".join(f"#{name} :{name}" for name in sums),
        {f":{name}": value for name, value in values.items()},
        names={f"#{name}": name for name in values},
    )


def _at_once(work: Sequence[WorkItem], ended: Mapping[str, End], most: int) -> Iterator[list[WorkItem]]:
    """Work in parts that one transaction takes: so many, and so many bytes."""
    some: list[WorkItem] = []
    left_bytes = MOST_BYTES
    for one in work:
        end = ended.get(one.invocation)
        size_bytes = ITEM_BYTES + len(one.params or "") + (0 if end is None else len(end.data))
        if some and (len(some) == most or size_bytes > left_bytes):
            yield some
            some, left_bytes = [], MOST_BYTES
        some.append(one)
        left_bytes -= size_bytes
    if some:
        yield some


def no_batch(batch: str) -> CallerError:
    """No batch has that id."""
    return CallerError(f"there is no batch {batch!r}.", code="not-found", fix="Check the spelling.")


def _stamped(head: Mapping[str, Any]) -> dict[str, Any]:
    """What a batch was opened with, in the class that it has now."""
    with item_read(head):
        spec = _spec_of(head)
    return {**spec, "priority": head["priority"]} if "priority" in head else spec


def _spec_of(head: Mapping[str, Any]) -> dict[str, Any]:
    spec = json.loads(head["spec"])
    if not isinstance(spec, dict):
        raise TypeError("its spec is no object")
    return spec


def _touched(head: Mapping[str, Any]) -> int:
    """When something was added to a batch last, UTC epoch milliseconds; never, where that cannot be read."""
    try:
        return int(head.get("touched", head.get("at", 0)))
    except (TypeError, ValueError):
        return 0
