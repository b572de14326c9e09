"""What was logged where a service keeps it, as who reads it sees it. Values only.

This module must not know who keeps it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LogLine"]


class LogLine(NamedTuple):
    """Something that was logged.

    Args:
        at: when, UTC epoch seconds.
        text: what; one line or several.
        who: logged it: a host, a part of an environment; "" where that is plain.
    """

    at: float
    text: str
    who: str = ""
