"""What has run, read from the ledger as a load: when each batch came, what it needs, what each clip took.

The journal is only read. This module must not know what is made of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rushes.errors import CallerError
from rushes.journal.reading import read_once

__all__ = ["RanBatch", "ran_batches"]

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
    specs = [(number, id_, json.loads(spec), at, media_s) for number, id_, spec, at, media_s in rows]
    mapped = {spec["parent"] for _, _, spec, _, _ in specs if spec.get("parent")}
    found = []
    for number, id_, spec, submitted, media_s in specs:
        seconds = _seconds(db, number, {int(name.split(".")[1]) for name in mapped if _batch_of(name) == id_})
        if not seconds:
            continue
        found.append(
            RanBatch(
                id=id_,
                function=spec.get("title") or spec["function"],
                priority=spec.get("priority", "standard"),
                show=spec.get("show", "default"),
                submitted=submitted,
                deadline=spec.get("deadline"),
                resources=spec.get("resources") or {},
                max_slots=spec.get("max_slots"),
                seconds=tuple(seconds),
                media_s=media_s,
            )
        )
    return found


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
