"""Reading a price book from JSON or TOML, laying one over another, and saying which entry is wrong.

A file has `schema` and up to four tables: `tiers`, `storage`, `energy` (by region) and `transfer` (by region
that sends, then by the one that receives). Every entry states its `source` and `as_of`. Numbers are read as
decimals, never as floats, so a price is the one that was written. This module must not know any price, nor
open a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from rushes.core.money import parse_dollars
from rushes.core.spending.prices import Energy, PriceBook, Source, Storage, TierPrice, Transfer
from rushes.core.tiers import Machine, Purchase, Tier, TierLimits
from rushes.errors import CallerError
from rushes.units import parse_size

__all__ = ["book_from", "merged", "parse_entries"]

SCHEMA: Final = 1
TABLES: Final = ("tiers", "storage", "transfer", "energy")
Entries = Mapping[str, Any]
"""A file's tables as they were read."""

_TIER_KEYS: Final = frozenset(
    {"purchase", "region", "usd_per_hour", "usd_per_second", "usd_per_request", "cpu", "memory", "scratch"}
    | {"devices", "idle_watts", "busy_watts", "billed_step_s", "billed_least_s", "startup_s", "limit_s"}
    | {"per_invocation"}
)


def parse_entries(text: str, name: str) -> Entries:
    """The tables of a price file; `name` ends in ``.toml`` for TOML, else it is JSON.

    Raises:
        CallerError: it cannot be read, or has a table that is none of ours (``bad-prices``).
    """
    toml = name.lower().endswith(".toml")
    try:
        data = _toml(text) if toml else json.loads(text, parse_float=Decimal)
    except ValueError as error:  # of either
        what = (
            "cannot be read" if toml else "cannot be read as JSON (TOML is a file whose name ends in .toml)"
        )
        raise _bad(name, f"{what}: {error}", "Correct it there.") from error
    except RecursionError:
        raise _bad(name, "is nested too deeply", "Expected tables of entries.") from None
    if not isinstance(data, dict):
        raise _bad(name, f"holds {type(data).__name__}", "Expected tables: tiers, storage, transfer, energy.")
    if data.get("schema") != SCHEMA:
        raise _bad(name, f"has schema {data.get('schema')!r}", f"Write schema = {SCHEMA} at its top.")
    for table, entries in data.items():
        if table == "schema":
            continue
        if table not in TABLES:
            raise _bad(name, f"has a table {table!r}", f"It may have {', '.join(TABLES)}.")
        if not isinstance(entries, dict):
            raise _bad(f"{name}: {table}", "is no table", "Expected entries by name.")
    return data


def merged(base: Entries, over: Entries, name: str) -> Entries:
    """`base` with the entries of `over` laid over it, figure by figure.

    A figure that was changed is no longer its old source's: where `over` names none, it is `name`.
    """
    out: dict[str, Any] = dict(base)
    for table in TABLES:
        known = base.get(table, {})
        out[table] = dict(known)
        for key, entry in over.get(table, {}).items():
            old = known.get(key)
            if table == "transfer" and isinstance(entry, dict):
                laid = {to: _laid(_dict(old).get(to), one, name) for to, one in entry.items()}
                out[table][key] = {**_dict(old), **laid}
            else:
                out[table][key] = _laid(old, entry, name)
    return out


def book_from(entries: Entries, name: str) -> PriceBook:
    """The price book of a file's tables.

    Raises:
        CallerError: names the entry, the value, and what was expected (``bad-prices``).
    """
    rows = [(key, _Entry(f"{name}: tiers.{key}", one)) for key, one in _table(entries, "tiers")]
    tiers = {key: _tier(entry, key) for key, entry in rows}
    machines = {key: tier for key, entry in rows if (tier := _machine(entry, tiers[key])) is not None}
    storage = {
        key: _storage(_Entry(f"{name}: storage.{key}", one)) for key, one in _table(entries, "storage")
    }
    energy = {key: _energy(_Entry(f"{name}: energy.{key}", one)) for key, one in _table(entries, "energy")}
    transfer = {}
    for sender, routes in _table(entries, "transfer"):
        if not isinstance(routes, dict):
            raise _bad(f"{name}: transfer.{sender}", "is no table", "Expected entries by receiving region.")
        transfer[sender] = {
            to: _transfer(_Entry(f"{name}: transfer.{sender}.{to}", one)) for to, one in routes.items()
        }
    return PriceBook(tiers, storage, transfer, energy, machines)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry while it is read; every complaint names it."""

    where: str
    data: Any

    def known(self, keys: frozenset[str]) -> Mapping[str, Any]:
        if not isinstance(self.data, dict):
            raise _bad(self.where, "is no table", "Expected its figures by name.")
        for key in self.data:
            if key not in keys and key not in {"source", "as_of"}:
                raise _bad(self.where, f"has {key!r}", f"It may have {', '.join(sorted(keys))}.")
        return self.data

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or not value.strip():
            raise _bad(self.where, f"has {key} = {value!r}", "Expected a text.")
        return value

    def source(self) -> Source:
        return Source(self.text("source"), self.text("as_of"))

    def dollars(self, key: str, *, per: int = 1, default: int | None = None) -> int:
        value = self.data.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise _bad(self.where, f"has {key} = {value!r}", "Expected a number of dollars.")
        try:
            return parse_dollars(value, per=per)
        except CallerError as error:
            raise _bad(self.where, f"has {key} = {value}: {error.message.rstrip('.')}", error.fix) from error

    def number(self, key: str, default: Decimal) -> Decimal:
        value = self.data.get(key)
        if value is None:
            return default
        try:
            number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number < 0:
            raise _bad(self.where, f"has {key} = {value!r}", "Expected a number that is 0 or more.")
        return number

    def scaled(self, key: str, scale: int) -> int | None:
        return int(self.number(key, Decimal(0)) * scale) if key in self.data else None


def _toml(text: str) -> Any:
    import tomllib  # noqa: PLC0415 - the prices that ship are JSON

    return tomllib.loads(text, parse_float=Decimal)


def _tier(entry: _Entry, name: str) -> TierPrice:
    data = entry.known(_TIER_KEYS)
    purchase = entry.text("purchase")
    if purchase not in {one.value for one in Purchase}:
        choices = ", ".join(one.value for one in Purchase)
        raise _bad(entry.where, f"has purchase = {purchase!r}", f"Expected one of {choices}.")
    if ("usd_per_hour" in data) == ("usd_per_second" in data):
        raise _bad(entry.where, "needs one price", "Write usd_per_hour or usd_per_second, and not both.")
    by_second = "usd_per_second" in data
    hour = entry.dollars("usd_per_second" if by_second else "usd_per_hour", per=3600 if by_second else 1)
    idle, busy = entry.scaled("idle_watts", 1000), entry.scaled("busy_watts", 1000)
    if (idle is None) != (busy is None) or (idle is not None and busy is not None and busy < idle):
        raise _bad(
            entry.where, "has watts that make no pair", "Write idle_watts and busy_watts, idle ≤ busy."
        )
    step = entry.scaled("billed_step_s", 1_000_000)
    if step == 0:
        raise _bad(entry.where, "has billed_step_s = 0", "Leave it out: time is then billed as it was.")
    return TierPrice(
        name=name,
        purchase=Purchase(purchase),
        region=entry.text("region"),
        hour_nano=hour,
        source=entry.source(),
        request_nano=entry.dollars("usd_per_request", default=0),
        idle_milliwatts=idle,
        busy_milliwatts=busy,
        billed_step_us=step or 1,
        billed_least_us=entry.scaled("billed_least_s", 1_000_000) or 0,
    )


def _machine(entry: _Entry, price: TierPrice) -> Tier | None:
    """The machine that an entry describes; None where its cores or its memory are not stated."""
    cpu, memory = entry.number("cpu", Decimal(0)), _size(entry, "memory")
    machine = Machine(float(cpu), memory, _size(entry, "scratch"), _devices(entry))
    start_s = float(entry.number("startup_s", Decimal(0)))
    limit_s = float(entry.number("limit_s", Decimal(0))) if "limit_s" in entry.data else None
    if not cpu or not memory:
        return None
    try:
        return Tier(
            price.name,
            machine,
            price.purchase,
            price.region,
            watts=(price.busy_milliwatts or 0) / 1000,
            start_s=start_s,
            limits=TierLimits(run_s=limit_s),
            per_invocation=bool(entry.data.get("per_invocation")),
        )
    except CallerError as error:
        raise _bad(entry.where, f"describes no machine: {error.message.rstrip('.')}", error.fix) from error


def _size(entry: _Entry, key: str) -> int:
    value = entry.data.get(key, 0)
    try:
        return parse_size(value if isinstance(value, int) else str(value))
    except CallerError as error:
        raise _bad(entry.where, f"has {key} = {value!r}", error.fix) from error


def _devices(entry: _Entry) -> dict[str, int]:
    value = entry.data.get("devices", {})
    if not isinstance(value, dict) or not all(type(count) is int and count > 0 for count in value.values()):
        raise _bad(entry.where, f"has devices = {value!r}", "Expected families and numbers: {nvenc = 1}.")
    return dict(value)


def _storage(entry: _Entry) -> Storage:
    entry.known(frozenset({"usd_per_put", "usd_per_get", "usd_per_gib_month"}))
    return Storage(
        put_nano=entry.dollars("usd_per_put"),
        get_nano=entry.dollars("usd_per_get"),
        gib_month_nano=entry.dollars("usd_per_gib_month"),
        source=entry.source(),
    )


def _transfer(entry: _Entry) -> Transfer:
    entry.known(frozenset({"usd_per_gib"}))
    return Transfer(entry.dollars("usd_per_gib"), entry.source())


def _energy(entry: _Entry) -> Energy:
    entry.known(frozenset({"usd_per_kwh"}))
    return Energy(entry.dollars("usd_per_kwh"), entry.source())


def _table(entries: Entries, table: str) -> list[tuple[str, Any]]:
    return list(entries.get(table, {}).items())


def _laid(old: Any, new: Any, name: str) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new if not isinstance(new, dict) else {"source": name, "as_of": "undated", **new}
    kept = dict(old)
    for pair in (("usd_per_hour", "usd_per_second"),):  # one of them: the newer
        if any(key in new for key in pair):
            kept = {key: value for key, value in kept.items() if key not in pair}
    return {**kept, "source": name, "as_of": "undated", **new}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _bad(where: str, what: str, fix: str) -> CallerError:
    return CallerError(f"{where} {what}.", code="bad-prices", fix=fix, details={"entry": where})
