"""Claims in the shared ledger's table: every transition is one conditional request.

    claim            one update; a second one where a claim has lapsed
    extend, hold     one update
    finish           one transaction: the invocation, its count and its key together; what several threads end
                     at the same moment goes in one, and is counted once

A condition that does not hold is an answer, not an error. What is promised stands in `rushes.ledger`. This
module must not know who follows a batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from rushes.core.states import State
from rushes.ledger import ON_HOSTS, ON_LAMBDA, Claim, End, Kept, Lapsed, LetGo, Moved, NotClaimed, Routed
from rushes.runtime.shared.together import Together
from rushes.shared_ledger.dynamo_batches import DynamoBatches, counting
from rushes.shared_ledger.dynamo_items import (
    WAKERS,
    cancelled,
    claim_of,
    done_key,
    end_fields,
    entry_of,
    item_read,
    known_key,
    ms,
    numbered,
    packed,
    routed_fields,
    state_of,
    sums_of,
    typed,
    wake_key,
    work_key,
)
from rushes.shared_ledger.dynamo_tries import lapsed_try, try_field, try_of

__all__ = ["MINE", "STATE", "DynamoClaims", "Ending", "id_of"]

MOST_ENDS: Final = 32
"""In one transaction, which takes 100 items and 4 MB: an invocation, its key, and a count for each batch."""
MOST_BYTES: Final = 3_000_000
_TIERS: Final = 3
"""That an invocation may be for: a Lambda, hosts, or whoever there is."""
MINE: Final = "fence=:fence AND #state=:running"
STATE: Final = {"#state": "state"}


class Ending(NamedTuple):
    """That an invocation ends, if it is still as its item was."""

    batch: str
    n: int
    item: Mapping[str, Any]
    end: End
    fields: Mapping[str, Any]
    condition: str
    key: str = ""

    @classmethod
    def of(cls, batch: str, n: int, item: Mapping[str, Any], end: End, condition: str) -> Ending:
        """Of what nobody has made a result of."""
        return cls(batch, n, item, end, end_fields(end), condition)


class DynamoClaims(DynamoBatches):
    """The part of `rushes.shared_ledger.dynamo.DynamoLedger` that who works asks."""

    @cached_property
    def _ending(self) -> Together[Ending, bool]:
        return Together(self._end_all, MOST_ENDS)

    def claim(self, invocation: str, holder: str, now: float, until: float) -> Claim | NotClaimed:
        batch, n = id_of(invocation)
        # The answer to this request may be lost and the request come again by itself: it is known by this.
        ask = uuid.uuid4().hex
        values = {
            ":holder": holder,
            ":ask": ask,
            ":until": ms(until),
            ":since": ms(now),
            ":one": 1,
            ":running": "running",
            ":wk": wake_key(batch, n),
        }
        change = (
            "SET #state=:running, holder=:holder, ask=:ask, #until=:until, since=:since, wk=:wk, wa=:until "
            "ADD fence :one, attempt :one"
        )
        names = {**STATE, "#until": "until"}
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
        if _has_lapsed(old, now):
            if old.get("stop"):  # who was to stop it is gone
                condition = "#state=:was AND fence=:fence AND #until=:until"
                self._end(Ending.of(batch, n, old, cancelled(old), condition))
                return NotClaimed(invocation, State.cancelled)
            with item_read(old):
                lost = try_field(int(old["fence"]))
                values |= {":spent": int(old.get("so_far", 0)), ":lost": lapsed_try(old)}
            found, old = self._table.attempt(
                work_key(batch, n),
                f"{change}, losses :one, spent :spent REMOVE so_far".replace("SET ", f"SET {lost}=:lost, "),
                {**values, ":fence": old["fence"], ":was": old["until"]},
                f"{MINE} AND #until=:was",
                names,
            )
            if found is not None:
                return claim_of(found)
        if old is not None and state_of(old) is State.running and old.get("ask") == ask:
            return claim_of(old)
        entry = entry_of(old) if old is not None else None
        return NotClaimed(invocation, None if entry is None else entry.state, entry and entry.until)

    def extend(self, claim: Claim, until: float, *, cost_nano: int = 0, intent: str = "") -> Kept:
        batch, n = id_of(claim.work.invocation)
        more: dict[str, Any] = {"so_far": cost_nano} if cost_nano else {}
        if intent:
            more["intent"] = packed(intent)
        found, _ = self._table.attempt(
            work_key(batch, n),
            ", ".join(["SET #until=:until", "wa=:until", *(f"{name}=:{name}" for name in more)]),
            {":until": ms(until), **{f":{name}": value for name, value in more.items()}, **_held(claim)},
            MINE,
            {**STATE, "#until": "until"},
        )
        if found is None:
            return "lost"
        if found.get("stop"):
            return "stop"
        priority = str(found.get("priority", ""))
        return Moved(priority) if priority != claim.priority else "kept"

    def finish(self, claim: Claim, end: End) -> bool:
        batch, n = id_of(claim.work.invocation)
        item = {"fence": claim.fence, "state": State.running.value}
        mine = MINE.replace(":running", ":was")
        if self._end(Ending(batch, n, item, end, end_fields(end), mine, claim.work.key)):
            return True
        now = self._table.item(work_key(batch, n))  # its answer may have been lost, and it is said again
        if not now:
            return False
        with item_read(now):
            same = (int(now["fence"]), now.get("holder")) == (claim.fence, claim.holder)
            return same and State(now["state"]).ended

    def hold(self, claim: Claim, until: float, gone: LetGo) -> bool:
        change = "SET #state=:to, #until=:until, wa=:until, reason=:reason{} REMOVE so_far"
        values = {":until": ms(until), ":to": "held", ":reason": gone.reason}
        return self._let_go(claim, change, values, gone)

    def give_back(self, claim: Claim, gone: LetGo, routed: Routed | None = None) -> bool:
        # It stays among what somebody has to look at: who gives it back may die before anybody is told.
        its = {} if routed is None else routed_fields(routed)
        sets = "".join(f", {name}=:{name}" for name in its)
        change = f"SET #state=:to, reason=:reason{sets}{{}} REMOVE #until, so_far"
        values = {":to": "queued", ":reason": gone.reason, **{f":{name}": one for name, one in its.items()}}
        return self._let_go(claim, change, values, gone._replace(free=True))

    def _let_go(self, claim: Claim, change: str, values: Mapping[str, Any], gone: LetGo) -> bool:
        """End an attempt, and not its invocation; ``{}`` in `change` is where more is set."""
        batch, n = id_of(claim.work.invocation)
        cost_nano = gone.cost_nano
        added = {**({"attempt": -1} if gone.free else {}), **({"spent": cost_nano} if cost_nano else {})}
        change = change.format("" if gone.error is None else f", {try_field(claim.fence)}=:try")
        if gone.error is not None:
            values = {**values, ":try": try_of(claim, gone.error, self._clock(), cost_nano)}
        if added:
            change = f"{change} ADD {', '.join(f'{name} :{name}' for name in added)}"
            values = {**values, **{f":{name}": value for name, value in added.items()}}
        found, old = self._table.attempt(
            work_key(batch, n),
            change,
            {**values, **_held(claim)},
            f"{MINE} AND attribute_not_exists(stop)",
            {**STATE, "#until": "until"},
        )
        if found is not None:
            return True
        if old is None:
            return False
        with item_read(old):
            state, fence = State(old["state"]), int(old["fence"])
        if fence != claim.fence:
            return False
        if state in {State.queued, State.held}:  # its answer was lost, and it came again
            return True
        ended = End(State.cancelled, "{}", cost_nano=claim.spent_nano + cost_nano)
        return state is State.running and self.finish(claim, ended)

    def _end(self, ending: Ending) -> bool:
        """End an invocation, count it, and make its key known: together, or not at all."""
        return self._ending(ending)

    def _end_all(self, endings: Sequence[Ending]) -> list[bool]:
        """End several, with one request for as many as fit; says of each whether its condition held."""
        done = dict.fromkeys(range(len(endings)), False)
        left = [*done]
        while left:
            some, left = _of_one_transaction(left, endings)
            refused = self._end_some([endings[number] for number in some])
            for number, no in zip(some, refused, strict=True):
                done[number] = not no and not any(refused)
            if any(refused):
                left = [number for number, no in zip(some, refused, strict=True) if not no] + left
        return [*done.values()]

    def _end_some(self, endings: Sequence[Ending]) -> list[bool]:
        """All of them, or none: then which conditions did not hold."""
        at = self._clock()
        parts = [{"Update": self._ended(one, at)} for one in endings]
        for batch in dict.fromkeys(one.batch for one in endings):
            # Where an end is counted is of no account, for only the sum is read: so one count serves all.
            its = [one for one in endings if one.batch == batch]
            sums, ttl = sums_of([one.end for one in its]), self._spec(batch)[1]
            parts.append({"Update": counting(self._table, batch, its[0].n, sums, ttl=ttl, at=at)})
        parts += [{"Put": put} for put in self._known(endings)]
        refused = self._table.transact(parts, f"end {endings[0].batch}.{endings[0].n}")
        return refused[: len(endings)] if refused else [False] * len(endings)

    def _ended(self, one: Ending, at: float) -> dict[str, Any]:
        """The request that ends an invocation."""
        fields = one.fields
        sets = ", ".join(
            ["#state=:to", "#data=:data", *(f"{name}=:{name}" for name in fields if name != "data")]
        )
        values = {
            **{f":{name}": value for name, value in fields.items()},
            ":to": one.end.state.value,
            ":was": one.item["state"],
            ":fence": one.item["fence"],
            ":wk": done_key(one.batch, one.n),
            ":at": ms(at),
        }
        if ":until" in one.condition:
            values[":until"] = one.item["until"]
        return self._table.update(
            work_key(one.batch, one.n),
            f"SET {sets}, wk=:wk, wa=:at REMOVE #until, stop, so_far, intent",
            values,
            one.condition,
            {**STATE, "#until": "until", "#data": "data"},
        )

    def _known(self, endings: Sequence[Ending]) -> list[dict[str, Any]]:
        """What makes the keys of successes known; of the same work twice, one."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for one in endings:
            if not one.key or one.end.state is not State.succeeded:
                continue
            spec, ttl = self._spec(one.batch)
            show = str(spec.get("show", ""))
            known = {**known_key(show, one.key), **typed({"invocation": f"{one.batch}.{one.n}"})}
            known |= {} if ttl is None else typed({"ttl": ttl})
            found.setdefault((show, one.key), {"TableName": self._table.name, "Item": known})
        return [*found.values()]

    def lapsed(
        self, batch: str, now: float, again_at: float, mine: Callable[[Lapsed], bool] = lambda _: True
    ) -> Sequence[Lapsed]:
        out: list[Lapsed] = []
        specs: dict[str, dict[str, Any]] = {}
        for number in range(WAKERS):
            found = self._table.query(
                f"look for lapsed claims of batch {batch}",
                wk=wake_key(batch, number),
                upto=ms(now),
            )
            for item, its, n in numbered(found):
                spec = specs[its] = specs.get(its) or self._now(its)
                told = (str(spec.get(name) or "") for name in ("priority", "show", "title", "group"))
                one = Lapsed(f"{its}.{n}", *told)
                # Whose it is only the item itself says: so that is asked with the request that takes it.
                takes = [tier for tier in ("", ON_LAMBDA, ON_HOSTS) if mine(one._replace(tier=tier))]
                if not takes:
                    continue
                values = {":again": ms(again_at), ":was": item["wa"]}
                condition = "wa=:was"
                if len(takes) < _TIERS:
                    named = {f":t{number}": tier for number, tier in enumerate(filter(None, takes))}
                    values |= named
                    ways = ["attribute_not_exists(tier)"] if "" in takes else []
                    condition += f" AND ({' OR '.join([*ways, *(f'tier={name}' for name in named)])})"
                won, _ = self._table.attempt(work_key(its, n), "SET wa=:again", values, condition)
                if won is not None:
                    out.append(one._replace(tier=str(won.get("tier", ""))))
        return sorted(out, key=lambda one: int(one.invocation.rpartition(".")[2]))


def id_of(invocation: str) -> tuple[str, int]:
    """The batch of an invocation, and its number."""
    batch, _, n = invocation.rpartition(".")
    return batch, int(n)


def _has_lapsed(item: Mapping[str, Any], now: float) -> bool:
    """Whether whoever claimed an invocation has fallen silent.

    Raises:
        CallerError: its item cannot be read (``bad-item``).
    """
    with item_read(item):
        return State(item["state"]) is State.running and int(item["until"]) <= ms(now)


def _of_one_transaction(numbers: Sequence[int], endings: Sequence[Ending]) -> tuple[list[int], list[int]]:
    """Of some that are to end those that one transaction takes, the others; no item may be in it twice."""
    some: list[int] = []
    others: list[int] = []
    seen: set[tuple[str, int]] = set()
    left_bytes = MOST_BYTES
    for number in numbers:
        one = endings[number]
        size_bytes = len(one.fields["data"])
        if some and (size_bytes > left_bytes or (one.batch, one.n) in seen):
            others.append(number)
            continue
        some.append(number)
        seen.add((one.batch, one.n))
        left_bytes -= size_bytes
    return some, others


def _held(claim: Claim) -> dict[str, Any]:
    return {":fence": claim.fence, ":running": "running"}
