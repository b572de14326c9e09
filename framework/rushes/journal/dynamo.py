"""The shared ledger in one DynamoDB table: every transition is one conditional request.

    claim            one update; a second one where a claim has lapsed
    extend, hold     one update
    finish           one transaction: the invocation, its count and its key together
    add              one transaction for 99 invocations

So an invocation takes two requests from its submission to its end, and one for every extension. A condition
that does not hold is an answer, not an error; two transactions that meet are
sent again. What an item is made of stands in `dynamo_items`; what is promised, in `rushes.ledger`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from rushes.core.states import State
from rushes.errors import CallerError
from rushes.journal.dynamo_items import (
    GROUP,
    WAKERS,
    batch_key,
    claim_of,
    count_key,
    end_fields,
    entry_of,
    group_key,
    known_key,
    ms,
    new_item,
    number_of,
    spec_text,
    typed,
    wake_key,
    work_key,
)
from rushes.journal.dynamo_table import Table, unless_refused
from rushes.ledger import Claim, End, Entry, Kept, Lapsed, NotClaimed, Tally, Work

__all__ = ["DynamoLedger"]

AT_ONCE: Final = 99
"""Invocations in one transaction, which takes 100 items; the batch is the other one."""
SPECS_KEPT: Final = 1000
CANCELLERS: Final = 8
"""Requests under way at once while a batch is cancelled."""
_ENDED: Final = tuple(state for state in State if state.ended)
_MINE: Final = "fence=:fence AND #state=:running"
_STATE: Final = {"#state": "state"}


class DynamoLedger:
    """A `rushes.ports.Ledger`.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: its name; `rushes.journal.dynamo_items.TABLE` says what it is made of.
        kept_s: items vanish so long after their batch was opened; None keeps them.
        sleep: waits between transactions that met.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        *,
        kept_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client, table, sleep)
        self._kept_s = kept_s
        self._specs: dict[str, tuple[dict[str, Any], int | None]] = {}

    # -- batches -------------------------------------------------------------------------------------------

    def open(self, batch: str, spec: Mapping[str, Any], now: float) -> None:
        ttl = None if self._kept_s is None else round(now + self._kept_s)
        item = {
            **batch_key(batch),
            **typed({"spec": spec_text(spec), "at": ms(now), "total": 0, "wk": "OPEN", "wa": ms(now)}),
            **({} if ttl is None else typed({"ttl": ttl})),
        }
        with unless_refused():
            self._table.put(f"open batch {batch}", item, "attribute_not_exists(pk)")

    def add(self, batch: str, work: Sequence[Work]) -> None:
        ttl = self._spec(batch)[1]
        for start in range(0, len(work), AT_ONCE):
            self._add_some(batch, work[start : start + AT_ONCE], ttl)

    def _add_some(self, batch: str, work: Sequence[Work], ttl: int | None) -> None:
        """Add what is not there yet, and count it, together."""
        while work:
            puts = [
                {
                    "Put": {
                        "TableName": self._table.name,
                        "Item": new_item(one, ttl),
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                }
                for one in work
            ]
            counted = self._table.update(
                batch_key(batch),
                "ADD #total :count",
                {":count": len(work)},
                "attribute_exists(pk) AND attribute_not_exists(cancelled)",
                {"#total": "total"},
            )
            refused = self._table.transact([*puts, {"Update": counted}], f"add to batch {batch}")
            if not refused:
                return
            if refused[-1]:
                raise CallerError(
                    f"batch {batch!r} takes nothing more: it was cancelled.",
                    code="not-open",
                    fix="Open a new one.",
                )
            work = [one for one, no in zip(work, refused, strict=False) if not no]

    def seal(self, batch: str) -> None:
        self._mark(batch, "SET sealed=:yes", "seal")

    def cancel(self, batch: str) -> int:
        self._mark(batch, "SET sealed=:yes, cancelled=:yes", "cancel")
        with ThreadPoolExecutor(CANCELLERS) as threads:
            return sum(threads.map(self._cancel_one, self._invocations(batch, 0)))

    def _mark(self, batch: str, change: str, act: str) -> None:
        asked = self._table.update(batch_key(batch), change, {":yes": True}, "attribute_exists(pk)")
        with unless_refused() as refused:
            self._table.send(f"{act} batch {batch}", asked)
        if refused:
            raise _no_batch(batch)

    def _cancel_one(self, item: Mapping[str, Any]) -> int:
        """End an invocation that waits, or ask its holder to."""
        batch, n = number_of(item)
        while not State(item["state"]).ended:
            if item["state"] == State.running.value:
                stop = self._table.update(
                    work_key(batch, n), "SET stop=:yes", {":yes": True, **_running(item)}, _MINE, _STATE
                )
                with unless_refused() as refused:
                    self._table.send(f"cancel {batch}.{n}", stop)
                if not refused:
                    return 0
            elif self._end(batch, n, item, End(State.cancelled, "{}"), "#state=:was AND fence=:fence"):
                return 1
            item = self._table.item(work_key(batch, n)) or {"state": State.cancelled.value}
        return 0

    def unfinished(self) -> Sequence[str]:
        found = []
        for item in self._table.query("list batches", IndexName="wake", wk="OPEN"):
            batch = item["pk"].removeprefix("B#")
            tally = self.tally(batch)
            if tally is None or not tally.complete:
                found.append(batch)
                continue
            done = self._table.update(batch_key(batch), "REMOVE wk, wa", {}, "attribute_exists(pk)")
            with unless_refused():
                self._table.send(f"close batch {batch}", done)
        return found

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        found = self._head(batch)
        return None if found is None else found[0]

    def tally(self, batch: str) -> Tally | None:
        items = [*self._table.query(f"read batch {batch}", pk=f"B#{batch}")]
        if not items:
            return None
        head = next(item for item in items if item["sk"] == "B")
        counts = [item for item in items if item["sk"] != "B"]

        def sum_of(name: str) -> int:
            return sum(int(item.get(name, 0)) for item in counts)

        ended = {state: sum_of(state.value) for state in _ENDED}
        running = sum(self._table.count(wake_key(batch, number)) for number in range(WAKERS))
        return Tally(
            json.loads(head["spec"]),
            int(head["at"]) / 1000,
            int(head["total"]),
            running,
            {state: count for state, count in ended.items() if count},
            sum_of("cached"),
            bool(head.get("sealed")),
            bool(head.get("cancelled")),
            sum_of("seconds_us") / 1e6,
            sum_of("media_us") / 1e6,
            sum_of("cost_nano"),
        )

    def _spec(self, batch: str) -> tuple[dict[str, Any], int | None]:
        """A batch's spec, and when its items vanish.

        Raises:
            CallerError: there is no such batch.
        """
        found = self._head(batch)
        if found is None:
            raise _no_batch(batch)
        return found

    def _head(self, batch: str) -> tuple[dict[str, Any], int | None] | None:
        """What of a batch never changes, read once."""
        if batch not in self._specs:
            item = self._table.item(batch_key(batch))
            if item is None:
                return None
            if len(self._specs) > SPECS_KEPT:
                self._specs.clear()
            self._specs[batch] = json.loads(item["spec"]), int(item["ttl"]) if "ttl" in item else None
        return self._specs[batch]

    # -- claims --------------------------------------------------------------------------------------------

    def claim(self, invocation: str, holder: str, now: float, until: float) -> Claim | NotClaimed:
        batch, n = _id(invocation)
        values = {
            ":holder": holder,
            ":until": ms(until),
            ":one": 1,
            ":running": "running",
            ":wk": wake_key(batch, n),
        }
        change = (
            "SET #state=:running, holder=:holder, #until=:until, wk=:wk, wa=:until "
            "ADD fence :one, attempt :one"
        )
        names = {**_STATE, "#until": "until"}
        found, old = self._table.attempt(
            work_key(batch, n),
            change,
            {**values, ":queued": "queued", ":held": "held", ":now": ms(now)},
            "attribute_exists(pk) AND (#state=:queued OR (#state=:held AND #until<=:now))",
            names,
        )
        if found is not None:
            return claim_of(found)
        if old is None:
            return NotClaimed(invocation, None)
        lapsed = old["state"] == "running" and int(old["until"]) <= ms(now) and not old.get("stop")
        if lapsed:
            found, old = self._table.attempt(
                work_key(batch, n),
                f"{change}, losses :one",
                {**values, ":fence": old["fence"], ":was": old["until"]},
                f"{_MINE} AND #until=:was",
                names,
            )
            if found is not None:
                return claim_of(found)
        entry = entry_of(old) if old is not None else None
        return NotClaimed(invocation, None if entry is None else entry.state, entry and entry.until)

    def extend(self, claim: Claim, until: float) -> Kept:
        batch, n = _id(claim.work.invocation)
        found, _ = self._table.attempt(
            work_key(batch, n),
            "SET #until=:until, wa=:until",
            {":until": ms(until), **_held(claim)},
            _MINE,
            {**_STATE, "#until": "until"},
        )
        if found is None:
            return "lost"
        return "stop" if found.get("stop") else "kept"

    def finish(self, claim: Claim, end: End) -> bool:
        batch, n = _id(claim.work.invocation)
        item = {"fence": claim.fence, "state": State.running.value}
        if self._end(batch, n, item, end, _MINE.replace(":running", ":was"), key=claim.work.key):
            return True
        now = self._table.item(work_key(batch, n))  # its answer may have been lost, and it is said again
        return bool(
            now
            and State(now["state"]).ended
            and (int(now["fence"]), now.get("holder")) == (claim.fence, claim.holder)
        )

    def hold(self, claim: Claim, until: float, reason: str, *, free: bool = False) -> bool:
        change = "SET #state=:to, #until=:until, wa=:until, reason=:reason"
        return self._let_go(claim, change, {":until": ms(until), ":to": "held", ":reason": reason}, free=free)

    def give_back(self, claim: Claim, reason: str) -> bool:
        change = "SET #state=:to, reason=:reason REMOVE #until, wk, wa"
        return self._let_go(claim, change, {":to": "queued", ":reason": reason}, free=True)

    def _let_go(self, claim: Claim, change: str, values: Mapping[str, Any], *, free: bool) -> bool:
        batch, n = _id(claim.work.invocation)
        if free:
            change, values = f"{change} ADD attempt :back", {**values, ":back": -1}
        found, old = self._table.attempt(
            work_key(batch, n),
            change,
            {**values, **_held(claim)},
            f"{_MINE} AND attribute_not_exists(stop)",
            {**_STATE, "#until": "until"},
        )
        if found is not None:
            return True
        mine = old is not None and old["state"] == "running" and int(old["fence"]) == claim.fence
        return mine and self.finish(claim, End(State.cancelled, "{}"))

    def _end(
        self, batch: str, n: int, item: Mapping[str, Any], end: End, condition: str, *, key: str = ""
    ) -> bool:
        """End an invocation, count it, and make its key known: together, or not at all."""
        spec, ttl = self._spec(batch)
        fields = end_fields(end)
        sets = ", ".join(
            ["#state=:to", "#data=:data", *(f"{name}=:{name}" for name in fields if name != "data")]
        )
        ended = self._table.update(
            work_key(batch, n),
            f"SET {sets} REMOVE wk, wa, #until",
            {
                **{f":{name}": value for name, value in fields.items()},
                ":to": end.state.value,
                ":was": item["state"],
                ":fence": item["fence"],
            },
            condition,
            {**_STATE, "#until": "until", "#data": "data"},
        )
        sums = {
            "seconds_us": fields["seconds_us"],
            "media_us": fields["media_us"],
            "cost_nano": end.cost_nano,
        }
        sums |= {"cached": int(end.cached), end.state.value: 1}
        counted = self._table.update(
            count_key(batch, n),
            "ADD " + ", ".join(f"#{name} :{name}" for name in sums),
            {f":{name}": value for name, value in sums.items()},
            names={f"#{name}": name for name in sums},
        )
        if ttl is not None:
            counted["UpdateExpression"] += " SET #ttl=:ttl"
            counted["ExpressionAttributeNames"]["#ttl"] = "ttl"
            counted["ExpressionAttributeValues"] |= typed({":ttl": ttl})
        parts: list[dict[str, Any]] = [{"Update": ended}, {"Update": counted}]
        if key and end.state is State.succeeded:
            known = {**known_key(str(spec.get("show", "")), key), **typed({"invocation": f"{batch}.{n}"})}
            known |= {} if ttl is None else typed({"ttl": ttl})
            parts.append({"Put": {"TableName": self._table.name, "Item": known}})
        return not self._table.transact(parts, f"end {batch}.{n}")

    def lapsed(self, batch: str, now: float, again_at: float) -> Sequence[Lapsed]:
        out = []
        for number in range(WAKERS):
            found = self._table.query(
                f"look for lapsed claims of batch {batch}",
                IndexName="wake",
                wk=wake_key(batch, number),
                upto=ms(now),
            )
            for item in found:
                _, n = number_of(item)
                won, _ = self._table.attempt(
                    work_key(batch, n),
                    "SET wa=:again",
                    {":again": ms(again_at), ":was": item["wa"]},
                    "wa=:was",
                )
                if won is not None:
                    spec = self._spec(batch)[0]
                    out.append(Lapsed(f"{batch}.{n}", str(spec.get("priority")), str(spec.get("show"))))
        return sorted(out, key=lambda one: int(one.invocation.rpartition(".")[2]))

    # -- reading -------------------------------------------------------------------------------------------

    def entry(self, invocation: str) -> Entry | None:
        item = self._table.item(work_key(*_id(invocation)))
        return None if item is None else entry_of(item)

    def results(self, batch: str, after: int, limit: int) -> Sequence[Entry]:
        out: list[Entry] = []
        for item in self._invocations(batch, after):
            if State(item["state"]).ended:
                out.append(entry_of(item))
                if len(out) == limit:
                    break
        return out

    def known(self, show: str, key: str) -> str | None:
        item = self._table.item(known_key(show, key))
        return None if item is None else str(item["invocation"])

    def _invocations(self, batch: str, after: int) -> Iterator[dict[str, Any]]:
        """The invocations of a batch by their numbers, from the one behind `after`."""
        head = self._table.item(batch_key(batch))
        if head is None:
            raise _no_batch(batch)
        for group in range((after + 1) // GROUP, int(head["total"]) // GROUP + 1):
            for item in self._table.query(f"read batch {batch}", pk=group_key(batch, group)):
                if int(item["sk"]) > after:
                    yield item


def _held(claim: Claim) -> dict[str, Any]:
    return {":fence": claim.fence, ":running": "running"}


def _running(item: Mapping[str, Any]) -> dict[str, Any]:
    return {":fence": item["fence"], ":running": "running"}


def _id(invocation: str) -> tuple[str, int]:
    batch, _, n = invocation.rpartition(".")
    return batch, int(n)


def _no_batch(batch: str) -> CallerError:
    return CallerError(f"there is no batch {batch!r}.", code="not-found", fix="Check the spelling.")
