"""Which turns of a worker wait for the disk: all, but those in which there is only what hosts have lent it.

What a person was told must survive a power cut, and a commit that waits for the disk promises that. Of what a
host handed to its machine's pool the shared ledger is the truth: after a power cut that host's claims lapse,
somebody else makes it, and the pool's record of it is cancelled by the next host. A process that is killed
loses nothing either way, for what was written is the kernel's. This module must not know what a journal is.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SYNC_S", "must_sync"]

SYNC_S: Final = 5.0
"""At most so much of what a machine cost and its shows used is lost: who has no time to wait waits seldom."""


def must_sync(*, own: bool, counted_on: bool, since_s: float) -> bool:
    """Whether a turn is durable against a power cut before anybody hears of it.

    Args:
        own: something in it is of this machine's own people, or may be.
        counted_on: others go by what is written in it: a spending limit, or who is told of events.
        since_s: how long ago one was; below nothing where a clock was set back.
    """
    return own or counted_on or not 0.0 <= since_s < SYNC_S
