"""Records of the stream of the ledger's table, as a Lambda gets them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from rushes.core.states import State
from rushes.ledger import End, Routed, WorkItem
from rushes.shared_ledger.dynamo_items import end_fields, new_item, typed


def record(
    old: str | None,
    new: str | None,
    *,
    number: int = 1,
    data: Any = None,
    reason: str = "",
    tier: str = "",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A record of the stream, of an invocation that went from one state to another."""

    def image(state: str) -> dict[str, Any]:
        routed = Routed(tier) if tier else None
        item = {**new_item(WorkItem("k7m2qx.1", "s3://cards/a.mov", "ab" * 32, routed=routed), None)}
        item |= typed({"state": state, "attempt": 1, "losses": 0, "reason": reason, **(more or {})})
        if State(state).ended:
            item |= typed(end_fields(End(State(state), json.dumps(data or {}), 2.5, 10.0, 7)))
        return {
            name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
            for name, value in item.items()
        }

    images = {"OldImage": image(old)} if old else {}
    images |= {"NewImage": image(new)} if new else {}
    return {
        "eventID": f"e{number}", "eventName": "MODIFY",
        "dynamodb": {**images, "SequenceNumber": str(number), "ApproximateCreationDateTime": 1_700_000_000},
    }  # fmt: skip
