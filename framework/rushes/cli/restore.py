"""`restore`: clips brought back from an archive. This module must not know which store they are in."""

from __future__ import annotations

import json

import click

from rushes.cli.session import Session
from rushes.cli.show import counted
from rushes.errors import CallerError
from rushes.keepers import Restorer

__all__ = ["restore"]


@click.command()
@click.argument("uris", metavar="URI...", nargs=-1, required=True)
@click.option(
    "--days", type=click.IntRange(1, 365), default=7, show_default=True, help="How long they stay readable."
)
@click.option(
    "--speed",
    type=click.Choice(["Bulk", "Standard", "Expedited"]),
    default="Standard",
    show_default=True,
    help="Slower is cheaper.",
)
@click.option("--engine", "engine_name", metavar="aws[:ENV]", default="aws", show_default=True, help="Where.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def restore(
    session: Session, /, uris: tuple[str, ...], *, days: int, speed: str, engine_name: str, as_json: bool
) -> None:
    """Ask for objects that are in an archive; URI is one, or a prefix that ends with a slash.

    Bringing them back takes minutes to two days and costs money by the gigabyte. Said again it asks for
    nothing twice, and tells how many can be read by then; `rushes retry` then takes up what failed of them.
    """
    engine = session.engine(engine_name)
    if not isinstance(engine, Restorer):
        raise CallerError(
            f"engine {engine_name} has no archive to bring clips back from.",
            code="not-supported",
            fix="Say --engine aws.",
        )
    found = engine.restore(uris, days=days, speed=speed)
    if as_json:
        click.echo(json.dumps({"schema": 1, **found._asdict()}))
        return
    coming = counted(found.coming, "object")
    click.echo(f"{coming} on the way back from an archive, {found.readable} can be read now.")
