"""Tranches of caps in the shared ledger's table; the caps themselves are in `dynamo_caps`.

    T#<level>#<name>  <holder>        a tranche: what was taken, what of that is spent, and what is exposed

Those by the hour are beside them, with ``hour:`` before the level.

A tranche stands in the index ``wake`` under ``TRANCHES`` by the time at which its holder has to have been
heard of. To take one is a read and a transaction, for many reservations; to say what is exposed, one update
of an item that nobody else writes. What is promised stands in `rushes.core.spending.tranches`. This module
must not know what is paid for.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import found_spent, granted, hour_of
from rushes.errors import CallerError, RushesError
from rushes.shared_ledger.dynamo_caps import LEFT, MEETINGS, DynamoCaps, busy, is_off, scope_of
from rushes.shared_ledger.dynamo_items import item_read, ms, typed
from rushes.shared_ledger.dynamo_table import unless_refused

__all__ = ["DynamoMoney"]

WAKE: Final = "TRANCHES"
KEPT_S: Final = 30 * 24 * 3600
"""A closed tranche."""
_OPEN: Final = "attribute_exists(wk)"


class DynamoMoney(DynamoCaps):
    """A `rushes.ports.Money`.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: the ledger's, by its name.
        sleep: waits between transactions that met.
        clock: UTC epoch seconds; which hour it is.
        by_hour: it keeps the caps by the hour of another one.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        by_hour: bool = False,
    ) -> None:
        super().__init__(client, table, sleep=sleep, clock=clock, by_hour=by_hour)
        self.hourly = self if by_hour else DynamoMoney(client, table, sleep=sleep, clock=clock, by_hour=True)

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        for _ in range(MEETINGS):
            known = self._now(scope) or {"left": 0, "hr": 0}
            with item_read(known):
                free = is_off(known)
                amount = most if free else granted(int(known["left"]), least, most)
            if amount == 0:
                return 0
            hour = {":hour": known["hr"]} if self._by_hour else {}
            same = " AND hr=:hour" if hour else ""
            out = self._table.update(
                self._cap_key(scope),
                "ADD #left :less",
                {":less": -amount, **({} if free else {":amount": amount}), **hour},
                ("attribute_exists(off)" if free else "#left>=:amount AND attribute_not_exists(off)") + same,
                LEFT,
            )
            into = self._table.update(
                self._tranche_key(scope, holder),
                # Each taking has a name: two of the same size are two, and one that is sent twice is one.
                f"SET wk=:wk, wa=:until, ask=:ask{', hr=:hour' if hour else ''} "
                "ADD taken :amount, spent :none, exposed :none",
                {
                    ":wk": WAKE, ":until": ms(until), ":ask": uuid.uuid4().hex, ":amount": amount, ":none": 0,
                    **hour,
                },
                "attribute_not_exists(pk)" if first else _OPEN,
            )  # fmt: skip
            refused = self._table.transact([{"Update": out}, {"Update": into}], f"take money of {scope}")
            if not refused:
                return amount
            if refused[1]:
                return None
        raise busy(scope)

    def report(self, scope: Scope, holder: str, spent: int, exposed: int, until: float) -> bool:
        hour = {":hour": hour_of(self._clock())} if self._by_hour else {}
        change = self._table.update(
            self._tranche_key(scope, holder),
            f"SET spent=:spent, exposed=:exposed, wa=:until{', hr=:hour' if hour else ''}",
            {":spent": spent, ":exposed": exposed, ":until": ms(until), **hour},
            _OPEN,
        )
        with unless_refused() as refused:
            self._table.send(f"say what is spent of {scope}", change)
        return not refused

    def give(self, scope: Scope, holder: str, back: int) -> bool:
        values = {":back": back, ":ask": uuid.uuid4().hex, ":less": -back}
        change = self._table.update(
            self._tranche_key(scope, holder),
            "SET ask=:ask ADD taken :less",
            values,
            f"{_OPEN} AND taken>=:back",
        )
        return self._account(scope, back, 0, {"Update": change})

    def close(self, scope: Scope, holder: str, spent: int) -> bool:
        item = self._table.item(self._tranche_key(scope, holder))
        return item is not None and self._close(scope, item, spent)

    def _close(self, scope: Scope, item: Mapping[str, Any], spent: int, lost: int = 0) -> bool:
        """End a tranche that is still what it was when it was read."""
        if "wa" not in item:
            return False
        with item_read(item):
            heard = {":wa": item["wa"], ":exposed": item["exposed"], ":taken": item["taken"]}
            back, ttl = int(item["taken"]) - spent, int(item["wa"]) // 1000 + KEPT_S
        # It is kept for a while, closed: a role that may delete could delete everything.
        change = self._table.update(
            self._tranche_key(scope, str(item["sk"])),
            "SET closed=:spent, #ttl=:ttl REMOVE wk, wa",
            {**heard, ":spent": spent, ":ttl": ttl},
            "wa=:wa AND exposed=:exposed AND taken=:taken",
            {"#ttl": "ttl"},
        )
        return self._account(scope, back, spent, {"Update": change}, lost)

    def reclaim(self, now: float) -> int:
        found, wrong = 0, list[RushesError]()
        for keys in list(self._table.query("look for silent holders", wk=WAKE, upto=ms(now))):
            scope, by_hour = scope_of(str(keys["pk"]).removeprefix("T#"))
            if self._by_hour and not by_hour:
                continue
            try:
                found += self._reclaimed(scope, by_hour, keys, now)
            except RushesError as error:
                if not isinstance(error, CallerError) and error.code != "service-refused":
                    raise
                wrong.append(error)  # of one holder, or one cap: those of all others come back
        if wrong:
            raise wrong[0]
        return found

    def _reclaimed(self, scope: Scope, by_hour: bool, keys: Mapping[str, Any], now: float) -> bool:  # noqa: FBT001
        item = self._table.item(typed({"pk": keys["pk"], "sk": keys["sk"]}))
        if item is None:
            return False
        with item_read(item):
            if int(item.get("wa", ms(now) + 1)) > ms(now):
                return False
        return (self.hourly if by_hour else self).give_up(scope, item)

    def give_up(self, scope: Scope, item: Mapping[str, Any]) -> bool:
        """Close the tranche that an item is, of a holder that fell silent; False: it was heard of."""
        with item_read(item):
            spent, said = int(item["spent"]), int(item["exposed"])
        if not self._by_hour:
            return self._close(scope, item, max(spent, said))
        now = self._now(scope) or item
        with item_read(item):
            this_hour = bool(item["hr"] >= now["hr"])
        return self._close(scope, item, *found_spent(spent, said, this_hour=this_hour))

    def _account(self, scope: Scope, back: int, spent: int, part: Mapping[str, Any], lost: int = 0) -> bool:
        """Put money back and enter what was spent, together with what becomes of its tranche."""
        if self._by_hour:
            self._now(scope)  # what is entered in an hour that is over would be forgotten
        more = {":lost": lost} if lost else {}
        into = self._table.update(
            self._cap_key(scope),
            f"ADD #left :back, spent :spent{', lost :lost' if lost else ''}",
            {":back": back, ":spent": spent, **more},
            "attribute_exists(pk)",
            LEFT,
        )
        return not self._table.transact([part, {"Update": into}], f"give back money of {scope}")

    def _tranche_key(self, scope: Scope, holder: str) -> dict[str, Any]:
        return typed({"pk": f"T#{self._level}{scope.level}#{scope.name}", "sk": holder})
