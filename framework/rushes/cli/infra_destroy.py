"""`infra destroy`: an environment goes, with what of its work has not ended said, and stopped, before.

This module must not know what a template is made of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.infra_options import env_option, region_option, stack_of
from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.errors import CallerError
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.engines.aws.infra.in_flight import InFlight

__all__ = ["destroy"]


@click.command(short_help="Remove the environment; buckets stay.")
@env_option
@region_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also with work that has not ended: it is cancelled first.")
@click.pass_obj
def destroy(session: Session, /, *, name: str, region: str, yes: bool, force: bool) -> None:
    """Remove the environment with its ledger and queues; buckets stay, with all that is in them.

    While something of its work has not ended it is refused, and said what that is. With --force that is
    cancelled first, so that nothing half-written is left; clips that only wait in a queue are forgotten, and
    `infra backfill` hands them over when the environment comes again.
    """
    stack = stack_of(name, region)
    seen = stack.standing()
    if seen.template is None:
        click.echo(f"There is no environment {printable(name)} in {printable(region)}.")
        return
    resources = seen.template["Resources"].values()
    if seen.status != "DELETE_IN_PROGRESS":  # else somebody has been asked already, and it is waited for
        stack.check_idle(seen.status)
        _end_work(session, name, region, resources, yes=yes, force=force)
    stack.destroy(say=lambda text: click.echo(text, err=True))
    click.echo(f"Environment {printable(name)} is gone.")
    for one in resources:
        if one["Type"] == "AWS::S3::Bucket":
            click.echo(f"Bucket {printable(str(one['Properties']['BucketName']))} stays.")


def _end_work(
    session: Session, name: str, region: str, resources: Iterable[Any], *, yes: bool, force: bool
) -> None:
    """Ask, and stop what has not ended; raises where that is not wanted."""
    queues = [str(one["Properties"]["QueueName"]) for one in resources if one["Type"] == "AWS::SQS::Queue"]
    found = _in_flight(name, region, queues)
    if found and not force:
        from rushes.engines.aws.infra.in_flight import refuse_in_flight  # noqa: PLC0415 - botocore

        refuse_in_flight(name, found)
    if not yes:
        _confirm(session, name, region)
    if found:
        _cancel(name, region, found)


def _in_flight(name: str, region: str, queues: list[str]) -> InFlight:
    from rushes.engines.aws.infra.environment import Environment  # noqa: PLC0415 - not for help
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.in_flight import in_flight  # noqa: PLC0415 - as above
    from rushes.shared_ledger.dynamo import DynamoLedger  # noqa: PLC0415 - as above

    ledger = DynamoLedger(client_of("dynamodb", region), Environment(name).table)
    return in_flight(ledger, client_of("sqs", region), queues)


def _confirm(session: Session, name: str, region: str) -> None:
    if not session.answers:
        raise CallerError(
            f"environment {name} would be removed, and nobody is here to be asked.",
            code="not-confirmed",
            fix="Say --yes.",
        )
    click.confirm(f"Remove environment {name} in {region}, with its ledger?", abort=True)


def _cancel(name: str, region: str, found: InFlight) -> None:
    """Stop what runs, and wait for it: what is published by now stays, and nothing half-written does."""
    from rushes.engines.aws.engine import AwsEngine  # noqa: PLC0415 - botocore

    engine: Any = AwsEngine(name, {**os.environ, "AWS_REGION": region})
    ledger = engine.there.services.ledger
    batches = [*found.batches, *(one.rpartition(".")[0] for one in found.alone)]
    if batches:
        click.echo(f"{counted(len(batches), 'batch', 'batches')} cancelled; what runs is stopped", err=True)
    for batch in batches:  # all are told before any is waited for
        ledger.cancel(batch)
    for batch in batches:
        engine.cancel(batch)
