"""What AWS takes of a template at most: of a policy, of a Lambda's variables, of a rule's pattern. Pure.

What is beyond one of these is refused by AWS in the middle of a deployment, which is then undone; here it is
refused before, with what to do. This module must not know what a template is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from rushes.errors import CallerError

__all__ = ["MOST_MANAGED", "MOST_PATTERN", "check_quotas", "parted"]

MOST_MANAGED: Final = 6_144
MOST_INLINE: Final = 10_240
"""Characters of a managed policy, and of all inline ones of a role, white space not counted
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""
MOST_VARIABLES: Final = 4_096
"""Bytes of all variables of a Lambda
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""
MOST_PATTERN: Final = 2_048
"""Characters of the pattern of a rule
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html)."""
MOST_OUTPUTS: Final = 200
MOST_RESOURCES: Final = 500
MOST_BODY: Final = 1_000_000
"""Of a stack, and bytes of its template, which goes through a bucket then
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html)."""
MOST_RULES: Final = 300
"""Of an event bus, for all environments of an account and region
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html)."""
_LONG: Final = "x" * 130
"""As long as the ARN of a queue, or its URL, may be."""
_ELSEWHERE: Final = "Deploy some of the functions, or of the shows, as an environment of their own."
_PSEUDO: Final = re.compile(r"\$\{AWS::[A-Za-z]+\}")


def check_quotas(template: Mapping[str, Any]) -> None:
    """Refuse a template of which AWS would not take a part.

    Raises:
        CallerError: naming the part, how large it is and how large it may be (``bad-environment``).
    """
    resources = template["Resources"]
    sizes = [
        ("resources of a stack", len(resources), MOST_RESOURCES),
        ("outputs of a stack", len(template["Outputs"]), MOST_OUTPUTS),
        ("bytes of a template", len(json.dumps(template, separators=(",", ":")).encode()), MOST_BODY),
        ("rules", sum(one["Type"] == "AWS::Events::Rule" for one in resources.values()), MOST_RULES),
        *(size for id_, one in resources.items() for size in _sizes(id_, one, resources)),
    ]
    for what, size, most in sizes:
        if size > most:
            raise CallerError(
                f"the environment makes {what}: {size:,}, and AWS takes {most:,}.",
                code="bad-environment",
                fix=_ELSEWHERE,
            )


def parted(statements: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Statements in as many managed policies as they need, in their order."""
    found: list[list[Mapping[str, Any]]] = [[]]
    room = _room()
    for one in (part for statement in statements for part in _halved(statement)):
        size = _size(one, {}) + 1
        if found[-1] and size > room:
            found.append([])
            room = _room()
        found[-1].append(one)
        room -= size
    return found


def _room() -> int:
    return MOST_MANAGED - len('{"Version":"2012-10-17","Statement":[]}')


def _halved(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A statement, or several that say the same of a part of its resources each."""
    resources = statement["Resource"]
    if _size(statement, {}) + 1 <= _room() or not isinstance(resources, list) or len(resources) < 2:
        yield statement
        return
    middle = len(resources) // 2
    yield from _halved({**statement, "Resource": resources[:middle]})
    yield from _halved({**statement, "Resource": resources[middle:]})


def _sizes(id_: str, one: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """What is limited of a resource: what it is, how large it is, and how large it may be."""
    properties = one["Properties"]
    if one["Type"] == "AWS::IAM::Role":
        inline = sum(_size(policy["PolicyDocument"], resources) for policy in properties["Policies"])
        yield f"characters of permissions of {id_}", inline, MOST_INLINE
    elif one["Type"] == "AWS::IAM::ManagedPolicy":
        yield f"characters of {id_}", _size(properties["PolicyDocument"], resources), MOST_MANAGED
    elif one["Type"] == "AWS::Lambda::Function":
        variables: Mapping[str, Any] = properties["Environment"]["Variables"]
        size = sum(len(name) + len(_text(value, resources).encode()) for name, value in variables.items())
        yield f"bytes of variables of {id_}", size, MOST_VARIABLES
    elif one["Type"] == "AWS::Events::Rule" and "EventPattern" in properties:
        yield (
            f"characters of the pattern of {id_}",
            _size(properties["EventPattern"], resources),
            MOST_PATTERN,
        )


def _size(value: Any, resources: Mapping[str, Any]) -> int:
    """Characters of a policy or a pattern, as AWS gets it."""
    return len(json.dumps(_resolved(value, resources), separators=(",", ":")))


def _text(value: Any, resources: Mapping[str, Any]) -> str:
    return str(_resolved(value, resources))


def _resolved(value: Any, resources: Mapping[str, Any]) -> Any:
    """A value with texts of the length that functions of CloudFormation come to."""
    if isinstance(value, list):
        return [_resolved(one, resources) for one in value]
    if not isinstance(value, Mapping):
        return value
    for function, come_to in _FUNCTIONS.items():
        if function in value:
            return come_to(value[function], resources)
    return {key: _resolved(one, resources) for key, one in value.items()}


def _called(id_: str, resources: Mapping[str, Any]) -> str:
    """What names a resource: longer than its name by a region, an account and the rest of an ARN or URL."""
    properties = resources.get(id_, {}).get("Properties", {})
    names = (properties[one] for one in ("QueueName", "TableName", "LogGroupName") if one in properties)
    name = next(names, "")
    return f"{'x' * 60}{name}" if name else _LONG


def _joined(of: Sequence[Any], resources: Mapping[str, Any]) -> str:
    return str(of[0]).join(str(_resolved(one, resources)) for one in of[1])


_FUNCTIONS: Final[Mapping[str, Callable[[Any, Mapping[str, Any]], Any]]] = {
    "Fn::Sub": lambda text, _: _PSEUDO.sub("x" * 14, text),
    "Fn::Join": _joined,
    "Fn::GetAtt": lambda of, resources: _called(of[0], resources),
    "Ref": _called,
}
