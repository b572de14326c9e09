"""Work of who is beyond a soft limit goes on one class lower, by way of the queue of that class.

Its notice is sent on when its turn comes in the class above; so nobody looks for it, and nothing is asked of
the ledger. This module must not know how limits are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rushes.core.spending.budget import Payer
from rushes.engines.aws.access.settings import ranks_of
from rushes.notices import Notice

if TYPE_CHECKING:
    from rushes.ports import Queue
    from rushes.runtime.shared.money.caps import SharedCaps

__all__ = ["classes_below", "sent_lower"]


def classes_below(priority: str, ranks: Mapping[str, int] | None = None) -> list[str]:
    """The classes of the next rank below that of one, those that ship first; none where it is the last.

    Args:
        priority: the class.
        ranks: of all classes; None for those that ship.
    """
    shipped = ranks_of("")
    ranks = ranks or shipped
    below = [rank for rank in ranks.values() if rank > ranks.get(priority, rank)]
    found = [name for name, rank in ranks.items() if below and rank == min(below)]
    return sorted(found, key=lambda name: (name not in shipped, name))


def sent_lower(
    notice: Notice,
    caps: SharedCaps | None,
    queue_of: Callable[[str], Queue | None],
    ranks: Mapping[str, int] | None = None,
) -> str:
    """Send a notice on to the class below where its payer is beyond a soft limit; why, or "" where it stays.

    Args:
        notice: whose turn has come.
        caps: of who pays; None where nobody has any.
        queue_of: the queue of a class that takes the same work; None where there is none.
        ranks: of all classes; None for those that ship.

    Raises:
        PlatformError: the ledger or the queue does not answer; it stays where it is.
    """
    if caps is None or notice.lowered:
        return ""
    payer = Payer(notice.show, notice.invocation.rpartition(".")[0])
    why = caps.beyond(payer)
    for lower in classes_below(notice.priority, ranks) if why else ():
        if (queue := queue_of(lower)) is not None:
            break
    else:
        return ""
    caps.lowered(payer)
    queue.send([Notice(notice.invocation, lower, notice.show, lowered=True)])
    return why
