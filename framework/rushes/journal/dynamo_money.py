"""Caps and their tranches in the shared ledger's table.

    M                 <level>#<name>  a cap: how much, what is left of it, what was spent
    M#<batch>         M               the same of a batch
    T#<level>#<name>  <holder>        a tranche: what was taken, what of that is spent, and what is exposed

A tranche stands in the index ``wake`` under ``TRANCHES`` by the time at which its holder has to have been
heard of. To take one is a read and a transaction, for many reservations; to say what is exposed, one update
of an item that nobody else writes. What is promised stands in `rushes.core.spending.tranches`. This module
must not know what is paid for.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rushes.core.accounts import Scope
from rushes.core.spending.tranches import CapState, granted
from rushes.errors import PlatformError
from rushes.journal.dynamo_items import ms, typed
from rushes.journal.dynamo_table import Table, unless_refused

__all__ = ["DynamoMoney"]

CAPS: Final = "M"
WAKE: Final = "TRANCHES"
MEETINGS: Final = 12
"""Others that were quicker at the same cap, before it is taken for a fault."""
KEPT_S: Final = 30 * 24 * 3600
"""A closed tranche."""
_LEFT: Final = {"#left": "left"}
_OPEN: Final = "attribute_exists(wk)"


class DynamoMoney:
    """A `rushes.ports.Money`.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: the ledger's, by its name.
        sleep: waits between transactions that met.
    """

    def __init__(self, client: Any, table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._table = Table(client, table, sleep)

    # -- caps ------------------------------------------------------------------------------------------------

    def caps(self) -> Sequence[CapState]:
        found = self._table.query("read the caps", pk=CAPS)
        return [_state(_scope_of(str(item["sk"])), item) for item in found if not item.get("off")]

    def state(self, scope: Scope) -> CapState | None:
        item = self._table.item(_cap_key(scope))
        return None if item is None else _state(scope, item)

    def set_cap(self, scope: Scope, cap: int | None, *, spent: int = 0) -> None:
        if cap is None:  # its books go on: what is in tranches comes back to them
            off = self._table.update(_cap_key(scope), "SET off=:yes", {":yes": True}, "attribute_exists(pk)")
            with unless_refused():
                self._table.send(f"take the cap of {scope} away", off)
            return
        for _ in range(MEETINGS):
            known = self._table.item(_cap_key(scope))
            if known is None:
                item = {**_cap_key(scope), **typed({"cap": cap, "left": cap - spent, "spent": spent})}
                with unless_refused() as refused:
                    self._table.put(f"cap {scope}", item, "attribute_not_exists(pk)")
            else:
                change = self._table.update(
                    _cap_key(scope),
                    "SET cap=:cap ADD #left :more REMOVE off",
                    {":cap": cap, ":more": cap - int(known["cap"]), ":was": known["cap"]},
                    "cap=:was",
                    _LEFT,
                )
                with unless_refused() as refused:
                    self._table.send(f"cap {scope}", change)
            if not refused:
                return
        raise _busy(scope)

    # -- tranches --------------------------------------------------------------------------------------------

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        for _ in range(MEETINGS):
            known = self._table.item(_cap_key(scope)) or {"left": 0}
            free = bool(known.get("off"))
            amount = most if free else granted(int(known["left"]), least, most)
            if amount == 0:
                return 0
            out = self._table.update(
                _cap_key(scope),
                "ADD #left :less",
                {":less": -amount, **({} if free else {":amount": amount})},
                "attribute_exists(off)" if free else "#left>=:amount AND attribute_not_exists(off)",
                _LEFT,
            )
            into = self._table.update(
                _tranche_key(scope, holder),
                # Each taking has a name: two of the same size are two, and one that is sent twice is one.
                "SET wk=:wk, wa=:until, ask=:ask ADD taken :amount, spent :none, exposed :none",
                {":wk": WAKE, ":until": ms(until), ":ask": uuid.uuid4().hex, ":amount": amount, ":none": 0},
                "attribute_not_exists(pk)" if first else _OPEN,
            )
            refused = self._table.transact([{"Update": out}, {"Update": into}], f"take money of {scope}")
            if not refused:
                return amount
            if refused[1]:
                return None
        raise _busy(scope)

    def report(self, scope: Scope, holder: str, spent: int, exposed: int, until: float) -> bool:
        change = self._table.update(
            _tranche_key(scope, holder),
            "SET spent=:spent, exposed=:exposed, wa=:until",
            {":spent": spent, ":exposed": exposed, ":until": ms(until)},
            _OPEN,
        )
        with unless_refused() as refused:
            self._table.send(f"say what is spent of {scope}", change)
        return not refused

    def give(self, scope: Scope, holder: str, back: int) -> bool:
        values = {":back": back, ":ask": uuid.uuid4().hex, ":less": -back}
        change = self._table.update(
            _tranche_key(scope, holder), "SET ask=:ask ADD taken :less", values, f"{_OPEN} AND taken>=:back"
        )
        return self._account(scope, back, 0, {"Update": change})

    def close(self, scope: Scope, holder: str, spent: int) -> bool:
        item = self._table.item(_tranche_key(scope, holder))
        return item is not None and self._close(scope, item, spent)

    def _close(self, scope: Scope, item: Mapping[str, Any], spent: int) -> bool:
        """End a tranche that is still what it was when it was read."""
        if "wa" not in item:
            return False
        heard = {":wa": item["wa"], ":exposed": item["exposed"], ":taken": item["taken"]}
        # It is kept for a while, closed: a role that may delete could delete everything.
        change = self._table.update(
            _tranche_key(scope, str(item["sk"])),
            "SET closed=:spent, #ttl=:ttl REMOVE wk, wa",
            {**heard, ":spent": spent, ":ttl": int(item["wa"]) // 1000 + KEPT_S},
            "wa=:wa AND exposed=:exposed AND taken=:taken",
            {"#ttl": "ttl"},
        )
        return self._account(scope, int(item["taken"]) - spent, spent, {"Update": change})

    def reclaim(self, now: float) -> int:
        found = 0
        for keys in list(self._table.query("look for silent holders", wk=WAKE, upto=ms(now))):
            item = self._table.item(typed({"pk": keys["pk"], "sk": keys["sk"]}))
            if item is None or int(item.get("wa", ms(now) + 1)) > ms(now):
                continue
            scope = _scope_of(str(item["pk"]).removeprefix("T#"))
            found += self._close(scope, item, max(int(item["spent"]), int(item["exposed"])))
        return found

    def _account(self, scope: Scope, back: int, spent: int, part: Mapping[str, Any]) -> bool:
        """Put money back and enter what was spent, together with what becomes of its tranche."""
        values = {":back": back, ":spent": spent}
        into = self._table.update(
            _cap_key(scope), "ADD #left :back, spent :spent", values, "attribute_exists(pk)", _LEFT
        )
        return not self._table.transact([part, {"Update": into}], f"give back money of {scope}")


def _cap_key(scope: Scope) -> dict[str, Any]:
    if scope.level == "batch":  # there are many, and whoever works on one knows it
        return typed({"pk": f"{CAPS}#{scope.name}", "sk": CAPS})
    return typed({"pk": CAPS, "sk": f"{scope.level}#{scope.name}"})


def _tranche_key(scope: Scope, holder: str) -> dict[str, Any]:
    return typed({"pk": f"T#{scope.level}#{scope.name}", "sk": holder})


def _scope_of(text: str) -> Scope:
    level, _, name = text.partition("#")
    return Scope(level, name)  # type: ignore[arg-type]  # as it was written


def _state(scope: Scope, item: Mapping[str, Any]) -> CapState:
    return CapState(scope, int(item["cap"]), int(item["left"]), int(item["spent"]))


def _busy(scope: Scope) -> PlatformError:
    return PlatformError(
        f"others take money of {scope} again and again.",
        code="service-busy",
        fix="It is tried again by itself.",
    )
