"""Whether a failed attempt is tried again, and when: pure, from who is at fault.

    caller, media, policy, cancelled   never: the same input would fail again
    platform                           with exponential back-off, as often as the function allows
    a slot lost under the attempt,     without using up the function's retries, but three losses set the
    or a tool killed from outside      invocation aside: what kills three slots is poison
    the worker itself lost             at once and for free: the invocation had no part in it
    a device full or sick, or a disk   for free, every minute for a day: it may be taken by others, mended, or
                                       somebody makes room. Of work that another handed to this machine: never
                                       here, but by whoever handed it; a disk of hosts twenty times
    a service between hosts            for free, twenty times: the work had no part in it. Only where it is
                                       said how often it was begun
    a time limit, while it got on      never: work of that size would reach the same limit again
    any limit of its tier's machines   on a larger tier, where there is one; never where it cannot fit

This module must not know clocks, queues or processes. Jitter comes from the invocation's id, so that the
same history always gives the same delays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rushes.errors import Kind

if TYPE_CHECKING:
    from rushes.core.capacity.fitting import Size

__all__ = [
    "ASIDE_CODES",
    "DEVICE_CODES",
    "FULL_CODES",
    "HOST_CODES",
    "LOSS_CODES",
    "MOST_LAPSES",
    "MOST_LOSSES",
    "SERVICE_CODES",
    "TIME_CODES",
    "WORKER_LOST_CODES",
    "GiveUp",
    "GoUp",
    "RetryAfter",
    "backoff_s",
    "decide",
]

LOSS_CODES: Final = frozenset({"slot-lost", "slot-killed", "out-of-memory", "killed", "interrupted"})
ASIDE_CODES: Final = frozenset({"set-aside"})
"""Said by a pool that others hand work to: it has had its losses there."""
WORKER_LOST_CODES: Final = frozenset({"worker-lost"})
DEVICE_CODES: Final = frozenset({"no-free-device"})
FULL_CODES: Final = frozenset({"disk-full"})
GONE_CODES: Final = FULL_CODES | {"device-sick", "no-device", "no-scratch"}
"""What comes back to a machine only by somebody's hand."""
TIME_CODES: Final = frozenset({"time-limit", "timeout"})
SERVICE_CODES: Final = frozenset(
    {"service-busy", "service-unreachable", "damaged-transfer", "clock-skewed", "target-taken"}
)
HOST_CODES: Final = frozenset({"no-credentials"})
"""Said of a host that works for others they speak of the host, whatever they are to a person."""
MOST_LOSSES: Final = 3
MOST_LAPSES: Final = 6
"""Claims that lapsed on hosts: one that dies takes all that it has with it, not only what killed it."""
SERVICE_TRIES: Final = 20
"""About a quarter of an hour, by the delays below."""

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 60.0
AWAITED_S: Final = 86_400.0
"""So long after it was submitted, what waits for a device or for room uses up its retries after all."""
AWAITED_TRIES: Final = int(AWAITED_S / LONGEST_DELAY_S)
"""The same where nobody knows since when it waits, but how often it was begun: a day, by the delays."""
# Up to a quarter is taken off, so that a thousand invocations that failed together do not return together.
JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try again after `delay_s` seconds; `reason` is for `rushes why`; `free`: it uses up no retry."""

    delay_s: float
    reason: str
    free: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The invocation has failed; `reason` is for `rushes why`."""

    reason: str


@dataclass(frozen=True, slots=True)
class GoUp:
    """It is for a larger tier than the one that it was on; it uses up no retry."""

    reason: str


def decide(  # noqa: C901, PLR0911, PLR0917 - a table, read from above
    kind: Kind,
    code: str,
    attempt: int,
    losses: int,
    retries: int,
    id: int,  # noqa: A002
    *,
    queued_s: float = 0.0,
    progressed: bool = False,
    tries: int = 0,
    outgrew: Size | None = None,
    up: bool = False,
    lent: bool = False,
) -> RetryAfter | GoUp | GiveUp:
    """What follows a failed attempt.

    Args:
        kind: who is at fault, from `errors.py`.
        code: the error's code; `LOSS_CODES` say that the slot died under the attempt, or its tool was killed.
        attempt: attempts that failed by themselves so far, this one included: 1, 2, 3 …
        losses: such losses of this invocation so far, this one included.
        retries: how many further attempts its function allows.
        id: the invocation, for the jitter.
        queued_s: seconds since it was submitted.
        progressed: it still got on when it ended: work that reaches a time limit so is too big for it.
        tries: how often it was begun in all, free ones included; 0 where services have no part in it.
        outgrew: the limit of its tier that it has reached (`fitting.reached`).
        up: there is a tier that has more of it.
        lent: another handed it to this machine, and may hand it to a better one: it does not wait here.
    """
    if code in WORKER_LOST_CODES:
        return RetryAfter(0.0, "the worker stopped while it ran; this costs no attempt", free=True)
    if code in SERVICE_CODES | HOST_CODES and 0 < tries <= SERVICE_TRIES:
        return RetryAfter(backoff_s(tries, id), f"{code}; this costs no attempt", free=True)
    if kind != "platform":
        return GiveUp(f"{kind} errors are not retried: the same input would fail again")
    if code in ASIDE_CODES:
        return GiveUp("set aside: it took down whatever worked on it")
    if outgrew is not None:
        reason = f"it was too big for the {outgrew.value} that its tier has ({code})"
        return GoUp(reason) if up else GiveUp(f"{reason}, and no tier has more")
    if code in TIME_CODES and progressed:
        return GiveUp("it was getting on when it reached its time limit, and would reach it again")
    if lent and code in GONE_CODES:
        return GiveUp(f"handed back: this machine lacks what it needs ({code})")
    if code in DEVICE_CODES | FULL_CODES and queued_s < AWAITED_S and tries <= _awaited_tries(code):
        delay_s = LONGEST_DELAY_S * (1.0 - JITTER * _fraction(id, attempt))
        what = "a device" if code in DEVICE_CODES else "room on a disk"
        return RetryAfter(delay_s, f"it waits for {what} ({code}); this costs no attempt", free=True)
    if code in LOSS_CODES:
        if losses >= MOST_LOSSES:
            return GiveUp(f"set aside: {losses} attempts were lost under it (last: {code})")
        return RetryAfter(
            backoff_s(losses, id), f"the attempt was lost ({code}); loss {losses} of at most {MOST_LOSSES}"
        )
    if attempt > retries:
        attempts = "attempt" if attempt == 1 else "attempts"
        return GiveUp(f"{attempt} {attempts} failed (last: {code}); its function allows {retries} retries")
    return RetryAfter(backoff_s(attempt, id), f"{code}; retry {attempt} of {retries}")


def _awaited_tries(code: str) -> int:
    """Beyond so many, where it is said how many there were, what it waits for does not come by waiting."""
    # Who is full rests until it has room (`host_health`): what meets that on host after host is too big.
    return SERVICE_TRIES if code in FULL_CODES else AWAITED_TRIES


def backoff_s(
    failures: int, number: int, *, first_s: float = FIRST_DELAY_S, longest_s: float = LONGEST_DELAY_S
) -> float:
    """Seconds to wait after so many failures: doubled each time, up to `longest_s`, less the jitter.

    Args:
        failures: 1 after the first.
        number: of what failed, for the jitter.
        first_s: of the first wait, before the jitter.
        longest_s: of any.
    """
    doublings = min(max(failures, 1) - 1, 20)  # 2**20 is far past the longest delay
    return min(first_s * 2.0**doublings, longest_s) * (1.0 - JITTER * _fraction(number, failures))


def _fraction(id_: int, failures: int) -> float:
    """0 to 1, spread evenly over neighbouring ids: the multiplicative hash of Knuth (TAOCP 3, 6.4)."""
    return ((id_ * 2654435761 + failures * 40503) & 0xFFFFFFFF) / 2.0**32
