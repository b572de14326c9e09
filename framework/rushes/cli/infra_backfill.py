"""`infra backfill`: what lies in buckets already is handed over to the router of an environment.

This module must not know what the router makes of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

from rushes.cli.infra_options import env_option, region_option, stack_of
from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.errors import CallerError
from rushes.printing import printable

__all__ = ["backfill"]


@click.command(short_help="Hand over what lies below s3:// prefixes already.")
@env_option
@region_option
@click.option(
    "--after", default="", metavar="URI", help="Of the first PREFIX only what comes behind that object."
)
@click.argument("prefixes", nargs=-1, required=True, metavar="PREFIX…")
@click.pass_obj
def backfill(session: Session, /, *, name: str, region: str, after: str, prefixes: tuple[str, ...]) -> None:
    """Hand over what lies below s3:// prefixes already, as if it came now.

    What was worked on is not worked on again, and what two of these hand over at the same time is worked on
    once. The router takes it from there; this command only lists. Ctrl-C says how to go on behind the last
    object that was handed over.
    """
    from rushes.engines.aws.called.backfill import hand_over  # noqa: PLC0415 - botocore
    from rushes.engines.aws.infra.executor import client_of  # noqa: PLC0415 - as above
    from rushes.storage.s3 import S3Store  # noqa: PLC0415 - as above

    url = (stack_of(name, region).outputs() or {}).get("QueueEvents")
    if url is None:
        raise CallerError(
            f"environment {name} is not there, or has no router: none of its functions has a trigger.",
            code="no-queue",
            fix="Check its name and region; or declare triggers, and deploy it again.",
        )
    if after and not after.startswith(prefixes[0]):
        raise CallerError(
            f"--after {after} is not below {prefixes[0]}.",
            code="bad-value",
            fix="Name an object below the first PREFIX; leave prefixes out that are done.",
        )
    store, sqs = S3Store(client_of("s3", region)), client_of("sqs", region)
    for number, prefix in enumerate(prefixes):
        progress = _Progress(session, after if number == 0 else "")
        try:
            count = hand_over(store, sqs, url, prefix, after=progress.last, told=progress.told)
        except BaseException as error:  # Ctrl-C, and a service that does not answer
            progress.end()
            has_begun = progress.count > 0 or number > 0
            if has_begun or not isinstance(error, CallerError):  # a bucket that is not there is none tomorrow
                _say_how_to_go_on(name, region, progress, prefixes[number:])
            raise
        progress.end()
        click.echo(_handed_over(count, prefix, began=number > 0 or not after))


def _handed_over(count: int, prefix: str, *, began: bool = True) -> str:
    """What was handed over of one prefix; where nothing lies there, that it may be misspelt."""
    if not count and began:
        return f"Nothing lies below {printable(prefix)}, so nothing was handed over. Check the spelling."
    return (
        f"{counted(count, 'object')} below {printable(prefix)} {'was' if count == 1 else 'were'} handed over."
    )


class _Progress:
    """How far one prefix is, for a person who watches."""

    def __init__(self, session: Session, after: str) -> None:
        self._watched = session.watched
        self.count = 0
        self.last = after

    def told(self, count: int, last: str) -> None:
        self.count, self.last = count, last
        if self._watched:
            click.echo(f"\r{counted(count, 'object')} handed over", nl=False, err=True)

    def end(self) -> None:
        if self._watched and self.count:
            click.echo(err=True)


def _say_how_to_go_on(name: str, region: str, progress: _Progress, left: Sequence[str]) -> None:
    after = ["--after", progress.last] if progress.last else []
    command = ["rushes", "infra", "backfill", "--env", name, "--region", region, *after, *left]
    said = f"{_handed_over(progress.count, left[0])} " if progress.count else ""
    click.echo(f"{said}Go on with:\n  {printable(shlex.join(command))}", err=True)
