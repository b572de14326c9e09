"""What one payer has spent and reserved, against its limits, ever and by the hour.

    spent         has been paid for
    outstanding   is reserved by running attempts and not spent yet
    claimed       is wanted by paused attempts, which go first

An amount fits while `spent + outstanding + claimed + amount` stays within the cap. By the hour `spent` begins
at nothing with each clock hour (UTC) and `outstanding` is carried over, since all of it may be spent in the
new hour: so whatever an hour's attempts truly spend in it, and whenever that is reported, is within the
hour's cap. This module must not know reservations or who asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from rushes.core.money import format_dollars

__all__ = ["HOUR_S", "ORGANISATION", "Account", "Lack", "Scope", "SpendLimits"]

HOUR_S: Final = 3600
UNLIMITED: Final = 1 << 62
"""More nano-dollars than anybody has."""


class Scope(NamedTuple):
    """Who pays: the organisation, a show, or a batch."""

    level: Literal["organisation", "show", "batch"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.level} {self.name}" if self.name else f"the {self.level}"


ORGANISATION: Final = Scope("organisation")


@dataclass(frozen=True, slots=True)
class SpendLimits:
    """In nano-dollars; None: no limit.

    Args:
        cap: never spent beyond, in all.
        hour_cap: never spent beyond in any clock hour.
        soft: beyond it work goes on one class lower.
        hour_soft: the same, within a clock hour.
    """

    cap: int | None = None
    hour_cap: int | None = None
    soft: int | None = None
    hour_soft: int | None = None

    @property
    def caps(self) -> bool:
        """Whether anything stops here."""
        return self.cap is not None or self.hour_cap is not None

    @property
    def lowers(self) -> bool:
        """Whether anything goes on one class lower here."""
        return self.soft is not None or self.hour_soft is not None


@dataclass(frozen=True, slots=True)
class Lack:
    """Why an amount does not fit.

    Args:
        held: nothing that runs can make room; else money that is reserved may come back.
        sentence: for a person: who lacks how much, and what ends it.
        frees_at: when it may fit by itself (UTC epoch seconds), or None.
        short: nano-dollars that are missing.
        scope: who lacks them.
    """

    held: bool
    sentence: str
    frees_at: float | None
    short: int
    scope: Scope


@dataclass(slots=True)
class Account:
    """The books of one payer."""

    scope: Scope
    limits: SpendLimits = field(default_factory=SpendLimits)
    spent: int = 0
    outstanding: int = 0
    claimed: int = 0
    hour: int = 0
    hour_spent: int = 0
    running: int = 0
    """Reservations that are open."""

    def turn(self, hour: int) -> None:
        """It is this hour now (of UTC, since the epoch); a clock that goes back begins none."""
        if hour > self.hour:
            self.hour = hour
            self.hour_spent = 0

    def spend(self, amount: int) -> None:
        """Enter what was paid; a negative amount corrects what was reported too high before."""
        self.spent += amount
        hour_spent = self.hour_spent + amount
        self.hour_spent = hour_spent if hour_spent > 0 else 0  # noqa: FURB136 - hot: every end is entered

    def fits(self, amount: int, claimed: int) -> bool:
        """Whether `amount` more fits; `claimed` is what others are to get first."""
        cap, hour_cap = self.limits.cap, self.limits.hour_cap
        wanted = self.outstanding + claimed + amount
        if cap is not None and self.spent + wanted > cap:
            return False
        return hour_cap is None or self.hour_spent + wanted <= hour_cap

    @property
    def room(self) -> int:
        """What is neither spent nor set aside; negative where a cap was set below that."""
        limits = self.limits
        left = [UNLIMITED]
        if limits.cap is not None:
            left.append(limits.cap - self.spent - self.outstanding)
        if limits.hour_cap is not None:
            left.append(limits.hour_cap - self.hour_spent - self.outstanding)
        return min(left)

    def lack(self, amount: int, *, claimed: int) -> Lack | None:
        """Why `amount` more does not fit, or None."""
        found = [
            short
            for short in (self._in_all(amount, claimed), self._by_hour(amount, claimed))
            if short is not None
        ]
        return min(found, key=lambda one: (not one.held, one.frees_at is not None, -one.short), default=None)

    def beyond_soft(self, amount: int) -> str:
        """What a person is told when `amount` more passes a soft limit, or ""."""
        limits = self.limits
        if limits.soft is not None and self.spent + self.outstanding + amount > limits.soft:
            return f"{self.scope} is beyond its soft limit of {format_dollars(limits.soft)}"
        if limits.hour_soft is not None and self.hour_spent + self.outstanding + amount > limits.hour_soft:
            return f"{self.scope} is beyond its soft limit of {format_dollars(limits.hour_soft)} an hour"
        return ""

    def _in_all(self, amount: int, claimed: int) -> Lack | None:
        cap = self.limits.cap
        if cap is None or self.spent + self.outstanding + claimed + amount <= cap:
            return None
        missing = self.spent + amount - cap
        if missing > 0:
            return Lack(
                held=True,
                sentence=(
                    f"held: {self.scope} has spent {format_dollars(self.spent)} of its {format_dollars(cap)},"
                    f" and this may cost {format_dollars(amount)}; it goes on when the cap is raised by"
                    f" {format_dollars(missing, at_least=True)}."
                ),
                frees_at=None,
                short=missing,
                scope=self.scope,
            )
        return self._waits(amount, claimed, self.spent, f"{format_dollars(cap)}", cap)

    def _by_hour(self, amount: int, claimed: int) -> Lack | None:
        cap = self.limits.hour_cap
        if cap is None or self.hour_spent + self.outstanding + claimed + amount <= cap:
            return None
        per_hour = f"{format_dollars(cap)} an hour"
        if amount > cap:
            return Lack(
                held=True,
                sentence=(
                    f"held: {self.scope} may spend {per_hour}, and this alone may cost"
                    f" {format_dollars(amount)}; it goes on when the cap is raised, or with a smaller"
                    " reservation that is extended."
                ),
                frees_at=None,
                short=amount - cap,
                scope=self.scope,
            )
        missing = self.hour_spent + amount - cap
        if missing > 0:
            then = (self.hour + 1) * HOUR_S
            return Lack(
                held=True,
                sentence=(
                    f"held: {self.scope} may spend {per_hour}, has spent"
                    f" {format_dollars(self.hour_spent)} since {_clock(self.hour * HOUR_S)}, and this may"
                    f" cost {format_dollars(amount)}; it goes on at {_clock(then)}, or when the cap is raised"
                    f" by {format_dollars(missing, at_least=True)}."
                ),
                frees_at=float(then),
                short=missing,
                scope=self.scope,
            )
        return self._waits(amount, claimed, self.hour_spent, per_hour, cap)

    def _waits(self, amount: int, claimed: int, spent: int, of: str, cap: int) -> Lack:
        missing = spent + self.outstanding + claimed + amount - cap
        attempts = "attempt" if self.running == 1 else "attempts"
        paused = f" and {format_dollars(claimed)} kept for paused ones" if claimed else ""
        return Lack(
            held=False,
            sentence=(
                f"waits for money: of {self.scope}'s {of}, {format_dollars(spent)} are spent,"
                f" {format_dollars(self.outstanding)} reserved by {self.running} running {attempts}{paused};"
                f" this may cost {format_dollars(amount)}, and goes on when"
                f" {format_dollars(missing, at_least=True)} of that come back."
            ),
            frees_at=None,
            short=missing,
            scope=self.scope,
        )

    def to_json(self) -> dict[str, Any]:
        """What has to outlive the process; limits are settings, and open reservations are kept apart."""
        return {
            "scope": list(self.scope),
            "spent": self.spent,
            "hour": self.hour,
            "hour_spent": self.hour_spent,
        }


def _clock(at: float) -> str:
    return f"{int(at) % 86400 // 3600:02d}:{int(at) % 3600 // 60:02d} UTC"
