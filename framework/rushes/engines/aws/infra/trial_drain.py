"""Waits until what a trial had has no work left: looks, says what is there, and gives up after a while.

Nothing is lost by ending the wait, whoever ends it: what comes goes to the version that is wanted by then,
what waits is worked on, and who deploys the same again goes on from there. This module must not know
templates, nor what is looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from rushes.engines.aws.infra.parts import SMALL
from rushes.errors import CallerError
from rushes.units import format_duration

__all__ = ["COUNTED_LATE_S", "QUIET_S", "wait_until_drained"]

COUNTED_LATE_S: Final = 60.0
"""A queue's counts follow what is sent by a minute (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
APIReference/API_GetQueueAttributes.html)."""
QUIET_S: Final = SMALL.timeout_s + COUNTED_LATE_S
"""Nothing has to be there for so long: a router that began before it was exchanged may send until it ends."""
LOOK_S: Final = 5.0
SAY_S: Final = 60.0


def wait_until_drained(
    look: Callable[[], Mapping[str, int]],
    patience_s: float,
    *,
    quiet_s: float = QUIET_S,
    say: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Wait until a look has found nothing for a while.

    Args:
        look: how much is left, by name; nothing of what is empty.
        patience_s: for so long at most, while something is there.
        quiet_s: nothing has to be there for so long.
        say: is told what is there, when it changes, once a minute at most.
        clock: seconds.
        sleep: waits for so many.

    Raises:
        CallerError: something is there still (``queue-not-empty``).
        PlatformError: a service does not answer.
    """
    began = quiet_since = clock()
    said: Mapping[str, int] | None = None
    said_at = began
    while True:
        left, now = dict(look()), clock()
        if left:
            quiet_since = now
        elif now - quiet_since >= quiet_s:
            return
        if left and now - began >= patience_s:
            raise _given_up(left, patience_s)
        if left != said and (said is None or not left or now - said_at >= SAY_S):
            say(_there(left) if left else f"Nothing is left there; {format_duration(quiet_s)} to make sure.")
            said, said_at = left, now
        sleep(min(LOOK_S, quiet_s) or LOOK_S)


def _there(left: Mapping[str, int]) -> str:
    return f"Still there: {', '.join(f'{name} {count:,}' for name, count in left.items())}."


def _given_up(left: Mapping[str, int], patience_s: float) -> CallerError:
    what = ", ".join(f"{name} has {count:,}" for name, count in left.items())
    return CallerError(
        f"after {format_duration(patience_s)} {what} still.",
        code="queue-not-empty",
        fix="All that comes goes to what you deployed, and this is worked on by the version that has it: say "
        "the same again to go on waiting, or `rushes cancel` it.",
        details=dict(left),
    )
