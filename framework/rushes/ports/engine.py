"""What a terminal or a notebook talks to: it takes work in, runs it, and says what came of it.

What an engine may be able to do beside is in `rushes.keepers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from rushes.invocation import BatchSpec, BatchStatus, Finished, Invocation

__all__ = ["Engine"]


@runtime_checkable
class Engine(Protocol):
    """Where invocations run: `local` is this machine."""

    def open(self, spec: BatchSpec) -> str:
        """Open a batch and return its id; nothing runs yet."""
        ...

    def submit(self, batch: str, invocations: Iterable[Invocation]) -> int:
        """Add invocations durably, in order, streaming; returns how many. They may run at once."""
        ...

    def seal(self, batch: str) -> None:
        """Say that the batch is complete; it ends when its last invocation has."""
        ...

    def results(
        self, batch: str, *, after: int = 0, limit: int = 1000, wait_s: float = 0.0
    ) -> Sequence[Finished]:
        """The ends after sequence number `after`, oldest first; waits up to `wait_s` for the first."""
        ...

    def status(self, batch: str) -> BatchStatus:
        """Where a batch stands.

        Raises:
            CallerError: no such batch.
        """
        ...

    def batches(self, *, limit: int = 50) -> Sequence[BatchStatus]:
        """The newest batches first."""
        ...

    def cancel(self, batch: str) -> None:
        """Cancel what has not ended; returns when nothing of it runs any more."""
        ...

    def retry(self, batch: str) -> int:
        """Queue the failed and cancelled invocations of a batch again; returns how many."""
        ...

    def set_priority(self, batch: str, priority: str) -> None:
        """Give a batch another class, for what of it waits and what runs.

        Raises:
            CallerError: no such batch or class, or it has ended.
        """
        ...

    def explain(self, invocation: str) -> Mapping[str, Any]:
        """Everything known of one invocation: state, reason, attempts, log path, receipt.

        Raises:
            CallerError: no such invocation.
        """
        ...

    def running(self) -> bool:
        """Whether something is there to be asked; nothing is started in order to find out."""
        ...

    def pool(self) -> Mapping[str, Any]:
        """Slots, what they run, capacity, queue depths, and under ``worker`` who answers."""
        ...

    def control(self, verb: str, *, slots: int | None = None) -> Mapping[str, Any]:
        """``pause``, ``resume``, ``drain``, ``stop`` or ``resize`` the pool.

        Args:
            verb: which.
            slots: for ``resize``: how many there are to be until further notice; None gives the pool back to
                its policy.

        Raises:
            CallerError: another verb, or more slots than there can be (``bad-pool-size``).
        """
        ...
