"""Whether services of hosts that a deployment would remove have no host: those that they have would be ended.

A stack ends what a service has, busy or not, when it removes it; and it takes the place that a machine's tier
has in the cluster away before that, which ECS refuses while a task uses it, so that the whole deployment is
undone. This module must not know what a host is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.core.capacity.beside import SUFFIX
from rushes.errors import CallerError

__all__ = ["check_vacant", "hosts_of", "leaving"]

AT_ONCE: Final = 10
"""Services in one request (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/
API_DescribeServices.html)."""


def leaving(deployed: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> list[str]:
    """The names of services that deploying would remove."""
    after = set(_services(planned))
    return [name for name in _services(deployed or {}) if name not in after]


def check_vacant(ecs: Any, cluster: str, services: Sequence[str]) -> None:
    """Refuse to remove services that have hosts.

    Args:
        ecs: a boto3 client for ``ecs``.
        cluster: of the environment.
        services: by their names.

    Raises:
        CallerError: one has (``hosts-there``).
        PlatformError: ECS does not answer.
    """
    if there := hosts_of(ecs, cluster, services):
        raise CallerError(
            f"deploying would end {', '.join(f'{n:,} hosts of {name}' for name, n in there.items())}.",
            code="hosts-there",
            fix=_fix(there),
            details=there,
        )


def hosts_of(ecs: Any, cluster: str, services: Sequence[str]) -> dict[str, int]:
    """How many hosts services have, those that are on their way among them; only services that have any.

    Raises:
        PlatformError: ECS does not answer.
    """
    act = f"look at the hosts of cluster {cluster}"
    there: dict[str, int] = {}
    for start in range(0, len(services), AT_ONCE):
        some = list(services[start : start + AT_ONCE])
        try:
            with sent(act):
                found = ecs.describe_services(cluster=cluster, services=some)["services"]
        except ClientError as error:
            if code_of(error) == "ClusterNotFoundException":
                return {}
            raise answer_error(error, act) from error
        there |= {
            one["serviceName"]: count for one in found if (count := one["runningCount"] + one["pendingCount"])
        }
    return there


def _fix(services: Iterable[str]) -> str:
    if all(name.endswith(SUFFIX) for name in services):
        return (
            "They try a version: decide on it (rushes infra trial), and they end their work and go; deploy "
            "again then."
        )
    return "Deploy with `maximum: 0` for its fleet first: busy hosts end their work, no other comes."


def _services(template: Mapping[str, Any]) -> Iterator[str]:
    for one in template.get("Resources", {}).values():
        if one.get("Type") == "AWS::ECS::Service":
            yield str(one["Properties"]["ServiceName"])
