"""What starts work in an environment: the rule for objects that come, hours, and queues of messages. Pure.

All of it ends at the router. This module must not know what the router is, nor what follows it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from rushes.engines.aws.infra import parts
from rushes.engines.aws.infra.environment import Deployed, Environment, logical
from rushes.engines.aws.infra.parts import arn, queue
from rushes.engines.aws.infra.quotas import MOST_PATTERN
from rushes.triggers import OnS3, OnSchedule, OnSqs, rule_of

__all__ = ["Intakes", "hours", "intakes", "rule"]


class Intakes(NamedTuple):
    """Queues of messages that name objects."""

    resources: dict[str, Any]
    arns: list[Any]


def rule(triggers: Sequence[OnS3], environment: Environment) -> dict[str, Any]:
    """The rule that lets objects through that triggers may want; none where none waits for them."""
    wanted = [one for one in triggers if not isinstance(one, OnSchedule | OnSqs)]
    if not wanted:
        return {}
    return {
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": environment.called("objects"),
                "Description": "Objects that triggers may want",
                "EventPattern": _pattern(wanted),
                "State": "ENABLED",
                "Targets": [
                    {
                        "Id": "events",
                        "Arn": arn("QueueEvents"),
                        "DeadLetterConfig": {"Arn": arn("DeadEvents")},
                    }
                ],
            },
        },
        "EventsPolicy": parts.from_rule(["QueueEvents", "DeadEvents"], "Rule"),
    }


def _pattern(wanted: Sequence[OnS3]) -> dict[str, Any]:
    """What the rule lets through; of buckets alone, where all that keys begin with is more than a rule takes.

    The router matches what comes exactly, so a wider rule costs calls of it and starts nothing more.
    """
    found = rule_of(wanted)
    if len(json.dumps(found, separators=(",", ":"))) <= MOST_PATTERN:
        return found
    buckets = sorted({one.bucket for one in wanted})
    return {name: found[name] for name in ("source", "detail-type")} | {
        "detail": {"bucket": {"name": buckets}}
    }


def hours(wanted: Sequence[Deployed], router: str) -> dict[str, Any]:
    """A rule for each schedule, which calls the router with the trigger's name."""
    made: dict[str, Any] = {}
    for one in wanted:
        for number, trigger in enumerate(one.function.triggers):
            if not isinstance(trigger, OnSchedule):
                continue
            id_ = logical("Hour", one.name, str(number))
            made[id_] = {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "Description": f"When {one.name} looks at {trigger.pattern}"[:512],
                    "ScheduleExpression": trigger.when,
                    "State": "ENABLED",
                    "Targets": [
                        {
                            "Id": "router",
                            "Arn": arn(router),
                            "Input": json.dumps({"hour": f"{one.name}/{number}"}),
                        }
                    ],
                },
            }
            made[f"{id_}Permission"] = parts.called_by_rule(router, id_)
    return made


def intakes(
    triggers: Sequence[OnS3], environment: Environment, router: str
) -> tuple[dict[str, str], Intakes]:
    """Of each queue that triggers name the one that stands for it, and what has to be made.

    Returns:
        The name of the queue of AWS, by the name in triggers; and the queues and their mappings.
    """
    names = dict.fromkeys(one.queue for one in triggers if isinstance(one, OnSqs))
    found: dict[str, str] = {}
    made: dict[str, Any] = {}
    arns: list[Any] = []
    for name in names:
        there = environment.queues.get(name)
        id_, dead = logical("Queue", "in", name), logical("Dead", "in", name)
        found[name] = there.rpartition(":")[2] if there else environment.called("in", name)
        if there:
            arns.append(there)
            source = parts.mapping(id_, router, batch=10, most=parts.routers(environment))
            source["Properties"]["EventSourceArn"] = there
        else:
            arns.append(arn(id_))
            made[dead] = queue(environment.called("in", name, "dead"))
            made[id_] = queue(found[name], dead=dead, hidden_s=6 * parts.SMALL.timeout_s)
            source = parts.mapping(id_, router, batch=10, most=parts.routers(environment))
        made[logical("Source", "in", name)] = source
    return found, Intakes(made, arns)
