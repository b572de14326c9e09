"""Commands about one invocation: why, receipt.

This module must not know how work is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.batch_name import engine_option, found_invocation, meant
from rushes.cli.explanation import end_of, explanation, state_said, values
from rushes.cli.results import function_of
from rushes.cli.session import Session
from rushes.cli.show import held_lines
from rushes.errors import CallerError
from rushes.keepers import ObjectKeeper
from rushes.printing import printable

if TYPE_CHECKING:
    from rushes.ports import Engine

__all__ = ["receipt", "why"]

_INVOCATION = click.argument("invocation", metavar="[BATCH.N]", required=False)


@click.command()
@_INVOCATION
@click.option("--json", "as_json", is_flag=True, help="All that is known, as one JSON object.")
@engine_option()
@click.pass_obj
def why(session: Session, invocation: str | None, *, as_json: bool, engine_name: str | None) -> None:
    """Why an invocation waits, runs or failed: what it waits for, what was tried, what to do."""
    engine, name = meant(session, invocation, engine_name)
    invocation = found_invocation(engine, name)
    found = engine.explain(invocation)
    if as_json:
        click.echo(json.dumps(found, default=str))
        return
    if str(found.get("reason", "")).startswith("held:"):
        found = {**found, "next": _command_that_frees(engine, invocation)}
    for line in explanation(found):
        click.echo(line)
    text = values(found, function_of(engine, invocation) if end_of(found).result else None)
    if text:
        click.echo(f"\n{text}")


def _command_that_frees(engine: Engine, invocation: str) -> str:
    """What lets go on what is held for want of money; "" where that is only a matter of time."""
    status = engine.status(invocation.rpartition(".")[0])
    return held_lines(status)[-1].strip() if status.held and status.held_by[0] else ""


@click.command()
@click.argument("of", metavar="[BATCH.N|OUTPUT]", required=False)
@engine_option()
@click.pass_obj
def receipt(session: Session, of: str | None, *, engine_name: str | None) -> None:
    """The provenance of a result: of an invocation, or of a file that one made."""
    if of is not None and Path(of).exists():
        click.echo(json.dumps(receipt_beside(Path(of)), indent=2))
        return
    if of is not None and "/" in of:
        raise CallerError(f"{of} does not exist.", code="not-found", fix="Name an output or an invocation.")
    engine, name = meant(session, of, engine_name)
    of = found_invocation(engine, name)
    found = engine.explain(of)
    row = dict(found.get("result") or {})
    path = row.get("receipt")
    if path and Path(path).exists():
        click.echo(Path(path).read_text(encoding="utf-8").rstrip("\n"))
        return
    if path and isinstance(engine, ObjectKeeper):
        click.echo(engine.read(str(path)).decode().rstrip("\n"))
        return
    if not row:
        raise CallerError(
            f"{of} has no result: it {state_said(found)}.",
            code="no-result",
            fix=f"`rushes why {of}` says more.",
        )
    spec = dict(found.get("spec") or {})
    kept = {
        "invocation": found["invocation"],
        "function": spec.get("function"),
        "version": spec.get("version"),
        "source": found.get("asset"),
        "state": found["state"],
        "seconds": found.get("seconds"),
        "params": json.loads(spec.get("params") or "{}"),
        **{k: v for k, v in row.items() if k != "published"},
    }
    click.echo(json.dumps(kept, indent=2))


def receipt_beside(path: Path) -> Mapping[str, Any]:
    """The receipt in a file, or of an output that has one beside it.

    Raises:
        CallerError: there is none.
    """
    from rushes.runtime.ownership import is_receipt_name, read_receipt, receipt_paths  # noqa: PLC0415

    places = (path,) if is_receipt_name(path.name) else receipt_paths(path.absolute())
    for place in places:
        found = read_receipt(place)
        if found is not None:
            return found
    raise CallerError(
        f"{printable(str(path))} has no receipt{' beside it' if not is_receipt_name(path.name) else ''}.",
        code="no-receipt",
        fix="Name the receipt (….rushes.json), or the invocation that made it.",
    )
