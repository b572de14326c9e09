"""The record that many hosts share, by who asks: work comes in, is run, was left lying, is followed.

What is promised of it stands in `rushes.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from rushes.ledger import (
    Claim,
    End,
    Ended,
    Entry,
    Kept,
    Lapsed,
    LetGo,
    NotClaimed,
    Routed,
    Tally,
    Waiting,
    WorkItem,
)

__all__ = ["Claims", "Desk", "Intake", "Lapses", "Ledger"]


class Intake(Protocol):
    """Where work comes in: each verb may be said again and does nothing then."""

    def open(self, batch: str, spec: Mapping[str, Any], now: float) -> None:
        """Add a batch; one that is there already stays as it is."""
        ...

    def add(self, batch: str, work: Sequence[WorkItem], ended: Mapping[str, End] | None = None) -> None:
        """Add invocations; those that are there already stay as they are.

        Args:
            batch: which is open.
            work: in any order.
            ended: how those of them ended, by their ids, that have nothing to do; the others are queued.
        """
        ...

    def seal(self, batch: str) -> None:
        """Nothing more is added."""
        ...

    def enter(self, spec: Mapping[str, Any], work: WorkItem, now: float) -> bool:
        """Open a batch of this invocation alone, sealed; False where it is there already, as it was."""
        ...


class Claims(Protocol):
    """Who works on what: all that a host or a Lambda says of an invocation that it runs."""

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        """What a batch was opened with, which never changes; None where there is none."""
        ...

    def claim(self, invocation: str, holder: str, now: float, until: float) -> Claim | NotClaimed:
        """The right to work on an invocation, for one of all who ask."""
        ...

    def extend(self, claim: Claim, until: float, *, cost_nano: int = 0, intent: str = "") -> Kept:
        """Keep a claim; `lost` means: stop, and publish nothing.

        Args:
            claim: whose.
            until: when it lapses now, UTC epoch seconds.
            cost_nano: what its attempt has cost, where the claim lapses none the less.
            intent: what this attempt is about to publish; whoever claims it next is given it. "": nothing is
                said of that, and what was said before stands.

        Raises:
            CallerError: the intent is too large (``result-too-big``).
        """
        ...

    def finish(self, claim: Claim, end: End) -> bool:
        """End an invocation. Said twice it is True twice; False where the claim was lost."""
        ...

    def hold(self, claim: Claim, until: float, gone: LetGo) -> bool:
        """Let it wait for its next try. False where it was lost."""
        ...

    def give_back(self, claim: Claim, gone: LetGo, routed: Routed | None = None) -> bool:
        """Let somebody else have it; this attempt does not count. False where it was lost.

        With `routed` it is for that tier from now on, whoever is told of it.
        """
        ...


class Lapses(Protocol):
    """What was left lying: asked for by every host now and then."""

    def unfinished(self) -> Sequence[str]:
        """The batches of which something may be left to do, but those that stand alone."""
        ...

    def alone(self) -> Sequence[str]:
        """Of the invocations that stand alone those that somebody has, or that wait for their next try."""
        ...

    def abandoned(self, before: float) -> Sequence[str]:
        """Batches that are not sealed and that nobody has added to since then: their submitter is gone."""
        ...

    def lapsed(
        self, batch: str, now: float, again_at: float, mine: Callable[[Lapsed], bool] = lambda _: True
    ) -> Sequence[Lapsed]:
        """What somebody has to be told of again; nobody else is given the same before `again_at`.

        Args:
            batch: one; `rushes.ledger.LONE` for all that stand alone.
            now: UTC epoch seconds.
            again_at: the same.
            mine: whether who asks can tell of it; what is not theirs is left to others. It may be asked of
                one invocation for each tier that it could be for.
        """
        ...


class Desk(Protocol):
    """What who follows a batch, or steers it, asks."""

    def tally(self, batch: str, *, active: bool = True) -> Tally | None:
        """How far a batch is; None where there is none. With `active`, what is claimed or waits is named."""
        ...

    def lone(self, batches: Sequence[str]) -> Sequence[tuple[str, Tally, Entry]]:
        """How far batches are that stand alone, each with its invocation, many in a request.

        Those that there are no more are left out; nothing is said of what is claimed.
        """
        ...

    def batches(self, limit: int) -> Sequence[str]:
        """The newest batches, the newest first."""
        ...

    def entry(self, invocation: str) -> Entry | None:
        """One invocation; None where there is none."""
        ...

    def entries(self, batch: str, numbers: Sequence[int]) -> Sequence[Entry]:
        """The invocations of these numbers that there are, in their order."""
        ...

    def ends(self, batch: str, since: float) -> Sequence[Ended]:
        """What has ended since a time, the earliest first; what ended just now may be told a little later."""
        ...

    def results(self, batch: str, after: int, limit: int) -> Sequence[Entry]:
        """Of a batch, those that ended, by their numbers, from the one behind `after`."""
        ...

    def known(self, show: str, keys: Sequence[str]) -> Mapping[str, str]:
        """By key, the invocation whose success has it, within a show."""
        ...

    def cancel(self, batch: str) -> int:
        """End what waits; what runs hears `stop` when its claim is extended. Gives how many were ended."""
        ...

    def retry(self, batch: str) -> Sequence[Waiting]:
        """Queue again what failed or was cancelled; gives those that somebody has to be told of."""
        ...

    def restamp(self, batch: str, priority: str) -> None:
        """Give a batch another class, all of it that has not ended: who has some hears when it extends."""
        ...

    def waiting(self, batch: str) -> Sequence[Waiting]:
        """The invocations of a batch that wait, for their turn or their next try."""
        ...


@runtime_checkable
class Ledger(Intake, Claims, Lapses, Desk, Protocol):
    """The record that many hosts share: `rushes.ledger` says what is promised.

    Every verb may raise `PlatformError` where the ledger does not answer: asking again does no harm.
    """
