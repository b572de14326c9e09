"""The verbs that the layers below ask of the layers above, as narrow as their callers.

`Engine` is what a terminal or a notebook talks to; `Clock` is where time comes from; `Fleet` is who rents
machines; `Store` is where bytes live that are not on this machine; `Ledger` and `Queue` are what many hosts
share. All have a stub in `rushes.testing`, which passes the same contract suite as the real one. What an
engine may be able to do beside is in `rushes.keepers`; the ports of one layer alone stand in it:
`rushes.batch.RunnableEngine`, `rushes.runtime.records.ports.Journal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from rushes.core.accounts import Scope
from rushes.core.hosts import Host, Refusal
from rushes.core.spending.tranches import CapState
from rushes.invocation import BatchSpec, BatchStatus, Finished, Invocation
from rushes.ledger import Claim, End, Ended, Entry, Kept, Lapsed, NotClaimed, Tally, Work
from rushes.notices import Message, Notice
from rushes.range_reader import RangeReader
from rushes.stored import Stored

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
    "Store",
]


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """UTC epoch seconds."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Where invocations run: `local` is this machine."""

    def open(self, spec: BatchSpec) -> str:
        """Open a batch and return its id; nothing runs yet."""
        ...

    def submit(self, batch: str, invocations: Iterable[Invocation]) -> int:
        """Add invocations durably, in order, streaming; returns how many. They may run at once."""
        ...

    def seal(self, batch: str) -> None:
        """Say that the batch is complete; it ends when its last invocation has."""
        ...

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        """The ends after sequence number `after`, oldest first; waits up to `wait_s` for the first."""
        ...

    def status(self, batch: str) -> BatchStatus:
        """Where a batch stands.

        Raises:
            CallerError: no such batch.
        """
        ...

    def batches(self, *, limit: int = 50) -> Sequence[BatchStatus]:
        """The newest batches first."""
        ...

    def cancel(self, batch: str) -> None:
        """Cancel what has not ended; returns when nothing of it runs any more."""
        ...

    def retry(self, batch: str) -> int:
        """Queue the failed and cancelled invocations of a batch again; returns how many."""
        ...

    def set_priority(self, batch: str, priority: str) -> None:
        """Give a batch another class, for what of it waits and what runs.

        Raises:
            CallerError: no such batch or class, or it has ended.
        """
        ...

    def explain(self, invocation: str) -> Mapping[str, Any]:
        """Everything known of one invocation: state, reason, attempts, log path, receipt.

        Raises:
            CallerError: no such invocation.
        """
        ...

    def running(self) -> bool:
        """Whether something is there to be asked; nothing is started in order to find out."""
        ...

    def pool(self) -> Mapping[str, Any]:
        """Slots, what they run, capacity, queue depths, and under ``worker`` who answers."""
        ...

    def control(self, verb: str, *, slots: int | None = None) -> Mapping[str, Any]:
        """``pause``, ``resume``, ``drain``, ``stop`` or ``resize`` the pool.

        Args:
            verb: which.
            slots: for ``resize``: how many there are to be until further notice; None gives the pool back to
                its policy.

        Raises:
            CallerError: another verb, or more slots than there can be (``bad-pool-size``).
        """
        ...


@runtime_checkable
class Fleet(Protocol):
    """Who gives hosts and takes them back: a cloud, a rental of GPUs, this machine with its own slots.

    It obeys `rushes.core.capacity.scaling` and has no opinion on how many hosts there should be.
    """

    def hosts(self) -> Sequence[Host]:
        """Every host that is ordered, is there, or still costs.

        Raises:
            PlatformError: the provider does not answer.
        """
        ...

    def order(self, tier: str, count: int, token: str) -> Sequence[str]:
        """Order hosts, and return the names of those that are on their way.

        They are among `hosts` from now on. Fewer than `count` where there are no more to be had: `refusals`
        then says so. The same token once more is the same order, whatever became of its answer.

        Raises:
            CallerError: it has no such tier (``unknown-tier``).
            PlatformError: the provider does not answer; ask again with the same token.
        """
        ...

    def release(self, hosts: Sequence[str]) -> Sequence[str]:
        """Let hosts go, and return the names of those that do.

        A host that has become busy is left alone; one that is gone already, or never was, is passed over.

        Raises:
            PlatformError: the provider does not answer; asking again does no harm.
        """
        ...

    def drain(self, hosts: Sequence[str]) -> Sequence[str]:
        """Let hosts take no more work, and go once they have done what they have; return their names.

        They are `leaving` from now on. An idle one goes like one that is released; one that is gone already,
        or never was, is passed over.

        Raises:
            PlatformError: the provider does not answer; asking again does no harm.
        """
        ...

    def refusals(self) -> Sequence[Refusal]:
        """The latest refusal of each tier that was ever refused."""
        ...


@runtime_checkable
class Store(Protocol):
    """Where the bytes of assets and outputs live when that is not this machine's file system.

    Every verb may raise `PlatformError` where the store or the way to it is at fault, and `CallerError` where
    something is not there (``not-found``) or not permitted (``not-permitted``).
    """

    def look(self, uri: str) -> Stored:
        """What is there, without reading it."""
        ...

    def listing(self, prefix: str) -> Iterator[Stored]:
        """What is below a prefix, in the order of its keys."""
        ...

    def fetch(self, uri: str, target: Path, told: Callable[[int], None] | None = None) -> Stored:
        """Copy an object into a file that appears whole, and checked; `told` hears of bytes as they come.

        Raises:
            CallerError: it is in an archive (``archived``).
            MediaError: it changed meanwhile (``source-changed``).
        """
        ...

    def reader(self, uri: str, known: Stored | None = None) -> RangeReader:
        """The object as a read-only file that is fetched by ranges; what changed meanwhile is never mixed.

        Args:
            uri: the object.
            known: what `look` found there, to read that and nothing later; None looks now.
        """
        ...

    def publish(
        self,
        source: Path,
        uri: str,
        sha256: str,
        *,
        over: Stored | None = None,
        about: Mapping[str, str] | None = None,
        told: Callable[[int], None] | None = None,
    ) -> Stored:
        """Make a file visible under `uri`, whole and at once, or not at all.

        Where an object with that SHA-256 is there already, that is what is returned: whoever put it there did
        this work.

        Args:
            source: the file.
            uri: where it is to be seen.
            sha256: of its content, hex.
            over: an object of ours that this one may replace; nothing else is ever replaced.
            about: names and values that are kept beside it.
            told: hears of bytes as they go.

        Raises:
            CallerError: something else is there (``target-exists``).
        """
        ...

    def restore(self, uri: str, *, days: int, speed: str = "Standard") -> bool:
        """Ask for an archived object for so many days; True once it can be read. Asked twice it comes once.

        Args:
            uri: the object.
            days: that it stays readable.
            speed: ``Bulk``, ``Standard`` or ``Expedited``: slower is cheaper.
        """
        ...

    def abandon(self, uri: str) -> int:
        """End whatever is on its way to `uri` and not yet visible; gives how much there was.

        Args:
            uri: an object; or, with a ``/`` at its end, everything below it.
        """
        ...


class Intake(Protocol):
    """Where work comes in: each verb may be said again and does nothing then."""

    def open(self, batch: str, spec: Mapping[str, Any], now: float) -> None:
        """Add a batch; one that is there already stays as it is."""
        ...

    def add(self, batch: str, work: Sequence[Work], ended: Mapping[str, End] | None = None) -> None:
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

    def enter(self, spec: Mapping[str, Any], work: Work, now: float) -> bool:
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

    def hold(
        self, claim: Claim, until: float, reason: str, *, free: bool = False, cost_nano: int = 0
    ) -> bool:
        """Let it wait for its next try; `free`: this attempt does not count. False where it was lost.

        What the attempt cost is kept for whoever claims it next, here and by `give_back`.
        """
        ...

    def give_back(self, claim: Claim, reason: str, *, cost_nano: int = 0) -> bool:
        """Let somebody else have it; this attempt does not count. False where it was lost."""
        ...


class Lapses(Protocol):
    """What was left lying: asked for by every host now and then."""

    def unfinished(self) -> Sequence[str]:
        """The batches of which something may be left to do, but those that stand alone."""
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
            mine: whether who asks can tell of it; what is not theirs is left to others.
        """
        ...


class Desk(Protocol):
    """What who follows a batch, or steers it, asks."""

    def tally(self, batch: str, *, active: bool = True) -> Tally | None:
        """How far a batch is; None where there is none. With `active`, what is claimed or waits is named."""
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

    def retry(self, batch: str) -> Sequence[str]:
        """Queue again what failed or was cancelled; gives those that somebody has to be told of."""
        ...

    def restamp(self, batch: str, priority: str) -> None:
        """Give a batch another class, for what is told of from now on."""
        ...

    def waiting(self, batch: str) -> Sequence[str]:
        """The invocations of a batch that wait, for their turn or their next try."""
        ...


@runtime_checkable
class Ledger(Intake, Claims, Lapses, Desk, Protocol):
    """The record that many hosts share: `rushes.ledger` says what is promised.

    Every verb may raise `PlatformError` where the ledger does not answer: asking again does no harm.
    """


@runtime_checkable
class Money(Protocol):
    """The caps that many hosts share: each holder spends within tranches (`rushes.core.spending.tranches`).

    Every verb may raise `PlatformError` where the ledger does not answer; whether it was done is then not
    known, and what `take` may have taken comes back when the holder closes its tranche.
    """

    @property
    def hourly(self) -> Money:
        """The same for caps by the hour of the clock (UTC): all of it is of the hour that it is now."""
        ...

    def caps(self) -> Sequence[CapState]:
        """Which shows have a cap or a soft limit, or the organisation, and where it stands; by the hour, too.

        A batch is not named: whoever works on it knows from its spec that it was sent with one.
        """
        ...

    def state(self, scope: Scope) -> CapState | None:
        """Where a cap stands; None where there was never one."""
        ...

    def set_cap(self, scope: Scope, cap: int | None, *, spent: int = 0) -> None:
        """Give a payer a cap in nano-dollars, another one, or none; `spent` before it had any."""
        ...

    def set_soft(self, scope: Scope, soft: int | None) -> None:
        """Give a payer a soft limit in nano-dollars, another one, or none."""
        ...

    def lower(self, scope: Scope) -> None:
        """Remember that work of this payer went on one class lower."""
        ...

    def raised(self) -> Sequence[Scope]:
        """Payers whose work went on one class lower, and that are beyond no more; each is told to one."""
        ...

    def take(
        self, scope: Scope, holder: str, least: int, most: int, until: float, *, first: bool
    ) -> int | None:
        """Put money into a holder's tranche; gives how much, 0 where not even the least is left.

        None: the tranche is not what the holder takes it for. It was taken back, or is there already.

        Args:
            scope: of whose cap.
            holder: who takes it; nobody else has this name, now or later.
            least: with less nothing is gained.
            most: with more nothing is gained. Of what has no cap it is given without being taken.
            until: when the holder has to have been heard of again, UTC epoch seconds.
            first: it has none yet.
        """
        ...

    def report(self, scope: Scope, holder: str, spent: int, exposed: int, until: float) -> bool:
        """Say what is spent, and what may have been by `until`; False: the tranche was taken back."""
        ...

    def give(self, scope: Scope, holder: str, back: int) -> bool:
        """Put some of a tranche back, which the holder has struck off before; False: there is no such."""
        ...

    def close(self, scope: Scope, holder: str, spent: int) -> bool:
        """Put all that was not spent back; False: the tranche was taken back before."""
        ...

    def reclaim(self, now: float) -> int:
        """Close the tranches of holders that fell silent: what they exposed is spent. Gives how many.

        Those of caps by the hour, too, unless it is asked of `hourly`.
        """
        ...


@runtime_checkable
class Queue(Protocol):
    """Messages that say that there may be something to do; each comes at least once, in any order."""

    def send(self, notices: Sequence[Notice], *, delay_s: int = 0) -> None:
        """Put them in; all of them are there when this returns."""
        ...

    def receive(self, count: int, wait_s: float) -> Sequence[Message]:
        """Up to so many messages, waiting so long for the first; nobody else sees them for a while."""
        ...

    def extend(self, messages: Sequence[Message], seconds: int) -> None:
        """Nobody else sees them for so long from now; 0 gives them back at once."""
        ...

    def done(self, messages: Sequence[Message]) -> None:
        """They need not come again."""
        ...

    def waiting(self) -> int:
        """About how many there are that nobody has received."""
        ...
