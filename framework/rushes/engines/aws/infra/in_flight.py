"""What of an environment's work has not ended: what would be lost with it, told before it is removed.

Work that was sent is in the ledger; work that events started is there as well, and a queue says what of it
nobody has taken yet. What is in a bucket is in no danger: no stack takes one with it. This
module must not know stacks, nor who is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from rushes.engines.aws.infra.emptiness import messages_in
from rushes.errors import CallerError
from rushes.ledger import Tally

__all__ = ["InFlight", "in_flight", "refuse_in_flight"]

_NAMED: Final = 5
"""Of batches and queues each, so many are named in a sentence."""


class Followable(Protocol):
    """What is asked of a ledger."""

    def unfinished(self) -> Sequence[str]: ...

    def alone(self) -> Sequence[str]: ...

    def tally(self, batch: str, *, active: bool = True) -> Tally | None: ...


class InFlight(NamedTuple):
    """Work that has not ended.

    Args:
        batches: how many invocations of each have not ended.
        alone: invocations that events started, and that somebody has or that wait for their next try.
        messages: in queues that are not empty, by their names.
    """

    batches: Mapping[str, int]
    alone: Sequence[str]
    messages: Mapping[str, int]

    def __bool__(self) -> bool:
        return bool(self.batches or self.alone or self.messages)

    def parts(self) -> Iterator[str]:
        """What there is, in words."""
        yield from _listed(self.batches, "batch {} with {:,} invocations that have not ended", "batches")
        if self.alone:
            yield f"{len(self.alone):,} invocations that events started and that somebody has"
        yield from _listed(self.messages, "{} with {:,} messages", "queues")


def in_flight(ledger: Followable, sqs: Any, queues: Iterable[str]) -> InFlight:
    """What has not ended.

    Args:
        ledger: of the environment; one that is gone has nothing.
        sqs: a boto3 client for ``sqs``.
        queues: names of all of its queues.

    Raises:
        PlatformError: a service does not answer.
    """
    try:
        tallies = ((batch, ledger.tally(batch, active=False)) for batch in ledger.unfinished())
        batches = {batch: 0 if one is None else one.total - sum(one.ended.values()) for batch, one in tallies}
        alone = ledger.alone()
    except CallerError as error:
        if error.code != "not-found":
            raise
        batches, alone = {}, ()  # a table that an earlier removal took
    return InFlight(batches, alone, messages_in(sqs, queues))


def refuse_in_flight(environment: str, found: InFlight) -> None:
    """Refuse to remove an environment of which something has not ended.

    Raises:
        CallerError: something has not (``work-in-flight``).
    """
    if found:
        raise CallerError(
            f"environment {environment} has work that would be lost: {'; '.join(found.parts())}.",
            code="work-in-flight",
            fix=f"Let it end (rushes list --engine aws:{environment}), or say --force: then it is cancelled, "
            "and what waits in queues goes. Clips and outputs stay in their buckets in any case.",
            details={
                "batches": dict(found.batches),
                "alone": len(found.alone),
                "messages": dict(found.messages),
            },
        )


def _listed(counts: Mapping[str, int], sentence: str, kind: str) -> Iterator[str]:
    named = list(counts.items())[:_NAMED]
    yield from (sentence.format(name, count) for name, count in named)
    if more := len(counts) - len(named):
        yield f"{more:,} more {kind}"
