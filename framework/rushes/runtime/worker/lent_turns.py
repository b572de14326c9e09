"""Tells which turns of a worker hold only what hosts have lent its pool: those need not wait for the disk.

It looks at the batches and hears what clients ask; `rushes.core.syncing` decides. This module must not know
the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rushes.core.syncing import must_sync
from rushes.invocation import OWNER
from rushes.runtime.dispatch.pool import Pool

__all__ = ["LentTurns"]

_OF_BATCHES: Final = frozenset(
    {"submit", "seal", "results", "withdraw", "status", "batches", "hello", "pool"}
)
"""What a host asks. It writes nothing but of a batch, and whose that is, is looked at."""


class LentTurns:
    """What there is in each turn of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._own = True
        """Whether a turn without a batch is taken for one of this machine's people: as the last was."""
        self._heard_own = False
        self._synced_ns = 0
        self._began = False

    def hear(self, header: Mapping[str, Any]) -> None:
        """A client has asked this in the turn."""
        verb = str(header.get("verb"))  # it may be anything: what makes no sense was answered so
        if verb in _OF_BATCHES or (verb == "set" and "limits" not in header):
            return
        spec = header.get("spec")
        tags = spec.get("tags") if verb == "open" and isinstance(spec, dict) else None
        self._heard_own |= not (isinstance(tags, dict) and OWNER in tags)

    def begins(self) -> bool:
        """Whether the turn that begins is lent, by what there is before it."""
        self._heard_own = False
        self._began = self._is_lent()
        return self._began

    def ends(self) -> bool:
        """Whether the turn is lent still, by what came in it."""
        lent = self._began and self._is_lent()
        if not lent:
            self._synced_ns = self._pool.monotonic_ns
        return lent

    def _is_lent(self) -> bool:
        pool = self._pool
        if pool.batches:
            self._own = any(not state.lent for state in pool.batches.values())
        if self._own or self._heard_own:
            return False
        counted_on = pool.outlet is not None or pool.scheduler.purse.watches
        since_s = (pool.monotonic_ns - self._synced_ns) / 1e9
        return not must_sync(own=False, counted_on=counted_on, since_s=since_s)
