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

from rushes.engines.aws.infra import fleets, parts, permissions, starting
from rushes.engines.aws.infra.environment import Deployed, Environment, deployed, logical
from rushes.engines.aws.infra.host_tiers import text_of
from rushes.engines.aws.infra.parts import LambdaPlan, arn, queue, ref
from rushes.engines.aws.infra.sizing import hour_nano, size_of, unfit
from rushes.engines.aws.infra.versions import METADATA
from rushes.engines.aws.infra.watching import watching
from rushes.errors import CallerError
from rushes.invocation import PRIORITIES
from rushes.journal.dynamo_shape import TABLE

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["template_of"]

MOST_ROUTES: Final = 30
"""URLs of queues in the router's variables, which hold 4 KB in all."""
_TABLE: Final = "Ledger"
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
        CallerError: one cannot run on Lambda and there are no hosts, or two would share a name.
    """
    all_ = deployed(functions, environment)
    on_lambda, on_hosts = _tiers(all_, environment)
    on_lambda += _tried(on_lambda, environment)
    routes = [
        *(
            _Route(one.name, name, logical("Queue", one.name, name))
            for one in on_lambda
            for name in one.classes
        ),
        *(
            _Route(one.name, name, logical("Queue", one.group(environment), name))
            for one in on_hosts
            for name in one.classes
        ),
    ]
    if len(routes) > MOST_ROUTES:
        raise CallerError(
            f"{len(routes)} queues of functions and classes; a router takes {MOST_ROUTES}.",
            code="bad-environment",
            fix="Deploy some functions as an environment of their own.",
        )
    resources = {_TABLE: _table(environment), **_buckets(environment)}
    if environment.has_hosts:
        resources |= _hosts(all_, environment)
    for one in on_lambda:
        resources |= _worker(one, environment)
    if routes:
        resources |= _routing(all_, routes, environment) | _sweeping(all_, routes, environment)
    if environment.fleets:
        resources |= _fleets(all_, on_lambda, environment)
    if environment.tells or environment.trials:
        resources |= _telling(environment)
    resources |= watching(resources, [one.name for one in on_lambda], environment)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Rushes, environment {environment.name}",
        "Metadata": {
            METADATA: {
                "functions": {
                    one.name: {
                        "version": one.function.version,
                        "source": environment.sources.get(one.name, ""),
                    }
                    for one in all_
                },
                **({"trials": dict(environment.trials)} if environment.trials else {}),
            }
        },
        "Parameters": {
            "ImageUri": _image("Container image with Rushes and the functions"),
            **(
                {"StableImageUri": _image("The image of versions that are not tried")}
                if environment.trials
                else {}
            ),
        },
        "Resources": resources,
        "Outputs": _outputs(resources),
    }


def _image(what: str) -> dict[str, Any]:
    return {"Type": "String", "Description": what, "MinLength": 1}


def _tried(on_lambda: Sequence[Deployed], environment: Environment) -> list[Deployed]:
    """The new versions that get a share beside the old ones.

    Raises:
        CallerError: one of a function that is not on Lambda here, or that nothing starts.
    """
    there = {one.name: one for one in on_lambda}
    for name in environment.trials:
        if name not in there or not there[name].triggers:
            raise CallerError(
                f"no new version of {name} can be tried: it is started by nothing, or not on Lambda here.",
                code="bad-environment",
                fix="Deploy it without --trial.",
            )
    return [there[name]._replace(version=there[name].function.version) for name in environment.trials]


def _tiers(all_: Sequence[Deployed], environment: Environment) -> tuple[list[Deployed], list[Deployed]]:
    """Those that run on Lambda, and those that go to hosts."""
    hosted = [one for one in all_ if environment.has_hosts and unfit(one.function, environment.largest_clip)]
    return [one for one in all_ if one not in hosted], hosted


def _table(environment: Environment) -> dict[str, Any]:
    shape = {**TABLE, "TableName": environment.table, "SSESpecification": {"SSEEnabled": True}}
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


def _buckets(environment: Environment) -> dict[str, Any]:
    """Buckets that the environment makes: they tell of what comes, and stay when it goes."""
    return {logical("Bucket", name): parts.bucket(name) for name in environment.owned}


def _host_queues(all_: Sequence[Deployed], environment: Environment) -> dict[str, dict[str, str]]:
    """Of each group of hosts its queues: by class, the logical id."""
    groups = dict.fromkeys(
        [*(one.group for one in environment.fleets), *(d.group(environment) for d in all_)]
    )
    classes = [name for name in PRIORITIES if any(name in one.classes for one in all_)]
    return {group: {name: logical("Queue", group, name) for name in classes} for group in groups}


def _hosts(all_: Sequence[Deployed], environment: Environment) -> dict[str, Any]:
    """Queues for hosts, one a group and class, and what a host may do."""
    dead = "DeadHosts"
    made = {dead: queue(environment.called("hosts", "dead"))}
    queues = _host_queues(all_, environment)
    for group, ids in queues.items():
        for name, id_ in ids.items():
            made[id_] = queue(environment.called(group, name), dead=dead, hidden_s=120)
    arns = [arn(id_) for ids in queues.values() for id_ in ids.values()]
    statements = [
        *_working(all_, environment),
        permissions.consuming(arns),
        permissions.sending(arns),
    ]
    made["HostPolicy"] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "Description": f"What a host of Rushes may do in {environment.name}",
            "PolicyDocument": permissions.policy(statements),
        },
    }
    return made


def _fleets(
    all_: Sequence[Deployed], on_lambda: Sequence[Deployed], environment: Environment
) -> dict[str, Any]:
    """Hosts that come and go by themselves, and the scaler that says how many."""
    queues = _host_queues(all_, environment)
    made = fleets.cluster(environment) | fleets.network(environment)
    moves = any(one.triggers for one in all_)
    if moves:
        made["WorkHosts"] = parts.work_role("RoleHost", _moving(all_, environment))
    for tier in environment.fleets:
        variables = {
            **_common(environment),
            "RUSHES_QUEUES": parts.joined(_by_group({tier.group: queues[tier.group]})),
            "RUSHES_TIER": tier.price,
            "RUSHES_WORK_ROLE": arn("WorkHosts") if moves else "",
        }
        made |= fleets.fleet_of(tier, variables, environment)
    sources = {
        f"{one.name}/{name}": logical("Source", one.name, name) for one in on_lambda for name in one.classes
    }
    return made | _scaler(queues, sources, on_lambda, environment)


def _scaler(
    queues: dict[str, dict[str, str]],
    sources: dict[str, str],
    on_lambda: Sequence[Deployed],
    environment: Environment,
) -> dict[str, Any]:
    document = {
        **environment.capacity,
        "hosts": {tier.name: tier.group for tier in environment.fleets},
        "machines": sorted(tier.name for tier in environment.fleets if tier.type),
        "classes": sorted({name for ids in queues.values() for name in ids}),
        "sources": {
            f"{one.name}/{name}": [
                hour_nano(size_of(one.function, environment.largest_clip)),
                _most(one, environment),
            ]
            for one in on_lambda
            for name in one.classes
        },
    }
    watched = [id_ for ids in queues.values() for id_ in ids.values()]
    watched += [logical("Queue", one.name, name) for one in on_lambda for name in one.classes]
    plan = LambdaPlan(
        "scaler",
        "scale",
        parts.SMALL,
        {
            "RUSHES_TABLE": ref(_TABLE),
            "RUSHES_ENV": environment.name,
            "RUSHES_FLEETS": ref("Fleets"),
            "RUSHES_SOURCES": parts.joined(sources),
        },
        [
            permissions.keeping(arn(_TABLE)),
            *permissions.scaling(
                arn(fleets.CLUSTER),
                [ref(logical("Service", tier.name)) for tier in environment.fleets],
                fleets.tasks_of(environment),
            ),
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


def _working(some: Sequence[Deployed], environment: Environment) -> list[Any]:
    """What working on these functions takes: clips, outputs, the ledger."""
    return [*_moving(some, environment), permissions.claiming(arn(_TABLE))]


def _moving(some: Sequence[Deployed], environment: Environment) -> list[Any]:
    """What attempts of these functions take: clips and outputs."""
    triggers = [trigger for one in some for trigger in one.triggers]
    makers = [trigger for one in some if one.function.makes_outputs for trigger in one.triggers]
    return [
        permissions.reading(triggers),
        permissions.writing(makers),
        permissions.listing(permissions.out_buckets(makers)),
        permissions.encrypting(environment.kms_key),
    ]


def _worker(one: Deployed, environment: Environment) -> dict[str, Any]:
    """A function: its Lambda, and a queue with a mapping for each class."""
    size = size_of(one.function, environment.largest_clip)
    ids = {name: logical("Queue", one.name, name) for name in one.classes}
    group = one.group(environment)
    longer = {name: logical("Queue", group, name) for name in one.classes if environment.has_hosts}
    own = [arn(id_) for id_ in ids.values()]
    version = one.version or environment.trials.get(one.name, one.function.version)
    plan = LambdaPlan(
        one.name,
        "work",
        size,
        {
            **_common(environment),
            "RUSHES_FUNCTION": one.function.ref,
            "RUSHES_QUEUE_URL": parts.joined(ids),
            "RUSHES_LONGER_QUEUE_URL": parts.joined(longer),
        },
        [
            # It looks at the objects that it is told of; what is done with them, attempts may, one by one.
            permissions.reading(one.triggers),
            permissions.encrypting(environment.kms_key),
            permissions.claiming(arn(_TABLE)),
            permissions.consuming(own),
            permissions.sending([*own, *(arn(id_) for id_ in longer.values())]),
        ],
        f"{one.function.ref} version {version}"
        + (f", of {one.function.owner}" if one.function.owner else ""),
        one.function.max_concurrency,
        _moving([one], environment) if one.triggers else (),
        "StableImageUri" if one.name in environment.trials else "ImageUri",
    )
    made = parts.lambda_of(plan, environment)
    if not ids:
        return made
    dead = logical("Dead", one.name)
    made[dead] = queue(environment.called(one.name, "dead"))
    most = _most(one, environment)
    for name, id_ in ids.items():
        # Six times the limit of an attempt, as AWS asks for; what dies earlier, the sweep tells of again.
        made[id_] = queue(environment.called(one.name, name), dead=dead, hidden_s=6 * size.timeout_s)
        made[logical("Source", one.name, name)] = parts.mapping(id_, plan.id, batch=1, most=most)
    return made


def _most(one: Deployed, environment: Environment) -> int:
    """Attempts of one function and class at a time, as a mapping takes it."""
    return min(environment.concurrency, max(one.function.max_concurrency or environment.concurrency, 2))


def _routing(all_: Sequence[Deployed], routes: Sequence[_Route], environment: Environment) -> dict[str, Any]:
    """What comes, by rule, hour and message, the queue of events behind it, and the router."""
    wanted = [one for one in all_ if one.triggers]
    triggers = [trigger for one in wanted for trigger in one.triggers]
    queues = [arn(one) for one in dict.fromkeys(route.queue for route in routes)]
    intakes, of_intakes = starting.intakes(triggers, environment, _ROUTER)
    plan = LambdaPlan(
        "router",
        "route",
        parts.SMALL,
        {
            **_common(environment),
            "RUSHES_FUNCTIONS": ",".join(one.function.ref for one in wanted),
            "RUSHES_ROUTES": _routes_text(routes),
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
            permissions.claiming(arn(_TABLE)),
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
        "SourceEvents": parts.mapping("QueueEvents", plan.id, batch=10, most=10),
        **of_intakes.resources,
        **starting.rule(triggers, environment),
        **starting.hours(wanted, environment, plan.id),
    }


def _sweeping(all_: Sequence[Deployed], routes: Sequence[_Route], environment: Environment) -> dict[str, Any]:
    """Once a minute somebody tells of what lapsed."""
    # What people send may be of a class that no trigger of its function gives: hosts work on that.
    hosts = _by_group(_host_queues(all_, environment)) if environment.has_hosts else {}
    queues = [arn(one) for one in dict.fromkeys([*(route.queue for route in routes), *hosts.values()])]
    plan = LambdaPlan(
        "sweep",
        "sweep",
        parts.SMALL,
        {
            **_common(environment),
            "RUSHES_ROUTES": parts.joined({**_named(routes), **hosts}),
            "RUSHES_TRIALS": _trials_text(environment),
        },
        [permissions.claiming(arn(_TABLE)), permissions.sending(queues)],
        f"Tells of what lapsed in environment {environment.name}",
    )
    return {**parts.lambda_of(plan, environment), **parts.every_minute(plan.id, environment)}


def _telling(environment: Environment) -> dict[str, Any]:
    """Whoever listens to EventBridge hears what becomes of work: the stream of the table is the outbox."""
    stream = {"Fn::GetAtt": [_TABLE, "StreamArn"]}
    plan = LambdaPlan(
        "teller",
        "tell",
        parts.SMALL,
        {
            "RUSHES_TABLE": ref(_TABLE),
            "RUSHES_ENV": environment.name,
            "RUSHES_TRIALS": _trials_text(environment),
            "RUSHES_TELLS": "true" if environment.tells else "",
        },
        [
            permissions.streaming(stream),
            permissions.reading_items(arn(_TABLE)),
            permissions.counting_trials(arn(_TABLE)) if environment.trials else None,
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


def _routes_text(routes: Sequence[_Route]) -> Any:
    return parts.joined(_named(routes))


def _by_group(queues: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Queues of hosts by ``<group>/<class>``."""
    return {f"{group}/{name}": id_ for group, ids in queues.items() for name, id_ in ids.items()}


def _named(routes: Sequence[_Route]) -> dict[str, str]:
    return {f"{route.function}/{route.priority}": route.queue for route in routes}


def _common(environment: Environment) -> dict[str, Any]:
    return {
        "RUSHES_TABLE": ref(_TABLE),
        "RUSHES_KEEP": environment.kept,
        "RUSHES_KMS_KEY": environment.kms_key,
    }


def _outputs(resources: dict[str, Any]) -> dict[str, Any]:
    """What a person needs to know of it: the table, queues and functions."""
    kinds = {"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::S3::Bucket"}
    return {
        id_: {"Value": ref(id_)}
        for id_, one in resources.items()
        if one["Type"] in kinds and not id_.startswith("Dead")
    }
