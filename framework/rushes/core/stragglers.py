"""Whether a running attempt is left alone, killed, or hedged by a second one: pure, from its progress.

An attempt that makes no progress for a while hangs: it is killed, and what follows is `core/retry.py`'s to
say. One that gets on, but far too slowly, may be on a sick machine: once it is beyond what nearly all like it
take, and a fresh attempt elsewhere is expected to end first, a second one is started beside it, once, if its
cost is within a bound. Whichever ends first is published, and fencing turns the other away. To hedge only the
slowest few, and few at once, gives nearly all of the gain for little more work: J. Dean and L. A. Barroso,
"The Tail at Scale", CACM 56(2), 2013.

All seconds are of running: while an attempt is paused, or waits for parts of its own, none pass here. This
module must not know clocks, hosts or what is run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from rushes.core.money import format_dollars
from rushes.units import format_duration

__all__ = ["Expectation", "Hedge", "Hedges", "Kill", "Leave", "Progress", "StragglerPolicy", "judge"]


@dataclass(frozen=True, slots=True)
class StragglerPolicy:
    """What a person may decide about stragglers.

    Args:
        stall_s: without progress for so long, an attempt hangs.
        far: where only the expected run time is known, so many times that is far beyond it.
        least_s: nothing that has run for less is hedged: starting it anew would cost more than is won.
        most_share: of all running attempts, so many may have a hedge; one always may.
        hedge: there are hedges at all.
        most_nano: nano-dollars that one may cost; None for no bound.
    """

    stall_s: float = 120.0
    far: float = 3.0
    least_s: float = 60.0
    most_share: float = 0.05
    hedge: bool = False
    most_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt has come.

    Args:
        ran_s: for how long it has run.
        fraction: of its work that is done, 0 to 1.
        rose_s: how long it had run when that last rose.
    """

    ran_s: float = 0.0
    fraction: float = 0.0
    rose_s: float = 0.0

    def seen(self, ran_s: float, fraction: float | None = None) -> Progress:
        """With one more sample; samples that come late, or go back, change nothing but the time.

        Args:
            ran_s: for how long it has run by now.
            fraction: that it reports; None where it has reported nothing new.
        """
        at = max(ran_s, self.ran_s)
        if fraction is None or not self.fraction < fraction <= 1.0:
            return replace(self, ran_s=at)
        return Progress(at, fraction, at)

    @property
    def progresses(self) -> bool:
        """Whether it has got on of late: its share has risen within the last quarter of its time.

        Work that hangs at a time limit is not big; work that still gets on there is.
        """
        return self.fraction > 0 and self.ran_s - self.rose_s <= self.ran_s / 4

    @property
    def left_s(self) -> float:
        """Seconds that it will still take if it goes on as it has; infinite before it has begun to move."""
        return self.ran_s * (1.0 - self.fraction) / self.fraction if self.fraction > 0 else inf


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of an attempt, and of a second one.

    Args:
        run_s: how long one like it takes; None where nothing like it was ever measured.
        late_s: within how long nearly all like it are done; None where only `run_s` is known.
        start_s: how long a second one would wait for its start.
        cost_nano: nano-dollars that a second one would cost.
    """

    run_s: float | None = None
    late_s: float | None = None
    start_s: float = 0.0
    cost_nano: int = 0


@dataclass(frozen=True, slots=True)
class Hedges:
    """What stands in the way of a hedge.

    Args:
        own: hedges that this invocation has had.
        running: attempts that run in the pool.
        hedged: of those, how many are hedges.
        most_nano: nano-dollars that one may cost, by budget; None for no bound.
        allowed: its function and class may be hedged.
    """

    own: int = 0
    running: int = 1
    hedged: int = 0
    most_nano: int | None = None
    allowed: bool = True


@dataclass(frozen=True, slots=True)
class Leave:
    """Let it run; nothing else can follow for the next `for_s` seconds of running."""

    for_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """It hangs: stop it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hedge:
    """Start a second attempt beside it, elsewhere."""

    cost_nano: int
    reason: str


def judge(
    progress: Progress, expectation: Expectation, hedges: Hedges, policy: StragglerPolicy
) -> Leave | Kill | Hedge:
    """What is to be done about a running attempt."""
    still_s = progress.ran_s - progress.rose_s
    if still_s >= policy.stall_s:
        done = f"at {progress.fraction:.0%}"
        return Kill(f"it has made no progress for {format_duration(still_s)}, {done}")
    stalls_in_s = policy.stall_s - still_s
    bound_s = _far_s(expectation, policy)
    if expectation.run_s is None or bound_s == inf:
        return Leave(stalls_in_s, "it makes progress, and nobody knows how long it should take")
    if progress.ran_s < bound_s:
        return Leave(min(stalls_in_s, bound_s - progress.ran_s), "it makes progress, and is within its time")
    fresh_s = expectation.start_s + expectation.run_s
    slow = (
        f"it has run {format_duration(progress.ran_s)}, and nearly all like it are done in "
        f"{format_duration(bound_s)}"
    )
    if progress.left_s <= fresh_s:
        return Leave(stalls_in_s, f"{slow}; it will be done before a second one could be")
    obstacle = _obstacle(expectation, hedges, policy)
    if obstacle:
        return Leave(stalls_in_s, f"{slow}; {obstacle}")
    return Hedge(
        expectation.cost_nano, f"{slow}; a second one should take {format_duration(fresh_s)} from now"
    )


def _far_s(expectation: Expectation, policy: StragglerPolicy) -> float:
    """From when on it is far beyond what was expected."""
    if expectation.run_s is None:
        return inf
    late_s = expectation.run_s * policy.far if expectation.late_s is None else expectation.late_s
    return max(late_s, expectation.run_s, policy.least_s)


def _obstacle(expectation: Expectation, hedges: Hedges, policy: StragglerPolicy) -> str:
    """Why there is no hedge; "" when there may be one."""
    if not hedges.allowed:
        return "its function or class is not hedged"
    if hedges.own:
        return "it has had its hedge"
    if hedges.most_nano is not None and expectation.cost_nano > hedges.most_nano:
        most, cost = format_dollars(hedges.most_nano), format_dollars(expectation.cost_nano)
        return f"a hedge may cost {most}, and would cost {cost}"
    if hedges.hedged >= max(1, int(hedges.running * policy.most_share)):
        return f"{hedges.hedged} of {hedges.running} running attempts are hedges already"
    return ""
