"""Hosts that run a new version while it is tried: of which tiers, for which functions, by which queues. Pure.

Where the fleet that a function may run on has room for two hosts, each of its tiers has another one beside it
while a version is tried: the same machines and the same roles, the new image, and queues of its own, to which
the router sends the share of what is for hosts. How many of them there may be is the scaler's to say, within
the `maximum` of the fleet and the cap on money (`rushes.core.capacity.beside`). Queues are their own: a
message that is taken only to be handed back, being for another version, is counted, and set aside in the end.
This module must not know how a template is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rushes.core.capacity.beside import LEAST_FLEET, SUFFIX
from rushes.engines.aws.infra.environment import LONGEST, Deployed, Environment
from rushes.engines.aws.infra.host_tiers import HostTier
from rushes.errors import CallerError

__all__ = ["groups_tried", "tiers_tried", "tried_group"]


def tried_group(one: Deployed, environment: Environment) -> str:
    """The hosts that do what a new version of a function has of their work; "" where none do."""
    if one.function.name not in environment.trials or not one.triggers:
        return ""
    group = one.group(environment)
    there = any(tier.group == group for tier in _with_room(environment))
    return f"{group}{SUFFIX}" if there else ""


def groups_tried(all_: Iterable[Deployed], environment: Environment) -> dict[str, list[str]]:
    """Of each group of hosts that try versions, the functions of which they do."""
    found: dict[str, list[str]] = {}
    for one in all_:
        if not one.version and (group := tried_group(one, environment)):
            found.setdefault(group, []).append(one.name)
    return found


def tiers_tried(all_: Iterable[Deployed], environment: Environment) -> tuple[HostTier, ...]:
    """The tiers whose hosts try versions.

    Raises:
        CallerError: one would have the name of another, or one that is too long.
    """
    groups = groups_tried(all_, environment)
    made = tuple(replace(one, name=f"{one.name}{SUFFIX}", tried=True) for one in _with_room(environment))
    found = tuple(one for one in made if one.group in groups)
    for one in found:
        if one.name in {other.name for other in environment.fleets}:
            raise _bad(f"has a tier {one.name!r}, which hosts that try a version would be of")
        if len(environment.called("hosts", one.name)) > LONGEST:
            raise _bad(f"has a tier {one.machines!r}, whose name is too long for another beside it")
    return found


def _with_room(environment: Environment) -> Iterable[HostTier]:
    return (one for one in environment.fleets if one.maximum >= LEAST_FLEET)


def _bad(what: str) -> CallerError:
    return CallerError(
        f"the environment {what}.",
        code="bad-environment",
        fix="Rename the tier, or deploy without --trial.",
    )
