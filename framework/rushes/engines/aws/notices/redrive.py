"""Dead letters, sent again: what queues set aside because nobody could take it in.

A message is set aside after some deliveries, whatever was wrong: a ledger that did not answer, a process
that was killed with nine others in its batch. What of that has ended meanwhile, or is told of by the sweep,
is only removed. What waits is sent back to its queue, and runs once however often this is done: the ledger
says who has it, and whose it is: what a person moved into the queue of another function goes to its own, and
what wants a card to hosts that have one. All dead queues are emptied at the same time. This module must not
know where an environment is described.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Protocol

from rushes.core.states import State
from rushes.engines.aws.notices.events import of_message
from rushes.errors import CallerError
from rushes.notices import Notice, Redriven
from rushes.shared_ledger.dynamo_items import BAD_ITEM
from rushes.shared_ledger.sqs_dead import DeadLetters, Letter, dead_of

if TYPE_CHECKING:
    from rushes.ledger import Entry

__all__ = ["redrive"]


Home = Callable[[Mapping[str, Any], str, Container[str], str], str]
"""Gives the URL of the queue that work is for: by the specification of its batch, its class, the queues that
it may have come from, and who it is for, a Lambda or hosts; "" where there is none."""
AT_ONCE: Final = 16


class Known(Protocol):
    """What is asked of a ledger; several threads may ask."""

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        """What a batch was opened with; None where there is none."""
        ...

    def entry(self, invocation: str) -> Entry | None:
        """One invocation; None where there is none."""
        ...


def redrive(ledger: Known, client: Any, urls: Iterable[str], home: Home = lambda *_: "") -> Redriven:
    """Send again what these queues have set aside.

    Args:
        ledger: knows what has ended.
        client: a boto3 client for ``sqs``.
        urls: of the queues, not of those where dead letters are.
        home: says which of them work is for; what it knows none for goes by its class alone.

    Raises:
        CallerError: there is no such queue.
        PlatformError: a service does not answer; said again, it goes on.
    """
    its = list(dict.fromkeys(urls))
    sources: dict[str, list[str]] = {}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for url, dead in zip(its, threads.map(lambda one: dead_of(client, one), its), strict=True):
            if dead:
                sources.setdefault(dead, []).append(url)
        done = threads.map(
            lambda dead: _emptied(DeadLetters(client, dead), sources[dead], ledger, home), sources
        )
    return Redriven(*(sum(counts) for counts in zip(*done, strict=True)))


def _emptied(dead: DeadLetters, sources: Sequence[str], ledger: Known, home: Home) -> Redriven:
    """Send on what is among the dead of these queues; strange letters are seen again at the end."""
    sent, ended, strange = 0, 0, list[Letter]()
    try:
        while letters := dead.letters():
            sorted_: dict[str | None, list[Letter]] = {}
            for one in letters:
                sorted_.setdefault(_place_of(one, sources, ledger, home), []).append(one)
            strange += sorted_.pop(None, [])
            over = sorted_.pop("", [])
            dead.remove(over)
            for url, some in sorted_.items():
                dead.move(some, str(url))
            sent, ended = sent + sum(map(len, sorted_.values())), ended + len(over)
    finally:
        for start in range(0, len(strange), 10):
            dead.leave(strange[start : start + 10])
    return Redriven(sent, ended, len(strange))


def _place_of(letter: Letter, sources: Sequence[str], ledger: Known, home: Home) -> str | None:
    """The queue that a letter goes back to; "": none, it is over; None: it is no letter of ours."""
    try:
        said = of_message(letter.body)
    except CallerError:
        return None
    if not isinstance(said, Notice):
        return sources[0]
    try:
        entry, spec = ledger.entry(said.invocation), ledger.spec(said.invocation.rpartition(".")[0])
    except CallerError as error:
        if error.code != BAD_ITEM:
            raise
        return None  # somebody has to mend the ledger first: it stays, and those beside it go
    # What is claimed or held is told of by the sweep.
    if entry is None or spec is None or entry.state is not State.queued:
        return ""
    if found := home(spec, said.priority, sources, entry.work.tier):
        return found
    # Of a class that the environment has no more: whoever takes it reads its class in the ledger.
    its = [url for url in sources if url.endswith(f"-{said.priority}")]
    return min(its, key=len, default=sources[0])  # a class may end like another: -review, -re-review
