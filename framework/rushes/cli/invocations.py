"""Commands about one invocation: why, logs, receipt.

This module must not know how work is run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rushes.cli.session import Session
from rushes.cli.show import one_line
from rushes.errors import CallerError
from rushes.printing import printable
from rushes.units import format_duration

__all__ = ["logs", "receipt", "why"]

_INVOCATION = click.argument("invocation", metavar="BATCH.N")


@click.command()
@_INVOCATION
@click.option("--json", "as_json", is_flag=True, help="All that is known, as one JSON object.")
@click.pass_obj
def why(session: Session, invocation: str, *, as_json: bool) -> None:
    """Why an invocation waits, runs or failed: what it waits for, what was tried, what to do."""
    found = _explained(session, invocation)
    if as_json:
        click.echo(json.dumps(found, default=str))
        return
    for line in explanation(found):
        click.echo(line)


@click.command()
@_INVOCATION
@click.option("--path", is_flag=True, help="Print where the log is, not what it says.")
@click.pass_obj
def logs(session: Session, invocation: str, *, path: bool) -> None:
    """What the attempts of an invocation logged and printed, the tools' own words among it."""
    found = _explained(session, invocation)
    log = found.get("log")
    if not log:
        click.echo(f"{invocation} logged nothing ({found['state']})", err=True)
        return
    if path:
        click.echo(log)
        return
    if not Path(str(log)).exists() or not Path(str(log)).stat().st_size:
        click.echo(f"{invocation} logged nothing ({found['state']})", err=True)
        return
    # As bytes: a tool may have written anything.
    with Path(str(log)).open("rb") as file:
        while chunk := file.read(1 << 16):
            sys.stdout.buffer.write(chunk)
    sys.stdout.flush()


@click.command()
@click.argument("of", metavar="BATCH.N|OUTPUT")
@click.pass_obj
def receipt(session: Session, of: str) -> None:
    """The provenance of a result: of an invocation, or of a file that one made."""
    if Path(of).exists():
        click.echo(json.dumps(receipt_beside(Path(of)), indent=2))
        return
    if "/" in of:
        raise CallerError(f"{of} does not exist.", code="not-found", fix="Name an output or an invocation.")
    found = _explained(session, of)
    row = dict(found.get("result") or {})
    path = row.get("receipt")
    if path and Path(path).exists():
        click.echo(Path(path).read_text(encoding="utf-8").rstrip("\n"))
        return
    if not row:
        raise CallerError(
            f"{of} has no result: it {_state_said(found)}.",
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


def explanation(found: Mapping[str, Any]) -> list[str]:
    """What an engine's `explain` says, for a person."""
    state = str(found["state"])
    error = error_of(found)
    clip = printable(str(found.get("asset") or "no source"))
    lines = [
        f"{found['invocation']}: {_state_said(found)}",
        f"  {one_line(str(found.get('function', '')))} of {clip}",
        f"  class {found.get('priority', '?')}, show {printable(str(found.get('show', '?')))}",
    ]
    if found.get("parent"):
        lines.append(f"  a part of {printable(str(found['parent']))}")
    if state in {"queued", "held", "paused"} and found.get("reason"):
        lines.append(f"  waits: {printable(str(found['reason']))}")
    if state == "running":
        fraction = found.get("fraction")
        part = f", {fraction:.0%} done" if isinstance(fraction, float) and fraction >= 0 else ""
        lent = f", which it has lent: it {found['reason']}" if found.get("reason") else ""
        lines.append(f"  runs on slot {found.get('slot', '?')}{lent}{part}")
    history = list(found.get("history") or ())
    # What the last attempt failed of stands below, in full: it is not said twice.
    lines += [_tried(one, told=bool(error) and one is history[-1]) for one in history]
    losses = found.get("losses") or 0
    if losses:
        lines.append(f"  {losses} of its attempts took their slot down with them")
    if error:
        lines.append(
            f"  {error.get('kind')} · {error.get('code')}: {one_line(str(error.get('message', '')), 2000)}"
        )
        if error.get("fix"):
            lines.append(f"  next: {printable(str(error['fix']))}")
        lines.append(f"  {_WHO.get(str(error.get('kind')), '')}".rstrip())
    outputs = (found.get("result") or {}).get("outputs") or ()
    lines += [f"  made {printable(path)}" for path in outputs]
    if found.get("log"):
        lines.append(f"  log: rushes logs {found['invocation']}")
    return [line for line in lines if line.strip()]


def error_of(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What went wrong at last, if it ended badly; else an empty mapping."""
    if found["state"] not in {"failed", "cancelled"}:
        return {}
    row = found.get("result") or {}
    error = row.get("error") or found.get("error")
    if error:
        return dict(error)
    history = [one for one in found.get("history") or () if one.get("error")]
    return dict(history[-1]["error"]) if history else {}


_WHO = {
    "caller": "It is not tried again by itself: the call has to change.",
    "media": "It is not tried again by itself: the media is at fault.",
    "platform": "It was tried as often as its function allows: `rushes retry` tries again.",
    "policy": "It was refused on purpose.",
}


def _tried(one: Mapping[str, Any], *, told: bool) -> str:
    error = one.get("error") or {}
    said = f": {one_line(str(error['message']))}" if error.get("message") and not told else ""
    took = format_duration(float(one.get("seconds") or 0.0))
    return f"  attempt {one.get('attempt')}: {one.get('outcome')} after {took}{said}"


def _state_said(found: Mapping[str, Any]) -> str:
    state, attempts = str(found["state"]), int(found.get("attempts") or 0)
    said = {"queued": "waits in its queue", "held": "is held", "running": "runs", "paused": "is paused"}
    text = said.get(state, state)
    if state == "failed" and attempts:
        text += f" after {attempts} attempt{'s' if attempts > 1 else ''}"
    if state == "succeeded" and found.get("seconds"):
        text += f" in {format_duration(float(found['seconds']))}"
    return text


def _explained(session: Session, invocation: str) -> Mapping[str, Any]:
    """All that is known of an invocation; ``last.N`` is one of the newest batch, BATCH the only one of it."""
    engine = session.engine()
    batch, dot, number = invocation.partition(".")
    newest = engine.batches(limit=1) if batch == "last" else ()
    if newest:
        batch = newest[0].batch
    if not dot and batch and engine.status(batch).counts.total == 1:
        dot, number = ".", "1"
    return engine.explain(_name(batch + dot + number))


def _name(invocation: str) -> str:
    batch, _, number = invocation.partition(".")
    if not batch or not number.isdigit():
        raise CallerError(
            f"{invocation!r} names no invocation.",
            code="bad-value",
            fix=f"Write BATCH.N: `rushes results {batch or 'BATCH'}` lists them.",
        )
    return invocation
