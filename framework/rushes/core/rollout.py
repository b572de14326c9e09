"""Whether a new version takes over: by what both did with their share of the same work, and by rule. Pure.

The new version gets a share, and what it does is compared with what the old one did in the same time, so that
a bad night, a full queue or a slow disk counts for both. Three things are compared:

- *errors*: the share of its invocations that failed, clips at fault included: both get the same clips;
- *turnaround*: the mean time from the notice to the result;
- *cost*: the mean cost of an invocation.

Where Lambdas and hosts both do the work, each is compared by itself: what hosts do is the longest, and one
such clip more would make any version slow. There the time is that of the work alone, since how long a clip
waits for a host is decided by how many of them a version has. A version that is worse on either goes back,
and it takes the next share once enough has ended on both, of those that had anything.

Nothing is judged before both have ended enough. Errors are compared with a bound for chance, so that one
failure in twenty is no verdict; two figures that differ by less than what is tolerated are the same. A new
version that is clearly worse at any of them goes back at once; one that is worse at none takes the next
share, and after the last one everything. Work is never moved: what has begun ends on its version.

This module must not know where the figures come from, nor how a share is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal, NamedTuple

from rushes.core.money import format_dollars
from rushes.errors import CallerError
from rushes.units import format_duration

__all__ = ["Figures", "RolloutPolicy", "Verdict", "judge", "judge_all", "takes_new"]

SHARES: Final = 10_000
"""Parts of a whole that a share is counted in."""
Act = Literal["wait", "widen", "promote", "roll back", "ask"]
_FIRST: Final[tuple[Act, ...]] = ("roll back", "ask", "wait", "widen", "promote")
"""Of what several places call for, what is done: going back before all else, going on after all else."""
CHANCE: Final = 2.0
"""Standard deviations that a difference of errors has to be beyond: one in forty is further off by chance."""


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """How a new version takes over.

    Args:
        shares: per cent of the work, one after the other; all of it comes after the last.
        least: invocations of either version that have to have ended before anything is judged, at each share.
        more_errors: per cent of invocations that may fail beyond those of the old version.
        slower: the new turnaround may be this many times the old one.
        dearer: the new cost may be this many times the old one.
        longest_s: a version that has not ended enough by then is not judged any more: a person decides.

    Raises:
        CallerError: a number that cannot be.
    """

    shares: tuple[float, ...] = (5.0, 25.0, 50.0)
    least: int = 20
    more_errors: float = 1.0
    slower: float = 1.25
    dearer: float = 1.1
    longest_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.shares, self.shares[1:], strict=False))
        if not self.shares or not rising or not 0 < self.shares[0] <= self.shares[-1] < 100:
            raise _bad("shares", self.shares, "rising per cents between 0 and 100")
        if self.least < 1:
            raise _bad("least", self.least, "1 or more")
        if not 0 <= self.more_errors <= 100:
            raise _bad("more_errors", self.more_errors, "0 to 100 per cent")
        if self.slower < 1 or self.dearer < 1:
            raise _bad("slower or dearer", min(self.slower, self.dearer), "1 or more times")


class Figures(NamedTuple):
    """What a version has ended since it has had its share.

    Args:
        ended: invocations.
        failed: of them.
        turnaround_s: of all of them together, from the notice to the result.
        cost_nano: of all of them together.
    """

    ended: int = 0
    failed: int = 0
    turnaround_s: float = 0.0
    cost_nano: int = 0

    def plus(self, other: Figures) -> Figures:
        """Both together."""
        return Figures(*(a + b for a, b in zip(self, other, strict=True)))  # type: ignore[arg-type]

    @property
    def errors(self) -> float:
        """The share that failed, 0 to 1."""
        return self.failed / self.ended if self.ended else 0.0


class Verdict(NamedTuple):
    """What is to be done.

    Args:
        act: wait, give the next share, give everything, or take everything back.
        share: per cent that the new version is to have.
        reason: in a sentence.
    """

    act: Act
    share: float
    reason: str


def judge(policy: RolloutPolicy, share: float, old: Figures, new: Figures, elapsed_s: float) -> Verdict:
    """What becomes of a new version.

    Args:
        policy: the rule.
        share: per cent that it has.
        old: what the old version did since the new one has had that.
        new: what the new one did.
        elapsed_s: since then.
    """
    worse = _worse(policy, old, new)
    # What is broken for everybody's clips fails much before enough has ended.
    if worse and (min(old.ended, new.ended) >= policy.least or _hopeless(policy, old, new)):
        return Verdict("roll back", 0.0, f"The new version {worse}.")
    if min(old.ended, new.ended) < policy.least:
        seen = f"{new.ended} of the new version and {old.ended} of the old one have ended"
        if elapsed_s > policy.longest_s:
            return Verdict("ask", share, f"After {format_duration(elapsed_s)} only {seen}.")
        return Verdict("wait", share, f"{seen}; {policy.least} of each are compared.")
    reason = f"The new version is no worse in {new.ended} than the old one in {old.ended}"
    wider = next((one for one in policy.shares if one > share), None)
    if wider is None:
        return Verdict("promote", 100.0, f"{reason}; it takes over.")
    return Verdict("widen", wider, f"{reason}; it gets {wider:g} %.")


def judge_all(
    policy: RolloutPolicy, share: float, done: Mapping[str, tuple[Figures, Figures]], elapsed_s: float
) -> Verdict:
    """What becomes of a new version, by what was done in several places.

    Args:
        policy: the rule.
        share: per cent that it has.
        done: by place, what the old version did there, and the new one, since that has had its share.
        elapsed_s: since then.
    """
    some = {place: both for place, both in done.items() if both[0].ended or both[1].ended}
    if not some:
        return judge(policy, share, Figures(), Figures(), elapsed_s)
    found = {place: judge(policy, share, *both, elapsed_s) for place, both in some.items()}
    act = next(one for one in _FIRST if any(verdict.act == one for verdict in found.values()))
    its = {place: verdict for place, verdict in found.items() if verdict.act == act}
    said = [
        verdict.reason if len(done) == 1 else f"{place}: {verdict.reason}" for place, verdict in its.items()
    ]
    if act in {"widen", "promote"}:
        said += [f"{place}: nothing has ended." for place in done if place not in some]
    return Verdict(act, next(iter(its.values())).share, " ".join(said))


def takes_new(mark: int, share: float) -> bool:
    """Whether work goes to the new version; the same work always to the same one at a share.

    Args:
        mark: any large number that follows from the work.
        share: per cent.
    """
    return mark % SHARES < share * SHARES / 100


def _worse(policy: RolloutPolicy, old: Figures, new: Figures) -> str:
    """In what the new version is worse, beyond chance and what is tolerated; "" for nothing."""
    if not new.ended or not old.ended:
        return ""
    over = new.errors - old.errors - policy.more_errors / 100
    if over > 0 and over > CHANCE * _deviation(old, new):
        return f"failed {new.errors:.1%} of {new.ended}, the old one {old.errors:.1%} of {old.ended}"
    mean, before = new.turnaround_s / new.ended, old.turnaround_s / old.ended
    if mean > before * policy.slower:
        return f"takes {format_duration(mean)} on average, the old one {format_duration(before)}"
    cost, cost_before = new.cost_nano / new.ended, old.cost_nano / old.ended
    if cost > cost_before * policy.dearer:
        dollars, before_ = (format_dollars(round(one)) for one in (cost, cost_before))
        return f"costs {dollars} on average, the old one {before_}"
    return ""


def _hopeless(policy: RolloutPolicy, old: Figures, new: Figures) -> bool:
    """Whether it fails nearly always, and the old one does not: that needs no large sample."""
    few = max(policy.least // 4, 3)
    return new.ended >= few and new.errors >= 0.9 and old.ended >= few and old.errors <= 0.5


def _deviation(old: Figures, new: Figures) -> float:
    """The standard deviation of the difference of two shares of failures, neither taken as certain."""
    total = 0.0
    for one in (old, new):
        # One failure and one success more than were seen: nothing that was tried ten times never fails.
        share = (one.failed + 1) / (one.ended + 2)
        total += share * (1 - share) / one.ended
    return sqrt(total)


def _bad(what: str, found: object, wanted: str) -> CallerError:
    return CallerError(
        f"a rollout cannot have {what} = {found}.", code="bad-rollout", fix=f"Expected {wanted}."
    )
