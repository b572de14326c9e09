"""What an environment has in hand: what waits in its queues, and which hosts rest.

Who works on it comes and goes. This module must not know batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes.engines.aws.fleet.fleet_notes import FleetNotes

if TYPE_CHECKING:
    from rushes.engines.aws.laptop.connection import Connection

__all__ = ["overview"]


def overview(there: Connection) -> Mapping[str, Any]:
    """What `rushes pool` shows of an environment."""
    services = there.services
    queues = [
        {"priority": name, "show": "every show", "waiting": services.queue(url).waiting()}
        for name, url in there.deployment.by_class()
    ]
    notes = FleetNotes(services.client("dynamodb"), services.settings.table)
    return {
        "capacity": {},
        "paused": False,
        "draining": False,
        "worker": {},
        "slots": [],
        "queues": [one for one in queues if one["waiting"]],
        "resting": [one._asdict() for one in notes.resting()],
    }
