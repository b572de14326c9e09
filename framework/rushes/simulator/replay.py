"""A load made of what has run: the batches of a ledger, with the run times that they had.

This module must not know where a ledger is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from rushes.core.accounts import HOUR_S, Scope, SpendLimits
from rushes.simulator.load import Arrival, RunTime, Scenario

__all__ = ["Ran", "replayed"]


DAY_S: Final = 86_400.0
LONGEST_REST_S: Final = 7 * DAY_S
"""In which nothing came. A machine whose clock stood at 1970 for its first batch has half a century of it."""


class Ran(Protocol):
    """What is asked of a batch that has run; `rushes.journal.replay.RanBatch` is one."""

    @property
    def id(self) -> str: ...
    @property
    def function(self) -> str: ...
    @property
    def priority(self) -> str: ...
    @property
    def show(self) -> str: ...
    @property
    def submitted(self) -> float: ...
    @property
    def deadline(self) -> float | None: ...
    @property
    def resources(self) -> Mapping[str, float]: ...
    @property
    def max_slots(self) -> int | None: ...
    @property
    def seconds(self) -> Sequence[float]: ...
    @property
    def media_s(self) -> float: ...
    @property
    def max_cost_nano(self) -> int | None: ...


def replayed(batches: Sequence[Ran], budgets: Mapping[Scope, SpendLimits] | None = None) -> Scenario:
    """The batches as a load whose clock starts with the first of them.

    Args:
        batches: the oldest first.
        budgets: what shows and the organisation may spend of what is played. With a limit by the hour the
            clock starts with the hour of the first batch.
    """
    limits = dict(budgets or {})
    capped = [one for one in batches if one.max_cost_nano is not None]
    limits |= {Scope("batch", one.id): SpendLimits(cap=one.max_cost_nano) for one in capped}
    begins = _begins([batch.submitted for batch in batches])
    if any(one.hour_cap is not None or one.hour_soft is not None for one in limits.values()):
        since = min((batch.submitted for batch in batches), default=0.0) % HOUR_S
        begins = [begin - since for begin in begins]
    return Scenario(
        tuple(_arrival(batch, begin) for batch, begin in zip(batches, begins, strict=True)),
        budgets=limits,
        assumed=(
            "Run times, needs, classes and shows are those of the ledger; what was known before is left out.",
            "Each batch arrives whole at the moment at which it was opened.",
            "An invocation that mapped parts of its own is left out: its parts stand for it.",
            *(["Budgets are those that the ledger has now, less what was spent before."] if limits else []),
            *(["Of weeks in which nothing came, one is played."] if len(set(begins)) > 1 else []),
        ),
    )


def _begins(submitted: Sequence[float]) -> list[float]:
    """What is taken off each time: the first is 0 then, and of a long rest the hour of the day is kept."""
    order = sorted(range(len(submitted)), key=lambda n: submitted[n])
    off, before = (submitted[order[0]] if order else 0.0), None
    found = [0.0] * len(submitted)
    for n in order:
        rest = 0.0 if before is None else submitted[n] - before
        if rest > LONGEST_REST_S:
            off += rest - LONGEST_REST_S - (rest - LONGEST_REST_S) % DAY_S
        found[n], before = off, submitted[n]
    return found


def _arrival(batch: Ran, begin: float) -> Arrival:
    mean_s = sum(batch.seconds) / len(batch.seconds)
    needs = batch.resources
    return Arrival(
        at=batch.submitted - begin,
        batch=batch.id,
        count=len(batch.seconds),
        run_time=RunTime(mean_s, mean_s),
        function=batch.function,
        priority=batch.priority,
        show=batch.show,
        cpu=needs.get("cpu", 1.0),
        memory=needs.get("memory", 0.0),
        scratch=needs.get("scratch", 0.0),
        gpu=needs.get("gpu", 0.0),
        deadline=None if batch.deadline is None else max(batch.deadline - begin, 0.0),
        max_slots=batch.max_slots,
        media_s=batch.media_s / len(batch.seconds),
        seconds=batch.seconds,
    )
