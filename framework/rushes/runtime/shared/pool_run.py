"""One attempt of a shared ledger as an invocation of this machine's own pool.

So urgent work displaces other work here as it does everywhere: by the pool's own scheduler, its devices, its
pauses. What the pool makes lies in the attempt's folder until whoever asked publishes it. This module must
not know which engine it is, nor where the work came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rushes.asset import Asset
from rushes.batch import RunnableEngine
from rushes.core.retry import LOSS_CODES
from rushes.core.states import State
from rushes.errors import CallerError, Cancelled, PlatformError, error_from_dict
from rushes.invocation import Finished
from rushes.runtime.attempts.task import Gate, Made, Reporter, Task
from rushes.runtime.ownership import receipt_paths
from rushes.runtime.sources.fingerprint import content_of

__all__ = ["PoolRun"]

LOOKS_EVERY_S: Final = 1.0
"""How soon a cancel is heard that comes from outside."""


@dataclass(frozen=True)
class PoolRun:
    """Runs attempts on a pool; called like `rushes.runtime.attempts.attempt.run_attempt`.

    Args:
        engine: the pool.
        priority: the class of what it runs there, if nobody has given it another.
    """

    engine: RunnableEngine
    priority: str

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
        )
        source = Asset(str(task.source.path), task.source.frames)
        batch, _ = self.engine.launch(task.function, options, [(source, None)], task.params)
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
        if task.charge is not None:
            task.charge(page[0].cost_nano)
        made = _made_of(page[0])
        gate({})
        return made


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
