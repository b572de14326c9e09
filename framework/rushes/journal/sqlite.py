"""The journal of one machine: SQLite in WAL mode, one writer, one transaction a turn of the worker.

    turns          the database, its turns, a full disk
    batches        batches and queues
    invocations    from submission to end
    attempts       attempts, intents, results
    outbox         events that wait to be told
    costs          what attempts and machines cost
    budgets        limits, what was spent under them, what is set aside
    hours          what shows have used of each class
    housekeeping   pruning, backup

This module must not know the rules of scheduling; it puts the parts together.
"""

from __future__ import annotations

from rushes.journal.attempts import SqliteAttempts
from rushes.journal.budgets import SqliteBudgets
from rushes.journal.hours import SqliteHours
from rushes.journal.housekeeping import SqliteHousekeeping
from rushes.journal.invocations import SqliteInvocations
from rushes.journal.outbox import SqliteOutbox

__all__ = ["SqliteJournal"]


class SqliteJournal(
    SqliteInvocations, SqliteAttempts, SqliteOutbox, SqliteBudgets, SqliteHours, SqliteHousekeeping
):
    """`rushes.runtime.records.ports.Journal`: what lasts of batches, invocations, attempts and results.

    An invocation's id is ``batch number << 32 | n``: rows are appended in order, and a batch is a range.
    All writes happen between `begin` and `commit`.
    """
