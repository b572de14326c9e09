"""Who is told of work of a batch: the queue of its class, and of Lambdas or of hosts where there is a choice.

This module must not know what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from rushes.engines.aws.laptop.sending import Sender

if TYPE_CHECKING:
    from rushes.engines.aws.laptop.connection import Connection
    from rushes.engines.aws.laptop.patience import Patiently
    from rushes.ledger import Routed
    from rushes.ports import Queue

__all__ = ["sender_of"]


def sender_of(there: Connection, spec: Mapping[str, Any], patiently: Patiently | None = None) -> Sender:
    """Who sends work of a batch.

    Args:
        there: the environment.
        spec: what the batch was opened with.
        patiently: says again what is not answered; None: it fails of that.
    """
    where = str(spec["title"]), str(spec.get("group", "")), str(spec["priority"])

    def queue(tier: str) -> Queue:
        return there.services.queue(there.deployment.queue_of(*where, tier))

    # The function is looked for once a clip is sent: who only steers a batch need not have it.
    placing = cache(partial(_placing, there, spec))

    def place(size_bytes: int) -> Routed | None:
        return placing()(size_bytes)

    if patiently is None:
        return Sender(there.ledger, there.services.store, queue, place)
    return Sender(there.ledger, there.services.store, queue, place, patiently)


def _placing(there: Connection, spec: Mapping[str, Any]) -> Callable[[int], Routed | None]:
    """Where work of a batch on a clip of so many bytes is to run, as far as there is a choice."""
    title, group, priority = (str(spec.get(one) or "") for one in ("title", "group", "priority"))
    hosts = there.deployment.hosts_beside(title, group, priority)
    if not hosts:
        return lambda _: None
    from rushes import catalog  # noqa: PLC0415 - few environments have both
    from rushes.engines.aws.infra.choices import choices_from  # noqa: PLC0415 - as above
    from rushes.engines.aws.notices.choosing import Chooser  # noqa: PLC0415 - as above

    choices = choices_from(there.deployment.choices)
    if choices is None:
        return lambda _: None
    function = catalog.find(str(spec["function"]))
    return Chooser(choices, there.runs).placing(function, str(spec["version"]), priority, hosts)
