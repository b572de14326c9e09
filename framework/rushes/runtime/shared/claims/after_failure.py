"""What follows an attempt on a shared ledger that raised: a table over why it stopped and what it raised.

    its claim is another's        nothing is said: who has it says how it ends
    a person cancelled the batch  it ends as cancelled
    nobody pays for it any more   held until there is money, without using up a try
    its machine is not fit        given back as if it had never been there
    its host goes                 given back, at once and for free
    its process ends soon         given back for whoever has longer; where nobody has, it is too long
    anything else                 `rushes.core.retry` decides, as everywhere

The rows are read from above. What has a row of its own counts only where the attempt did as it was asked: one
that ends by an error of its own at the same moment has failed of that. This module must not know the ledger,
clocks or threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rushes.core.capacity.fitting import Size, reached
from rushes.core.learning.run_cells import RunKind
from rushes.core.retry import LOSS_CODES, GiveUp, GoUp, decide
from rushes.core.states import State
from rushes.errors import Cancelled, PlatformError, RushesError
from rushes.ledger import Claim, End
from rushes.runtime.shared.money.tranches import Short

__all__ = [
    "HELD_S",
    "GivenBack",
    "HeldFor",
    "Next",
    "Overtaken",
    "Stopped",
    "after_failure",
    "held_for_money",
]

HELD_S: Final = 600.0
"""What is held for want of money is tried again after so long: each try is two requests."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why an attempt was asked to stop, if it was.

    Args:
        lost: another has its claim.
        cancelled: a person ended its batch.
        short: there is no money for it to go on.
        going: its host has to go.
        out_of_time: its process ends soon, whatever it does.
        unfit: what its machine lacks for any work, or "".
        own_machine: its process has a time to end, and with it a machine that it shares with nobody.
    """

    lost: bool = False
    cancelled: bool = False
    short: Short | None = None
    going: bool = False
    out_of_time: bool = False
    unfit: str = ""
    own_machine: bool = False


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Nothing is said of it: another has it."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """Somebody else begins it anew, at once.

    Args:
        reason: for `rushes why`.
        error: kind, code and message, of this attempt.
        too_big: it is for who has longer, or more of what it outgrew, which is this; None: for anybody.
        unfit: what the machine lacks that gives it back, or "".
    """

    reason: str
    error: Mapping[str, Any]
    too_big: RunKind | None = None
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class HeldFor:
    """It is tried again after a while.

    Args:
        delay_s: how long.
        reason: for `rushes why`.
        free: it uses up no try.
        error: kind, code and message, of this attempt; None where it had not begun.
    """

    delay_s: float
    reason: str
    free: bool
    error: Mapping[str, Any] | None = None


_OUTCOMES: Final = {
    Size.time: RunKind.too_long,
    Size.memory: RunKind.memory,
    Size.scratch: RunKind.scratch,
}
Next = Overtaken | GivenBack | HeldFor | End


def after_failure(  # noqa: PLR0911 - a table, read from above
    claim: Claim,
    failure: RushesError,
    stopped: Stopped,
    *,
    now: float,
    seconds: float,
    retries: int,
    longer: bool,
) -> Next:
    """What follows.

    Args:
        claim: by which it was made.
        failure: what it raised.
        stopped: why it was asked to stop.
        now: UTC epoch seconds.
        seconds: for which it worked.
        retries: how many further tries its function allows.
        longer: somebody else may take longer, or has more of what it outgrew.
    """
    obeyed = isinstance(failure, Cancelled)
    if stopped.lost:
        return Overtaken()
    if stopped.cancelled:
        return End(State.cancelled, "{}", seconds)
    if stopped.unfit:
        reason = f"its host could not do it: {stopped.unfit}"
        return GivenBack(reason, failure.to_dict(), unfit=stopped.unfit)
    if obeyed and stopped.out_of_time and not stopped.going and not longer:
        failure = _endless(seconds)
    elif obeyed and stopped.short is not None:
        return held_for_money(stopped.short, now, begun=True)
    elif obeyed and stopped.going:
        return _given_back("its host had to go")
    elif obeyed and stopped.out_of_time:
        return _given_back("it did not fit into the time that was left", RunKind.too_long)
    return _tried_again(claim, failure, stopped, seconds=seconds, retries=retries, longer=longer)


def held_for_money(short: Short, now: float, *, begun: bool) -> HeldFor:
    """It waits for money: no try of it is used up.

    Args:
        short: why there is none.
        now: UTC epoch seconds.
        begun: it had begun, so there is an attempt to tell of.
    """
    delay_s = HELD_S if short.frees_at is None else min(max(short.frees_at - now, 0.0), HELD_S)
    error = {"kind": "policy", "code": "out-of-money", "message": short.sentence}
    return HeldFor(delay_s, short.sentence, free=True, error=error if begun else None)


def _given_back(reason: str, too_big: RunKind | None = None) -> GivenBack:
    return GivenBack(reason, {"kind": "platform", "code": "given-back", "message": reason}, too_big)


def _tried_again(
    claim: Claim, failure: RushesError, stopped: Stopped, *, seconds: float, retries: int, longer: bool
) -> Next:
    losses = claim.losses
    if failure.code in LOSS_CODES:
        # The ledger counts claims that lapsed, and tries: what retries do not account for was lost, too.
        losses = max(losses + 1, claim.attempt - retries)
    # A host has a disk and memory that others use too; who ends soon has a machine of its own.
    outgrew = reached(failure.code, None, seconds, progressed=True, own_machine=stopped.own_machine)
    verdict = decide(
        failure.kind,
        failure.code,
        claim.attempt - losses,
        losses,
        retries,
        claim.work.n,
        tries=claim.fence,
        progressed=True,  # what hangs is stopped by the attempt's own watchdog, under another code
        outgrew=outgrew,
        up=longer,
    )
    error = failure.to_dict()
    if isinstance(verdict, GoUp):
        return GivenBack(verdict.reason, error, _OUTCOMES[outgrew or Size.time])
    if isinstance(verdict, GiveUp):
        error |= {"verdict": verdict.reason, "attempts": claim.attempt}
        return End(State.failed, json.dumps({"error": error}), seconds)
    return HeldFor(verdict.delay_s, verdict.reason, verdict.free, error)


def _endless(seconds: float) -> PlatformError:
    return PlatformError(
        f"it was not done after {seconds:.0f} s, all the time that this tier has, and no tier takes longer.",
        code="time-limit",
        fix="Give the environment a tier of hosts, or encode in chunks.",
    )
