"""The shared ledger in one DynamoDB table: every transition is one conditional request.

    add              one transaction for 99 invocations
    claim, finish    one request each (`rushes.shared_ledger.dynamo_claims`)

So an invocation takes two requests from its submission to its end, and one for every extension. A condition
that does not hold is an answer, not an error; two transactions that meet are sent again. What an item is made
of stands in `dynamo_items`; what is promised, in `rushes.ledger`. Here is what who follows or steers a batch
asks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from rushes.core.states import State
from rushes.ledger import Ended, Entry, Tally, Waiting
from rushes.shared_ledger.dynamo_batches import OPEN, counting, no_batch
from rushes.shared_ledger.dynamo_claims import MINE, STATE, DynamoClaims, Ending, id_of
from rushes.shared_ledger.dynamo_items import (
    GROUP,
    WAKERS,
    batch_key,
    cancelled,
    count_key,
    done_key,
    entry_of,
    group_key,
    item_read,
    known_key,
    ms,
    number_of,
    numbered,
    state_of,
    work_key,
)
from rushes.shared_ledger.dynamo_table import unless_refused
from rushes.shared_ledger.dynamo_tries import last_try, try_field

__all__ = ["DynamoLedger"]

T = TypeVar("T")
STEERERS: Final = 8
"""Requests under way at once while a batch is cancelled or queued again."""


class DynamoLedger(DynamoClaims):
    """A `rushes.ports.Ledger` with the arguments of `rushes.shared_ledger.dynamo_batches.DynamoBatches`."""

    # -- reading -------------------------------------------------------------------------------------------

    def entry(self, invocation: str) -> Entry | None:
        item = self._table.item(work_key(*id_of(invocation)))
        return None if item is None else entry_of(item)

    def results(self, batch: str, after: int, limit: int) -> Sequence[Entry]:
        out: list[Entry] = []
        for item in self._invocations(batch, after):
            if state_of(item).ended:
                out.append(entry_of(item))
                if len(out) == limit:
                    break
        return out

    def entries(self, batch: str, numbers: Sequence[int]) -> Sequence[Entry]:
        found = self._table.items([work_key(batch, n) for n in numbers], f"read batch {batch}")
        by_number = {number_of(item)[1]: item for item in found}
        return [entry_of(by_number[n]) for n in numbers if n in by_number]

    def lone(self, batches: Sequence[str]) -> Sequence[tuple[str, Tally, Entry]]:
        keys = [key for one in batches for key in (batch_key(one), count_key(one, 1), work_key(one, 1))]
        parts: dict[str, dict[str, dict[str, Any]]] = {}
        for item in self._table.items(keys, "read batches that stand alone"):
            kind = str(item["sk"])[:1]
            batch = number_of(item)[0] if kind not in {"B", "C"} else str(item["pk"]).removeprefix("B#")
            parts.setdefault(batch, {})[kind] = item
        found = []
        for batch in batches:
            its = parts.get(batch, {})
            head, work = its.pop("B", None), its.pop("0", None)
            if head is not None and work is not None:
                with item_read(head):
                    tally = self._tally(batch, head, [head, *its.values()], active=False)
                found.append((batch, tally, entry_of(work)))
        return found

    def ends(self, batch: str, since: float) -> Sequence[Ended]:
        found = (
            Ended(int(item["wa"]) / 1000, n)
            for number in range(WAKERS)
            for item, _, n in numbered(
                self._table.query(
                    f"look at what ended of batch {batch}", wk=done_key(batch, number), since=ms(since)
                )
            )
        )
        return sorted(found)

    def known(self, show: str, keys: Sequence[str]) -> Mapping[str, str]:
        wanted = {f"K#{show}#{key}": key for key in keys}
        found = self._table.items([known_key(show, key) for key in dict.fromkeys(keys)], "look for results")
        return {wanted[item["pk"]]: str(item["invocation"]) for item in found}

    def _invocations(self, batch: str, after: int) -> Iterator[dict[str, Any]]:
        """The invocations of a batch by their numbers, from the one behind `after`."""
        head = self._table.item(batch_key(batch))
        if head is None:
            raise no_batch(batch)
        with item_read(head):
            total = int(head["total"])
        for group in range((after + 1) // GROUP, total // GROUP + 1):
            for item in self._table.query(f"read batch {batch}", pk=group_key(batch, group)):
                if int(item["sk"]) > after:
                    yield item

    # -- steering ------------------------------------------------------------------------------------------

    def cancel(self, batch: str) -> int:
        self._mark(batch, "SET sealed=:yes, cancelled=:yes", "cancel")
        return sum(self._each(self._cancel_one, self._invocations(batch, 0)))

    def _cancel_one(self, item: Mapping[str, Any]) -> int:
        """End an invocation that waits, or ask its holder to."""
        batch, n = number_of(item)
        while not state_of(item).ended:
            if state_of(item) is State.running:
                stop = self._table.update(
                    work_key(batch, n), "SET stop=:yes", {":yes": True, **_running(item)}, MINE, STATE
                )
                with unless_refused() as refused:
                    self._table.send(f"cancel {batch}.{n}", stop)
                if not refused:
                    return 0
            elif self._end(Ending.of(batch, n, item, cancelled(item), "#state=:was AND fence=:fence")):
                return 1
            item = self._table.item(work_key(batch, n)) or {"state": State.cancelled.value}
        return 0

    def retry(self, batch: str) -> Sequence[Waiting]:
        # The batch first: from then on a sweep looks after what of it is queued again.
        opened = self._table.update(
            batch_key(batch),
            "SET wk=:open, wa=#at REMOVE cancelled",
            {":open": OPEN},
            "attribute_exists(pk)",
            {"#at": "at"},
        )
        with unless_refused() as refused:
            self._table.send(f"open batch {batch} again", opened)
        if refused:
            raise no_batch(batch)
        again = {State.failed.value, State.cancelled.value}
        found = (item for item in self._invocations(batch, 0) if str(item.get("state")) in again)
        return [one for one in self._each(self._retry_one, found) if one]

    def _retry_one(self, item: Mapping[str, Any]) -> Waiting | None:
        """Queue an invocation again and take it off its count, together; None where another did."""
        batch, n = number_of(item)
        with item_read(item):
            last, fence = last_try(item), int(item["fence"])
        kept = "" if last is None else f", {try_field(fence)}=:try"
        queued = self._table.update(
            work_key(batch, n),
            f"SET #state=:queued, attempt=:none, losses=:none{kept} "
            "REMOVE #data, seconds_us, media_us, cost_nano, cached, wk, wa, #until, stop, spent",
            {
                ":queued": State.queued.value,
                ":none": 0,
                ":was": item["state"],
                ":fence": item["fence"],
                **({} if last is None else {":try": last}),
            },
            "#state=:was AND fence=:fence",
            {**STATE, "#data": "data", "#until": "until"},
        )
        ttl = self._spec(batch)[1]
        counted = counting(self._table, batch, n, {item["state"]: -1}, ttl=ttl, at=None)
        refused = self._table.transact([{"Update": queued}, {"Update": counted}], f"queue {batch}.{n} again")
        return None if refused else _waiting(item)

    def restamp(self, batch: str, priority: str) -> None:
        stamped = self._table.update(
            batch_key(batch), "SET priority=:priority", {":priority": priority}, "attribute_exists(pk)"
        )
        with unless_refused() as refused:
            self._table.send(f"give batch {batch} another class", stamped)
        if refused:
            raise no_batch(batch)
        # Whoever has one hears of it by the answer to the request that keeps its claim.
        left = (item for item in self._invocations(batch, 0) if not _is_over(item))
        self._each(lambda item: self._restamp_one(item, priority), left)

    def _restamp_one(self, item: Mapping[str, Any], priority: str) -> None:
        batch, n = number_of(item)
        stamped = self._table.update(
            work_key(batch, n), "SET priority=:priority", {":priority": priority}, "attribute_exists(pk)"
        )
        with unless_refused():
            self._table.send(f"give {batch}.{n} another class", stamped)

    def waiting(self, batch: str) -> Sequence[Waiting]:
        waits = {State.queued.value, State.held.value}
        return [_waiting(item) for item in self._invocations(batch, 0) if str(item.get("state")) in waits]

    def _each(self, act: Callable[[Mapping[str, Any]], T], items: Iterable[Mapping[str, Any]]) -> list[T]:
        """Do it to all of them; what is wrong with one keeps it from no other, and is raised at the end."""
        with ThreadPoolExecutor(STEERERS) as threads:
            asked = [threads.submit(act, item) for item in items]
        return [one.result() for one in asked]


def _waiting(item: Mapping[str, Any]) -> Waiting:
    batch, n = number_of(item)
    return Waiting(f"{batch}.{n}", str(item.get("tier", "")))


def _is_over(item: Mapping[str, Any]) -> bool:
    """Whether nothing is left to do; of what cannot be read nobody knows, and it keeps no other from it."""
    return str(item.get("state")) in {one.value for one in State if one.ended}


def _running(item: Mapping[str, Any]) -> dict[str, Any]:
    with item_read(item):
        return {":fence": item["fence"], ":running": "running"}
