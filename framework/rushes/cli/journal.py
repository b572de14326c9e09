"""The `journal` commands: what it holds, pruning, a backup while it is in use.

This module must not know what the journal is made of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rushes.cli.session import Session
from rushes.cli.show import counted, fields
from rushes.errors import CallerError
from rushes.keepers import JournalKeeper
from rushes.units import format_size, parse_duration

__all__ = ["journal"]


@click.group()
def journal() -> None:
    """Look at the journal, prune it, back it up. The worker that owns it does each, so none stops work."""


@journal.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def show(session: Session, *, as_json: bool) -> None:
    """Where the journal is, how large it is, and what it holds."""
    found = _ask(session, "show")["journal"]
    if as_json:
        click.echo(json.dumps(found, default=str))
        return
    click.echo(fields({name: _readable(name, value) for name, value in dict(found).items()}))


def _readable(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{count} {what}" for what, count in value.items()) or "none"
    return format_size(value) if name.endswith("bytes") else value


@journal.command()
@click.option("--older", default="30d", show_default=True, metavar="TIME", help="Batches that ended before.")
@click.option(
    "--keep", default=0, type=click.IntRange(min=0), metavar="N", help="Keep so many of the newest anyway."
)
@click.pass_obj
def prune(session: Session, older: str, keep: int) -> None:
    """Forget ended batches. Their outputs and receipts stay; their results are no longer known."""
    answer = _ask(session, "prune", older_s=parse_duration(older), keep=keep)
    pruned = answer.get("pruned") or 0
    count = len(pruned) if isinstance(pruned, list) else int(pruned)
    click.echo(f"{counted(count, 'batch', 'batches')} forgotten", err=True)


@journal.command(short_help="Write a copy of the journal, while work goes on.")
@click.argument("target", type=click.Path(path_type=Path))
@click.pass_obj
def backup(session: Session, target: Path) -> None:
    """Write a consistent copy of the journal to TARGET, while work goes on."""
    path = target.expanduser().absolute()
    if path.exists():
        raise CallerError(f"{path} exists.", code="exists", fix="Name a file that does not exist.")
    if not path.parent.is_dir():
        raise CallerError(f"{path.parent} is no folder.", code="not-found", fix="Make it first.")
    _ask(session, "backup", target=str(path))
    click.echo(f"{path}", nl=True)


def _ask(session: Session, verb: str, **arguments: Any) -> dict[str, Any]:
    engine = session.engine()
    if not isinstance(engine, JournalKeeper):
        raise CallerError("this engine keeps no journal here.", code="no-journal", fix="Use --engine local.")
    return dict(engine.journal(verb, **arguments))
