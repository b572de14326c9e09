"""``rushes classes``: the priority classes, who may use them, and what of them is in use.

This module must not know how classes are scheduled.
"""

from __future__ import annotations

import json
import os
from typing import Any

import click

from rushes.cli.session import Session
from rushes.cli.show import table
from rushes.core.permission import shown_hours
from rushes.printing import printable
from rushes.units import format_duration

__all__ = ["classes"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def classes(session: Session, *, as_json: bool) -> None:
    """The priority classes: what is kept for each, who may use it, and what is used of it now and today."""
    engine = session.engine()
    found: dict[str, Any] = dict(engine.pool()["classes"]) if engine.running() else _as_written()
    if as_json:
        click.echo(json.dumps(found))
        return
    if found["problem"]:
        click.echo(click.style(printable(found["problem"]), fg="yellow"))
    if found["file"]:
        click.echo(f"classes of {printable(found['file'])}")
    if note := _other_file(found["file"]):
        click.echo(click.style(printable(note), fg="yellow"))
    head = [
        "rank",
        "class",
        "running",
        "cores",
        "reserved",
        "at most",
        "target",
        "in time today",
        "ages in",
        "for",
    ]
    rows = [_row(one) for one in found["classes"]]
    click.echo(table(head, rows, right=frozenset({0, 2, 3, 4, 5}), sparse=frozenset(range(2, 8))))
    for line in (printable(line) for one in found["classes"] for line in _where(one)):
        click.echo(line)
    for line in (line for one in found["classes"] for line in _hours(one)):
        click.echo(line)


def _as_written() -> dict[str, Any]:
    """The classes as the next worker will have them; nothing is in use."""
    from rushes.runtime.configuration.class_file import class_file, classes_of  # noqa: PLC0415 - only without a worker
    from rushes.runtime.configuration.own_tier import barred_here  # noqa: PLC0415 - as above
    from rushes.runtime.dispatch.classes import class_json  # noqa: PLC0415 - as above

    file = class_file(os.environ)
    barred = barred_here(os.environ)
    rows = [{**class_json(one), "elsewhere": barred.get(one.name, "")} for one in classes_of(os.environ)]
    return {"file": str(file.path) if file else "", "problem": "", "classes": rows}


def _other_file(in_force: str) -> str:
    """A word where the file that is named here is not the one that counts."""
    from rushes.runtime.configuration.class_file import class_file  # noqa: PLC0415 - not for help

    named = class_file(os.environ)
    if named is None or str(named.path) == in_force:
        return ""
    return (
        f"{named.path} does not count yet: the worker that runs was started "
        f"{'with this one' if in_force else 'without a file'}. `rushes drain`, and the next one reads it."
    )


def _row(one: dict[str, Any]) -> list[str]:
    now = one["now"]
    return [
        str(one["rank"]),
        one["name"],
        str(now["running"]) if now else "",
        f"{now['cpu']:g}" if now else "",
        f"{one['reserved_share']:.0%}" if one["reserved_share"] else "",
        f"{one['max_share']:.0%}" if one["max_share"] < 1 else "",
        format_duration(one["target_s"]) if one["target_s"] else "",
        _in_time(one["turnaround"]),
        format_duration(one["ageing_s"]),
        printable(_who(one)),
    ]


def _in_time(found: dict[str, Any] | None) -> str:
    """``12 of 13, 2 late``: batches that ended within the target, and those that run and will not."""
    if found is None:
        return ""
    late = f"{found['late']:,} late" if found["late"] else ""
    ended = f"{found['met']:,} of {found['ended']:,}" if found["ended"] else ""
    return ", ".join(part for part in (ended, late) if part)


def _where(one: dict[str, Any]) -> list[str]:
    """Where a class may run, as far as that is limited, and whether this machine is such a place."""
    limits = [
        f"on the tiers {', '.join(one['tiers'])}" if one["tiers"] else "",
        f"on {', '.join(one['purchase'])} machines" if one["purchase"] else "",
    ]
    lines = [f"{one['name']}: only {' and '.join(filter(None, limits))}"] if any(limits) else []
    return [*lines, f"{one['name']}: {one['elsewhere']}"] if one["elsewhere"] else lines


def _who(one: dict[str, Any]) -> str:
    people = [*(one["users"] or ()), *(f"group {name}" for name in one["groups"] or ())]
    anybody = one["users"] is None and one["groups"] is None
    who = "everybody" if anybody else ", ".join(people) or "nobody"
    return who if one["shows"] is None else f"{who}; show {', '.join(one['shows']) or 'none'}"


def _hours(one: dict[str, Any]) -> list[str]:
    """What shows have used today, where that is limited."""
    lines = []
    for show, used in one["today"].items():
        if used["of"] is None:
            continue
        hours = f"{shown_hours(used['slot_hours'])} of {used['of']:g}"
        text = f"{one['name']}: show {show} has used {hours} slot-hours today"
        why = f"; what it has sent waits: {used['barred']}" if used["barred"] else ""
        lines.append(
            click.style(printable(text + why), fg="yellow" if used["slot_hours"] >= used["of"] else None)
        )
    return lines
