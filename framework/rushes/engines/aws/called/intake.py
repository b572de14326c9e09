"""From a clip that somebody wants worked on to an invocation in the ledger, the same one however often.

The id follows from the function and its version, the object and what it was, the options and the place of
the outputs. So an event that comes five times, from two rules, to two routers, is one invocation. This module
must not know how an event came.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rushes.notices import Notice

if TYPE_CHECKING:
    from rushes.declaration import Params
    from rushes.function import Function
    from rushes.ledger import Routed
    from rushes.ports import Intake
    from rushes.stored import Stored

__all__ = ["Order", "take_in"]


@dataclass(frozen=True)
class Order:
    """What is wanted of one object.

    Args:
        function: which function.
        source: the object, as it is.
        params: its options.
        out: where outputs go, or None.
        show: who pays.
        priority: the class.
        old_version: that does it where the function here is a newer one that is only tried, or "".
        title: by whose queue it is told of; "" for the function's own.
        routed: who is to do it, a Lambda or hosts; None where there is no choice.
        group: of hosts, those that are to do it where it is for hosts; "" for those of its function.
        compared: where both versions of a function that is tried would have done it, a Lambda or hosts: there
            it counts, whoever did it in the end; "" for nothing that is compared.
    """

    function: Function[Any, Any]
    source: Stored
    params: Params
    out: str | None
    show: str
    priority: str = "standard"
    old_version: str = ""
    title: str = ""
    routed: Routed | None = None
    group: str = ""
    compared: str = ""

    @cached_property
    def params_text(self) -> str:
        """The options that were given, as JSON.

        Raises:
            CallerError: one of them gives access to what it names (``signed-link``).
        """
        from rushes.runtime.sending.shareable import require_shareable  # noqa: PLC0415 - as `mark`

        text = json.dumps(self.params.model_dump(mode="json", exclude_unset=True), sort_keys=True)
        return require_shareable(text)

    @cached_property
    def mark(self) -> str:
        """What the object was."""
        from rushes.runtime.shared.objects.marks import mark_of  # noqa: PLC0415 - not at a cold start

        return mark_of(self.source)

    @cached_property
    def key(self) -> str:
        """What determines the result and its place, hex."""
        one = self.function
        what = [one.ref, self.version, self.source.uri, self.mark, self.params_text, self.out or ""]
        return hashlib.sha256("\n".join(what).encode()).hexdigest()

    @property
    def version(self) -> str:
        """The version that does it."""
        return self.old_version or self.function.version

    @property
    def taker(self) -> str:
        """By whose queue it is told of."""
        return self.title or self.function.name

    @cached_property
    def number(self) -> int:
        """A number that follows from the work, whatever version does it."""
        what = [self.function.ref, self.source.uri, self.mark, self.params_text, self.out or ""]
        return int.from_bytes(hashlib.sha256("\n".join(what).encode()).digest()[:8])

    @property
    def batch(self) -> str:
        """The id of its batch, which has no other invocation."""
        from rushes.ledger import LONE  # noqa: PLC0415 - a direct call may have no ledger

        return LONE + base64.b32encode(bytes.fromhex(self.key[:30])).decode().lower()


def take_in(order: Order, ledger: Intake, now: float) -> Notice:
    """Put an invocation into the ledger, if it is not there; gives the notice of it.

    Raises:
        CallerError: its show, of a key or a message, has a name that no show may have (``bad-value``).
        PlatformError: the ledger does not answer; asking again does no harm.
    """
    from rushes.ledger import WorkItem  # noqa: PLC0415 - as above
    from rushes.options import check_show  # noqa: PLC0415 - as above

    check_show(order.show)
    batch = order.batch
    spec = {
        "function": order.function.ref, "version": order.version, "source_digest": "",
        "params": "{}", "show": order.show, "priority": order.priority, "deadline": None, "out": order.out,
        "name": None, "receipts": "beside", "retries": order.function.retries, "title": order.taker,
        "submitted": round(now, 3),
    }  # fmt: skip
    spec |= {name: said for name in ("group", "compared") if (said := getattr(order, name))}
    work = WorkItem(
        f"{batch}.1",
        order.source.uri,
        order.key,
        params=order.params_text,
        fingerprint=order.mark,
        size_bytes=order.source.size_bytes,
        routed=order.routed,
    )
    ledger.enter(spec, work, now)
    return Notice(work.invocation, order.priority, order.show)
