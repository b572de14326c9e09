"""`reproduce`: make a result again from its receipt and say whether it is the same.

This module must not know how a result is repeated.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from rushes.cli.batch_name import found_invocation, meant
from rushes.cli.explanation import end_of
from rushes.cli.session import Session
from rushes.errors import CallerError
from rushes.keepers import ObjectKeeper
from rushes.printing import printable

__all__ = ["reproduce"]


@click.command()
@click.argument("receipt", metavar="RECEIPT|OUTPUT|BATCH.N")
@click.option("--into", type=click.Path(path_type=Path), help="An empty folder that keeps what is made.")
@click.option("--json", "as_json", is_flag=True, help="The comparison as one JSON object.")
@click.pass_context
def reproduce(ctx: click.Context, /, receipt: str, into: Path | None, *, as_json: bool) -> None:
    """Make a result again and compare the two; the original is not touched.

    Software encodes on the same ffmpeg build are byte-identical. The exit code is 0 when the results are, 1
    when they differ.
    """
    from rushes.runtime.outputs.reproduce import reproduce as repeat  # noqa: PLC0415 - the media stack

    found = repeat(_receipt_path(ctx.obj, receipt), into=into)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
        ctx.exit(0 if found.identical else 1)
    for name, same in found.outputs.items():
        mark = click.style("same bytes", fg="green") if same else click.style("differs", fg="red")
        click.echo(f"{printable(name)}: {mark}")
    if found.result is not None:
        click.echo("result: the same" if found.result else "result: differs")
    for line in (*found.differences, *(f"note: {note}" for note in found.notes)):
        click.echo(f"  {printable(line)}")
    if found.folder is not None:
        click.echo(f"kept in {found.folder}", err=True)
    verdict = "reproduced" if found.identical else "not reproduced"
    click.echo(f"{found.function}: {verdict}", err=True)
    ctx.exit(0 if found.identical else 1)


def _receipt_path(session: Session, text: str) -> str:
    """The path of a receipt or an output; an invocation's id stands for its receipt.

    Raises:
        CallerError: there is no such file or invocation, or it has no receipt.
    """
    path = Path(text).expanduser()
    if path.exists() or "/" in text or not text.partition(".")[2].isdigit():
        return str(path)
    engine, name = meant(session, text, None)
    if isinstance(engine, ObjectKeeper):
        raise CallerError(
            f"{name} was made in a bucket, and only what is on this machine can be made again and compared.",
            code="not-local",
            fix="Copy its clip here (`aws s3 cp`), run the same here, and compare the two.",
        )
    found = engine.explain(found_invocation(engine, name))
    row = found.get("result") or {}
    members = (end_of(found).result or {}).get("functions") or {}
    each = [str(one["receipt"]) for one in members.values() if one.get("receipt")]
    if each:
        raise CallerError(
            f"{text} was made by several functions, each with a receipt of its own.",
            code="bad-value",
            fix=f"Name one: {', '.join(each)}.",
        )
    if not row.get("receipt"):
        raise CallerError(
            f"{text} left no receipt file.", code="no-receipt", fix="Only results with outputs have one."
        )
    return str(row["receipt"])
