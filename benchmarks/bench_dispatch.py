"""Dispatch: no-op invocations, submit → last result read and checked, with two warm processes each."""

from __future__ import annotations

import sys
from collections.abc import Callable

import measure
from report import AT_LEAST, Goal, Options, Row, Section

_OURS = "Rushes, synchronous=FULL"
_PRICED = "Rushes, what each costs in its ledger"
_REFERENCE = "bare batched SQLite queue, same columns, synchronous=FULL"
_LEASED = "bare SQLite queue whose two workers lease 64 rows, synchronous=FULL"
_HUEY = "huey SqliteHuey, durable default"
_HUEY_OFF = "huey SqliteHuey, fsync=False"
_CELERY = "Celery on Redis, nothing kept on disk"
_RAY = "Ray tasks, nothing kept on disk"
_GOALS = {
    _PRICED: None,
    _REFERENCE: Goal(AT_LEAST, 0.4),
    _LEASED: None,
    _HUEY: Goal(AT_LEAST, 20),
    _HUEY_OFF: Goal(AT_LEAST, 2.5),
    _CELERY: Goal(AT_LEAST, 15),
    _RAY: Goal(AT_LEAST, 15),
}


def run(options: Options) -> Section:
    count, slow = options.count, options.slow_count
    section = Section(
        f"Dispatch: {count:,} no-op invocations",
        "Submit → last result, every result read and its value checked; two warm slots (peers: two "
        "processes). Ours holds each submission and each result against power loss before it says so. "
        f"Figures are invocations a second; Celery ran {slow:,}.",
    )
    peers = options.peers_python
    prices = options.folder / "prices.toml"
    prices.write_text("schema = 1\n[tiers.here]\nusd_per_hour = 0.36\n", encoding="utf-8")

    def rate(
        name: str, *arguments: object, n: int = count, python: str = sys.executable, priced: str = ""
    ) -> Callable[[], float]:
        def measured() -> float:
            return n / float(measure.script(name, *arguments, python=python, RUSHES_PRICES=priced)["seconds"])

        return measured

    series, section.left_out = measure.interleave(
        {
            _OURS: rate("dispatch_ours.py", "throughput", count),
            _PRICED: rate("dispatch_ours.py", "throughput", count, priced=str(prices)),
            _REFERENCE: rate("reference_sqlite.py", "broker", count),
            _LEASED: rate("reference_sqlite.py", "leased", count),
            _HUEY: rate("peer_huey.py", count, "default", python=peers),
            _HUEY_OFF: rate("peer_huey.py", count, "unsynced", python=peers),
            _CELERY: rate("peer_celery.py", slow, n=slow, python=peers),
            _RAY: rate("peer_ray.py", count, python=peers),
        },
        options.rounds,
    )
    if _OURS not in series:
        return section
    ours = series.pop(_OURS)
    section.rows = [
        Row(name, measure.ratios(ours, other), _GOALS[name], ours, other, "inv/s")
        for name, other in series.items()
    ]
    return section
