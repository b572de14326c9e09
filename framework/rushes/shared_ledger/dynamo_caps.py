"""Caps in the shared ledger's table: how much, what is left of it, what was spent, and soft limits.

    M                 <level>#<name>  a cap: how much, what is left of it, what was spent, and a soft limit
    M#<batch>         M               the same of a batch

Those by the hour are beside them, with ``hour:`` before the level; such a cap says of which hour its books
are, and whoever writes to it first in a new hour turns them.

A cap that somebody has changed by hand so that it cannot be read keeps those who pay with it from spending,
and nobody else from anything. This module must not know what is paid for, nor who has taken what.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState, hour_of, turned
from rushes.errors import CallerError, PlatformError
from rushes.shared_ledger.dynamo_items import item_read, typed
from rushes.shared_ledger.dynamo_table import Table, unless_refused

__all__ = ["LEFT", "MEETINGS", "DynamoCaps", "busy", "is_off", "scope_of"]

TOLD_OF_S: Final = 30 * 86_400
"""A batch with a soft limit is named to all for so long: twice as long as a queue keeps a message."""

CAPS: Final = "M"
MEETINGS: Final = 12
"""Others that were quicker at the same cap, before it is taken for a fault."""
HOURLY: Final = "hour:"
LEFT: Final = {"#left": "left"}


class DynamoCaps:
    """The caps of one table, in all or by the hour; arguments as for `DynamoMoney`."""

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
            scope, by_hour = scope_of(str(item["sk"]))
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
            return CapState(scope, int(item["cap"]), left, spent, soft, by_hour, is_off(item))

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
                LEFT,
            )
            with unless_refused():  # somebody else wrote to it: it is looked at again
                self._table.send(f"begin an hour of {scope}", change)
        raise busy(scope)

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
                    LEFT,
                )
                with unless_refused() as refused:
                    self._table.send(f"cap {scope}", change)
            if not refused:
                return
        raise busy(scope)

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
        raise busy(scope)

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

    def _cap_key(self, scope: Scope) -> dict[str, Any]:
        if scope.level == "batch":  # there are many, and whoever works on one knows it
            return typed({"pk": f"{CAPS}#{scope.name}", "sk": f"{self._level}{CAPS}"})
        return typed({"pk": CAPS, "sk": f"{self._level}{scope.level}#{scope.name}"})


def is_off(item: Mapping[str, Any]) -> bool:
    """Whether a cap was taken away; conditions of requests ask only whether there is such a field."""
    off = item.get("off", False)
    if off is not True and "off" in item:  # by hand: neither a cap nor none
        raise ValueError(f"its off is {off!r}, where it is true or missing")
    return bool(off)


def scope_of(text: str) -> tuple[Scope, bool]:
    """Whose cap a key is of, and whether that is by the hour."""
    level, _, name = text.removeprefix(HOURLY).partition("#")
    return Scope(level, name), text.startswith(HOURLY)  # type: ignore[arg-type]  # as it was written


def busy(scope: Scope) -> PlatformError:
    """Others were quicker at the same cap every time."""
    return PlatformError(
        f"others take money of {scope} again and again.",
        code="service-busy",
        fix="It is tried again by itself.",
    )
