"""What has run, read from the ledger as a load: when each batch came, what it needs, what each clip took.

The journal is only read. This module must not know what is made of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rushes.core.accounts import Scope, SpendLimits
from rushes.errors import CallerError, PlatformError
from rushes.journal.reading import read_once

__all__ = ["RanBatch", "kept_budgets", "ran_batches"]

_LARGEST: Final = 1e15
"""Bytes, seconds since 1970, cores: no figure of a ledger is larger."""
_SUCCEEDED = 4  # by `rushes.journal.schema`


@dataclass(frozen=True, slots=True)
class RanBatch:
    """A batch of the ledger.

    Args:
        id: its name.
        function, priority, show: whose it was.
        submitted: UTC epoch seconds.
        deadline: the same, or None.
        resources: what one attempt takes, as `BatchSpec.resources`.
        max_slots: it had at most so many at once.
        seconds: what each invocation took on a slot, failed attempts included; what was known before is left
            out.
        media_s: seconds of media of all of them.
        max_cost_nano: what it might cost as a whole, or None.
    """

    id: str
    function: str
    priority: str
    show: str
    submitted: float
    deadline: float | None
    resources: Mapping[str, float]
    max_slots: int | None
    seconds: tuple[float, ...]
    media_s: float
    max_cost_nano: int | None = None


def kept_budgets(journal: Path, *, since: float = 0.0) -> dict[Scope, SpendLimits]:
    """What shows and the organisation may spend, as it stands now, less what they had spent until `since`.

    Raises:
        PlatformError: it cannot be read (``journal-unreadable``).
    """
    with read_once(journal) as db:
        rows = db.execute("SELECT level,name,cap,hour_cap,soft,hour_soft FROM limits WHERE level!='batch'")
        found = {}
        for level, name, cap, hour_cap, soft, hour_soft in rows.fetchall():
            before = _spent_before(db, level, name, since)
            left = [one if one is None else max(one - before, 0) for one in (cap, soft)]
            found[Scope(level, name)] = SpendLimits(left[0], hour_cap, left[1], hour_soft)
    return found


def _spent_before(db: sqlite3.Connection, level: str, name: str, since: float) -> int:
    """Nano-dollars of a payer until then; what was pruned was before it."""
    where, values = ("1", ()) if level != "show" else ("p.show=?", (name,))
    sums = "SELECT coalesce(sum(c.compute+c.requests+c.transfer+c.energy),0) FROM"
    kept, pruned = (
        db.execute(f"{sums} {rows} WHERE {where}{more}", (*values, *bound)).fetchone()[0]
        for rows, more, bound in (
            ("costs c JOIN payers p ON p.id=c.payer", " AND c.ended<?", (since,)),
            ("spent c JOIN payers p ON p.id=c.payer", "", ()),
        )
    )
    return int(kept + pruned)


def ran_batches(journal: Path, *, since: float = 0.0) -> list[RanBatch]:
    """The batches that were submitted since then and have results, oldest first.

    What mapped parts of its own is left out, and its parts stand for it: it computes nothing meanwhile.

    Raises:
        CallerError: there is no ledger (``no-history``).
        PlatformError: it cannot be read (``journal-unreadable``).
    """
    if not journal.exists():
        raise CallerError(
            f"there is no ledger at {journal}.",
            code="no-history",
            fix="Run something first, or name the folder of the pool whose ledger it is with RUSHES_HOME.",
        )
    with read_once(journal) as db:
        return _batches(db, since)


def _batches(db: sqlite3.Connection, since: float) -> list[RanBatch]:
    rows = db.execute(
        "SELECT number,id,spec,submitted,media_s FROM batches WHERE submitted>=? ORDER BY submitted,number",
        (since,),
    ).fetchall()
    specs = []
    for number, id_, spec, at, media_s in rows:
        with _batch_read(id_):
            specs.append((number, id_, dict(json.loads(spec)), at, media_s))
    mapped = {str(spec["parent"]) for _, _, spec, _, _ in specs if spec.get("parent")}
    found = []
    for number, id_, spec, submitted, media_s in specs:
        with _batch_read(id_):
            parts = {int(name.split(".")[1]) for name in mapped if _batch_of(name) == id_}
            seconds = _seconds(db, number, parts)
            if seconds:
                found.append(_ran(id_, spec, submitted, media_s, seconds))
    return found


def _ran(
    id_: str, spec: Mapping[str, Any], submitted: float, media_s: float, seconds: list[float]
) -> RanBatch:
    deadline = spec.get("deadline")
    return RanBatch(
        id=id_,
        function=str(spec.get("title") or spec["function"]),
        priority=str(spec.get("priority", "standard")),
        show=str(spec.get("show", "default")),
        submitted=_figure(submitted),
        deadline=None if deadline is None else _figure(deadline),
        resources={name: _figure(most) for name, most in dict(spec.get("resources") or {}).items()},
        max_slots=spec.get("max_slots"),
        seconds=tuple(_figure(one) for one in seconds),
        media_s=max(_figure(media_s), 0.0),
        max_cost_nano=spec.get("max_cost_nano"),
    )


def _figure(value: Any) -> float:
    """A number that something on this earth can have been."""
    number = float(value)
    if not -_LARGEST < number < _LARGEST:
        raise ValueError(f"{value!r} is no such figure")
    return number


@contextmanager
def _batch_read(id_: str) -> Iterator[None]:
    """Name the batch of which a row cannot be read."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise PlatformError(
            f"batch {id_} of the ledger cannot be read: {error}.",
            code="journal-unreadable",
            fix="`rushes doctor` looks at it; --since leaves out what came before.",
        ) from error


def _batch_of(invocation: str) -> str:
    return invocation.partition(".")[0]


def _seconds(db: sqlite3.Connection, number: int, without: set[int]) -> list[float]:
    """What each invocation of a batch took, in the order of their numbers."""
    failed = dict(
        db.execute(
            "SELECT invocation,sum(seconds) FROM attempts WHERE invocation>=? AND invocation<? "
            "AND outcome<>'succeeded' GROUP BY invocation",
            (number << 32, number + 1 << 32),
        )
    )
    rows = db.execute(
        "SELECT invocation,seconds,state FROM results WHERE batch=? AND cached=0 ORDER BY invocation",
        (number,),
    )
    return [
        max(seconds + (failed.get(id_, 0.0) if state == _SUCCEEDED else 0.0), 1e-6)
        for id_, seconds, state in rows
        if seconds > 0 and (id_ & 0xFFFFFFFF) not in without
    ]
