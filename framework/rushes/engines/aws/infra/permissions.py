"""Who may do what: a policy for each function, for the router, the sweep and hosts, and no wider. Pure.

A function reads the objects that its triggers can match and writes below the places that they name. Patterns
become resources of IAM, whose ``*`` crosses ``/`` and whose letters have a case: four spellings are
permitted, ``Day``, ``day``, ``DAY`` and the pattern's own.

Listing a bucket of outputs is permitted whole: S3 says *forbidden* instead of *not found* without it, and a
condition on a prefix does not hold for the request that asks for one object. Names can be seen there, content
cannot. The ledger is one table: the keys of work say nothing of a function, so every function may write any
item of it; but what runs of a function took, by which others decide where work goes, it alone may say, and
hosts. This module must not know what else is in a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rushes.shared_ledger.dynamo_shape import RUNS

if TYPE_CHECKING:
    from rushes.triggers import OnS3

__all__ = [
    "claiming",
    "consuming",
    "counting_trials",
    "deciding_trials",
    "decrypting",
    "encrypting",
    "handing",
    "joining",
    "keeping",
    "listing",
    "logging",
    "looking_at_queues",
    "looking_itself_up",
    "out_buckets",
    "passing_on",
    "policy",
    "protecting",
    "pulling",
    "reading",
    "reading_items",
    "reading_parameter",
    "scaling",
    "sending",
    "streaming",
    "telling",
    "throttling",
    "tracing",
    "working_on",
    "writing",
]

_TOKEN: Final = re.compile(r"\*\*/?|\*|\?|\{[a-z0-9_]*\}")
_READ: Final = ["s3:GetObject", "s3:GetObjectVersion"]
# What is there is read by its version, where a bucket has versions.
_WRITE: Final = ["s3:PutObject", *_READ, "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_LIST: Final = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
_READ_LEDGER: Final = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
                       "dynamodb:ConditionCheckItem"]  # fmt: skip
_WRITE_LEDGER: Final = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
_CONSUME: Final = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility",
                   "sqs:GetQueueAttributes"]  # fmt: skip

Statement = dict[str, Any]


def policy(statements: Iterable[Statement | None]) -> dict[str, Any]:
    """A policy of those that say something."""
    return {"Version": "2012-10-17", "Statement": [one for one in statements if one]}


def reading(triggers: Iterable[OnS3]) -> Statement | None:
    """May read what triggers match, with the sidecars beside it."""
    return _allow(_READ, sorted({_arn(one.bucket, key) for one in triggers for key in _keys(one)}))


def writing(triggers: Iterable[OnS3]) -> Statement | None:
    """May publish below the places that triggers name, and read what is there already."""
    places = {place for one in triggers if (place := _out(one))}
    return _allow(_WRITE, sorted(_arn(bucket, f"{key}/*" if key else "*") for bucket, key in places))


def listing(buckets: Iterable[str]) -> Statement | None:
    """May see which objects there are."""
    return _allow(_LIST, [_arn(one) for one in sorted(set(buckets))])


def out_buckets(triggers: Iterable[OnS3]) -> set[str]:
    """Where outputs go."""
    return {place[0] for one in triggers if (place := _out(one))}


def claiming(table: Any) -> Statement:
    """May read and write the ledger."""
    return _of([*_READ_LEDGER, *_WRITE_LEDGER], _with_index(table))


def working_on(table: Any, functions: Iterable[str]) -> list[Statement]:
    """May read and write the ledger, but say what runs took of these functions alone; ``*`` for all."""
    others = {"ForAllValues:StringNotLike": {"dynamodb:LeadingKeys": [f"{RUNS}*"]}}
    own = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{RUNS}{name}" for name in functions]}}
    return [
        _of(_READ_LEDGER, _with_index(table)),
        {**_of(_WRITE_LEDGER, table), "Condition": others},
        {**_of(["dynamodb:UpdateItem"], table), "Condition": own},
    ]


def _with_index(table: Any) -> list[Any]:
    return [table, {"Fn::Join": ["", [table, "/index/*"]]}]


def consuming(queues: Sequence[Any]) -> Statement | None:
    """May take messages of queues."""
    return _allow(_CONSUME, list(queues))


def sending(queues: Sequence[Any]) -> Statement | None:
    """May send to queues."""
    return _allow(["sqs:SendMessage"], list(queues))


def passing_on(queues: Sequence[Any]) -> Statement | None:
    """May take messages of queues, and send to them."""
    return _allow([*_CONSUME, "sqs:SendMessage"], list(queues))


def looking_itself_up() -> Statement:
    """May ask its own stack where its table and queues are."""
    place = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}"
    # Who asks by its name alone asks for all that ever had it.
    return _of(["cloudformation:DescribeStacks"], [{"Fn::Sub": f"{place}:stack/${{AWS::StackName}}/*"}])


def encrypting(key: str) -> Statement | None:
    """May use the key that outputs are encrypted with."""
    return _allow(["kms:GenerateDataKey", "kms:Decrypt"], [key]) if key else None


def decrypting(keys: Sequence[str]) -> Statement | None:
    """May read what is encrypted with keys; S3 asks for that also where a checksum is all that is read."""
    return _allow(["kms:Decrypt"], list(keys))


def logging(group: Any) -> Statement:
    """May write its own log."""
    return {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [group]}


def protecting(tasks: Any) -> Statement:
    """A host may say of its own task, and of others of its cluster, that it is not to be stopped."""
    return _of(["ecs:UpdateTaskProtection", "ecs:GetTaskProtection"], tasks)


def pulling() -> list[Statement]:
    """May fetch images; whose, the registry decides."""
    repositories = {"Fn::Sub": "arn:${AWS::Partition}:ecr:*:*:repository/*"}
    return [
        _of(["ecr:GetAuthorizationToken"], "*"),
        _of(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repositories,
        ),
    ]


def joining(cluster: Any, machines: Any) -> list[Statement]:
    """A machine may join a cluster, and do there what the agent of ECS does.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html
    """
    said = {"ArnEquals": {"ecs:cluster": cluster}}
    there = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:UpdateContainerInstancesState"]
    return [
        _of(["ecs:DeregisterContainerInstance", "ecs:RegisterContainerInstance", "ecs:Submit*"], cluster),
        {**_of(there, machines), "Condition": said},
        _of(["ecs:DiscoverPollEndpoint"], "*"),
    ]


def scaling(cluster: Any, services: Sequence[Any], tasks: Any) -> list[Statement]:
    """May look at the hosts of a cluster, and say how many there are to be. It may stop none."""
    return [
        _of(["ecs:DescribeServices", "ecs:UpdateService"], list(services)),
        {**_of(["ecs:ListTasks"], "*"), "Condition": {"ArnEquals": {"ecs:cluster": cluster}}},
        _of(["ecs:DescribeTasks", "ecs:GetTaskProtection"], tasks),
        _of(["autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeScalingActivities"], "*"),
    ]


def handing(roles: Sequence[Any]) -> Statement:
    """May tell a service of tasks that have these roles, which ECS asks for where a task is named."""
    to = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    return {**_of(["iam:PassRole"], list(roles)), "Condition": to}


def throttling(mappings: Sequence[Any]) -> Statement | None:
    """May say how many messages of queues are worked on at a time, or none."""
    if not mappings:
        return None
    return _of(["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"], list(mappings))


def looking_at_queues(queues: Sequence[Any]) -> Statement | None:
    """May see how much waits in queues, and take none of it."""
    return _allow(["sqs:GetQueueAttributes", "sqs:GetQueueUrl"], list(queues))


def streaming(stream: Any) -> Statement:
    """May read the stream of a table."""
    read = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
    return _of([*read, "dynamodb:ListStreams"], stream)


def reading_items(table: Any) -> Statement:
    """May read the ledger, and write none of it."""
    return _of(["dynamodb:GetItem"], table)


def counting_trials(table: Any) -> Statement:
    """May count what versions have done, and write nothing else of the ledger."""
    return {
        **_of(["dynamodb:UpdateItem"], table),
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["V#*"]}},
    }


def deciding_trials(table: Any) -> Statement:
    """May see what share new versions have, and let them have nothing; nothing else of the ledger."""
    return {
        **_of(["dynamodb:GetItem", "dynamodb:UpdateItem"], table),
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["V#*"]}},
    }


def telling() -> Statement:
    """May put events of ours on the default bus, and of nobody else."""
    bus = {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"}
    # A request has several events: each has to be ours.
    ours = {"ForAllValues:StringEquals": {"events:source": "rushes"}, "Null": {"events:source": "false"}}
    return {**_of(["events:PutEvents"], bus), "Condition": ours}


def reading_parameter(name: str) -> Statement:
    """May read one parameter of Systems Manager."""
    place = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}"
    return _of(["ssm:GetParameter"], {"Fn::Sub": f"{place}:parameter/{name}"})


def keeping(table: Any) -> Statement:
    """May keep what it remembers of fleets in the ledger's table, and read nothing else of it."""
    return {
        **_of(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"], table),
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["F#*"]}},
    }


def _of(actions: Sequence[str], resources: Any) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def tracing() -> Statement:
    """May tell X-Ray of its work, which knows no resources to name.

    See https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html.
    """
    return {
        "Effect": "Allow",
        "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        "Resource": ["*"],
    }


def _allow(actions: Sequence[str], resources: Sequence[Any]) -> Statement | None:
    if not resources:
        return None
    named = [{"Fn::Sub": one} if isinstance(one, str) and "${" in one else one for one in resources]
    return {"Effect": "Allow", "Action": list(actions), "Resource": named}


def _arn(bucket: str, key: str = "") -> str:
    return f"arn:${{AWS::Partition}}:s3:::{bucket}{f'/{_escaped(key)}' if key else ''}"


def _keys(trigger: OnS3) -> set[str]:
    """Patterns of IAM for the keys that a trigger matches."""
    pattern = trigger.key_pattern
    if trigger.sidecar:  # it is named like the clip, with another extension
        stem, dot, suffix = pattern.rpartition(".")
        pattern = f"{stem}.*" if dot and "/" not in suffix else pattern
    found = re.sub(r"\*+", "*", _TOKEN.sub(lambda one: "?" if one.group() == "?" else "*", pattern))
    spelt = {found, found.lower(), found.upper(), found.title()}
    return {*spelt, f"{trigger.prefix}*{trigger.manifest}"} if trigger.manifest else spelt


def _out(trigger: OnS3) -> tuple[str, str] | None:
    """Bucket and key pattern of where a trigger's outputs go."""
    bucket, _, key = trigger.out.removeprefix("s3://").partition("/")
    return (bucket, _TOKEN.sub("*", key)) if bucket else None


def _escaped(text: str) -> str:
    """A literal as `Fn::Sub` and IAM take it: neither may find a variable in it."""
    return text.replace("${", "${!")
