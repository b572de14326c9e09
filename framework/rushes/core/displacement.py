"""Who stands aside for more urgent work, and how: paused in place where that is enough, else at its end.

A pause loses nothing, but frees cpu alone: memory, scratch and devices stay with what is paused. What lacks
one of those *awaits* work that is near its end, so that nothing of it is done twice: a part of a long encode
gives its place back where that encode can be cut. Else it takes the place of work that is *stopped* and runs
again from its start. Nobody is displaced in vain: when all that may stand aside would not be enough, nothing
is. Pure; this module must not know slots, queues or who pays.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rushes.core.packing import Need

__all__ = ["Displaceable", "Displacement", "DisplacementPolicy", "How", "Running", "displace"]

How = Literal["pause", "stop", "await"]

_NOTHING: Final[Need] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class DisplacementPolicy:
    """The bounds within which running work may be displaced.

    Args:
        least_run_s: work that has run for less than this is left alone: else two classes that come and go
            would only ever displace each other.
        soon_s: work that is expected to end within this time is left alone too: waiting for it is faster.
        most: an invocation that has stood aside this often runs on whatever comes.
        near_s: work whose memory, scratch or device is wanted is let finish where it is expected to end
            within this time, and was not waited for before; nobody is waited for any longer. 0: never.
        part_done, whole_done: and which has done this share of its work: what is waited for ought to be
            less than what would be done again. For a part of a long encode less will do, for it ends where
            that can be cut, and stopping it delays all that waits for the whole.
    """

    least_run_s: float = 1.0
    soon_s: float = 1.0
    most: int = 3
    near_s: float = 10.0
    part_done: float = 0.5
    whole_done: float = 0.75


@dataclass(frozen=True, slots=True)
class Running:
    """One running attempt, as far as displacing it is concerned.

    Args:
        id: the invocation.
        slot: where it runs.
        rank: of its class, as it was stamped when it was assigned; a lower one goes first.
        need: what it holds.
        began: when it was started or, after a pause, went on; UTC epoch seconds.
        expected_s: how long it is expected to run in all; None when its function was never measured.
        ran_s: how long it had run before `began`.
        displaced: how often it has stood aside already.
        preemptible: its class and its function allow it.
        pausable: it can be paused here.
        left_s: how long it will still run; None where nobody knows, and for what is paused.
        part: it is a part of something, which waits for it.
        waited_for: it was awaited as long as may be.
    """

    id: int
    slot: int
    rank: int
    need: Need
    began: float
    expected_s: float | None = None
    ran_s: float = 0.0
    displaced: int = 0
    preemptible: bool = True
    pausable: bool = True
    left_s: float | None = None
    part: bool = False
    waited_for: bool = False

    def lost_s(self, now: float) -> float:
        """Seconds of work that stopping it would throw away."""
        return max(now - self.began, 0.0) + self.ran_s


@dataclass(frozen=True, slots=True)
class Displacement:
    """One attempt that has to stand aside, and what that frees: a stop or an await only once it has ended."""

    id: int
    slot: int
    how: How
    frees: Need


def displace(
    lack: Need,
    rank: int,
    running: Iterable[Running],
    now: float,
    policy: DisplacementPolicy = DisplacementPolicy(),
) -> tuple[Displacement, ...]:
    """Who stands aside so that `lack` becomes free for work of `rank`; nobody, if that cannot be reached.

    The lowest class first. Of a class, those that can be paused before those that must be stopped; of the
    former the latest to start, of the latter those first that are let finish, then the one with the least to
    lose. Nobody is asked in vain: each of them is needed. Where somebody is awaited, the cores that are
    lacking as well are not taken yet, for they would lie idle meanwhile: whoever asks comes again.

    Args:
        lack: what the urgent work needs beyond what is free, in the dimensions and units of `packing`.
        rank: of its class; only higher numbers are displaced.
        running: everything that runs.
        now: UTC epoch seconds.
        policy: the bounds.
    """
    return Displaceable(rank, running, now, policy).take(lack)


class Displaceable:
    """Those who may stand aside for one rank at one moment; whoever is taken is there no longer.

    They are put in order once, so that a swarm that takes hundreds of them costs no more than it has to. The
    arguments are those of `displace`.
    """

    __slots__ = (
        "_able", "_cpu", "_ending", "_now", "_pausing", "_policy", "_rank", "_rested", "_stopping", "_taken"
    )  # fmt: skip

    def __init__(self, rank: int, running: Iterable[Running], now: float, policy: DisplacementPolicy) -> None:
        self._rank = rank
        self._now = now
        self._policy = policy
        self._able: list[Running] = []
        self._ending: list[Running] = []  # about to end: left alone, but worth waiting for
        self._taken: set[int] = set()
        self._pausing: list[Running] | None = None
        self._stopping: list[Running] | None = None
        self._cpu = 0  # of all who were ever there together
        self._rested = False
        self._add(running)

    def _add(self, running: Iterable[Running]) -> None:
        rank, now, policy, taken = self._rank, self._now, self._policy, self._taken
        more = []
        for one in running:
            if one.id in taken:
                continue
            if _may(one, rank, now, policy):
                more.append(one)
            elif _allowed(one, rank, policy) and _near(one, now, policy):
                self._ending.append(one)
        self._able += more
        self._cpu += sum(one.need[0] for one in more)
        self._pausing = self._stopping = None

    def take(
        self, lack: Need, resting: Callable[[], Iterable[Running]] | None = None
    ) -> tuple[Displacement, ...]:
        """Who stands aside so that `lack` becomes free; nobody, if that cannot be reached.

        Args:
            lack: as in `displace`.
            resting: those who have no cores to give, but hold other things; looked at once, and only if such
                are lacking.
        """
        if lack == _NOTHING or lack[0] > self._cpu:
            return ()
        if resting is not None and not self._rested and any(lack[1:]):
            self._rested = True
            self._add(resting())
        picked: list[Displacement] = []
        left = lack
        if any(lack[1:]):
            # Only what lets go of everything helps here; the cpu that comes with it counts as well.
            picked = _pick(self._to_stop(), self._taken, left, self._ended, range(1, 4))
            if not picked:
                return ()
            left = _minus(left, picked)
            if any(one.how == "await" for one in picked):
                left = (0, *left[1:])
                lack = (min(lack[0], sum(one.frees[0] for one in picked)), *lack[1:])
        if left[0] > 0:
            gone = self._taken.union(one.id for one in picked) if picked else self._taken
            more = _pick(self._to_pause(), gone, left, _eased, range(1))
            if not more:
                return ()
            picked += more
        found = tuple(_needed(picked, lack)) if len(picked) > 1 else tuple(picked)
        self._taken.update(one.id for one in found)
        return found

    def _ended(self, one: Running) -> Displacement:
        if _near(one, self._now, self._policy):
            return Displacement(one.id, one.slot, "await", one.need)
        return _stopped(one)

    def _to_stop(self) -> list[Running]:
        """Those that are let finish first, the one that ends soonest; then the one with the least to lose."""
        if self._stopping is None:
            now, policy = self._now, self._policy

            def order(one: Running) -> tuple[int, bool, float, int]:
                near = _near(one, now, policy)
                return -one.rank, not near, (one.left_s or 0.0) if near else one.lost_s(now), one.id

            self._stopping = sorted([*self._able, *self._ending], key=order)
        return self._stopping

    def _to_pause(self) -> list[Running]:
        """The latest to start first."""
        if self._pausing is None:
            self._pausing = sorted(
                self._able, key=lambda one: (-one.rank, not one.pausable, -one.began, one.id)
            )
        taken = self._taken
        while self._pausing and self._pausing[0].id in taken:
            del self._pausing[0]
        return self._pausing


def _allowed(one: Running, rank: int, policy: DisplacementPolicy) -> bool:
    return one.rank > rank and one.preemptible and one.displaced < policy.most


def _near(one: Running, now: float, policy: DisplacementPolicy) -> bool:
    """Whether it is let finish where its memory, scratch or device is wanted."""
    left_s = one.left_s
    if left_s is None or one.waited_for or left_s > policy.near_s or not policy.near_s:
        return False
    done_s = one.lost_s(now)
    least = policy.part_done if one.part else policy.whole_done
    return left_s <= policy.soon_s or done_s >= least * (done_s + left_s)


def _may(one: Running, rank: int, now: float, policy: DisplacementPolicy) -> bool:
    if not _allowed(one, rank, policy):
        return False
    if one.waited_for:
        return True
    if now - one.began < policy.least_run_s:
        return False
    return one.expected_s is None or one.expected_s - one.lost_s(now) > policy.soon_s or _overdue(one, now)


def _overdue(one: Running, now: float) -> bool:
    """Whether it runs longer than it was expected to: then nobody knows how long it still will."""
    return one.expected_s is not None and one.lost_s(now) > one.expected_s


def _stopped(one: Running) -> Displacement:
    return Displacement(one.id, one.slot, "stop", one.need)


def _eased(one: Running) -> Displacement:
    if one.pausable:
        return Displacement(one.id, one.slot, "pause", (one.need[0], 0, 0, 0))
    return _stopped(one)


def _pick(
    ordered: Iterable[Running],
    taken: Container[int],
    lack: Need,
    how: Callable[[Running], Displacement],
    dimensions: Sequence[int],
) -> list[Displacement]:
    """The first in order that together free `dimensions` of `lack`; none when all of them do not."""
    picked: list[Displacement] = []
    left = list(lack)
    for one in ordered:
        if one.id in taken:
            continue
        freed = how(one)
        if not any(freed.frees[d] and left[d] > 0 for d in dimensions):
            continue
        picked.append(freed)
        for d in dimensions:
            left[d] -= freed.frees[d]
        if all(left[d] <= 0 for d in dimensions):
            return picked
    return []


def _minus(lack: Need, freed: Iterable[Displacement]) -> Need:
    a, b, c, d = lack
    for one in freed:
        a, b, c, d = a - one.frees[0], b - one.frees[1], c - one.frees[2], d - one.frees[3]
    return max(a, 0), max(b, 0), max(c, 0), max(d, 0)


def _needed(picked: list[Displacement], lack: Need) -> list[Displacement]:
    """Those without which it would not be enough: a large one that came late makes small ones needless."""
    kept = list(picked)
    for one in picked:
        others = [other for other in kept if other is not one]
        if _minus(lack, others) == _NOTHING:
            kept = others
    return kept
