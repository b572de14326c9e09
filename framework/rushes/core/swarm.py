"""What a swarm cost the others: who stood aside for an urgent batch, for how long, and what is done again.

Every time that work is displaced is one `Aside`; a `Swarm` gathers those of one urgent batch and adds them
up for its displacement report. Pure; this module must not know how anything is displaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rushes.core.displacement import How

__all__ = ["Aside", "Share", "Swarm", "Swarms"]


@dataclass(slots=True)
class Aside:
    """One attempt that stood aside.

    Args:
        id: the invocation; `batch` and `show`: whose it is.
        how: it was paused, or stopped and is done again, or let finish while the urgent work waited.
        since: UTC epoch seconds.
        until: when it went on, started again, was cancelled or had finished; None while it stands aside.
        redone_s: seconds of work that a stop threw away; 0 for a pause.
    """

    id: int
    batch: str
    show: str
    how: How
    since: float
    until: float | None = None
    redone_s: float = 0.0

    def seconds(self, now: float) -> float:
        """How long it has stood aside."""
        return max((now if self.until is None else self.until) - self.since, 0.0)


@dataclass(frozen=True, slots=True)
class Share:
    """What one batch bore for a swarm.

    Args:
        batch, show: whose work stood aside.
        invocations: how many of them stood aside, each counted once.
        paused, stopped: how often.
        aside_s: seconds for which they stood aside, all together.
        redone_s: seconds of their work that are done again.
        standing: how many stand aside still.
        awaited: how often one of them was let finish, and gave its place at its end.
        awaited_s: seconds for which the urgent work waited for these, all together.
    """

    batch: str
    show: str
    invocations: int
    paused: int
    stopped: int
    aside_s: float
    redone_s: float
    standing: int
    awaited: int = 0
    awaited_s: float = 0.0


@dataclass(slots=True)
class Swarm:
    """One urgent batch and those that stood aside for it."""

    batch: str
    asides: list[Aside] = field(default_factory=list)

    def report(self, now: float) -> list[Share]:
        """What each batch bore, the one that bore most first."""
        by_batch: dict[tuple[str, str], list[Aside]] = {}
        for one in self.asides:
            by_batch.setdefault((one.batch, one.show), []).append(one)
        shares = [_share(batch, show, asides, now) for (batch, show), asides in by_batch.items()]
        return sorted(shares, key=lambda share: (-share.aside_s, share.batch))


class Swarms:
    """The swarms of one pool, by the batch that they were. What is reported twice is counted once."""

    __slots__ = ("_by_batch", "_standing")

    def __init__(self) -> None:
        self._by_batch: dict[str, Swarm] = {}
        self._standing: dict[int, tuple[str, Aside]] = {}

    def aside(self, swarm: str, one: Aside) -> None:
        """An attempt stands aside for the batch `swarm`; one that does already is not counted again."""
        if one.id in self._standing:
            return
        self._standing[one.id] = (swarm, one)
        self._by_batch.setdefault(swarm, Swarm(swarm)).asides.append(one)

    def back(self, id: int, now: float) -> Aside | None:  # noqa: A002 - named as everywhere
        """It went on, started again or was cancelled; None when it did not stand aside."""
        found = self._standing.pop(id, None)
        if found is None:
            return None
        found[1].until = max(now, found[1].since)
        return found[1]

    def stands(self, id: int) -> tuple[str, Aside] | None:  # noqa: A002 - as above
        """The batch that an invocation stands aside for, and since when and how; None when it does not."""
        return self._standing.get(id)

    def of(self, batch: str) -> Swarm | None:
        """The swarm that a batch was; None when nobody stood aside for it."""
        return self._by_batch.get(batch)

    def forget(self, batch: str) -> Swarm | None:
        """Take a swarm whose batch has ended, and whose report is kept elsewhere, out of memory.

        None, and nothing is forgotten, while somebody stands aside for it still.
        """
        swarm = self._by_batch.get(batch)
        if swarm is None or any(one.until is None for one in swarm.asides):
            return None
        return self._by_batch.pop(batch)


def _share(batch: str, show: str, asides: Iterable[Aside], now: float) -> Share:
    asides = list(asides)
    awaited = [one for one in asides if one.how == "await"]
    stood = [one for one in asides if one.how != "await"]
    return Share(
        batch=batch,
        show=show,
        invocations=len({one.id for one in stood}),
        paused=sum(one.how == "pause" for one in stood),
        stopped=sum(one.how == "stop" for one in stood),
        aside_s=sum(one.seconds(now) for one in stood),
        redone_s=sum(one.redone_s for one in stood),
        standing=sum(one.until is None for one in stood),
        awaited=len(awaited),
        awaited_s=sum(one.seconds(now) for one in awaited),
    )
