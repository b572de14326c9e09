"""`redrive`: what queues have set aside, sent again. This module must not know queues."""

from __future__ import annotations

import json

import click

from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.errors import CallerError
from rushes.keepers import Redriver

__all__ = ["redrive"]


@click.command()
@click.option(
    "--engine", "engine_name", metavar="aws:ENV", default="aws", show_default=True, help="Whose queues."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def redrive(session: Session, /, *, engine_name: str, as_json: bool) -> None:
    """Send again what queues on AWS have set aside.

    A message that nobody could take in is set aside after five deliveries: while the ledger did not answer,
    or because whoever had it was killed. What still waits goes back to its queue; what has ended, or is told
    of anyway, is removed. Nothing runs twice, however often this is said.
    """
    engine = session.engine(engine_name)
    if not isinstance(engine, Redriver):
        raise CallerError(
            f"engine {engine_name} has no queues that set anything aside.",
            code="not-supported",
            fix="Say --engine aws:ENV.",
        )
    found = engine.redrive()
    if as_json:
        click.echo(json.dumps({"schema": 1, **found._asdict()}))
        return
    click.echo(f"{counted(found.sent, 'message')} sent again, {found.over} removed: nothing is left to do.")
    if found.strange:
        click.echo(
            f"{counted(found.strange, 'message')} left: no notice of Rushes and no event, "
            "or of work that cannot be read."
        )
