"""One attempt of a shared ledger as an invocation of this machine's own pool.

So urgent work displaces other work here as it does everywhere: by the pool's own scheduler, its devices, its
pauses. What the pool makes lies in the attempt's folder until whoever asked publishes it. This module must
not know which engine it is, nor where the work came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, cast

from rushes.asset import Asset
from rushes.core.retry import LOSS_CODES
from rushes.core.states import State
from rushes.errors import Cancelled, PlatformError, error_from_dict
from rushes.invocation import OWNER, BatchStatus, Finished, Invocation
from rushes.joint import Joint
from rushes.ledger import LONE
from rushes.options import Options
from rushes.runtime.attempts.task import Gate, Made, Reporter, Task
from rushes.runtime.ownership import receipt_paths
from rushes.runtime.sending.submission import batch_spec, invocations
from rushes.runtime.shared.hosts.pool_line import HostPool, PoolLine, run_alone
from rushes.runtime.sources.fingerprint import content_of
from rushes.runtime.sources.inputs import Found

__all__ = ["OwnPool", "PoolRun", "cancel_left_behind"]

KEY_BYTES: Final = 16
"""Of a key in a pool: longer ones are of functions that run together."""
LINES: Final = 16
"""Kinds of work that have a batch of the pool open for more of them."""
NEWEST: Final = 1000
"""Batches of a pool that are looked at: each is an attempt or a kind of work, and a host has some tens."""


class OwnPool(HostPool, Protocol):
    """A machine's own pool as its host looks after it: it tells what it has to do, too."""

    def batches(self, *, limit: int = ..., parts: bool = ..., lent: bool = ...) -> Sequence[BatchStatus]:
        """The newest first; with `lent`, those too that hosts brought."""
        ...

    def cancel(self, batch: str) -> None:
        """End all of a batch."""
        ...

    def pool(self) -> Mapping[str, Any]:
        """What it has, and what it does now."""
        ...


def cancel_left_behind(pool: OwnPool, is_held: Callable[[Path], bool]) -> int:
    """Cancel what a pool still does in the name of hosts that are dead; gives how much that was.

    A pool outlives who uses it. What it has of a host that was killed is lost to that: its claim lapses, and
    somebody else makes it, on this very pool maybe, behind what nobody waits for.

    Args:
        pool: this machine's.
        is_held: whether the host with this sign of life lives.
    """
    left = [
        one.batch
        for one in pool.batches(limit=NEWEST, lent=True)
        if one.ended is None and (sign := one.tags.get(OWNER)) and not is_held(Path(sign))
    ]
    for batch in left:
        pool.cancel(batch)
    return len(left)


class PoolRun:
    """Runs attempts on a pool; called like `rushes.runtime.attempts.attempt.run_attempt`.

    Args:
        engine: the pool.
        priority: the class of what it runs there, if nobody has given it another.
        owner: the sign of life of the host in whose name.
        logged: told of each attempt, once it has ended, what it was for, which try, and its name in the pool;
            None: nobody wants to know.
        environ: what slots get their variables of.
    """

    def __init__(
        self,
        engine: HostPool,
        priority: str,
        owner: Path | None = None,
        logged: Callable[[str, int, str], None] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._engine = engine
        self._environ = environ
        self._priority = priority
        self._owner = owner
        self._logged = logged
        self._lines: dict[tuple[Any, ...], PoolLine] = {}
        self._choosing = threading.Lock()

    def __call__(
        self,
        task: Task,
        report: Reporter,  # noqa: ARG002 - as every run of a task has
        gate: Gate,
        cancelled: Callable[[], bool],
    ) -> Made:
        """Run a task and wait for it; how far it is, nobody is told.

        Raises:
            RushesError: as the pool's attempt came to; `Cancelled` where it was asked to stop.
        """
        options = replace(
            task.function.options,
            out=task.out,
            priority=task.class_now() or self._priority,
            show=task.show,
            deadline=task.deadline,
            name=task.name,
            receipts=task.receipts,
            force=True,  # whether it is known is the shared ledger's to say
            tags={OWNER: str(self._owner)} if self._owner is not None else {},
        )
        asset = Asset(str(task.source.path), task.source.frames)
        class_now = lambda: task.class_now() or self._priority  # noqa: E731
        if task.function.makes_outputs:  # it has a folder of its own for them, and so a batch
            (one,) = invocations(task.function, options, task.params, [Found(asset, task.subdir, task.tag)])
            spec = batch_spec(task.function, options, task.params, environ=self._environ)
            finished = run_alone(self._engine, spec, one, cancelled, class_now)
        else:
            one = _without_outputs(task, asset, options)
            finished = self._line(task, options).run(one, cancelled, class_now)
        if task.charge is not None:
            task.charge(finished.cost_nano)
        if self._logged is not None:
            self._logged(task.invocation, task.attempt, finished.invocation)
        made = _made_of(finished)
        gate({})
        return made

    def close(self) -> None:
        """Nothing more comes for now."""
        with self._choosing:
            lines, self._lines = self._lines, {}
        for one in lines.values():
            one.close()

    def _line(self, task: Task, options: Options) -> PoolLine:
        """The line of the task's batch; those that nobody waits for make room.

        Batches that stand alone are of one invocation each: those that are alike share a line, and its class.
        """
        batch = task.invocation.rpartition(".")[0]
        if batch.startswith(LONE):
            function = task.function
            ends, class_ = task.deadline, options.priority
            kind: tuple[Any, ...] = (
                function.ref, function.version, task.source_digest, task.show, ends, class_,
            )  # fmt: skip
        else:
            kind = (batch,)
        gone: list[PoolLine] = []
        with self._choosing:
            found = self._lines.pop(kind, None)
            if found is None:
                spec = batch_spec(task.function, options, task.params, environ=self._environ)
                found = PoolLine(self._engine, spec, follows=len(kind) == 1)
                idle = [one for one, line in self._lines.items() if not line.here]
                gone = [self._lines.pop(one) for one in idle[: max(len(self._lines) - LINES + 1, 0)]]
            self._lines[kind] = found
        for line in gone:
            line.close()
        return found


def _without_outputs(task: Task, asset: Asset, options: Options) -> Invocation:
    """A task by what the ledger knows it by: its clip was fetched just now, and nobody else has that."""
    if isinstance(task.function, Joint):  # whose key says which parts are known
        found = Found(asset, params=cast("Any", task.params))
        (one,) = invocations(task.function, options, task.params, [found])
        return one
    frames = None if asset.frames is None else (asset.frames.start, asset.frames.stop)
    key = hashlib.blake2b(task.key.encode(), digest_size=KEY_BYTES).hexdigest()
    return Invocation(asset.uri, key, frames, task.params.model_dump_json())


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
        worked_s=finished.seconds or None,
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
