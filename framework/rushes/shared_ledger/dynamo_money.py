"""Caps and their tranches in the shared ledger's table.

    M                 <level>#<name>  a cap: how much, what is left of it, what was spent, and a soft limit
    M#<batch>         M               the same of a batch
    T#<level>#<name>  <holder>        a tranche: what was taken, what of that is spent, and what is exposed

Those by the hour are beside them, with ``hour:`` before the level; such a cap says of which hour its books
are, and whoever writes to it first in a new hour turns them.

A tranche stands in the index ``wake`` under ``TRANCHES`` by the time at which its holder has to have been
heard of. To take one is a read and a transaction, for many reservations; to say what is exposed, one update
of an item that nobody else writes. What is promised stands in `rushes.core.spending.tranches`. This module
must not know what is paid for.

A cap that somebody has changed by hand so that it cannot be read keeps those who pay with it from spending,
and nobody else from anything.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState, found_spent, granted, hour_of, turned
from rushes.errors import CallerError, PlatformError, RushesError
from rushes.shared_ledger.dynamo_items import item_read, ms, typed
from rushes.shared_ledger.dynamo_table import Table, unless_refused

__all__ = ["DynamoMoney"]

TOLD_OF_S: Final = 30 * 86_400
"""A batch with a soft limit is named to all for so long: twice as long as a queue keeps a message."""

CAPS: Final = "M"
WAKE: Final = "TRANCHES"
MEETINGS: Final = 12
"""Others that were quicker at the same cap, before it is taken for a fault."""
KEPT_S: Final = 30 * 24 * 3600
"""A closed tranche."""
HOURLY: Final = "hour:"
_LEFT: Final = {"#left": "left"}
_OPEN: Final = "attribute_exists(wk)"


class DynamoMoney:
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
        self._table = Table(client, table, sleep)
        self._clock = clock
        self._by_hour = by_hour
        self._level = HOURLY if by_hour else ""
        self.hourly = self if by_hour else DynamoMoney(client, table, sleep=sleep, clock=clock, by_hour=True)

    # -- caps ------------------------------------------------------------------------------------------------

    def caps(self) -> Sequence[CapState]:
        found = self._named()
        listed = [one for one in found if one[2].get("off") is not True or "soft" in one[2]]
        return [self._listed(scope, by_hour, item) for scope, by_hour, item in listed]

    def state(self, scope: Scope) -> CapState | None:
        item = self._table.item(self._cap_key(scope))
        return None if item is None else self._state(scope, self._by_hour, item)

    def _named(self) -> list[tuple[Scope, bool, dict[str, Any]]]:
        """All caps, of batches those with a soft limit; of the hourly keeper only those by the hour."""
        found = []
        for item in self._table.query("read the caps", pk=CAPS):
            scope, by_hour = _named(str(item["sk"]))
            if self._by_hour and not by_hour:
                continue
            if scope.level == "batch":  # it says that there is one: the books are the batch's own
                books = self._table.item(self._cap_key(scope)) if "soft" in item else None
                found += [(scope, by_hour, books)] if books is not None else []
                continue
            found.append((scope, by_hour, item))
        return found

    def _state(self, scope: Scope, by_hour: bool, item: Mapping[str, Any]) -> CapState:  # noqa: FBT001
        """Where a cap stands.

        Raises:
            CallerError: its item cannot be read (``bad-item``).
        """
        with item_read(item):
            left, spent = int(item["left"]), int(item["spent"])
            if by_hour:
                hours = hour_of(self._clock()) - int(item["hr"])
                left, spent = turned(left, spent, int(item.get("lost", 0)), hours)
            soft = int(item["soft"]) if "soft" in item else None
            return CapState(scope, int(item["cap"]), left, spent, soft, by_hour, _is_off(item))

    def _listed(self, scope: Scope, by_hour: bool, item: Mapping[str, Any]) -> CapState:  # noqa: FBT001
        """The same in a list: one that cannot be read keeps nobody from the others."""
        try:
            return self._state(scope, by_hour, item)
        except CallerError as error:
            return CapState(scope, 0, 0, 0, by_hour=by_hour, unread=error.message)

    def _now(self, scope: Scope) -> dict[str, Any] | None:
        """A cap's item, of the hour that it is now."""
        for _ in range(MEETINGS):
            known = self._table.item(self._cap_key(scope))
            hour = hour_of(self._clock())
            if known is None:
                return None
            with item_read(known):
                if not self._by_hour or int(known["hr"]) >= hour:
                    return known
                lost = int(known.get("lost", 0))
                left, spent = turned(int(known["left"]), int(known["spent"]), lost, hour - int(known["hr"]))
            was = {":hour": known["hr"], ":was_left": known["left"], ":was_spent": known["spent"]}
            change = self._table.update(
                self._cap_key(scope),
                "SET hr=:now, #left=:left, spent=:spent REMOVE lost",
                {":now": hour, ":left": left, ":spent": spent, **was},
                "hr=:hour AND #left=:was_left AND spent=:was_spent",
                _LEFT,
            )
            with unless_refused():  # somebody else wrote to it: it is looked at again
                self._table.send(f"begin an hour of {scope}", change)
        raise _busy(scope)

    def set_cap(self, scope: Scope, cap: int | None, *, spent: int = 0) -> None:
        if cap is None:  # its books go on: what is in tranches comes back to them
            off = self._table.update(
                self._cap_key(scope), "SET off=:yes", {":yes": True}, "attribute_exists(pk)"
            )
            with unless_refused():
                self._table.send(f"take the cap of {scope} away", off)
            return
        for _ in range(MEETINGS):
            known = self._now(scope)
            if known is None:
                refused = self._made(scope, {"cap": cap, "left": cap - spent, "spent": spent})
            else:
                with item_read(known):
                    more = cap - int(known["cap"])
                change = self._table.update(
                    self._cap_key(scope),
                    "SET cap=:cap ADD #left :more REMOVE off",
                    {":cap": cap, ":more": more, ":was": known["cap"]},
                    "cap=:was",
                    _LEFT,
                )
                with unless_refused() as refused:
                    self._table.send(f"cap {scope}", change)
            if not refused:
                return
        raise _busy(scope)

    def _made(self, scope: Scope, fields: Mapping[str, Any]) -> list[bool]:
        """Begin the books of a payer; not empty where somebody else did."""
        hour = {"hr": hour_of(self._clock())} if self._by_hour else {}
        item = {**self._cap_key(scope), **typed({**fields, **hour})}
        with unless_refused() as refused:
            self._table.put(f"cap {scope}", item, "attribute_not_exists(pk)")
        return refused

    def set_soft(self, scope: Scope, soft: int | None) -> None:
        change, values = ("REMOVE soft", {}) if soft is None else ("SET soft=:soft", {":soft": soft})
        asked = self._table.update(self._cap_key(scope), change, values, "attribute_exists(pk)")
        for _ in range(MEETINGS):
            with unless_refused() as refused:
                self._table.send(f"limit {scope}", asked)
            if scope.level == "batch" and not refused:
                self._tell_of(scope, change, values)
            if not refused or soft is None:
                return
            books = {"cap": 0, "left": 0, "spent": 0, "off": True, "soft": soft}
            if not self._made(scope, books):
                return
        raise _busy(scope)

    def _tell_of(self, scope: Scope, change: str, values: Mapping[str, Any]) -> None:
        """Whoever asks for the caps is told of this batch, as long as it may be worked on."""
        key = typed({"pk": CAPS, "sk": f"{self._level}{scope.level}#{scope.name}"})
        until = round(self._clock() + TOLD_OF_S)
        told = f"SET #ttl=:ttl{change.replace('SET', ',')}" if values else f"SET #ttl=:ttl {change}"
        asked = self._table.update(key, told, {**values, ":ttl": until}, "", {"#ttl": "ttl"})
        self._table.send(f"limit {scope}", asked)

    def lower(self, scope: Scope) -> None:
        once = self._table.update(
            self._cap_key(scope),
            "SET lowered=:yes",
            {":yes": True},
            "attribute_exists(soft) AND attribute_not_exists(lowered)",
        )
        with unless_refused():
            self._table.send(f"let work of {scope} go on one class lower", once)

    def raised(self) -> Sequence[Scope]:
        again: list[Scope] = []
        for scope, by_hour, item in self._named():
            state = self._listed(scope, by_hour, item)
            if not item.get("lowered") or state.unread or state.beyond_soft:
                continue
            key = typed({"pk": item["pk"], "sk": item["sk"]})
            won, _ = self._table.attempt(key, "REMOVE lowered", {}, "attribute_exists(lowered)")
            if won is not None:
                again.append(scope)
        return again

    # -- tranches --------------------------------------------------------------------------------------------

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        for _ in range(MEETINGS):
            known = self._now(scope) or {"left": 0, "hr": 0}
            with item_read(known):
                free = _is_off(known)
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
                _LEFT,
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
        raise _busy(scope)

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
            scope, by_hour = _named(str(keys["pk"]).removeprefix("T#"))
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
            _LEFT,
        )
        return not self._table.transact([part, {"Update": into}], f"give back money of {scope}")

    # -- keys ------------------------------------------------------------------------------------------------

    def _cap_key(self, scope: Scope) -> dict[str, Any]:
        if scope.level == "batch":  # there are many, and whoever works on one knows it
            return typed({"pk": f"{CAPS}#{scope.name}", "sk": f"{self._level}{CAPS}"})
        return typed({"pk": CAPS, "sk": f"{self._level}{scope.level}#{scope.name}"})

    def _tranche_key(self, scope: Scope, holder: str) -> dict[str, Any]:
        return typed({"pk": f"T#{self._level}{scope.level}#{scope.name}", "sk": holder})


def _is_off(item: Mapping[str, Any]) -> bool:
    """Whether a cap was taken away; conditions of requests ask only whether there is such a field."""
    off = item.get("off", False)
    if off is not True and "off" in item:  # by hand: neither a cap nor none
        raise ValueError(f"its off is {off!r}, where it is true or missing")
    return bool(off)


def _named(text: str) -> tuple[Scope, bool]:
    """Whose cap a key is of, and whether that is by the hour."""
    level, _, name = text.removeprefix(HOURLY).partition("#")
    return Scope(level, name), text.startswith(HOURLY)  # type: ignore[arg-type]  # as it was written


def _busy(scope: Scope) -> PlatformError:
    return PlatformError(
        f"others take money of {scope} again and again.",
        code="service-busy",
        fix="It is tried again by itself.",
    )
