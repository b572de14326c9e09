"""A ledger that many hosts share: who holds which invocation, and how it ended. Values only.

An invocation is claimed for a time. The claim has a fencing token, larger than any before it; everything
that a host says of an invocation it says with that token, so one that was overtaken is refused. A claim that
nobody extends lapses, and the invocation may be claimed again: that is a loss, not a failure. Messages of a
queue only say that there may be something to do; what is true stands in the ledger, so that a message may
come twice, late or never. Before anything of an attempt becomes visible it says what that will be, with the
request by which it learns that its claim still holds: whoever claims next finds this *intent*, and does
nothing again where all of it is there.

    queued → running    claimed
    running → running   claimed by another, once the claim has lapsed: one loss more
    running → held      it failed and is to be tried again
    running → queued    given back, maybe for a larger tier
    held → running      claimed, once its time has come
    running → ended     finished, by its holder alone; queued, held → cancelled
    ended → queued      it failed or was cancelled, and a person wants it tried again

This module must not know where the ledger is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from rushes.core.states import State

__all__ = [
    "LAPSED",
    "LONE",
    "ON_HOSTS",
    "ON_LAMBDA",
    "TRIES_KEPT",
    "Claim",
    "End",
    "Ended",
    "Entry",
    "Kept",
    "Lapsed",
    "LetGo",
    "Moved",
    "NotClaimed",
    "PastAttempt",
    "Routed",
    "Tally",
    "Waiting",
    "WorkItem",
]

LONE: Final = "e"
"""What the ids of batches begin with that have one invocation for ever, that of an event; and what all these
are called together where somebody looks for what lapsed. People's batches have ids without vowels."""

TRIES_KEPT: Final = 16
"""Of an invocation, the latest attempts that did not end it are remembered."""
LAPSED: Final = "lapsed"
"""The outcome of an attempt whose claim nobody extended."""
ON_LAMBDA: Final = "lambda"
ON_HOSTS: Final = "hosts"
"""Who an invocation is for where there is a choice: a Lambda, which has a machine for each, or hosts."""


class Moved(NamedTuple):
    """A claim holds, and a person has given its batch another class since it was claimed."""

    priority: str


Kept = Literal["kept", "lost", "stop"] | Moved
"""What became of a claim that was to be extended: it holds, another has it, or its batch was cancelled."""


class Routed(NamedTuple):
    """On which tier an invocation is to run, and why.

    Args:
        tier: `ON_LAMBDA` or `ON_HOSTS`.
        reason: in one sentence; "" where nothing is known that would speak for either.
        expected_s: that it is expected to take there; None where nobody knows.
        late_s: within which it should be done at the latest; None likewise.
        limit_s: after which the Lambda is stopped; None where there is none.
    """

    tier: str
    reason: str = ""
    expected_s: float | None = None
    late_s: float | None = None
    limit_s: float | None = None


class WorkItem(NamedTuple):
    """What an attempt has to know of its invocation.

    Args:
        invocation: ``<batch>.<n>``.
        source: URI of the asset.
        key: hex digest of what determines the result, or "".
        frames: half-open frame range, or None.
        params: canonical JSON that differs from the batch's params, or None.
        subdir: folder below ``out``.
        tag: ``~ab12`` where another input would make the same name.
        fingerprint: what the source was when it was submitted.
        size_bytes: of its clip; 0 for unknown.
        routed: where it is to run; None where there was no choice.
    """

    invocation: str
    source: str
    key: str = ""
    frames: tuple[int, int] | None = None
    params: str | None = None
    subdir: str = ""
    tag: str = ""
    fingerprint: str = ""
    size_bytes: int = 0
    routed: Routed | None = None

    @property
    def tier(self) -> str:
        """Who it is for; "" for whoever has the queue of its function."""
        return "" if self.routed is None else self.routed.tier

    @property
    def batch(self) -> str:
        """The id of its batch."""
        return self.invocation.rpartition(".")[0]

    @property
    def n(self) -> int:
        """Its number in its batch, from 1."""
        return int(self.invocation.rpartition(".")[2])


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on an invocation until a time.

    Args:
        work: what it is about.
        fence: larger than that of any claim before it.
        holder: who has it.
        until: when it lapses, UTC epoch seconds.
        attempt: which try this is, from 1.
        losses: claims that lapsed before it.
        spent_nano: nano-dollars that attempts before it have cost.
        intent: what the last attempt that passed its gate was about to publish, or "".
        since: when it was claimed, UTC epoch seconds.
        priority: the class that a person has given its batch since it was sent, or "".
    """

    work: WorkItem
    fence: int
    holder: str
    until: float
    attempt: int
    losses: int
    spent_nano: int = 0
    intent: str = ""
    since: float = 0.0
    priority: str = ""


class LetGo(NamedTuple):
    """An attempt that has ended, and not its invocation: what is kept of it for who claims that next.

    Args:
        reason: why, as a line for people.
        free: it does not count as a try; what is given back never does.
        cost_nano: nano-dollars that it has cost.
        error: what it ended of (kind, code, message), if it is to be known that there was this attempt.
    """

    reason: str
    free: bool = False
    cost_nano: int = 0
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NotClaimed:
    """Why an invocation could not be claimed.

    Args:
        invocation: ``<batch>.<n>``.
        state: what it is; None where there is no such invocation.
        until: when it may be asked for again: the end of somebody's claim, or of a wait; else None.
    """

    invocation: str
    state: State | None
    until: float | None = None


class End(NamedTuple):
    """How an attempt ended its invocation.

    Args:
        state: an ended one.
        data: JSON: result, outputs, receipt, encoder, warnings, error.
        seconds: of work.
        media_s: of media that was published.
        cost_nano: nano-dollars, of all its attempts.
        cached: the result was known.
    """

    state: State
    data: str
    seconds: float = 0.0
    media_s: float = 0.0
    cost_nano: int = 0
    cached: bool = False


class PastAttempt(NamedTuple):
    """One attempt that there was.

    Args:
        attempt: which, from 1; one that did not count has the number of its successor.
        holder: who tried.
        began: when it was claimed, UTC epoch seconds.
        ended: when that was said, or when its claim lapsed.
        outcome: the code of its error, ``lapsed``, or the state in which it ended the invocation.
        cost_nano: what it cost.
        error: kind, code and message of what it failed of; empty where it did not fail.
    """

    attempt: int
    holder: str
    began: float
    ended: float
    outcome: str
    cost_nano: int = 0
    error: Mapping[str, Any] = MappingProxyType({})


class Entry(NamedTuple):
    """An invocation as the ledger has it."""

    work: WorkItem
    state: State
    attempt: int
    losses: int
    holder: str
    until: float | None
    """The end of its claim, or of its wait."""
    reason: str
    end: End | None
    since: float | None = None
    """When it was claimed last."""
    tried: Sequence[PastAttempt] = ()
    """The attempts that have ended, the earliest first: `TRIES_KEPT` at most of those that did not end it."""


class Ended(NamedTuple):
    """That an invocation of a batch has ended, and when."""

    at: float
    """UTC epoch seconds, by the clock of who ended it."""
    n: int


class Lapsed(NamedTuple):
    """An invocation that somebody has to be told of again: its claim ended, or its wait did."""

    invocation: str
    priority: str
    show: str
    title: str = ""
    """Of its batch: the function's name."""
    group: str = ""
    """Of its batch: which hosts it is best on."""
    tier: str = ""
    """Who it is for."""


class Waiting(NamedTuple):
    """An invocation that waits, and who it is for."""

    invocation: str
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a batch is.

    Args:
        spec: as it was opened.
        submitted: when, UTC epoch seconds.
        total: invocations that were added.
        active: the numbers of those that are claimed or wait for their next try.
        ended: how many ended in which state.
        cached: of the succeeded, those whose result was known.
        sealed: nothing more is added.
        cancelled: a person wants it ended.
        seconds, media_s, cost_nano: sums over what has ended, also over what was queued again since then.
        last: when the latest end was, UTC epoch seconds; None before the first.
    """

    spec: Mapping[str, object]
    submitted: float
    total: int
    active: Sequence[int]
    ended: Mapping[State, int]
    cached: int
    sealed: bool
    cancelled: bool
    seconds: float
    media_s: float
    cost_nano: int
    last: float | None = None

    @property
    def running(self) -> int:
        """How many are claimed or wait for their next try."""
        return len(self.active)

    @property
    def complete(self) -> bool:
        """Nothing of it is left to do."""
        return self.sealed and sum(self.ended.values()) >= self.total
