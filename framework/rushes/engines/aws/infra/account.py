"""Sees to it that an account has what an environment takes to be there, before anything is deployed.

What is certain to fail, or to be silent for ever, is refused; what may be meant is said. Who may not look is
told so, and goes on: CloudFormation says the rest. This module must not know templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.engines.aws.infra.premises import LEFT_FOR_ALL, Premises, few_lambdas, region_of_bucket
from rushes.errors import CallerError, RushesError

__all__ = ["prepare"]

_THERE: Final = frozenset({"InvalidInput", "InvalidInputException", "EntityAlreadyExists"})
"""What IAM says of a role that a service has already."""
_LOOKED: Final = frozenset({"NoSuchBucket", "404", "NotFound"})

Say = Callable[[str], None]


def prepare(premises: Premises, region: str, clients: Callable[[str], Any], say: Say) -> None:
    """Make the roles that services need, and look whether buckets are heard and Lambdas enough.

    Args:
        premises: of the environment.
        region: where it is to be.
        clients: gives a client of boto3 for a service.
        say: is told of what was made, and of what should be looked at.

    Raises:
        CallerError: a bucket is in another region (``bucket-elsewhere``), one that is to be made is there
            already (``bucket-there``), or the account does not have as
            many Lambdas as functions reserve (``few-lambdas``).
    """
    for service in premises.services:
        with _unless_refused(f"see to the role of {service}", say):
            _make_role(clients("iam"), service, say)
    for bucket in premises.made:
        with _unless_refused(f"look whether bucket {bucket} is there already", say):
            _look_for_bucket(clients("s3"), bucket)
    for bucket in premises.heard:
        with _unless_refused(f"look whether bucket {bucket} tells of what comes", say):
            _look_at_bucket(clients("s3"), bucket, region, say)
    if premises.sources or premises.reserved:
        with _unless_refused("look how many Lambdas the account may run", say):
            _look_at_lambdas(clients("lambda"), premises, say)


def _make_role(iam: Any, service: str, say: Say) -> None:
    """The role of a service, where the account has none yet.

    ECS makes its own at the first cluster and cannot use it that instant, so that cluster fails; a group of
    machines may not make that of spot, and starts none.
    """
    try:
        iam.create_service_linked_role(AWSServiceName=service)
    except ClientError as error:
        if code_of(error) not in _THERE:
            raise
    else:
        say(f"made the role that {service} needs in this account")


def _look_for_bucket(s3: Any, bucket: str) -> None:
    """That a bucket which is to be made is not there: a stack fails at it, and takes all else back."""
    try:
        s3.get_bucket_location(Bucket=bucket)
    except ClientError as error:
        if code_of(error) not in _LOOKED:
            raise
        return
    raise CallerError(
        f"--own {bucket} makes a bucket, and {bucket} is there already, not of this environment.",
        code="bucket-there",
        fix=f"Leave --own {bucket} out: the environment works with the bucket as it is.",
    )


def _look_at_bucket(s3: Any, bucket: str, region: str, say: Say) -> None:
    """Whether what comes into a bucket is told to EventBridge, and to that of this region."""
    try:
        there = region_of_bucket(s3.get_bucket_location(Bucket=bucket).get("LocationConstraint"))
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if code_of(error) not in _LOOKED:
            raise
        say(f"note: there is no bucket {bucket} yet; let it tell EventBridge of what comes when you make it")
        return
    if there != region:
        raise CallerError(
            f"bucket {bucket} is in {there}, and tells only what is there of what comes; this is {region}.",
            code="bucket-elsewhere",
            fix=f"Deploy with --region {there}, or name a bucket of {region}: --bucket NAME=BUCKET.",
        )
    if "EventBridgeConfiguration" not in told:
        say(
            f"note: bucket {bucket} does not tell EventBridge of what comes, so nothing there starts. Turn "
            f"that on: S3, {bucket}, Properties, Amazon EventBridge"
        )


def _look_at_lambdas(lambda_: Any, premises: Premises, say: Say) -> None:
    account = int(lambda_.get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    if premises.reserved > max(account - LEFT_FOR_ALL, 0):
        raise CallerError(
            f"functions reserve {premises.reserved:,} Lambdas at a time (max_concurrency), and this account "
            f"has {account:,}, of which {LEFT_FOR_ALL} cannot be reserved.",
            code="few-lambdas",
            fix="Ask AWS for more (Service Quotas, Lambda, concurrent executions), or declare no "
            "max_concurrency.",
            details={"reserved": premises.reserved, "account": account},
        )
    if why := few_lambdas(premises, account):
        say(f"note: {why}")


@contextmanager
def _unless_refused(act: str, say: Say) -> Iterator[None]:
    """What AWS refuses to tell is no reason to deploy nothing."""
    try:
        with sent(act):
            yield
    except ClientError as error:
        _say_refused(answer_error(error, act), act, say)
    except RushesError as error:
        if error.code in {"bucket-elsewhere", "bucket-there", "few-lambdas"}:
            raise
        _say_refused(error, act, say)


def _say_refused(error: RushesError, act: str, say: Say) -> None:
    say(f"note: could not {act} ({error.code})")
