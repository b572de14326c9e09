"""What hosts of an environment say of themselves, and what its scaler made of it: for who waits for them.

One query and one request. This module must not know batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rushes.engines.aws.fleet.fleet_notes import SCALER, FleetNotes, Resting
from rushes.shared_ledger.dynamo_document import DynamoDocument
from rushes.units import format_duration

if TYPE_CHECKING:
    from rushes.engines.aws.laptop.connection import Connection

__all__ = ["HostsSaid", "hosts_said", "steps_for", "why_of"]

NAMED: Final = 3
"""Of many hosts that rest, so many are named."""


class HostsSaid(NamedTuple):
    """What is known of the hosts of an environment.

    Args:
        resting: those that take no work, or not all of it.
        tiers: how many the scaler wants of each, and why; none where nothing comes and goes by itself.
    """

    resting: Sequence[Resting] = ()
    tiers: Sequence[Mapping[str, Any]] = ()


def hosts_said(there: Connection) -> HostsSaid:
    """What hosts and the scaler say now.

    Raises:
        PlatformError: the ledger does not answer.
    """
    services = there.services
    dynamo, table = services.client("dynamodb"), services.settings.table
    kept = DynamoDocument(dynamo, table, SCALER).read()
    return HostsSaid(FleetNotes(dynamo, table).resting(), tuple(kept.get("rows", ())))


def why_of(function: str, said: HostsSaid) -> list[str]:
    """Why work of a function may wait for hosts, a line each.

    Args:
        function: its name.
        said: what is known of hosts.
    """
    whole = [one for one in said.resting if one.whole]
    lines = [
        f"host {one.host} rests for {format_duration(max(one.said - one.since, 0.0))}: {one.reason}"
        for one in whole[:NAMED]
    ]
    if more := len(whole) - NAMED:
        lines += [f"{more} more rest"] if more > 0 else []
    if lacking := [one.host for one in said.resting if function in one.lacks]:
        rest = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
        lines.append(
            f"{', '.join(lacking[:NAMED])}{rest} got it and left it to others: they have not {function}"
        )
    return lines + [f"{one['tier']}: {one['reason']}" for one in said.tiers]


def steps_for(resting: Sequence[Resting]) -> list[str]:
    """What a person can do for hosts that do not take all work, a line each."""
    steps = []
    if any(one.whole for one in resting):
        steps.append(
            "A host that rests works again by itself once that is mended. One of ECS gives its place to "
            "another: after ten minutes, or sooner where there is room for no other."
        )
    if lacked := sorted({name for one in resting for name in one.lacks}):
        steps.append(
            f"Work of {', '.join(lacked)} waits for a host that has it: deploy an image with it (rushes "
            "infra package, deploy), or install its package on such a host."
        )
    return steps
