"""A person's word on the rank of what a slot runs already: a few bytes of the page that both sides share.

A slot learns a batch's rank with its specification. An encode that waits before a card when its batch is
given another class hears of it here, and costs the others nothing. This module must not know what a rank is
for.
"""

from __future__ import annotations

import struct
from mmap import mmap
from typing import Final

__all__ = ["rank_told", "tell_rank"]

_AT: Final = 1024
"""Far from what else is on the page, and at an edge of eight bytes: each of the two is read whole."""
_BATCH: Final = struct.Struct("=Q")
_RANK: Final = struct.Struct("=q")


def tell_rank(page: mmap, batch: int, rank: int) -> None:
    """Let what the slot has of a batch stand in line with this rank from now on."""
    # No batch is number 0: a reader between the two writes finds nothing, and asks again.
    _BATCH.pack_into(page, _AT, 0)
    _RANK.pack_into(page, _AT + _BATCH.size, rank)
    _BATCH.pack_into(page, _AT, batch)


def rank_told(page: mmap, batch: int, learnt: int) -> int:
    """The rank of a batch now; `learnt` where nobody has said another since."""
    rank: int = _RANK.unpack_from(page, _AT + _BATCH.size)[0]
    return rank if _BATCH.unpack_from(page, _AT)[0] == batch else learnt
