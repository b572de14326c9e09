"""What has to be so in an account before an environment works in it, read from its template. Pure.

A template that lacks one of these deploys all the same, or fails at its first resource for a reason that
names none of them. This module must not know how an account is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["LEFT_FOR_ALL", "Premises", "few_lambdas", "premises_of", "region_of_bucket"]

LEFT_FOR_ALL: Final = 100
"""Lambdas at a time that an account may not reserve
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html)."""
_SERVICES: Final[Mapping[str, str]] = {
    "AWS::ECS::Cluster": "ecs.amazonaws.com",
    "AWS::AutoScaling::AutoScalingGroup": "autoscaling.amazonaws.com",
}
_SPOT: Final = "spot.amazonaws.com"
_OLD_NAMES: Final[Mapping[str, str]] = {"": "us-east-1", "EU": "eu-west-1"}
"""What S3 says of two of its regions (https://docs.aws.amazon.com/AmazonS3/latest/API/
API_GetBucketLocation.html)."""


@dataclass(frozen=True, slots=True)
class Premises:
    """What an environment takes to be there.

    Args:
        services: of AWS that need a role of their own in the account, which the first use of theirs makes, or
            should have made.
        heard: buckets of others whose events start something.
        reserved: Lambdas at a time that functions keep for themselves.
        at_once: Lambdas at a time that queues may ask for beside these.
        sources: such queues.
        made: buckets that it makes, and has not made yet.
    """

    services: tuple[str, ...]
    heard: tuple[str, ...]
    reserved: int
    at_once: int
    sources: int
    made: tuple[str, ...] = ()


def premises_of(template: Mapping[str, Any], deployed: Mapping[str, Any] | None = None) -> Premises:
    """What a template takes to be there.

    Args:
        template: that is to be deployed.
        deployed: that of the environment as it is; None where there is none yet.
    """
    resources = template["Resources"].values()
    reserved = {
        id_: one["Properties"]["ReservedConcurrentExecutions"]
        for id_, one in template["Resources"].items()
        if "ReservedConcurrentExecutions" in one["Properties"]
    }
    queues = [
        one["Properties"]["ScalingConfig"]["MaximumConcurrency"]
        for one in resources
        if one["Type"] == "AWS::Lambda::EventSourceMapping"
        and "ScalingConfig" in one["Properties"]
        and one["Properties"]["FunctionName"]["Ref"] not in reserved
    ]
    owned = _owned(template)
    heard = dict.fromkeys(name for one in resources for name in _buckets_of(one))
    return Premises(
        tuple(dict.fromkeys(name for one in resources for name in _services_of(one))),
        tuple(name for name in heard if name not in owned),
        sum(reserved.values()),
        sum(queues),
        len(queues),
        tuple(sorted(owned - _owned(deployed or {}))),
    )


def _owned(template: Mapping[str, Any]) -> set[str]:
    resources = template.get("Resources", {}).values()
    return {one["Properties"]["BucketName"] for one in resources if one["Type"] == "AWS::S3::Bucket"}


def few_lambdas(premises: Premises, account: int) -> str:
    """Why an account has too few Lambdas at a time for an environment; "" where it has enough.

    Args:
        premises: of the environment.
        account: that the account may run at a time.
    """
    left = max(account - premises.reserved, 0)
    if premises.at_once <= left or not premises.sources:
        return ""
    each = max(left // premises.sources, 2)
    return (
        f"this account runs {account:,} Lambdas at a time, and queues here may ask for {premises.at_once:,}. "
        f"What finds no room waits, and is set aside when it has found none five times: say --concurrency "
        f"{each}, or ask AWS for more (Service Quotas, Lambda, concurrent executions)."
    )


def region_of_bucket(said: str | None) -> str:
    """The region that a bucket's location names."""
    return _OLD_NAMES.get(said or "", said or "")


def _services_of(one: Mapping[str, Any]) -> Iterator[str]:
    if name := _SERVICES.get(one["Type"]):
        yield name
    if one["Type"] == "AWS::EC2::LaunchTemplate":
        market = one["Properties"]["LaunchTemplateData"].get("InstanceMarketOptions", {})
        if market.get("MarketType") == "spot":
            yield _SPOT


def _buckets_of(one: Mapping[str, Any]) -> Iterator[str]:
    """Buckets that a rule hears of."""
    pattern = one["Properties"].get("EventPattern") if one["Type"] == "AWS::Events::Rule" else None
    if not pattern or pattern.get("source") != ["aws.s3"]:
        return
    either: Sequence[Any] = pattern.get("$or", [pattern])
    for part in either:
        yield from part["detail"]["bucket"]["name"]
