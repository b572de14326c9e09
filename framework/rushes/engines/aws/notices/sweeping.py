"""Telling again of what was left lying: what lapsed, waits that are over, batches whose submitter is gone.

What went on one class lower is told of in its own class again once its payer is beyond no limit any more.

Several may do so at the same time: the ledger gives each to one of them. This module must not know who works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from rushes.core.capacity.beside import usual
from rushes.core.spending.budget import Payer
from rushes.engines.aws.infra.host_tiers import PLAIN
from rushes.errors import CallerError
from rushes.ledger import LONE, ON_HOSTS, ON_LAMBDA, Lapsed, Waiting
from rushes.notices import Notice
from rushes.ports import Lapses

if TYPE_CHECKING:
    from rushes.ledger import Tally
    from rushes.ports import Money, Queue

__all__ = ["AGAIN_S", "raise_again", "sweep"]

AGAIN_S: Final = 600.0
"""After a sweep has told of something, nobody else does for so long. Its message may wait behind many others,
and one more each minute would make them more; none is lost but where its sender dies."""
GONE_S: Final = 600.0
"""A submitter that has added nothing for so long, and not said that it is done, is taken to be gone."""


class Swept(Lapses, Protocol):
    """What a sweep asks of a ledger."""

    def spec(self, batch: str) -> Mapping[str, Any] | None:
        """What a batch was opened with."""
        ...

    def waiting(self, batch: str) -> Sequence[Waiting]:
        """The invocations of a batch that wait."""
        ...

    def seal(self, batch: str) -> None:
        """Nothing more is added."""
        ...

    def tally(self, batch: str, *, active: bool = True) -> Tally | None:
        """How far a batch is, in the class that it has now."""
        ...


def sweep(ledger: Swept, queues: Mapping[str, Queue], now: float) -> int:
    """Tell of what lapsed and of waits that are over; gives how much. Several may do so at the same time.

    Args:
        ledger: knows what lapsed.
        queues: by class, by ``<function>/<class>`` where a function has queues of its own, and by
            ``<group>/<class>`` of hosts with devices.
        now: UTC epoch seconds.

    Raises:
        CallerError: something of a batch cannot be read, or told of; all others were looked after.
        PlatformError: a service does not answer; said again, it goes on.
    """
    told, wrong = 0, list[CallerError]()
    gone = [partial(_completed, ledger, queues, batch) for batch in ledger.abandoned(now - GONE_S)]
    left = [partial(_lapsed, ledger, queues, batch, now) for batch in (*ledger.unfinished(), LONE)]
    for look in (*gone, *left):
        try:
            told += look()
        except CallerError as error:  # of one batch: all others are looked after
            wrong.append(error)
    if wrong:
        raise wrong[0]
    return told


def _lapsed(ledger: Swept, queues: Mapping[str, Queue], batch: str, now: float) -> int:
    # What goes to queues that are not known here is left to somebody who knows them.
    found = ledger.lapsed(batch, now, now + AGAIN_S, lambda it: _queue_of(queues, it) is not None)
    return sum(_tell(queues, [one]) for one in found)


def raise_again(ledger: Swept, queues: Mapping[str, Queue], money: Money) -> int:
    """Tell in its own class of what waits for payers that are beyond no soft limit any more; gives how much.

    What stands alone, of an event, stays in the queue where it waits by now.
    """
    raised = set(money.raised())
    told = 0
    for batch in ledger.unfinished() if raised else ():
        try:
            tally = ledger.tally(batch, active=False)
        except CallerError:  # it cannot be read: those of others are told of
            continue
        spec = tally.spec if tally is not None else {}
        if raised.intersection(Payer(str(spec.get("show") or ""), batch).scopes):
            told += _tell(queues, _lying(ledger, batch, spec))
    return told


def _completed(ledger: Swept, queues: Mapping[str, Queue], batch: str) -> int:
    """Take a batch to be complete as it is: its submitter died, maybe before it told of what it had added."""
    spec = ledger.spec(batch) or {}
    told = _tell(queues, _lying(ledger, batch, spec))
    ledger.seal(batch)
    return told


def _lying(ledger: Swept, batch: str, spec: Mapping[str, Any]) -> list[Lapsed]:
    """All of a batch that waits."""
    priority, show, title, group = (
        str(spec.get(name) or "") for name in ("priority", "show", "title", "group")
    )
    return [Lapsed(one, priority, show, title, group, tier) for one, tier in ledger.waiting(batch)]


def _tell(queues: Mapping[str, Queue], some: Sequence[Lapsed]) -> int:
    """Tell those who take work of a function and class; nobody, where there is no such queue here.

    All are of one batch; on some of it a Lambda may work, and on the rest hosts.
    """
    told = 0
    for tier in dict.fromkeys(one.tier for one in some):
        its = [one for one in some if one.tier == tier]
        queue = _queue_of(queues, its[0])
        if queue is not None:
            queue.send([Notice(one.invocation, one.priority, one.show) for one in its])
            told += len(its)
    return told


def _queue_of(queues: Mapping[str, Queue], one: Lapsed) -> Queue | None:
    """The queue of those who are to work on it, as far as it is known here; None leaves it to others."""
    own, group = f"{one.title}/{one.priority}", one.group or PLAIN
    known = any(_is_lambdas(name) for name in queues)
    # What stands alone does not say which hosts its function is best on: those who take anything will do.
    of_hosts = [f"{group}/{one.priority}", *([one.priority] if group == PLAIN else [])]
    if one.tier == ON_LAMBDA and not known:
        return None  # a host: somebody who knows the queues of Lambdas looks, too
    names = [*of_hosts, own] if one.tier == ON_HOSTS else [own, *of_hosts]
    if known:  # what was sent for a version that was tried, once all that tried it is gone
        names += [f"{usual(name)}/{one.priority}" for name in (group, one.title)]
    return next((queues[name] for name in names if name in queues), None)


def _is_lambdas(name: str) -> bool:
    whose, slash, _ = name.rpartition("/")
    return bool(slash) and whose.partition("-")[0] != PLAIN
