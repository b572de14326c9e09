"""Clients of AWS in memory that may do what a role of a template may, and nothing else.

Local servers permit everything. Here each request is looked up in the role's policies before it is sent, by
what AWS says that it takes (https://docs.aws.amazon.com/service-authorization/latest/reference/): what is not
permitted is refused as AWS does, and remembered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings

PLACE: Final = "us-east-1:123456789012"
_PSEUDO: Final = {
    "Partition": "aws", "Region": "us-east-1", "AccountId": "123456789012", "StackName": "rushes-dev",
}  # fmt: skip
_NAMES: Final = ("QueueName", "TableName", "LogGroupName")
_ARNS: Final[Mapping[str, str]] = {
    "AWS::SQS::Queue": "arn:aws:sqs:{place}:{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{place}:table/{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{place}:log-group:{name}:*",
}
_ITEM: Final = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
_SQS: Final = {
    "SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}  # fmt: skip
_S3: Final = {
    "HeadObject": "GetObject", "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject", "ListObjectsV2": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads", "HeadBucket": "ListBucket",
}  # fmt: skip
_OF_BUCKETS: Final = frozenset({"ListBucket", "ListBucketMultipartUploads"})

Wanted = tuple[str, str, Mapping[str, Sequence[str]]]
"""An action, the resource, and what conditions may ask of."""


class Permits:
    """What the roles of a template may.

    Args:
        template: of an environment.
    """

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._resources = template["Resources"]
        self.refused: list[str] = []
        self.asked: set[tuple[str, str]] = set()
        """By role, the actions that were asked for."""

    def statements(self, role: str) -> list[Any]:
        """Of all policies of a role, by its logical id."""
        properties = self._resources[role]["Properties"]
        documents = [one["PolicyDocument"] for one in properties["Policies"]]
        managed = [one["Ref"] for one in properties.get("ManagedPolicyArns", ())]
        documents += [self._resources[one]["Properties"]["PolicyDocument"] for one in managed]
        return [statement for one in documents for statement in self._real(one)["Statement"]]

    def trusts(self, role: str, who: str) -> bool:
        """Whether a role may be had by another."""
        trust = self._resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        return {"AWS": {"Fn::GetAtt": [who, "Arn"]}} in [one["Principal"] for one in trust]

    def guard(self, client: Any, role: str, session: str = "") -> Any:
        """A client that has the credentials of a role, or of a session of it with a policy."""
        policies = [self.statements(role), *([json.loads(session)["Statement"]] if session else [])]

        def look(params: Mapping[str, Any], model: Any, **_: Any) -> None:
            for wanted in _wanted(model.service_model.service_name, model.name, params):
                self.asked.add((role, wanted[0]))
                if not all(any(_permits(one, wanted) for one in policy) for policy in policies):
                    self.refused.append(
                        f"{role}{' in a session' if session else ''}: {wanted[0]} on {wanted[1]}"
                    )
                    answer: Any = {"Error": {"Code": "AccessDeniedException", "Message": ""}}
                    raise ClientError(answer, model.name)

        client.meta.events.register("provide-client-params", look)
        return client

    def _real(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._real(one) for one in value]
        if not isinstance(value, Mapping):
            return value
        for function in ("Fn::GetAtt", "Ref", "Fn::Join", "Fn::Sub"):
            if function in value:
                return self._evaluated(function, value[function])
        return {key: self._real(one) for key, one in value.items()}

    def _evaluated(self, function: str, of: Any) -> str:
        if function == "Fn::GetAtt":
            return self._called(*of)
        if function == "Ref":
            return self._called(of, "Arn")
        if function == "Fn::Join":
            return str(of[0]).join(self._real(of[1]))
        text = str(of)
        for name, value in _PSEUDO.items():
            text = text.replace(f"${{AWS::{name}}}", value)
        for id_ in self._resources:
            text = text.replace(f"${{{id_}}}", id_)
        return text

    def _called(self, id_: str, attribute: str) -> str:
        one = self._resources[id_]
        name = next((one["Properties"][key] for key in _NAMES if key in one["Properties"]), "")
        if attribute == "Arn" and one["Type"] in _ARNS:
            return _ARNS[one["Type"]].format(place=PLACE, name=name)
        if one["Type"] == "AWS::ECS::Service":
            return f"arn:aws:ecs:{PLACE}:service/rushes-dev/{one['Properties']['ServiceName']}"
        return f"arn:of:{id_}"


class RoleServices(Services):
    """The services of a process that has a role, and gives its attempts sessions of another."""

    def __init__(
        self, settings: AwsSettings, role: str, permits: Permits, make: Any, *, work_role: str = ""
    ) -> None:
        super().__init__(settings, role)
        self._role, self._permits, self._make, self._work_role = role, permits, make, work_role
        self._policy = ""

    def client(self, service: str, session: Any = None) -> Any:
        if service == "sts":
            return self
        made = self._make(service)
        if session is not None:
            return self._permits.guard(made, self._work_role, self._policy)
        return self._permits.guard(made, self._role)

    def assume_role(self, **asked: Any) -> Any:
        """As STS."""
        assert self._permits.trusts(self._work_role, self._role)
        self._policy = asked["Policy"]
        until = datetime.now(UTC) + timedelta(hours=1)
        return {
            "Credentials": {
                "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": until,
            }
        }  # fmt: skip


def _permits(statement: Mapping[str, Any], wanted: Wanted) -> bool:
    action, resource, facts = wanted
    resources = statement["Resource"]
    return (
        any(fnmatchcase(action, one) for one in statement["Action"])
        and any(
            fnmatchcase(resource, one) for one in ([resources] if isinstance(resources, str) else resources)
        )
        and all(_holds(test, its, facts) for test, its in statement.get("Condition", {}).items())
    )


def _holds(test: str, conditions: Mapping[str, Any], facts: Mapping[str, Sequence[str]]) -> bool:
    for key, said in conditions.items():
        patterns = [said] if isinstance(said, str) else said
        values = facts.get(key, ())
        if test == "Null":
            if bool(values) is (said == "true"):
                return False
            continue
        if not values and not test.startswith("ForAllValues:"):
            return False
        like = [any(fnmatchcase(value, one) for one in patterns) for value in values]
        if any(like) if "Not" in test else not all(like):
            return False
    return True


def _wanted(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[Wanted]:
    """What a request takes of whoever sends it."""
    if service == "s3":
        yield from _of_s3(operation, params)
    elif service == "dynamodb":
        yield from _of_dynamodb(operation, params)
    elif service == "sqs":
        name = params.get("QueueName") or params["QueueUrl"].rpartition("/")[2]
        yield f"sqs:{_SQS.get(operation, operation)}", f"arn:aws:sqs:{PLACE}:{name}", {}
    elif service == "events":
        facts = {"events:source": [one["Source"] for one in params["Entries"]]}
        yield f"events:{operation}", f"arn:aws:events:{PLACE}:event-bus/default", facts
    elif service == "lambda":
        yield f"lambda:{operation}", f"arn:aws:lambda:{PLACE}:event-source-mapping:{params['UUID']}", {}
    elif service == "ssm":
        yield f"ssm:{operation}", f"arn:aws:ssm:{PLACE}:parameter/{params['Name']}", {}
    elif service == "ecs":
        yield from _of_ecs(operation, params)
    else:
        yield f"{service}:{operation}", "*", {}


def _of_s3(operation: str, params: Mapping[str, Any]) -> Iterator[Wanted]:
    action, bucket = _S3.get(operation, operation), f"arn:aws:s3:::{params['Bucket']}"
    if action == "GetObject" and params.get("VersionId"):
        action = "GetObjectVersion"
    yield f"s3:{action}", bucket if action in _OF_BUCKETS else f"{bucket}/{params['Key']}", {}
    if params.get("IfMatch") and action == "PutObject":
        yield "s3:GetObject", f"{bucket}/{params['Key']}", {}


def _of_dynamodb(operation: str, params: Mapping[str, Any]) -> Iterator[Wanted]:
    if operation == "TransactWriteItems":
        for part in params["TransactItems"]:
            for kind, one in part.items():
                yield from _of_dynamodb(_ITEM.get(kind, "ConditionCheckItem"), one)
        return
    if operation == "BatchGetItem":
        for table, its in params["RequestItems"].items():
            yield _of_item(operation, table, [one["pk"]["S"] for one in its["Keys"]])
        return
    key = params.get("Key") or params.get("Item") or {}
    keys = [key["pk"]["S"]] if key else [params["ExpressionAttributeValues"][":p"]["S"]]
    index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
    yield _of_item(operation, f"{params['TableName']}{index}", keys)


def _of_item(operation: str, table: str, keys: Sequence[str]) -> Wanted:
    arn = f"arn:aws:dynamodb:{PLACE}:table/{table}"
    return f"dynamodb:{operation}", arn, {"dynamodb:LeadingKeys": keys}


def _of_ecs(operation: str, params: Mapping[str, Any]) -> Iterator[Wanted]:
    cluster = params["cluster"]
    if operation in {"DescribeServices", "UpdateService"}:
        for name in params.get("services") or [params["service"]]:
            yield f"ecs:{operation}", f"arn:aws:ecs:{PLACE}:service/{cluster}/{name}", {}
        if "taskDefinition" in params:
            for role in ("RoleHost", "RoleStart"):
                yield "iam:PassRole", f"arn:of:{role}", {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}
    elif operation == "ListTasks":
        yield "ecs:ListTasks", "*", {"ecs:cluster": ["arn:of:Cluster"]}
    else:
        for task in params["tasks"]:
            yield f"ecs:{operation}", f"arn:aws:ecs:{PLACE}:task/{cluster}/{task.rpartition('/')[2]}", {}
