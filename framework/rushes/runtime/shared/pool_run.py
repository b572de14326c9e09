"""One attempt of a shared ledger as an invocation of this machine's own pool.

So urgent work displaces other work here as it does everywhere: by the pool's own scheduler, its devices, its
pauses. What the pool makes lies in the attempt's folder until whoever asked publishes it. This module must
not know which engine it is, nor where the work came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from rushes.asset import Asset
from rushes.batch import RunnableEngine
from rushes.core.retry import LOSS_CODES
from rushes.core.states import State
from rushes.errors import CallerError, Cancelled, PlatformError, RushesError, error_from_dict
from rushes.invocation import BatchStatus, Finished
from rushes.runtime.attempts.task import Gate, Made, Reporter, Task
from rushes.runtime.ownership import receipt_paths
from rushes.runtime.sources.fingerprint import content_of

__all__ = ["Pool", "PoolRun", "cancel_left_behind"]

LOOKS_EVERY_S: Final = 1.0
"""How soon a cancel is heard that comes from outside."""
OWNER: Final = "rushes-host"
"""The tag that says in whose name a pool works."""
NEWEST: Final = 1000
"""Batches of a pool that are looked at: each is one attempt, and a host has some tens at a time."""


class Pool(RunnableEngine, Protocol):
    """An engine that knows what it has to do."""

    def batches(self, *, limit: int = ..., parts: bool = ...) -> Sequence[BatchStatus]:
        """The newest first."""
        ...


def cancel_left_behind(pool: Pool, is_held: Callable[[Path], bool]) -> int:
    """Cancel what a pool still does in the name of hosts that are dead; gives how much that was.

    A pool outlives who uses it. What it has of a host that was killed is lost to that: its claim lapses, and
    somebody else makes it, on this very pool maybe, behind what nobody waits for.

    Args:
        pool: this machine's.
        is_held: whether the host with this sign of life lives.
    """
    left = [
        one.batch
        for one in pool.batches(limit=NEWEST)
        if one.ended is None and (sign := one.tags.get(OWNER)) and not is_held(Path(sign))
    ]
    for batch in left:
        pool.cancel(batch)
    return len(left)


@dataclass(frozen=True)
class PoolRun:
    """Runs attempts on a pool; called like `rushes.runtime.attempts.attempt.run_attempt`.

    Args:
        engine: the pool.
        priority: the class of what it runs there, if nobody has given it another.
        owner: the sign of life of the host in whose name.
    """

    engine: RunnableEngine
    priority: str
    owner: Path | None = None

    def __call__(self, task: Task, report: Reporter, gate: Gate, cancelled: Callable[[], bool]) -> Made:
        """Run a task and wait for it.

        Raises:
            RushesError: as the pool's attempt came to; `Cancelled` where it was asked to stop.
        """
        priority = task.class_now() or self.priority
        options = replace(
            task.function.options,
            out=task.out,
            priority=priority,
            show=task.show,
            deadline=task.deadline,
            name=task.name,
            receipts=task.receipts,
            force=True,  # whether it is known is the shared ledger's to say
            tags={OWNER: str(self.owner)} if self.owner is not None else {},
        )
        source = Asset(str(task.source.path), task.source.frames)
        batch, _ = self.engine.launch(task.function, options, [(source, None)], task.params)
        try:
            page = self._followed(batch, task, priority, report, cancelled)
        except BaseException:
            with suppress(RushesError):  # else the pool would go on with what nobody waits for
                self.engine.cancel(batch)
            raise
        if task.charge is not None:
            task.charge(page[0].cost_nano)
        made = _made_of(page[0])
        gate({})
        return made

    def _followed(
        self, batch: str, task: Task, priority: str, report: Reporter, cancelled: Callable[[], bool]
    ) -> Sequence[Finished]:
        """How it ended, once it has; meanwhile it has the class that the shared ledger gives it."""
        while not (page := self.engine.results(batch, wait_s=LOOKS_EVERY_S)):
            if cancelled():
                self.engine.cancel(batch)
                continue
            if (now := task.class_now() or self.priority) != priority:
                priority = now
                with suppress(CallerError):  # it has ended just now, or this pool has no such class
                    self.engine.set_priority(batch, now)
            for one in self.engine.status(batch).running:
                report(float(one.get("fraction") or -1.0), str(one.get("note") or ""))
        return page


def _made_of(finished: Finished) -> Made:
    """What an invocation of the pool has left.

    Raises:
        RushesError: it has failed, or was cancelled.
    """
    if finished.state is State.cancelled:
        raise Cancelled
    if finished.state is not State.succeeded:
        failure = error_from_dict(finished.error or {})
        if failure.code in LOSS_CODES:  # again and again, or the pool would have tried it once more
            raise PlatformError(
                f"it was set aside by the host's pool: {failure.message}",
                code="set-aside",
                fix=failure.fix,
                details=failure.details,
            )
        raise failure
    return Made(
        json.dumps(finished.result, separators=(",", ":")),
        finished.outputs,
        finished.receipt,
        finished.encoder,
        finished.warnings,
        finished.media_s,
        finished.cached,
        [_fact(Path(path)) for path in finished.outputs],
    )


def _fact(path: Path) -> dict[str, Any]:
    content = content_of(path)
    receipt = next((place for place in receipt_paths(path) if place.exists()), None)
    return {
        "name": path.name,
        "path": str(path),
        "sha256": content.sha256,
        "size_bytes": content.size_bytes,
        "receipt": None if receipt is None else str(receipt),
    }
