"""The verbs that the layers below ask of the layers above, as narrow as their callers: a module a port.

All have a stub in `rushes.testing`, which passes the same contract suite as the real one. The ports of one
layer alone stand in it: `rushes.batch.RunnableEngine`, `rushes.runtime.records.ports.Journal`.
"""

from rushes.ports.clock import Clock
from rushes.ports.engine import Engine
from rushes.ports.fleet import Fleet
from rushes.ports.ledger import Claims, Desk, Intake, Lapses, Ledger
from rushes.ports.money import Money
from rushes.ports.queue import Queue
from rushes.ports.runs import RunCounts
from rushes.ports.store import Shelf, Store

__all__ = [
    "Claims",
    "Clock",
    "Desk",
    "Engine",
    "Fleet",
    "Intake",
    "Lapses",
    "Ledger",
    "Money",
    "Queue",
    "RunCounts",
    "Shelf",
    "Store",
]
