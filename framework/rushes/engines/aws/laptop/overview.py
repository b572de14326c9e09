"""What an environment has in hand: what waits in its queues, which hosts rest, and how many there are to be.

Who works on it comes and goes. This module must not know batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rushes.engines.aws.laptop.hosts_said import hosts_said, steps_for

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
    said = hosts_said(there)
    return {
        "capacity": {},
        "paused": False,
        "draining": False,
        "worker": {},
        "slots": [],
        "queues": [one for one in queues if one["waiting"]],
        "resting": [one._asdict() for one in said.resting],
        "elastic": {"tiers": [*said.tiers]},
        "next": steps_for(said.resting),
    }
