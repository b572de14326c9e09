"""Work of who is beyond a soft limit goes on one class lower, by way of the queue of that class.

Its notice is sent on when its turn comes in the class above; so nobody looks for it, and nothing is asked of
the ledger. This module must not know how limits are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rushes.core.spending.budget import Payer
from rushes.invocation import PRIORITIES
from rushes.notices import Notice

if TYPE_CHECKING:
    from rushes.ports import Queue
    from rushes.runtime.shared.shared_caps import SharedCaps

__all__ = ["class_below", "sent_lower"]


def class_below(priority: str) -> str:
    """The next class below one; "" where there is none."""
    at = PRIORITIES.index(priority) + 1 if priority in PRIORITIES else len(PRIORITIES)
    return PRIORITIES[at] if at < len(PRIORITIES) else ""


def sent_lower(notice: Notice, caps: SharedCaps | None, queue_of: Callable[[str], Queue | None]) -> str:
    """Send a notice on to the class below where its payer is beyond a soft limit; why, or "" where it stays.

    Args:
        notice: whose turn has come.
        caps: of who pays; None where nobody has any.
        queue_of: the queue of a class that takes the same work; None where there is none.

    Raises:
        PlatformError: the ledger or the queue does not answer; it stays where it is.
    """
    if caps is None or notice.lowered:
        return ""
    payer = Payer(notice.show)
    why, lower = caps.beyond(payer), class_below(notice.priority)
    queue = queue_of(lower) if why and lower else None
    if queue is None:
        return ""
    caps.lowered(payer)
    queue.send([Notice(notice.invocation, lower, notice.show, lowered=True)])
    return why
