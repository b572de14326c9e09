"""What was learnt of how long work takes: a small database beside the journal, filled from it.

Whoever wants an estimate brings it up to date first, by reading what has ended since: the worker writes no
row more for it. The journal is only read here. Several processes may do so at once. What is pruned from the
journal stays learnt. This module must not know how seconds follow from work.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from rushes.core.learning.work import HERE, LEARNT_FROM_S, WorkTraits, work_from_json, work_to_json
from rushes.errors import PlatformError
from rushes.journal.reading import open_for_reading
from rushes.runtime.sending.estimating import Before, LearntRun

__all__ = ["SqliteLearntRuns"]

SCHEMA: Final = 2
MOST_OF_A_KIND: Final = 256
"""Runs of one function, with one set of options, on one codec: the newest."""
MOST_OF_A_FUNCTION: Final = 2048
MOST_OF_A_BATCH: Final = 1024
"""Results that are read at once of one batch, the newest: more say nothing new."""
LATE: Final = 0.99
_MEAN_COUNTS: Final = 64
"""A batch's mean stands for no more runs than these."""
_BUSY_S: Final = 10.0
SUCCEEDED: Final = 4  # by `rushes.journal.schema`
_TABLES: Final = (
    "DROP TABLE IF EXISTS runs",
    "DROP TABLE IF EXISTS read",
    "DROP TABLE IF EXISTS settled",
    """CREATE TABLE runs(
        id INTEGER PRIMARY KEY, function TEXT NOT NULL, kind TEXT NOT NULL, work TEXT NOT NULL,
        seconds REAL NOT NULL, runs REAL NOT NULL)""",
    "CREATE INDEX by_function ON runs(function, kind, id)",
    "CREATE TABLE read(batch INTEGER PRIMARY KEY, seq INTEGER NOT NULL)",
    "CREATE TABLE settled(batch INTEGER NOT NULL)",
    "INSERT INTO settled VALUES(0)",
    f"PRAGMA user_version={SCHEMA}",
)


class SqliteLearntRuns:
    """`rushes.runtime.sending.estimating.LearntRuns`.

    Args:
        path: of the database; it is made when there is none.
        journal: of the pool; there may be none yet.
    """

    def __init__(self, path: Path, journal: Path) -> None:
        self.path = path
        self._journal = journal

    def refresh(self) -> None:
        """Learn from what has ended since.

        Raises:
            PlatformError: the database cannot be used (``estimates-unusable``).
        """
        if not self._journal.exists():
            return
        with self._open() as db, closing(open_for_reading(self._journal)) as ledger:
            db.execute("BEGIN IMMEDIATE")  # another process may be at the same thing
            for batch in _unread(db, ledger):
                _learn(db, ledger, batch)
            _move_on(db, ledger)
            db.execute("COMMIT")

    def runs_of(self, function: str) -> Iterator[LearntRun]:
        """The runs of one function, oldest first."""
        if not self.path.exists():
            return
        with self._open() as db:
            found = db.execute(
                "SELECT work,seconds,runs FROM runs WHERE function=? ORDER BY id", (function,)
            ).fetchall()
        for work, seconds, runs in found:
            yield LearntRun(work_from_json(json.loads(work)), seconds, runs)

    def before(self) -> dict[str, Before]:
        """What runs of each function took; nothing where the database cannot be read."""
        if not self.path.exists():
            return {}
        try:
            with self._open() as db:
                rows = db.execute(
                    "SELECT function,seconds,runs FROM runs ORDER BY function,seconds"
                ).fetchall()
        except PlatformError:
            return {}
        return {
            function: _before([(seconds, runs) for _, seconds, runs in each])
            for function, each in groupby(rows, itemgetter(0))
        }

    def forget(self) -> None:
        """Begin anew: what was learnt on another machine, or in other times, says nothing of this one."""
        for path in (self.path, *self.path.parent.glob(f"{self.path.name}-*")):
            path.unlink(missing_ok=True)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, isolation_level=None, timeout=_BUSY_S)) as db:
                self.path.chmod(0o600)
                _prepare(db)
                yield db
        except (sqlite3.Error, OSError, ValueError) as error:
            raise PlatformError(
                f"what was learnt of run times cannot be used: {self.path}: {error}.",
                code="estimates-unusable",
                fix=f"Remove {self.path}; it is learnt again from the journal.",
            ) from error


def _before(runs: Sequence[tuple[float, float]]) -> Before:
    """Of seconds and how many runs took them, the shortest first."""
    whole = sum(count for _, count in runs)
    mean_s = sum(seconds * count for seconds, count in runs) / whole
    left = LATE * whole
    late_s = 0.0
    for late_s, count in runs:  # noqa: B007 - the last one is wanted
        left -= count
        if left <= 0:
            break
    return Before(mean_s, late_s, whole)


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def _prepare(db: sqlite3.Connection) -> None:
    if _version(db) == SCHEMA:
        return
    db.execute("BEGIN IMMEDIATE")
    # Whoever waited here looks again: another process may have made it, and learnt, meanwhile.
    if _version(db) != SCHEMA:
        # Another version's runs may mean something else, and are learnt again in a moment.
        for statement in _TABLES:
            db.execute(statement)
    db.execute("COMMIT")


class _Batch(NamedTuple):
    number: int
    id: str
    function: str
    ended: float | None
    seq: int
    seconds: float
    since: int
    """Of its ends, those up to here were read."""


def _unread(db: sqlite3.Connection, ledger: sqlite3.Connection) -> list[_Batch]:
    """The batches in which something has ended that was not read."""
    newest, pruned = ledger.execute(
        "SELECT coalesce(max(number),0),(SELECT value FROM meta WHERE key='pruned') FROM batches"
    ).fetchone()
    settled = db.execute("SELECT batch FROM settled").fetchone()[0]
    if settled > max(newest, pruned or 0):  # this journal is another than the one that was read before
        db.execute("UPDATE settled SET batch=0")
        db.execute("DELETE FROM read")
        settled = 0
    read = dict(db.execute("SELECT batch,seq FROM read"))
    found = ledger.execute(
        "SELECT number,id,json_extract(spec,'$.function'),ended,seq,seconds FROM batches WHERE number>?",
        (settled,),
    )
    batches = [_Batch._make((*row, read.get(row[0], 0))) for row in found]
    return [batch for batch in batches if batch.seq > batch.since]


def _learn(db: sqlite3.Connection, ledger: sqlite3.Connection, batch: _Batch) -> None:
    if batch.seconds >= LEARNT_FROM_S * batch.seq / 8:
        _keep(db, batch.function, _runs_in(ledger, batch))
    elif batch.ended is not None:
        _keep(db, batch.function, _mean_of(ledger, batch))
    else:
        return  # many short ones, and more to come: their mean is taken at the end
    db.execute("INSERT OR REPLACE INTO read VALUES(?,?)", (batch.number, batch.seq))


def _runs_in(ledger: sqlite3.Connection, batch: _Batch) -> list[LearntRun]:
    """What a batch's new results tell, oldest first; one that says nothing of its work is left out."""
    rows = ledger.execute(
        "SELECT invocation,seconds,data FROM results WHERE batch=? AND seq>? AND state=? AND cached=0 "
        "AND seconds>=? ORDER BY seq DESC LIMIT ?",
        (batch.number, batch.since, SUCCEEDED, LEARNT_FROM_S, MOST_OF_A_BATCH),
    ).fetchall()
    of_parts = _seconds_of_parts(ledger, batch)
    found = []
    for invocation, own_s, data in reversed(rows):
        seconds = own_s + of_parts.get(f"{batch.id}.{invocation & 0xFFFFFFFF}", 0.0)
        work = json.loads(data).get("work") if '"work":' in data else None
        if work is not None:
            with suppress(ValueError):  # another version's slot has said it in another way
                found.append(LearntRun(work_from_json(work), seconds))
    return found


def _seconds_of_parts(ledger: sqlite3.Connection, batch: _Batch) -> dict[str, float]:
    """What the parts took that invocations of a batch have mapped: those of an encode in chunks, say."""
    return dict(
        ledger.execute(
            "SELECT json_extract(spec,'$.parent') AS parent,sum(seconds) FROM batches "
            "WHERE number>? AND parent GLOB ? GROUP BY parent",
            (batch.number, f"{batch.id}.*"),
        )
    )


def _mean_of(ledger: sqlite3.Connection, batch: _Batch) -> list[LearntRun]:
    """What a batch's new results took on average; nothing where all of them were known before."""
    count, seconds = ledger.execute(
        "SELECT count(*),coalesce(sum(seconds),0) FROM (SELECT seconds FROM results "
        "WHERE batch=? AND seq>? AND state=? AND cached=0 ORDER BY seq DESC LIMIT ?)",
        (batch.number, batch.since, SUCCEEDED, MOST_OF_A_BATCH),
    ).fetchone()
    if not count:
        return []
    return [LearntRun(WorkTraits(batch.function, HERE), seconds / count, float(min(count, _MEAN_COUNTS)))]


def _keep(db: sqlite3.Connection, function: str, runs: Iterable[LearntRun]) -> None:
    rows = [
        (function, "\t".join(run.work.keys[-1]), json.dumps(work_to_json(run.work)), run.seconds, run.runs)
        for run in runs
        if run.seconds > 0
    ]
    db.executemany("INSERT INTO runs(function,kind,work,seconds,runs) VALUES(?,?,?,?,?)", rows)
    kinds = {(function, row[1], function, row[1], MOST_OF_A_KIND) for row in rows}
    db.executemany(
        "DELETE FROM runs WHERE function=? AND kind=? AND id<=("
        "SELECT id FROM runs WHERE function=? AND kind=? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        kinds,
    )
    db.execute(
        "DELETE FROM runs WHERE function=? AND id<=(SELECT id FROM runs WHERE function=? "
        "ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (function, function, MOST_OF_A_FUNCTION),
    )


def _move_on(db: sqlite3.Connection, ledger: sqlite3.Connection) -> None:
    """Remember one number in place of all batches below the oldest that has not ended."""
    settled = ledger.execute(
        "SELECT coalesce(min(CASE WHEN ended IS NULL THEN number END)-1,max(number),0) FROM batches"
    ).fetchone()[0]
    db.execute("UPDATE settled SET batch=max(batch,?)", (settled,))
    db.execute("DELETE FROM read WHERE batch<=(SELECT batch FROM settled)")
