"""Hosts of an environment: their queues, what they may do, and those that come and go with the scaler. Pure.

What a host is made of stands in `fleets`. This module must not know what starts work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rushes.core.class_file import scheduling_of
from rushes.engines.aws.infra import fleets, parts, permissions
from rushes.engines.aws.infra.environment import Deployed, Environment, logical
from rushes.engines.aws.infra.host_tiers import HostTier, text_of
from rushes.engines.aws.infra.network import network
from rushes.engines.aws.infra.parts import LambdaPlan, arn, queue, ref
from rushes.engines.aws.infra.quotas import parted
from rushes.engines.aws.infra.sizing import hour_nano, size_of
from rushes.engines.aws.infra.trial_hosts import groups_tried, tiers_tried
from rushes.engines.aws.infra.workers import TABLE_ID, common, most_of, moving, working

__all__ = ["by_group", "host_queues", "hosts", "hosts_that_come"]

USUAL: Final = "standard"


def host_queues(all_: Sequence[Deployed], environment: Environment) -> dict[str, dict[str, str]]:
    """Of each group of hosts its queues: by class, the logical id."""
    groups = dict.fromkeys(
        [
            *(one.group for one in environment.fleets),
            *(d.group(environment) for d in all_),
            *groups_tried(all_, environment),
        ]
    )
    # Where nothing is started by events, hosts are for what people send: that is standard unless they say so.
    asked = {*environment.classes, *(name for one in all_ for name in one.classes)} or {USUAL}
    asked |= {*environment.own_classes}
    classes = [name for name in environment.ranks if name in asked]
    return {group: {name: logical("Queue", group, name) for name in classes} for group in groups}


def by_group(queues: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Queues of hosts by ``<group>/<class>``."""
    return {f"{group}/{name}": id_ for group, ids in queues.items() for name, id_ in ids.items()}


def hosts(all_: Sequence[Deployed], environment: Environment) -> dict[str, Any]:
    """Queues for hosts, one a group and class, and what a host may do."""
    dead = "DeadHosts"
    made = {dead: queue(environment.called("hosts", "dead"))}
    queues = host_queues(all_, environment)
    for group, ids in queues.items():
        for name, id_ in ids.items():
            made[id_] = queue(environment.called(group, name), dead=dead, hidden_s=120)
    arns = [arn(id_) for ids in queues.values() for id_ in ids.values()]
    statements = [*working(all_, environment), permissions.passing_on(arns), permissions.looking_itself_up()]
    for id_, some in _policies([one for one in statements if one]).items():
        made[id_] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": f"What a host of Rushes may do in {environment.name}",
                "PolicyDocument": permissions.policy(some),
            },
        }
    return made


def _policies(statements: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Statements by the policy that has them: ``HostPolicy``, and where they are many ``HostPolicy2`` too."""
    return {
        f"HostPolicy{number if number > 1 else ''}": some for number, some in enumerate(parted(statements), 1)
    }


def hosts_that_come(
    all_: Sequence[Deployed], on_lambda: Sequence[Deployed], environment: Environment
) -> dict[str, Any]:
    """Hosts that come and go by themselves, and the scaler that says how many."""
    queues = host_queues(all_, environment)
    own = [id_ for id_, one in hosts(all_, environment).items() if one["Type"] == "AWS::IAM::ManagedPolicy"]
    made = fleets.cluster(own, environment) | network(environment)
    moves = any(one.triggers for one in all_)
    if moves:
        made["WorkHosts"] = parts.work_role("RoleHost", moving(all_, environment))
    rules = scheduling_of(environment.policies)
    tiers = (*environment.fleets, *tiers_tried(all_, environment))
    for tier in tiers:
        variables = {
            **common(environment),
            "RUSHES_QUEUES": parts.joined(by_group({tier.group: queues[tier.group]})),
            "RUSHES_TIER": tier.price,
            "RUSHES_WORK_ROLE": arn("WorkHosts") if moves else "",
            **({"RUSHES_CLASSES": json.dumps(rules, separators=(",", ":"))} if rules else {}),
        }
        made |= fleets.fleet_of(tier, variables, environment)
    sources = {
        f"{one.name}/{name}": logical("Source", one.name, name) for one in on_lambda for name in one.classes
    }
    tried = groups_tried(all_, environment)
    return made | _scaler(queues, sources, on_lambda, environment, tiers=tiers, tried=tried)


def _fleets_document(
    queues: dict[str, dict[str, str]],
    on_lambda: Sequence[Deployed],
    tried: Mapping[str, Sequence[str]],
    environment: Environment,
) -> dict[str, Any]:
    """What a person has decided of fleets, whose they are, and what Lambdas beside them cost and may do."""
    return {
        **environment.capacity,
        "hosts": {tier.name: tier.group for tier in environment.fleets},
        **({"tried": tried} if tried else {}),
        "machines": sorted(tier.name for tier in environment.fleets if tier.type),
        "classes": sorted({name for ids in queues.values() for name in ids}),
        **({"ranks": environment.ranks} if environment.ranks_text else {}),
        "sources": {
            f"{one.name}/{name}": [
                hour_nano(size_of(one.function, environment.largest_clip)),
                most_of(one, environment),
            ]
            for one in on_lambda
            for name in one.classes
        },
    }


def _scaler(
    queues: dict[str, dict[str, str]],
    sources: dict[str, str],
    on_lambda: Sequence[Deployed],
    environment: Environment,
    *,
    tiers: Sequence[HostTier],
    tried: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    document = _fleets_document(queues, on_lambda, tried, environment)
    watched = [id_ for ids in queues.values() for id_ in ids.values()]
    watched += [logical("Queue", one.name, name) for one in on_lambda for name in one.classes]
    plan = LambdaPlan(
        "scaler",
        "scale",
        parts.SMALL,
        {
            "RUSHES_TABLE": ref(TABLE_ID),
            "RUSHES_ENV": environment.name,
            "RUSHES_FLEETS": ref("Fleets"),
            "RUSHES_SOURCES": parts.joined(sources),
            "RUSHES_TASKS": parts.joined({tier.name: fleets.task_id(tier) for tier in tiers}),
        },
        [
            permissions.keeping(arn(TABLE_ID)),
            permissions.deciding_trials(arn(TABLE_ID)) if tried else None,
            *permissions.scaling(
                arn(fleets.CLUSTER),
                [ref(logical("Service", tier.name)) for tier in tiers],
                fleets.tasks_of(environment),
            ),
            permissions.handing([arn(one) for one in fleets.ROLES]),
            permissions.throttling([parts.mapping_arn(id_) for id_ in sources.values()]),
            permissions.looking_at_queues([arn(id_) for id_ in watched]),
            permissions.reading_parameter(environment.called("fleets")),
        ],
        f"Says how many hosts there are in environment {environment.name}",
    )
    return {
        "Fleets": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": environment.called("fleets"), "Type": "String", "Value": text_of(document),
                "Description": f"Which hosts the scaler of {environment.name} may start, and what they cost",
            },
        },
        **parts.lambda_of(plan, environment),
        **parts.every_minute(plan.id, environment, "scaler"),
    }  # fmt: skip
