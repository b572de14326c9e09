"""The journal's tables, as forward migrations: one list of statements a version, never edited afterwards.

States are numbers in the order of `rushes.core.states.State`: 0 queued, 1 held, 2 running, 3 paused,
4 succeeded, 5 failed, 6 cancelled. Times are UTC epoch seconds. This module must not know who writes them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MIGRATIONS"]

MIGRATIONS: Final[list[list[str]]] = [
    [
        "INSERT OR IGNORE INTO meta VALUES('epoch',0)",
        """CREATE TABLE queues(
            id INTEGER PRIMARY KEY, priority TEXT NOT NULL, show TEXT NOT NULL, UNIQUE(priority, show))""",
        """CREATE TABLE batches(
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, spec TEXT NOT NULL,
            submitted REAL NOT NULL, ended REAL, sealed INTEGER NOT NULL DEFAULT 0,
            seq INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
            media_s REAL NOT NULL DEFAULT 0)""",
        # A start is not written: `running` and `paused` are states of the worker's memory alone.
        """CREATE TABLE invocations(
            id INTEGER PRIMARY KEY, state INTEGER NOT NULL, queue INTEGER NOT NULL, ord INTEGER NOT NULL,
            queued_at REAL NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, losses INTEGER NOT NULL DEFAULT 0,
            seq INTEGER, not_before REAL, key BLOB, source TEXT NOT NULL, frames TEXT,
            params TEXT, subdir TEXT, tag TEXT, fingerprint TEXT, extra TEXT, reason TEXT)""",
        "CREATE INDEX waiting ON invocations(queue, ord, id) WHERE state=0",
        "CREATE INDEX due ON invocations(not_before) WHERE not_before IS NOT NULL",
        "CREATE INDEX by_key ON invocations(key) WHERE key IS NOT NULL",
        """CREATE TABLE results(
            batch INTEGER NOT NULL, seq INTEGER NOT NULL, invocation INTEGER NOT NULL,
            state INTEGER NOT NULL, seconds REAL NOT NULL, cached INTEGER NOT NULL, data TEXT,
            PRIMARY KEY(batch, seq)) WITHOUT ROWID""",
        "CREATE TABLE intents(invocation INTEGER PRIMARY KEY, data TEXT NOT NULL)",
        """CREATE TABLE attempts(
            invocation INTEGER NOT NULL, attempt INTEGER NOT NULL, ended REAL NOT NULL,
            seconds REAL NOT NULL, outcome TEXT NOT NULL, data TEXT)""",
        "CREATE INDEX attempts_of ON attempts(invocation)",
        """CREATE TABLE dependencies(
            invocation INTEGER NOT NULL, after INTEGER NOT NULL, cancel INTEGER NOT NULL,
            PRIMARY KEY(invocation, after)) WITHOUT ROWID""",
    ],
    [
        # What the functions of joint invocations made, each by its own key; the newest counts.
        """CREATE TABLE members(
            key BLOB NOT NULL, show TEXT NOT NULL, invocation INTEGER NOT NULL, data TEXT NOT NULL,
            PRIMARY KEY(key, show)) WITHOUT ROWID""",
        "CREATE INDEX members_of ON members(invocation)",
    ],
    [
        # What stood aside for an urgent batch, as JSON: its displacement report.
        "CREATE TABLE swarms(batch INTEGER PRIMARY KEY, report TEXT NOT NULL)",
    ],
    [
        # Events that wait to be told. A number is never given twice, also once its row is gone: sinks go
        # by it.
        """CREATE TABLE events(
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, show TEXT NOT NULL,
            function TEXT NOT NULL, body TEXT NOT NULL)""",
        """CREATE TABLE sinks(
            name TEXT PRIMARY KEY, upto INTEGER NOT NULL, tries INTEGER NOT NULL, next_at REAL NOT NULL,
            delivered INTEGER NOT NULL, dropped INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID""",
    ],
    [
        # What attempts and machines cost, in nano-dollars. Empty while nothing has a price.
        """CREATE TABLE payers(
            id INTEGER PRIMARY KEY, show TEXT NOT NULL, function TEXT NOT NULL, UNIQUE(show, function))""",
        """CREATE TABLE machines(
            id INTEGER PRIMARY KEY, tier TEXT NOT NULL, price TEXT NOT NULL, since REAL NOT NULL,
            until REAL NOT NULL, counted_us INTEGER NOT NULL, running TEXT)""",
        """CREATE TABLE machine_hours(
            machine INTEGER NOT NULL, hour INTEGER NOT NULL, compute INTEGER NOT NULL,
            energy INTEGER NOT NULL, millijoules INTEGER NOT NULL, idle_compute INTEGER NOT NULL,
            idle_energy INTEGER NOT NULL, idle_millijoules INTEGER NOT NULL,
            PRIMARY KEY(machine, hour)) WITHOUT ROWID""",
        """CREATE TABLE costs(
            root INTEGER NOT NULL, invocation INTEGER NOT NULL, machine INTEGER NOT NULL,
            payer INTEGER NOT NULL, waste INTEGER NOT NULL, attempts INTEGER NOT NULL, ended REAL NOT NULL,
            share INTEGER NOT NULL, seconds REAL NOT NULL, compute INTEGER NOT NULL,
            requests INTEGER NOT NULL, transfer INTEGER NOT NULL, energy INTEGER NOT NULL,
            millijoules INTEGER NOT NULL, published_us INTEGER NOT NULL)""",
        "CREATE INDEX costs_of ON costs(root)",
        # What is left of the costs of pruned batches: sums by day.
        """CREATE TABLE spent(
            day INTEGER NOT NULL, machine INTEGER NOT NULL, payer INTEGER NOT NULL, waste INTEGER NOT NULL,
            attempts INTEGER NOT NULL, compute INTEGER NOT NULL, requests INTEGER NOT NULL,
            transfer INTEGER NOT NULL, energy INTEGER NOT NULL, millijoules INTEGER NOT NULL,
            published_us INTEGER NOT NULL, PRIMARY KEY(day, machine, payer, waste)) WITHOUT ROWID""",
    ],
    [
        # The sums of batches: a status is asked for many times a second.
        """CREATE TABLE batch_costs(
            batch INTEGER PRIMARY KEY, nano INTEGER NOT NULL, waste_nano INTEGER NOT NULL,
            millijoules INTEGER NOT NULL)""",
        """INSERT INTO batch_costs
            SELECT batch, sum(nano), sum(nano*waste), sum(millijoules) FROM (
                SELECT root>>32 AS batch, compute+requests+transfer+energy AS nano, waste, millijoules
                FROM costs
                UNION ALL SELECT invocation>>32, compute+requests+transfer+energy, waste, millijoules
                FROM costs WHERE invocation>>32<>root>>32)
            GROUP BY batch""",
    ],
    [
        # Budgets, in nano-dollars: limits that people have set, what was spent under them, and what is set
        # aside for attempts that run. Empty while nobody has set any, or nothing has a price.
        """CREATE TABLE limits(
            level TEXT NOT NULL, name TEXT NOT NULL, cap INTEGER, hour_cap INTEGER, soft INTEGER,
            hour_soft INTEGER, PRIMARY KEY(level, name)) WITHOUT ROWID""",
        """CREATE TABLE books(
            level TEXT NOT NULL, name TEXT NOT NULL, spent INTEGER NOT NULL, hour INTEGER NOT NULL,
            hour_spent INTEGER NOT NULL, PRIMARY KEY(level, name)) WITHOUT ROWID""",
        """CREATE TABLE reservations(
            number INTEGER PRIMARY KEY, invocation INTEGER NOT NULL, show TEXT, batch TEXT,
            amount INTEGER NOT NULL, spent INTEGER NOT NULL, by_next INTEGER NOT NULL)""",
    ],
    [
        # What shows have used of each class, by day, in slot-seconds.
        """CREATE TABLE class_hours(
            day TEXT NOT NULL, priority TEXT NOT NULL, show TEXT NOT NULL, seconds REAL NOT NULL,
            PRIMARY KEY(day, priority, show)) WITHOUT ROWID""",
    ],
]
