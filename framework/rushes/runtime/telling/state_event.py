"""A state change as others read it: a CloudEvents 1.0 object (https://github.com/cloudevents/spec).

This module must not know who is told, nor how.
"""

from __future__ import annotations

import json
import socket
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from rushes.core.sinks import BATCH_ENDED, BATCH_FREED, BATCH_HELD
from rushes.invocation import function_name
from rushes.runtime.records.batches import STATES, BatchState

__all__ = ["OF_RESULT", "TEST", "batch_data", "envelope", "invocation_data"]

TEST: Final = "test"
"""What `rushes events test` sends; no sink can choose it."""
_STATE_OF: Final = {
    "started": "running",
    "progress": "running",
    "resumed": "running",
    "displaced": "paused",
}
_TYPE_OF: Final = {
    BATCH_ENDED: "rushes.batch.ended",
    BATCH_HELD: "rushes.batch.held",
    BATCH_FREED: "rushes.batch.freed",
    TEST: "rushes.test",
}
OF_RESULT: Final = ("outputs", "error", "encoder", "media_s")


def envelope(
    kind: str,
    subject: str,
    at: float,
    data: dict[str, Any],
    *,
    id: str = "",  # noqa: A002 - as CloudEvents calls it
    source: str = "",
) -> str:
    """The whole event as JSON.

    Args:
        kind: of `rushes.core.sinks.KINDS`, or `TEST`.
        subject: the id of the invocation or batch.
        at: when it happened, UTC epoch seconds.
        data: from `invocation_data` or `batch_data`.
        id: the same for the same event; "" for one that is new each time.
        source: who says so; "" for this machine.
    """
    name = _TYPE_OF.get(kind, f"rushes.invocation.{kind}")
    return json.dumps(
        {
            "specversion": "1.0",
            "id": id or str(uuid.uuid4()),
            "source": source or f"rushes://{socket.gethostname()}",
            "type": name,
            "subject": subject,
            "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
            "datacontenttype": "application/json",
            "data": data,
        },
        separators=(",", ":"),
    )


def _of_batch(state: BatchState) -> dict[str, Any]:
    spec = state.spec
    return {
        "batch": state.id,
        "function": function_name(spec["function"]),
        "version": spec["version"],
        "show": spec["show"],
        "priority": spec["priority"],
        "tags": spec.get("tags") or {},
    }


def invocation_data(
    kind: str, state: BatchState, invocation: str, asset: str, more: dict[str, Any]
) -> dict[str, Any]:
    """What an event says of an invocation; of a result only what a person acts on."""
    result = json.loads(more.pop("result", None) or "{}")
    return {
        **_of_batch(state),
        "invocation": invocation,
        "asset": asset,
        "state": "queued" if more.pop("given_back", False) else _STATE_OF.get(kind, kind),
        **more,
        **{name: result[name] for name in OF_RESULT if result.get(name)},
    }


def batch_data(state: BatchState) -> dict[str, Any]:
    """What an event says of a batch: one that has ended, is held, or is held no longer."""
    return {
        **_of_batch(state),
        "out": state.spec.get("out"),
        "counts": {one.value: count for one, count in zip(STATES, state.counts, strict=True) if count},
        "cached": state.cached,
        "submitted": state.submitted,
        "ended": state.ended,
        "seconds": round(state.seconds, 3),
        "media_s": round(state.media_s, 3),
    }
