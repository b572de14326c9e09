"""One attempt of the engine in memory: the body runs in this process, by the code that a slot runs.

This module must not know batches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rushes import catalog
from rushes.asset import Asset, FrameRange
from rushes.core.states import State
from rushes.errors import RushesError
from rushes.invocation import BatchSpec, Finished
from rushes.runtime.attempts.attempt import Made, Task, run_attempt
from rushes.runtime.attempts.raised import as_error
from rushes.testing.stub_rows import StubRow

__all__ = ["attempt"]


def attempt(
    spec: BatchSpec, row: StubRow, known: tuple[Finished, Mapping[str, Any]] | None
) -> tuple[Made, bool]:
    """What the body of an invocation makes, and whether that was known.

    Args:
        spec: of its batch.
        row: the invocation.
        known: how an invocation with its key ended, and its row, if one has.

    Raises:
        RushesError: it failed; an exception of the author's is the caller's mistake.
    """
    invocation = row.invocation
    function = catalog.find(spec.function)
    own = json.loads(invocation.params) if invocation.params else {}
    frames = FrameRange(*invocation.frames) if invocation.frames else None
    task = Task(
        function,
        Asset(invocation.source, frames),
        function.params(None, **{**json.loads(spec.params), **own}),
        invocation=row.id,
        attempt=row.attempts,
        key=invocation.key,
        fingerprint=invocation.fingerprint,
        show=spec.show,
        deadline=spec.deadline,
        out=spec.out,
        subdir=invocation.subdir,
        tag=invocation.tag,
        name=spec.name,
        receipts=spec.receipts,
        source_digest=spec.source_digest,
        known=known[1] if known and invocation.key and spec.out is not None else None,
    )
    if known is not None and invocation.key and spec.out is None:
        return _made_again(known[0]), True
    try:
        made = run_attempt(task, _ignore, _ignore, lambda: row.state is State.cancelled)
    except RushesError:
        raise
    except Exception as error:
        raise as_error(error, function.name) from error
    return made, made.cached


def _made_again(known: Finished) -> Made:
    return Made(json.dumps(known.result), encoder=known.encoder, warnings=known.warnings, cached=True)


def _ignore(*_: Any) -> None:
    """Who asks nothing and tells nobody."""
