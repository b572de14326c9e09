"""What a client says to a worker and is answered.

As values: `rushes.runtime.worker.requests` is the other end. This module must not know sockets.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from rushes.core.states import State
from rushes.invocation import (
    BatchSpec,
    BatchStatus,
    Counts,
    Finished,
    Invocation,
    Spent,
    function_name,
    made_beside,
)
from rushes.runtime.sending.batch_ids import new_batch_id

__all__ = ["FIRST_CHUNK", "Request", "chunks", "finished", "opening", "rows", "status", "submission"]

CHUNK: Final = 1000
"""Invocations a message: one commit serves them all, and the worker takes them in within 20 ms."""
CHUNK_BYTES: Final = 4 * 1024 * 1024
"""Of options in one message: they may be long, and a frame has a limit."""
FIRST_CHUNK: Final = 32
"""The first message is small, so that work starts at once; each further one is four times as large."""
_STATES: Final = tuple(State)
_PARAMS: Final = 4  # of a row: see `rows`
Request = tuple[dict[str, Any], bytes]


def opening(spec: BatchSpec) -> tuple[str, Request]:
    """A new batch's id, and the request that opens it; the token tells a repeated request from a clash."""
    batch = new_batch_id()
    return batch, (
        {"verb": "open", "batch": batch, "spec": {**_plain(spec), "token": secrets.token_hex(8)}},
        b"",
    )


def _plain(spec: BatchSpec) -> dict[str, Any]:
    """The fields as they are: `dataclasses.asdict` would copy the whole environment, in 0.5 ms."""
    return {field.name: getattr(spec, field.name) for field in fields(spec)}


def chunks(rows: Iterator[list[Any]]) -> Iterator[list[list[Any]]]:
    """Rows in messages: few at first, then more, and never more than a frame takes."""
    size = FIRST_CHUNK
    chunk: list[list[Any]] = []
    carried = 0
    for row in rows:
        chunk.append(row)
        carried += len(row[_PARAMS] or "")
        if len(chunk) >= size or carried >= CHUNK_BYTES:
            yield chunk
            size = min(size * 4, CHUNK)
            chunk, carried = [], 0
    if chunk:
        yield chunk


def submission(batch: str, rows: list[list[Any]]) -> Request:
    """The request that adds these rows to a batch."""
    return {"verb": "submit", "batch": batch}, json.dumps(rows, separators=(",", ":")).encode()


def rows(invocations: Iterable[Invocation], *, after: int = 0) -> Iterator[list[Any]]:
    """Invocations as they are sent, numbered from behind `after`."""
    for n, one in enumerate(invocations, start=after + 1):
        yield [
            n, one.source, one.key, one.frames, one.params, one.subdir, one.tag, one.after or None,
            one.on_failure, one.problem, one.fingerprint, one.exclusive or None,
        ]  # fmt: skip


def finished(batch: str, function: str, costs: Mapping[str, int], row: Sequence[Any]) -> Finished:
    """One end of `results`, as it was answered."""
    seq, n, state, seconds, cached, source, attempts, data = row
    error = data.get("error")
    if error is not None:
        data = {**data, **made_beside(error)}
    return Finished(
        seq,
        batch,
        f"{batch}.{n}",
        source,
        function_name(function),
        _STATES[state],
        tuple(data.get("outputs", ())),
        data.get("result"),
        error,
        (error or {}).get("attempts", attempts),
        seconds,
        costs.get(str(n), 0) if costs else 0,
        data.get("encoder"),
        bool(cached),
        data.get("receipt"),
        tuple(data.get("warnings", ())),
        data.get("media_s", 0.0),
    )


def status(found: Mapping[str, Any]) -> BatchStatus:
    """Where a batch stands, as it was answered."""
    counts = Counts(*found["counts"])
    counts.cached = found["cached"]
    return BatchStatus(
        batch=found["batch"],
        title=found["title"],
        function=function_name(found["function"]),
        priority=found["priority"],
        show=found["show"],
        out=found["out"],
        counts=counts,
        sealed=found["sealed"],
        submitted=found["submitted"],
        ended=found["ended"],
        seconds=found["seconds"],
        media_s=found["media_s"],
        running=tuple(found.get("running", ())),
        standstill=found.get("standstill", ""),
        tags=found["tags"],
        displacement=tuple(found.get("displacement", ())),
        parent=found.get("parent", ""),
        spent=Spent(*found.get("spent", ())),
        quote=found.get("quote"),
        held=found.get("held", ""),
        held_by=tuple(found.get("held_by", ("", ""))),
        frees_at=found.get("frees_at"),
        only_held=found.get("only_held", False),
        class_note=found.get("class_note", ""),
        waits=tuple(found.get("waits", ())),
        target_s=found.get("target_s"),
    )
