"""What an engine may be able to do beside running work: each is asked for with `isinstance`.

An engine that cannot do one simply lacks its verbs, and a command that needs it says so. This module must not
know any engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from rushes.logged import LogLine
from rushes.notices import Redriven
from rushes.stored import Restored

__all__ = [
    "BudgetKeeper",
    "CostKeeper",
    "JournalKeeper",
    "KeptLog",
    "LogKeeper",
    "ObjectKeeper",
    "PatientSender",
    "Quoter",
    "Redriver",
    "Restorer",
]


class KeptLog(Protocol):
    """A log that somebody keeps, while it is read."""

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        ...

    @property
    def note(self) -> str:
        """What of it is not to be had, and what to do; "" for nothing."""
        ...

    @property
    def state(self) -> str:
        """Of what it is about, for who finds nothing in it."""
        ...

    def new(self) -> Sequence[LogLine]:
        """What came since the last time, in its order.

        Raises:
            CallerError: it may not be read.
            PlatformError: who keeps it does not answer.
        """
        ...


@runtime_checkable
class LogKeeper(Protocol):
    """An engine whose attempts log to a service."""

    def log_of(self, invocation: str, *, since: float = 0.0) -> KeptLog:
        """What the attempts of an invocation logged.

        Args:
            invocation: which.
            since: UTC epoch seconds; nothing before is given.

        Raises:
            CallerError: no such invocation.
        """
        ...

    def log_of_part(self, part: str, *, since: float) -> KeptLog:
        """What a part of it logs that works for all: ``router``, ``hosts``, a function's Lambda."""
        ...


@runtime_checkable
class JournalKeeper(Protocol):
    """An engine whose ledger is a file of this host, to be pruned and backed up."""

    def journal(self, verb: str, **arguments: Any) -> Mapping[str, Any]:
        """``prune``, ``backup`` or ``show``."""
        ...


@runtime_checkable
class PatientSender(Protocol):
    """An engine that outlasts services which do not answer while it sends."""

    @property
    def waits(self) -> str:
        """Why what is being sent does not go on at the moment; "" where it does."""
        ...


@runtime_checkable
class CostKeeper(Protocol):
    """An engine whose ledger knows what was spent."""

    def costs(
        self,
        *,
        since: float = 0.0,
        by: str = "function",
        batch: str | None = None,
        show: str | None = None,
        function: str | None = None,
    ) -> Mapping[str, Any]:
        """What attempts that ended since then cost: see `rushes.runtime.records.statement.statement`.

        Args:
            since: UTC epoch seconds; 0: all.
            by: what there is to be a sum for each of: ``function``, ``show``, ``batch`` or ``tier``.
            batch: only this is asked for; what is of others may be left out, and need not.
            show: the same.
            function: the same.

        Raises:
            CallerError: its ledger does not tell apart what is asked for (``not-supported``).
        """
        ...


@runtime_checkable
class Quoter(Protocol):
    """An engine that can say what a batch will take before it is sent."""

    def quote(
        self,
        function: Any,
        options: Any,
        items: Iterable[tuple[Any, Any]],
        params: Any,
        **wishes: Any,
    ) -> Any:
        """A `BatchQuote` of assets, each with options of its own or None.

        Args:
            function: that would run.
            options: how it would be dispatched.
            items: pairs of an asset and its own options.
            params: that all share.
            wishes: ``within_s``, seconds from now; ``max_cost``, nano-dollars; ``tiers``, machines by tier.
        """
        ...

    def quote_found(
        self, function: Any, options: Any, params: Any, found: Iterable[Any], **wishes: Any
    ) -> Any:
        """The same of clips as a command line finds them."""
        ...


@runtime_checkable
class BudgetKeeper(Protocol):
    """An engine that holds work back when the money of who pays for it is spent."""

    def budgets(self) -> Mapping[str, Any]:
        """``rows``: a payer that has limits each; ``free``: nothing costs anything; ``tier``: where it runs.

        Where ``free`` has another reason than the price of one machine, or what is counted is counted at the
        prices of another region, ``note`` says it to a person.

        A row has level and name of the payer, its limits (cap, hour_cap, soft, hour_soft), and what is
        spent, reserved and hour_spent, all in nano-dollars with the ending ``_nano``; how many attempts are
        running under it; and the batches held for want of its money.
        """
        ...

    def set_budget(self, level: str, name: str, limits: Mapping[str, int | None]) -> None:
        """Give a payer these limits, in nano-dollars; None, or not named: no such limit.

        Raises:
            CallerError: there is no such payer, or a batch has ended.
        """
        ...

    def set_max_cost(self, batch: str, cap_nano: int | None) -> None:
        """Give a batch another cap, or none.

        Raises:
            CallerError: no such batch, or it has ended.
        """
        ...


@runtime_checkable
class ObjectKeeper(Protocol):
    """An engine whose clips and outputs are not files of this machine."""

    def find(self, inputs: Sequence[str], *, out: str | None = None) -> Iterator[Any]:
        """The clips that INPUT arguments name there, as `rushes.runtime.sources.inputs.Found`.

        Raises:
            CallerError: an input is a file of this machine, or there is no such clip.
        """
        ...

    def spec_of(self, function: Any, options: Any, params: Any, *, title: str = "") -> Any:
        """What all invocations of a batch share: a `BatchSpec` for its `open`.

        Raises:
            CallerError: an option means nothing there, or outputs cannot go where they are to.
        """
        ...

    def invocations(self, function: Any, options: Any, params: Any, found: Iterable[Any]) -> Iterator[Any]:
        """One `Invocation` a clip, for its `submit`."""
        ...

    def read(self, uri: str) -> bytes:
        """A small object that it has made, such as a receipt.

        Raises:
            CallerError: there is none.
        """
        ...


@runtime_checkable
class Restorer(Protocol):
    """An engine whose clips may be in an archive."""

    def restore(self, uris: Sequence[str], *, days: int, speed: str) -> Restored:
        """Ask for what is archived; said twice it asks for nothing twice.

        Args:
            uris: objects, or prefixes that end with ``/``.
            days: that they stay readable.
            speed: ``Bulk``, ``Standard`` or ``Expedited``.

        Raises:
            CallerError: there is no such object, or it is not permitted.
            PlatformError: the store does not answer.
        """
        ...


@runtime_checkable
class Redriver(Protocol):
    """An engine whose queues set messages aside that nobody could take in."""

    def redrive(self) -> Redriven:
        """Send these again, as far as there is something to do; said twice it does no harm.

        Raises:
            PlatformError: a service does not answer; said again, it goes on.
        """
        ...
