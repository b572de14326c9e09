"""Going through the tries of an output until one makes it, or its error stands.

What is tried and what a failure leaves are decided elsewhere; this module must not know encoders or files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from rushes.errors import PlatformError, RushesError
from rushes.media.devices.fallback import Tried, TryOutcome, remaining, told
from rushes.media.devices.tries import KnownHost, Tries, Try
from rushes.media.planning.choice import EncoderChoice

if TYPE_CHECKING:
    from rushes.media.devices.device_turns import Turn

__all__ = ["TryTurns", "first_that_works", "nothing_to_try", "tried_of"]

P = TypeVar("P")
T = TypeVar("T")


class TryTurns(Protocol):
    """Says whose turn it is, where others use the same devices."""

    def take(self, rest: Sequence[Try]) -> Turn:
        """Wait until it is the turn of one of `rest`."""
        ...

    def failed(self, error: RushesError) -> bool:
        """The try whose turn it was failed; tells whether it may have another one."""
        ...

    def give_back(self) -> None:
        """What is held is not needed any more."""
        ...


def first_that_works(
    choice: EncoderChoice,
    tries: Tries,
    host: KnownHost,
    *,
    plan: Callable[[Try], P],
    make: Callable[[Try, P], T],
    turns: TryTurns | None = None,
) -> tuple[T, Try, tuple[Tried, ...]]:
    """What the first try that works has made, which one it was, and what became of each, itself the last.

    Args:
        choice: the encoders that were asked for.
        tries: what is tried, in order.
        host: what is known of this host.
        plan: what is to be run for a try; refuses what its encoder cannot do, before anything has run.
        make: runs it, and leaves nothing behind when it fails.
        turns: says whose turn it is; None: each in order, at once.

    Raises:
        PlatformError: there is nothing to try, or nothing that is well or becomes free.
        RushesError: the error that stands; its `details` have ``tried``.
    """
    seen = frozenset(d.family for d in host.capability.devices) if host.capability else frozenset[str]()
    tried = list(told(choice, tries.left_out, seen))
    if not tries.tries:
        raise nothing_to_try(choice, tries)
    try:
        return _go_through(tries.tries, tried, plan=plan, make=make, turns=turns)
    except RushesError as error:
        error.details["tried"] = [part.to_dict() for part in tried]
        raise
    finally:
        if turns is not None:
            turns.give_back()


def _go_through(
    rest: Sequence[Try],
    tried: list[Tried],
    *,
    plan: Callable[[Try], P],
    make: Callable[[Try, P], T],
    turns: TryTurns | None,
) -> tuple[T, Try, tuple[Tried, ...]]:
    """As `first_that_works`; what became of each is in `tried`, however this ends."""
    while True:
        one, waited_s, note = rest[0], 0.0, ""
        if turns is not None:
            turn = turns.take(rest)
            one, waited_s, note = turn.one, turn.waited_s, turn.note
            tried += turn.passed
        began, ran = time.monotonic(), False
        try:
            planned = plan(one)
            ran = True
            made = make(one, planned)
        except RushesError as error:
            outcome: TryOutcome = "failed" if ran else "refused"
            tried.append(replace(tried_of(one, outcome, began, error), waited_s=waited_s, note=note))
            if turns is None or not turns.failed(error):  # else it may have another turn
                rest = remaining([other for other in rest if other is not one], one, error, ran=ran)
            if not rest:
                raise
        else:
            tried.append(replace(tried_of(one, "made", began), waited_s=waited_s, note=note))
            return made, one, tuple(tried)


def tried_of(one: Try, outcome: TryOutcome, began: float, error: RushesError | None = None) -> Tried:
    """What a try came to that began at `began`, by the monotonic clock."""
    return Tried(
        family=one.family,
        device=one.device,
        encoder=one.encoder,
        outcome=outcome,
        reason=error.message if error else "",
        code=error.code if error else "",
        decoder=one.spot.decoder,
        seconds=round(time.monotonic() - began, 3),
    )


def nothing_to_try(choice: EncoderChoice, tries: Tries) -> PlatformError:
    """What is said where no encoder may make an output here."""
    reasons = "; ".join(dict.fromkeys(f"{one.encoder}: {one.reason}" for one in tries.left_out))
    return PlatformError(
        f"no encoder of {', '.join(choice.families) or 'any family'} can make this here ({reasons}).",
        code="no-encoder",
        fix="Allow a fallback, name another family, or run `rushes encoders` to see what works here.",
        details={"left_out": [asdict(one) for one in tries.left_out]},
    )
