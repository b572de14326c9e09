"""Queues of functions, hosts and classes: names that AWS takes and that differ. Pure.

The classes that ship have short names of one word; a studio's own may be long, or end like another part of
an environment. This module must not know what a queue is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rushes.engines.aws.infra.environment import Environment, logical
from rushes.errors import CallerError

__all__ = ["check_names", "gone"]

LONGEST: Final = 80
"""Characters in the name of a queue (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
SQSDeveloperGuide/quotas-queues.html)."""
_DEAD: Final = "dead"
"""How the queues end in which messages are set aside."""


def check_names(pairs: Iterable[tuple[str, str]], environment: Environment) -> None:
    """Refuse classes of whose queues two would be one, or one would have no name that AWS takes.

    Args:
        pairs: a function or group of hosts, and a class, of each queue.
        environment: where.

    Raises:
        CallerError: naming the class (``bad-environment``).
    """
    found: dict[str, tuple[str, str]] = {}
    for whose, name in dict.fromkeys(pairs):
        if name == _DEAD or name.endswith(f"-{_DEAD}"):
            raise _bad(f"class {name} ends as queues of dead letters do", "Give it another name.")
        called = environment.called(whose, name)
        if len(called) > LONGEST:
            raise _bad(
                f"{called} is too long for a queue's name: {LONGEST} characters", f"Shorten class {name}."
            )
        other = found.setdefault(logical("Queue", whose, name), (whose, name))
        if other != (whose, name):
            raise _bad(
                f"class {name} of {whose} and class {other[1]} of {other[0]} would have one queue",
                "Rename one of these classes.",
            )


def gone(deployed: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> list[str]:
    """The names of queues that deploying would remove, with what is in them."""
    after = set(_queues(planned).values())
    return sorted(set(_queues(deployed or {}).values()) - after)


def _queues(template: Mapping[str, Any]) -> dict[str, str]:
    return {
        id_: str(one["Properties"]["QueueName"])
        for id_, one in template.get("Resources", {}).items()
        if one.get("Type") == "AWS::SQS::Queue"
    }


def _bad(what: str, fix: str) -> CallerError:
    return CallerError(f"{what}.", code="bad-environment", fix=fix)
