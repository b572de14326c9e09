"""The worker's process: journal, slots, prices and sinks are put together here, and nowhere else.

A composition root, as `rushes.engines.local`, which starts it: ``python -m rushes.engines.local_worker``.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rushes.errors import CallerError, RushesError
from rushes.runtime.configuration.settings import settings_from

if TYPE_CHECKING:
    from rushes.core.sinks import Sink

__all__ = ["run_worker"]


def run_worker(*, foreground: bool = False, environ: Mapping[str, str] | None = None) -> int:
    """Run the worker of this user and machine until it is told to stop or has been idle for long.

    Raises:
        CallerError: `foreground`, and another worker runs already.
    """
    from rushes.journal.estimates import SqliteLearntRuns  # noqa: PLC0415 - only a worker needs these
    from rushes.journal.sqlite import SqliteJournal  # noqa: PLC0415
    from rushes.runtime.configuration.capacity_file import capacity_file  # noqa: PLC0415
    from rushes.runtime.configuration.class_file import class_file  # noqa: PLC0415
    from rushes.runtime.configuration.costing import machine_price  # noqa: PLC0415
    from rushes.runtime.configuration.machine import capacity_of  # noqa: PLC0415
    from rushes.runtime.worker.worker import Worker  # noqa: PLC0415

    environ = os.environ if environ is None else environ
    settings = settings_from(environ)
    price = machine_price(settings, environ, capacity_of(settings))
    with (settings.home / "worker.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not foreground:
                return 0
            raise CallerError(
                f"a worker already serves {settings.home}.",
                code="worker-runs",
                fix="`rushes pool` shows it; `rushes drain` lets it finish and end.",
            ) from None
        os.set_inheritable(lock.fileno(), False)  # noqa: FBT003 - a slot must not hold it after us
        journal = SqliteJournal(settings.journal, synchronous=settings.synchronous)
        learnt = SqliteLearntRuns(settings.estimates, settings.journal)
        Worker(
            settings,
            journal,
            _sinks(environ),
            capacity_file(environ),
            class_file(environ),
            price=price,
            learnt=learnt.before(),
        ).run()
        learnt.refresh()  # now that nobody waits: the next worker knows what this one has run
    return 0


def _sinks(environ: Mapping[str, str]) -> list[Sink]:
    """Who is told of state changes."""
    if not environ.get("RUSHES_EVENTS"):  # the worker of most people need not import what reads the file
        return []
    from rushes.runtime.configuration.event_file import event_sinks  # noqa: PLC0415 - as above

    return event_sinks(environ)


if __name__ == "__main__":
    try:
        sys.exit(run_worker())
    except RushesError as problem:
        sys.exit(f"rushes worker: {problem}")
