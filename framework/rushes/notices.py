"""What goes through a queue: that an invocation may have work to do, and nothing of what it is.

A notice is small whatever it is about, so that no limit of a queue is met; what it is about stands in the
ledger. This module must not know any queue.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from rushes.errors import CallerError

__all__ = ["Message", "Notice", "Redriven", "notice_from", "notice_text"]

SCHEMA: Final = 1
_INVOCATION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\.[0-9]{1,10}", re.ASCII)
"""A batch and a number: what else a message says may not come near a ledger."""


class Notice(NamedTuple):
    """There may be something to do.

    Args:
        invocation: ``<batch>.<n>``.
        priority: its class.
        show: who pays; queues are fair between shows.
        lowered: who pays is beyond a soft limit, and it was sent on to this class from the one above.
        silences: how often in a row it was sent back, as a service did not answer who was given it.
    """

    invocation: str
    priority: str
    show: str
    lowered: bool = False
    silences: int = 0


class Message(NamedTuple):
    """A notice as a queue gave it.

    Args:
        notice: what it says.
        handle: what the queue knows this delivery by.
        times: how often it has been given, this time included.
    """

    notice: Notice
    handle: str
    times: int


class Redriven(NamedTuple):
    """What became of dead letters.

    Args:
        sent: to their queues again.
        over: removed, for what they tell of has ended or is told of anyway.
        strange: left where they are: neither a notice of ours nor an event, or of work that cannot be read in
            the ledger.
    """

    sent: int = 0
    over: int = 0
    strange: int = 0


def notice_text(notice: Notice) -> str:
    """A notice as it is sent."""
    said = {name: value for name, value in notice._asdict().items() if value not in (False, 0)}
    return json.dumps({"schema": SCHEMA, **said}, separators=(",", ":"))


def notice_from(text: str) -> Notice:
    """The notice of a text.

    Raises:
        CallerError: it is none of ours (``bad-notice``).
    """
    try:
        data = json.loads(text)
        found = Notice(
            data["invocation"], data["priority"], data["show"], bool(data.get("lowered")), _silences(data)
        )
        known = data["schema"] == SCHEMA and all(isinstance(one, str) and one.encode() for one in found[:3])
    except (ValueError, TypeError, LookupError, RecursionError):  # brackets in brackets, a hundred thousand
        known = False
    if not known or not _INVOCATION.fullmatch(found.invocation):
        raise CallerError(
            f"a message is no notice of Rushes: {text[:80]!r}.",
            code="bad-notice",
            fix="Let nobody else send to this queue.",
        )
    return found


def _silences(data: dict[str, object]) -> int:
    found = data.get("silences")
    return found if isinstance(found, int) and found > 0 else 0
