"""What an object in a store says of itself: which one it is, and whether it is ours. Pure.

This module must not know who makes objects, nor who reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rushes.stored import Stored

__all__ = ["HOPS", "KEY", "hops_of", "is_what_it_was", "mark_of", "object_mark"]

KEY: Final = "rushes-key"
"""Of what an object says: the key of the work that made it."""
HOPS: Final = "rushes-hops"
"""The same: how many functions stand between it and somebody's clip."""


def hops_of(stored: Stored) -> int:
    """How many functions of ours stand between an object and a clip that somebody brought."""
    said = stored.about.get(HOPS, "")
    if said.isascii() and said.isdigit():
        return int(said)
    return 1 if KEY in stored.about else 0


def mark_of(stored: Stored) -> str:
    """What an object was, as a fingerprint: its content where that is known, else its version or its mark."""
    if stored.sha256:
        return f"sha256:{stored.sha256}"
    return f"version:{stored.version}" if stored.version else object_mark(stored)


def object_mark(stored: Stored) -> str:
    """What an object was, by what a listing says of it, too."""
    return f"mark:{stored.mark.strip(chr(34))}"


def is_what_it_was(mark: str, stored: Stored) -> bool:
    """Whether an object is what a fingerprint of any of these kinds says."""
    return mark in {mark_of(stored), object_mark(stored), f"version:{stored.version}"}
