"""Single resources of a template, each as CloudFormation takes it. Pure.

This module must not know which of them an environment has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rushes.engines.aws.access.settings import METRICS
from rushes.engines.aws.infra import permissions
from rushes.engines.aws.infra.environment import Environment, logical
from rushes.engines.aws.infra.sizing import LEAST_SCRATCH_MB, Size

__all__ = [
    "SMALL",
    "TRIES",
    "TRIES_IN_TURN",
    "LambdaPlan",
    "arn",
    "assumed_by",
    "called_by_rule",
    "every_minute",
    "from_rule",
    "joined",
    "lambda_of",
    "mapping",
    "mapping_arn",
    "queue",
    "ref",
    "routers",
    "routes",
    "stream_mapping",
    "work_role",
]

SMALL: Final = Size(512, 120, LEAST_SCRATCH_MB)
"""Of what moves no media: it reads heads of objects, and writes the ledger and queues."""
TRIES: Final = 5
"""Deliveries of a message before it is set aside. Failures of the work itself are counted in the ledger."""
TRIES_IN_TURN: Final = 100
"""The same where more messages are taken than may be worked on at a time: what is throttled until its queue
shows it again has been delivered once more, and nothing is wrong with it."""
ROUTERS: Final = 10
KEPT_S: Final = 14 * 86_400
"""The longest that SQS keeps a message."""


class LambdaPlan(NamedTuple):
    """One Lambda."""

    name: str
    handler: str
    """Of `rushes.engines.aws.entry`."""
    size: Size
    variables: Mapping[str, Any]
    statements: Sequence[Any]
    description: str
    most: int | None = None
    """At a time, of all classes together."""
    work: Sequence[Any] = ()
    """What single attempts may, each with a session that permits a part of it; nothing: they are none."""
    image: str = "ImageUri"
    """The parameter that has it."""
    waits: bool = False
    """It sends back to its own queue what has to wait. Lambda takes sixteen times of that for a loop and ends
    it (https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html): here the ledger counts."""

    @property
    def id(self) -> str:
        return logical("Function", self.name)


def ref(id_: str) -> dict[str, str]:
    return {"Ref": id_}


def arn(id_: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [id_, "Arn"]}


def joined(of: Mapping[str, str]) -> Any:
    """``a=URL,b=URL`` of queues by logical id, as a variable says it."""
    texts: list[Any] = []
    for name, id_ in of.items():
        texts += [f"{',' if texts else ''}{name}=", ref(id_)]
    return {"Fn::Join": ["", texts]} if texts else ""


def routes(of: Mapping[str, str], resources: Mapping[str, Any]) -> Any:
    """``a=URL,b=~NAME``: the URL of the first, and of the others their names, so that as many fit as may.

    See `rushes.engines.aws.access.settings.places_of`.
    """
    named = iter(of.items())
    first = next(named, None)
    if first is None:
        return ""
    others = "".join(f",{name}=~{resources[id_]['Properties']['QueueName']}" for name, id_ in named)
    return {"Fn::Join": ["", [f"{first[0]}=", ref(first[1]), *([others] if others else [])]]}


def queue(name: str, *, dead: str = "", hidden_s: int = 60, tries: int = TRIES) -> dict[str, Any]:
    """A standard queue; without `dead` one where messages are set aside."""
    properties: dict[str, Any] = {
        "QueueName": name,
        "MessageRetentionPeriod": KEPT_S,
        "VisibilityTimeout": hidden_s,
        "SqsManagedSseEnabled": True,
    }
    if dead:
        properties["RedrivePolicy"] = {"deadLetterTargetArn": arn(dead), "maxReceiveCount": tries}
    return {
        "Type": "AWS::SQS::Queue",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": properties,
    }


def routers(environment: Environment) -> int:
    """Routers at a time: enough for all that comes, and no more than a function where an account has few."""
    return min(ROUTERS, environment.concurrency)


def mapping(queue_id: str, function_id: str, *, batch: int, most: int) -> dict[str, Any]:
    """Messages of a queue to a Lambda: those that failed come back alone."""
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": arn(queue_id),
            "FunctionName": ref(function_id),
            "BatchSize": batch,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": most},
        },
    }


def stream_mapping(stream: Any, function_id: str, dead: str) -> dict[str, Any]:
    """Changes in the ledger to a Lambda, in their order; what cannot be told for a day is set aside."""
    ended = {"state": {"S": ["succeeded", "failed", "cancelled", "held"]}}
    patterns = [
        {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": ended}},
        {"eventName": ["MODIFY"], "dynamodb": {"Keys": {"sk": {"S": ["B"]}}}},
    ]
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": stream,
            "FunctionName": ref(function_id),
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 100,
            "FilterCriteria": {"Filters": [{"Pattern": json.dumps(one)} for one in patterns]},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRecordAgeInSeconds": 86_400,
            "MaximumRetryAttempts": -1,
            "DestinationConfig": {"OnFailure": {"Destination": arn(dead)}},
        },
    }


def mapping_arn(id_: str) -> dict[str, str]:
    """The ARN of a mapping, which is known by a UUID."""
    place = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:event-source-mapping"
    return {"Fn::Sub": f"{place}:${{{id_}}}"}


def lambda_of(plan: LambdaPlan, environment: Environment) -> dict[str, Any]:
    """A Lambda with its log and its role."""
    name, log, role = environment.called(plan.name), logical("Log", plan.name), logical("Role", plan.name)
    work = logical("Work", plan.name)
    variables = {
        **plan.variables,
        METRICS: environment.called(),
        **({"RUSHES_WORK_ROLE": arn(work)} if plan.work else {}),
    }
    statements = [*plan.statements, permissions.logging(arn(log))]
    if environment.tracing:
        statements.append(permissions.tracing())
        variables["RUSHES_TRACING"] = "1"
    properties: dict[str, Any] = {
        "FunctionName": name,
        "Description": plan.description[:256],
        "PackageType": "Image",
        "Code": {"ImageUri": ref(plan.image)},
        "ImageConfig": {"Command": [f"rushes.engines.aws.entry.{plan.handler}"]},
        "Architectures": ["x86_64"],
        "Role": arn(role),
        "MemorySize": plan.size.memory_mb,
        "Timeout": plan.size.timeout_s,
        "EphemeralStorage": {"Size": plan.size.scratch_mb},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": ref(log)},
        "Environment": {"Variables": {key: value for key, value in variables.items() if value}},
    }
    if environment.tracing:
        properties["TracingConfig"] = {"Mode": "Active"}
    if plan.most is not None:
        properties["ReservedConcurrentExecutions"] = plan.most
    if plan.waits:
        properties["RecursiveLoop"] = "Allow"
    return {
        log: {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"LogGroupName": f"/aws/lambda/{name}", "RetentionInDays": environment.log_days},
        },
        role: {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": assumed_by("lambda.amazonaws.com"),
                "Policies": [{"PolicyName": "own", "PolicyDocument": permissions.policy(statements)}],
            },
        },
        **({work: work_role(role, plan.work)} if plan.work else {}),
        plan.id: {"Type": "AWS::Lambda::Function", "Properties": properties},
    }


def work_role(owner: str, statements: Sequence[Any]) -> dict[str, Any]:
    """A role that one other may take on, which needs no permission of its own for it within an account.

    See https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
    """
    trust = {"Effect": "Allow", "Principal": {"AWS": arn(owner)}, "Action": "sts:AssumeRole"}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "own", "PolicyDocument": permissions.policy(statements)}],
        },
    }


def from_rule(queues: Sequence[str], rule: str) -> dict[str, Any]:
    """A rule of EventBridge may send to queues."""
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [ref(one) for one in queues],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": [arn(one) for one in queues],
                        "Condition": {"ArnEquals": {"aws:SourceArn": arn(rule)}},
                    }
                ],
            },
        },
    }


def every_minute(function_id: str, environment: Environment, what: str = "") -> dict[str, Any]:
    """A Lambda that is called once a minute; `what` tells it from others that are.

    A call that fails, or finds no room for a minute, is not made up for: the next one does all of it. Lambda
    would try it twice more, and keep it for six hours (https://docs.aws.amazon.com/lambda/latest/dg/
    invocation-async-error-handling.html), so that all of these came at once when there is room again.
    """
    rule = logical("Minute", what)
    return {
        rule: {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": environment.called("minute", *([what] if what else [])),
                "ScheduleExpression": "rate(1 minute)",
                "State": "ENABLED",
                "Targets": [
                    {
                        "Id": what or "sweep",
                        "Arn": arn(function_id),
                        "RetryPolicy": {"MaximumRetryAttempts": 0},
                    }
                ],
            },
        },
        f"{rule}Permission": called_by_rule(function_id, rule),
        f"{rule}Once": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": ref(function_id),
                "Qualifier": "$LATEST",
                "MaximumRetryAttempts": 0,
                "MaximumEventAgeInSeconds": 60,
            },
        },
    }


def called_by_rule(function_id: str, rule: str) -> dict[str, Any]:
    """A rule of EventBridge may call a Lambda."""
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": ref(function_id),
            "Principal": "events.amazonaws.com",
            "SourceArn": arn(rule),
        },
    }


def assumed_by(service: str) -> dict[str, Any]:
    """The role is a service's to take."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }
