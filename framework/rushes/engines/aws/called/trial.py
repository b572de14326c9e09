"""Trials of new versions: what share one has, what both have done since, and what becomes of it.

A trial is a document in the ledger's table that the router reads, with counts beside it that whoever reads
the table's stream adds to. What is done about them is decided by `rushes.core.rollout`; a decision is written
by a condition, so that of two who decide at once one does. This module must not know who counts or routes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from rushes.core.rollout import Figures, RolloutPolicy, Verdict, judge_all
from rushes.errors import CallerError
from rushes.ledger import ON_HOSTS, ON_LAMBDA
from rushes.shared_ledger.dynamo_document import DynamoDocument
from rushes.shared_ledger.dynamo_items import BAD_ITEM, item_read, typed
from rushes.shared_ledger.dynamo_table import Table

__all__ = ["Trial", "Trials"]

READ_EVERY_S: Final = 30.0
"""Routers read a share so often at most: a version that goes back has no new work half a minute later."""
_SORTS: Final = {ON_LAMBDA: "v", ON_HOSTS: "h"}
"""What the keys of counts begin with, by where the work was to be done."""
_COUNTED_BEFORE: Final = ("before", "before_on_hosts")
Counts = Mapping[str, Mapping[str, Figures]]
"""What was ended, by place and by version."""


class Trial(NamedTuple):
    """A new version beside the old one.

    Args:
        old, new: versions.
        share: per cent of the work that the new one has; 0 once it went back, 100 once it took over.
        since: when it was given that, UTC epoch seconds.
        before: what both had done by then, by version.
        reason: of the last decision.
        on_hosts: whether hosts have the new version, too, so that what they do is compared.
        before_on_hosts: what both had done there by then.
    """

    old: str
    new: str
    share: float
    since: float
    before: Mapping[str, Figures]
    reason: str = ""
    on_hosts: bool = False
    before_on_hosts: Mapping[str, Figures] = MappingProxyType({})

    @property
    def over(self) -> bool:
        """Whether there is nothing left to decide."""
        return not 0 < self.share < 100

    def given(self, share: float, since: float, done: Counts, reason: str) -> Trial:
        """The same with another share, from now on."""
        return self._replace(
            share=share, since=since, before=done[ON_LAMBDA], before_on_hosts=done[ON_HOSTS], reason=reason
        )


class Trials:
    """The trials of an environment.

    Args:
        client: a boto3 client for ``dynamodb``.
        table: the ledger's.
        policy: the rule.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        policy: RolloutPolicy | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._name = table
        self._table = Table(client, table, time.sleep)
        self._policy = policy or RolloutPolicy()
        self._clock = clock
        self._read: dict[str, tuple[float, Trial | None]] = {}

    def begin(self, function: str, old: str, new: str, *, on_hosts: bool = False) -> Trial:
        """Give a new version its first share; a trial that goes on between these two keeps what it has.

        Args:
            function: its name.
            old: the version that the rest of the work has.
            new: the other one.
            on_hosts: hosts have the new one, too.
        """
        document = self._document(function)
        known = _trial(function, document.read())
        same = known is not None and (known.old, known.new) == (old, new)
        if known is not None and same and known.on_hosts == on_hosts:
            return known
        made = Trial(old, new, self._policy.shares[0], 0.0, {})
        if known is not None and same:  # what is compared is another from now on, and its share stays
            made = known
        made = made._replace(on_hosts=on_hosts).given(
            made.share, self._clock(), self.counted(function), made.reason
        )
        document.write(_kept(made))
        return made

    def of(self, function: str) -> Trial | None:
        """The trial of a function, or None."""
        return _trial(function, self._document(function).read())

    def shares(self, functions: Iterable[str]) -> dict[str, float]:
        """Per cent of the work that the new version of each has; 0 where that cannot be read."""
        found: dict[str, float] = {}
        for name in functions:
            try:
                known = self.of(name)
            except CallerError as error:
                if error.code != BAD_ITEM:
                    raise
                known = None
            found[name] = known.share if known is not None else 0.0
        return found

    def share(self, function: str, old: str, new: str) -> float:
        """Per cent of a function's work that goes to the new version now; read seldom."""
        at, known = self._read.get(function, (float("-inf"), None))
        if self._clock() - at >= READ_EVERY_S:
            try:
                known = self.of(function)
            except CallerError as error:
                if error.code != BAD_ITEM:
                    raise
                known = None  # changed by hand: the work goes to the old version, and does not wait
            self._read[function] = self._clock(), known
        return known.share if known is not None and (known.old, known.new) == (old, new) else 0.0

    def count(self, function: str, version: str, more: Figures, place: str = ON_LAMBDA) -> None:
        """Add what a version has ended, of work that was for a Lambda or for hosts."""
        names = {"#e": "ended", "#f": "failed", "#t": "turnaround_ms", "#c": "cost_nano"}
        values = {
            ":e": more.ended,
            ":f": more.failed,
            ":t": round(more.turnaround_s * 1000),
            ":c": more.cost_nano,
        }
        self._table.attempt(
            _key(function, version, place), "ADD #e :e, #f :f, #t :t, #c :c", values, "", names
        )

    def figures(self, function: str, place: str = ON_LAMBDA) -> Mapping[str, Figures]:
        """What every version has ended in one place, since ever."""
        return self.counted(function)[place]

    def counted(self, function: str) -> Counts:
        """What every version has ended, since ever, by place."""
        found = [*self._table.query(f"read the trial of {function}", pk=f"V#{function}")]
        return {
            place: {
                item["sk"].removeprefix(f"{sort} "): Figures(
                    int(item["ended"]),
                    int(item["failed"]),
                    int(item["turnaround_ms"]) / 1000,
                    int(item["cost_nano"]),
                )
                for item in found
                if item["sk"].startswith(f"{sort} ")
            }
            for place, sort in _SORTS.items()
        }

    def compared(self, function: str, trial: Trial) -> dict[str, tuple[Figures, Figures]]:
        """By place, what the old and the new version have ended since the new one has had its share."""
        now, none = self.counted(function), Figures()
        before = {ON_LAMBDA: trial.before, **({ON_HOSTS: trial.before_on_hosts} if trial.on_hosts else {})}
        found = {}
        for place, its in before.items():
            old, new = (_since(now[place].get(v, none), its.get(v, none)) for v in (trial.old, trial.new))
            found[place] = old, new
        return found

    def look(self, function: str) -> Verdict | None:
        """Decide what becomes of a trial, and write it down; None where there is nothing to decide.

        Raises:
            PlatformError: somebody else did meanwhile (``overtaken``).
        """
        document = self._document(function)
        trial = _trial(function, document.read())
        if trial is None or trial.over:
            return None
        found = judge_all(
            self._policy, trial.share, self.compared(function, trial), self._clock() - trial.since
        )
        changed = trial._replace(reason=found.reason)
        if found.share != trial.share:
            changed = trial.given(found.share, self._clock(), self.counted(function), found.reason)
        document.write(_kept(changed))
        return found

    def give_up(self, function: str, reason: str) -> bool:
        """Let a new version have nothing more, where its trial goes on; whether it did.

        Raises:
            PlatformError: somebody else decided meanwhile (``overtaken``).
        """
        document = self._document(function)
        trial = _trial(function, document.read())
        if trial is None or trial.over:
            return False
        document.write(_kept(trial._replace(share=0.0, since=self._clock(), reason=reason)))
        return True

    def decide(self, function: str, share: float) -> Trial:
        """A person gives a new version everything (100) or nothing (0).

        Raises:
            CallerError: there is no trial.
        """
        document = self._document(function)
        trial = _trial(function, document.read())
        if trial is None:
            raise CallerError(
                f"there is no trial of {function}.", code="no-trial", fix="Deploy a new version with --trial."
            )
        made = trial._replace(share=share, since=self._clock(), reason="A person decided.")
        document.write(_kept(made))
        return made

    def _document(self, function: str) -> DynamoDocument:
        return DynamoDocument(self._client, self._name, f"V#{function}")


def _since(now: Figures, before: Figures) -> Figures:
    return Figures(*(max(a - b, 0) for a, b in zip(now, before, strict=True)))  # type: ignore[arg-type]


def _kept(trial: Trial) -> dict[str, Any]:
    lists = {
        field: {name: list(one) for name, one in getattr(trial, field).items()} for field in _COUNTED_BEFORE
    }
    return {**trial._asdict(), **lists}


def _trial(function: str, data: Mapping[str, Any]) -> Trial | None:
    if not data:
        return None
    with item_read({"pk": f"V#{function}", "sk": "S"}):
        before = {
            field: {name: Figures(*one) for name, one in data[field].items()}
            for field in _COUNTED_BEFORE
            if field in data or field == "before"
        }
        made = Trial(**{**data, **before})
        if not 0 <= made.share <= 100:
            raise ValueError(f"its share is {made.share}")
    return made


def _key(function: str, version: str, place: str) -> dict[str, Any]:
    return typed({"pk": f"V#{function}", "sk": f"{_SORTS[place]} {version}"})
