"""What SQLite itself allows: a bare batched queue that writes the same columns and indexes as our journal.

It is the limit that our engine is compared with, and no product: no retries, no leases that run out, no
packing, no client in another process, no result that is known already. What it does write is what ours
writes, into the same tables with the same indexes (their statements are taken from our own migrations), at
the same `synchronous`: the row of each invocation; its end, with its attempt and its place in the batch; the
result. Like ours it does not write a start: one process hands out all the work, and remembers what it gave.

Three shapes, each as a script that prints one line of JSON:

    reference_sqlite.py broker N      the submitter dispatches, over pipes, to two processes; batches of 64
    reference_sqlite.py leased N      a submitter, and two processes that lease 64 rows at a time by polling
    reference_sqlite.py latency N     a submitter, and one process that leases one row at a time by polling

The leasing ones do write a start: nobody else would know that a row is taken.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from rushes.journal.schema import MIGRATIONS

BATCH: Final = 64
WORKERS: Final = 2
AHEAD: Final = 2
"""Batches in hand of each process, so that none waits for the broker."""
CHUNK: Final = 500
"""Rows a commit of the submission; our client sends as many a message."""
SOURCE: Final = "/media/day01/card_a/A001_C001_0101AB.mov"
FINGERPRINT: Final = "sampled:" + "0f" * 16
POLL_S: Final = 0.0005
_INSERT: Final = (
    "INSERT INTO invocations(id,state,queue,ord,queued_at,key,source,frames,params,subdir,tag,fingerprint,"
    "extra,reason) VALUES(?,0,1,?,?,?,?,NULL,?,NULL,NULL,?,NULL,NULL)"
)
_LEASE: Final = "SELECT id,params FROM invocations WHERE state=0 AND queue=1 AND id>? ORDER BY ord,id LIMIT ?"
_STARTED: Final = "UPDATE invocations SET state=2,attempt=attempt+1 WHERE id=?"
_ENDED: Final = "UPDATE invocations SET state=4,seq=?,attempt=1 WHERE id=?"
_RESULT: Final = "INSERT INTO results VALUES(1,?,?,4,?,0,?)"


def opened(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection set as our journal sets its own."""
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("PRAGMA cache_size=-65536")
    db.execute("PRAGMA wal_autocheckpoint=4000")
    db.execute("PRAGMA temp_store=MEMORY")
    return db


def prepared(path: Path, synchronous: str) -> sqlite3.Connection:
    db = opened(path, synchronous)
    db.execute("CREATE TABLE meta(key TEXT PRIMARY KEY, value)")
    for statement in (s for statements in MIGRATIONS for s in statements):
        db.execute(statement)
    db.execute("INSERT INTO queues VALUES(1,'standard','default')")
    db.execute("INSERT INTO batches(number,id,spec,submitted) VALUES(1,'bbbbbb','{}',0)")
    return db


def row_of(n: int) -> tuple[Any, ...]:
    now = time.time()
    key = hashlib.sha256(b"%d" % n).digest()[:16]
    return (1 << 32 | n, 0, now, key, SOURCE, f'{{"n":{n}}}', FINGERPRINT)


def answered(work: list[tuple[int, str]]) -> list[tuple[int, float, str]]:
    """What a worker makes of a batch: (id, seconds, data)."""
    done = []
    for number, params in work:
        began = time.perf_counter()
        n = json.loads(params)["n"]
        done.append((number, time.perf_counter() - began, f'{{"result":{{"n":{n}}}}}'))
    return done


# -- the broker: throughput ---------------------------------------------------------------------------------


def serve(pipe: Connection) -> None:
    while (work := pipe.recv()) is not None:
        pipe.send(answered(work))


def chunks(n: int) -> Iterator[list[tuple[Any, ...]]]:
    for start in range(1, n + 1, CHUNK):
        yield [row_of(i) for i in range(start, min(start + CHUNK, n + 1))]


def broker(n: int, synchronous: str, folder: Path) -> dict[str, Any]:  # noqa: C901 - one loop, read top-down
    """Submit all, dispatch, collect, read every result back; asserts count and values."""
    db = prepared(folder / "reference.sqlite3", synchronous)
    pipes: list[Connection] = []
    processes = []
    for _ in range(WORKERS):
        near, far = multiprocessing.Pipe()
        processes.append(multiprocessing.Process(target=serve, args=(far,), daemon=True))
        processes[-1].start()
        near.send([])
        near.recv()  # it is up
        pipes.append(near)
    began = time.perf_counter()
    for rows in chunks(n):
        db.execute("BEGIN IMMEDIATE")
        db.executemany(_INSERT, rows)
        db.execute("COMMIT")
    submitted = time.perf_counter() - began
    seq = given_up_to = 0
    out = dict.fromkeys(pipes, 0)
    done: list[tuple[int, float, str]] = []
    idle = [pipe for pipe in pipes for _ in range(AHEAD)]
    while seq < n:
        # One transaction: what has come back, and what is given out for it.
        db.execute("BEGIN IMMEDIATE")
        if done:
            db.executemany(_ENDED, [(seq + i, number) for i, (number, _, _) in enumerate(done, 1)])
            db.executemany(_RESULT, [(seq + i, *one) for i, one in enumerate(done, 1)])
            seq += len(done)
            done = []
        given = []
        for pipe in idle:
            work = db.execute(_LEASE, (given_up_to, BATCH)).fetchall()
            if not work:
                break
            given_up_to = work[-1][0]
            given.append((pipe, work))
        db.execute("UPDATE batches SET seq=? WHERE number=1", (seq,))
        db.execute("COMMIT")
        for pipe, work in given:
            pipe.send(work)
            out[pipe] += 1
        idle = []
        if seq == n:
            break
        for ready in wait([pipe for pipe in pipes if out[pipe]]):
            assert isinstance(ready, Connection)
            done.extend(ready.recv())
            out[ready] -= 1
            idle.append(ready)
    values = [
        json.loads(data)["result"]["n"]
        for (data,) in db.execute("SELECT data FROM results WHERE batch=1 ORDER BY seq")
    ]
    seconds = time.perf_counter() - began
    for pipe in pipes:
        pipe.send(None)
    for process in processes:
        process.join()
    assert len(values) == n
    assert sum(values) == n * (n + 1) // 2
    return {"n": n, "seconds": seconds, "submit_s": submitted}


# -- workers that lease: throughput, and idle latency -------------------------------------------------------


def lease_forever(path: Path, synchronous: str, stop: Any, batch: int) -> None:
    """Lease, run, write the ends with the next lease; look again every `POLL_S` when there is nothing."""
    db = opened(path, synchronous)
    done: list[tuple[int, float, str]] = []
    while not stop.is_set():
        # A reader looks first, so that an empty queue costs no lock.
        if not done and not db.execute(_LEASE, (0, 1)).fetchall():
            time.sleep(POLL_S)
            continue
        db.execute("BEGIN IMMEDIATE")
        if done:
            (seq,) = db.execute("SELECT seq FROM batches WHERE number=1").fetchone()
            db.executemany(_ENDED, [(seq + i, number) for i, (number, _, _) in enumerate(done, 1)])
            db.executemany(_RESULT, [(seq + i, *one) for i, one in enumerate(done, 1)])
            db.execute("UPDATE batches SET seq=? WHERE number=1", (seq + len(done),))
        work = db.execute(_LEASE, (0, batch)).fetchall()
        db.executemany(_STARTED, [(number,) for number, _ in work])
        db.execute("COMMIT")
        done = answered(work)


def leasing(path: Path, synchronous: str, processes: int, batch: int) -> tuple[Any, list[Any]]:
    stop = multiprocessing.Event()
    started = [
        multiprocessing.Process(target=lease_forever, args=(path, synchronous, stop, batch), daemon=True)
        for _ in range(processes)
    ]
    for process in started:
        process.start()
    return stop, started


def results_after(db: sqlite3.Connection, seq: int) -> list[int]:
    rows = db.execute("SELECT data FROM results WHERE batch=1 AND seq>? ORDER BY seq", (seq,)).fetchall()
    return [json.loads(data)["result"]["n"] for (data,) in rows]


def leased(n: int, synchronous: str, folder: Path) -> dict[str, Any]:
    """Submit all, wait for every result; the work is done by processes that lease it."""
    path = folder / "reference.sqlite3"
    db = prepared(path, synchronous)
    stop, started = leasing(path, synchronous, WORKERS, BATCH)
    time.sleep(0.3)  # they are up
    began = time.perf_counter()
    for rows in chunks(n):
        db.execute("BEGIN IMMEDIATE")
        db.executemany(_INSERT, rows)
        db.execute("COMMIT")
    submitted = time.perf_counter() - began
    values: list[int] = []
    while len(values) < n:
        values += results_after(db, len(values))
        time.sleep(POLL_S)
    seconds = time.perf_counter() - began
    stop.set()
    for process in started:
        process.join()
    assert len(values) == n
    assert sum(values) == n * (n + 1) // 2
    return {"n": n, "seconds": seconds, "submit_s": submitted}


def latency(n: int, synchronous: str, folder: Path) -> dict[str, Any]:
    """Submit one, wait for its result; how long each took."""
    path = folder / "reference.sqlite3"
    db = prepared(path, synchronous)
    stop, started = leasing(path, synchronous, 1, 1)
    taken = []
    for i in range(1, n + 6):
        began = time.perf_counter()
        db.execute(_INSERT, row_of(i))
        while not (values := results_after(db, i - 1)):
            time.sleep(POLL_S)
        seconds = time.perf_counter() - began
        assert values == [i]
        if i > 5:  # the first ones start the process
            taken.append(seconds)
        time.sleep(0.005)  # idle again
    stop.set()
    for process in started:
        process.join()
    return {"n": n, "latencies_s": taken}


if __name__ == "__main__":
    shape, count = sys.argv[1], int(sys.argv[2])
    level = sys.argv[3] if len(sys.argv) > 3 else "FULL"
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as made:
        run = {"broker": broker, "leased": leased, "latency": latency}[shape]
        print(json.dumps(run(count, level, Path(made))))
