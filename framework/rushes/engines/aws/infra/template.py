"""The template of an environment: what functions declare, as CloudFormation takes it. Pure.

    S3 → EventBridge rule → queue of events → router → a queue a function and class → the function
    a minute's schedule → sweep → the same queues

Each queue of a function has an event source mapping of its own, so that an urgent clip does not stand behind
others, and a role that can do no more than its triggers say. What Lambda cannot hold goes to queues of hosts,
where the environment has them:

    a minute's schedule → scaler → services of ECS → hosts → the queues of hosts

This module must not know how a template is deployed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rushes.engines.aws.infra import parts, permissions, starting, stated
from rushes.engines.aws.infra.buckets import buckets
from rushes.engines.aws.infra.choices import choices_text
from rushes.engines.aws.infra.environment import Deployed, Environment, deployed, logical
from rushes.engines.aws.infra.hosting import by_group, host_queues, hosts, hosts_that_come
from rushes.engines.aws.infra.parts import LambdaPlan, arn, queue, ref
from rushes.engines.aws.infra.queue_names import check_names
from rushes.engines.aws.infra.quotas import check_quotas
from rushes.engines.aws.infra.trial_hosts import groups_tried, tried_group
from rushes.engines.aws.infra.watching import watching
from rushes.engines.aws.infra.workers import TABLE_ID, common, tiers_of, tried, worker
from rushes.errors import CallerError
from rushes.shared_ledger.dynamo_shape import TABLE

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["template_of"]

MOST_ROUTES: Final = 40
"""With which a router's variables, 4 KB in all, have room for the queues of hosts and what these cost."""
_ROUTER: Final = logical("Function", "router")


class _Route(NamedTuple):
    """Where a function's work of one class goes."""

    function: str
    priority: str
    queue: str
    """Its logical id."""


def template_of(functions: Iterable[Function[Any, Any]], environment: Environment) -> dict[str, Any]:
    """The template of an environment with these functions.

    Raises:
        CallerError: one cannot run on Lambda and there are no hosts, two would share a name, or AWS takes no
            more of something.
    """
    all_ = deployed(functions, environment)
    on_lambda, on_hosts = tiers_of(all_, environment)
    new = tried(all_, on_lambda, environment)
    hosted = {one.name for one in on_hosts}
    on_lambda += [one for one in new if one.function.name not in hosted]
    on_hosts += [one for one in new if one.function.name in hosted]
    _check_names(all_, on_lambda, environment)
    resources = _resources(all_, on_lambda, _routes(on_lambda, on_hosts, environment), environment)
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Rushes, environment {environment.name}",
        "Metadata": stated.metadata(all_, environment),
        "Parameters": stated.parameters(environment),
        "Resources": resources,
        "Outputs": stated.outputs(resources, all_, environment),
    }
    check_quotas(template)
    return template


def _check_names(all_: Sequence[Deployed], on_lambda: Sequence[Deployed], environment: Environment) -> None:
    host_pairs = host_queues(all_, environment) if environment.has_hosts else {}
    check_names(
        [
            *((one.name, name) for one in on_lambda for name in one.classes),
            *((group, name) for group, ids in host_pairs.items() for name in ids),
        ],
        environment,
    )


def _routes(
    on_lambda: Sequence[Deployed], on_hosts: Sequence[Deployed], environment: Environment
) -> list[_Route]:
    """A queue each function of Lambda, and each group of hosts, and class."""
    takers = [(one, one.name) for one in on_lambda]
    takers += [
        (one, tried_group(one, environment) if one.version else one.group(environment)) for one in on_hosts
    ]
    return [
        _Route(one.name, name, logical("Queue", taker, name)) for one, taker in takers for name in one.classes
    ]


def _resources(
    all_: Sequence[Deployed],
    on_lambda: Sequence[Deployed],
    routes: Sequence[_Route],
    environment: Environment,
) -> dict[str, Any]:
    """Everything that there is to be, what watches it last."""
    made = {TABLE_ID: _table(environment), **buckets(environment)}
    if environment.has_hosts:
        made |= hosts(all_, environment)
    for one in on_lambda:
        made |= worker(one, environment)
    if routes:
        routing = _routing(all_, routes, environment, made)
        made |= routing | _sweeping(all_, routes, environment, made)
    if environment.fleets:
        made |= hosts_that_come(all_, on_lambda, environment)
    if environment.tells or environment.trials:
        made |= _telling(all_, environment)
    return made | watching(made, [one.name for one in on_lambda], environment)


def _table(environment: Environment) -> dict[str, Any]:
    # Encrypted by a key that AWS owns, as every table is: one of KMS would be paid for by the request.
    shape = {**TABLE, "TableName": environment.table}
    shape["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": True}
    if environment.tells or environment.trials:
        shape["StreamSpecification"] = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    shape["TimeToLiveSpecification"] = {"AttributeName": "ttl", "Enabled": True}
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Retain",
        "Properties": shape,
    }


def _routing(
    all_: Sequence[Deployed],
    routes: Sequence[_Route],
    environment: Environment,
    resources: Mapping[str, Any],
) -> dict[str, Any]:
    """What comes, by rule, hour and message, the queue of events behind it, and the router."""
    wanted = [one for one in all_ if one.triggers]
    triggers = [trigger for one in wanted for trigger in one.triggers]
    beside = _beside(all_, routes, environment)
    tiers = choices_text(environment) if beside else ""
    if environment.trials and environment.has_hosts and not tiers:
        raise CallerError(
            "no new version can be tried here: the environment has more tiers or queues than its router can "
            "be told of, so it cannot keep from the new version what is for hosts.",
            code="bad-environment",
            fix="Deploy without --trial, or have fewer functions, classes or tiers in it.",
        )
    queues = [arn(one) for one in dict.fromkeys([*(route.queue for route in routes), *beside.values()])]
    intakes, of_intakes = starting.intakes(triggers, environment, _ROUTER)
    plan = LambdaPlan(
        "router",
        "route",
        parts.SMALL,
        {
            **common(environment),
            "RUSHES_FUNCTIONS": ",".join(one.function.ref for one in wanted),
            "RUSHES_ROUTES": parts.routes({**_named(routes), **beside}, resources),
            "RUSHES_TIERS": tiers,
            "RUSHES_BUCKETS": ",".join(f"{a}={b}" for a, b in sorted(environment.buckets.items())),
            "RUSHES_SHOWS": ",".join(environment.shows),
            "RUSHES_INTAKES": ",".join(f"{name}={of}" for name, of in intakes.items()),
            "RUSHES_EVENTS_QUEUE": ref("QueueEvents"),
            "RUSHES_TRIALS": _trials_text(environment),
        },
        [
            permissions.reading(triggers),
            permissions.listing(trigger.bucket for trigger in triggers),
            permissions.encrypting(environment.kms_key),
            permissions.decrypting(environment.clip_keys),
            permissions.claiming(arn(TABLE_ID)),
            permissions.consuming([arn("QueueEvents"), *of_intakes.arns]),
            permissions.sending([*queues, arn("QueueEvents")]),
        ],
        f"Router of environment {environment.name}",
    )
    return {
        **parts.lambda_of(plan, environment),
        "DeadEvents": queue(environment.called("events", "dead")),
        "QueueEvents": queue(
            environment.called("events"), dead="DeadEvents", hidden_s=6 * parts.SMALL.timeout_s
        ),
        "SourceEvents": parts.mapping("QueueEvents", plan.id, batch=10, most=parts.routers(environment)),
        **of_intakes.resources,
        **starting.rule(triggers, environment),
        **starting.hours(wanted, plan.id),
    }


def _sweeping(
    all_: Sequence[Deployed],
    routes: Sequence[_Route],
    environment: Environment,
    resources: Mapping[str, Any],
) -> dict[str, Any]:
    """Once a minute somebody tells of what lapsed."""
    # What people send may be of a class that no trigger of its function gives: hosts work on that.
    hosts = by_group(host_queues(all_, environment)) if environment.has_hosts else {}
    queues = [arn(one) for one in dict.fromkeys([*(route.queue for route in routes), *hosts.values()])]
    # What waits for hosts that try a version which went back is handed to others.
    groups = groups_tried(all_, environment)
    back = [arn(id_) for name, id_ in hosts.items() if name.rpartition("/")[0] in groups]
    plan = LambdaPlan(
        "sweep",
        "sweep",
        parts.SMALL,
        {
            **common(environment),
            "RUSHES_ROUTES": parts.routes({**_named(routes), **hosts}, resources),
            "RUSHES_TRIALS": _trials_text(environment),
        },
        [
            permissions.claiming(arn(TABLE_ID)),
            permissions.sending(queues),
            permissions.consuming(back),
        ],
        f"Tells of what lapsed in environment {environment.name}",
    )
    return {**parts.lambda_of(plan, environment), **parts.every_minute(plan.id, environment)}


def _telling(all_: Sequence[Deployed], environment: Environment) -> dict[str, Any]:
    """Whoever listens to EventBridge hears what becomes of work: the stream of the table is the outbox."""
    stream = {"Fn::GetAtt": [TABLE_ID, "StreamArn"]}
    plan = LambdaPlan(
        "teller",
        "tell",
        parts.SMALL,
        {
            "RUSHES_TABLE": ref(TABLE_ID),
            "RUSHES_ENV": environment.name,
            "RUSHES_TRIALS": _trials_text(environment),
            "RUSHES_TRIED_ON_HOSTS": ",".join(stated.on_hosts(all_, environment)),
            "RUSHES_TELLS": "true" if environment.tells else "",
        },
        [
            permissions.streaming(stream),
            permissions.reading_items(arn(TABLE_ID)),
            permissions.counting_trials(arn(TABLE_ID)) if environment.trials else None,
            permissions.telling() if environment.tells else None,
            permissions.sending([arn("DeadTeller")]),
        ],
        f"Tells of what becomes of work in environment {environment.name}",
    )
    return {
        "DeadTeller": queue(environment.called("teller", "dead")),
        **parts.lambda_of(plan, environment),
        "SourceTeller": parts.stream_mapping(stream, plan.id, "DeadTeller"),
    }


def _trials_text(environment: Environment) -> str:
    return ",".join(f"{name}={version}" for name, version in environment.trials.items())


def _beside(all_: Sequence[Deployed], routes: Sequence[_Route], environment: Environment) -> dict[str, str]:
    """The queues of hosts that take what Lambdas of the same class would; none where there is no room."""
    if not environment.has_hosts:
        return {}
    own = {route.queue for route in routes}
    pairs = [
        (one, name)
        for one in all_
        for name in one.classes
        if logical("Queue", one.name, name) in own or tried_group(one, environment)
    ]
    groups = sorted({(one.group(environment), name) for one, name in pairs})
    groups += sorted({(group, name) for one, name in pairs if (group := tried_group(one, environment))})
    found = {f"{group}/{name}": logical("Queue", group, name) for group, name in groups}
    return found if len(routes) + len(found) <= MOST_ROUTES else {}


def _named(routes: Sequence[_Route]) -> dict[str, str]:
    return {f"{route.function}/{route.priority}": route.queue for route in routes}
