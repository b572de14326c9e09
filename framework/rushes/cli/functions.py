"""`functions` and `describe`: what is installed, and what one function does, takes and gives.

This module must not run anything.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from rushes.cli.command import FunctionName
from rushes.cli.show import fields, one_line, table
from rushes.printing import printable
from rushes.units import format_size

if TYPE_CHECKING:
    from rushes.function import Function

__all__ = ["describe", "functions"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
def functions(*, as_json: bool) -> None:
    """The functions that are installed; none is imported for it."""
    from rushes.catalog import installed  # noqa: PLC0415 - reads the metadata of every distribution

    found = list(installed())
    if as_json:
        for one in found:
            click.echo(json.dumps({"name": one.name, "ref": one.ref, "distribution": one.distribution}))
        return
    if found:
        click.echo(table(["function", "from", "is"], [[f.name, f.distribution, f.ref] for f in found]))
    click.echo(
        f"{'' if found else 'none is installed; '}a file of yours is named by its path: ./FILE.py:NAME",
        err=True,
    )


@click.command()
@click.argument("function", type=FunctionName())
@click.option("--json", "as_json", is_flag=True, help="With the JSON schemas of its options and its result.")
def describe(function: str, *, as_json: bool) -> None:
    """What FUNCTION does, what it takes, what it gives, and what one attempt needs."""
    from rushes.catalog import find, source_digest  # noqa: PLC0415 - now that a function is named

    found = find(function)
    if as_json:
        click.echo(json.dumps({**facts(found), "source_digest": source_digest(found), **_schemas(found)}))
        return
    click.echo(f"{click.style(f'{found.name}@{found.version}', bold=True)}   {printable(found.ref)}")
    if found.__doc__:
        click.echo(f"\n{_indented(found.__doc__)}\n")
    resources = found.resources
    needs = [
        f"{resources.cpu:g} core{'' if resources.cpu == 1 else 's'}",
        f"{format_size(resources.vector()['memory'])} of memory",
    ]
    needs += [f"{resources.gpu} GPU"] * bool(resources.gpu)
    click.echo(
        fields(
            {
                "owner": found.owner,
                "needs": ", ".join(needs),
                "tools": found.tools,
                "retries": found.retries,
                "makes files": "yes: give --out" if found.makes_outputs else "no",
                "of": "" if found.frame_ranges else "whole clips: no --frames",
            }
        )
    )
    click.echo("\noptions")
    rows = _option_rows(found)
    click.echo(_block(rows) if rows else "  none")
    click.echo(f"\nresult  (schema {found.result_model.SCHEMA})")
    click.echo(_block(_result_rows(found.result_model)))


def facts(function: Function[Any, Any]) -> dict[str, Any]:
    """What a function declares, as JSON-able data."""
    return {
        "schema": 1,
        "name": function.name,
        "version": function.version,
        "ref": function.ref,
        "doc": (function.__doc__ or "").strip(),
        "owner": function.owner,
        "resources": function.resources.vector(),
        "tools": list(function.tools),
        "retries": function.retries,
        "makes_outputs": function.makes_outputs,
        "preemptible": function.preemptible,
        "frame_ranges": function.frame_ranges,
    }


def _schemas(function: Function[Any, Any]) -> dict[str, Any]:
    return {
        "params": function.params_model.model_json_schema(),
        "result": function.result_model.model_json_schema(mode="serialization"),
        "result_schema": function.result_model.SCHEMA,
    }


def _option_rows(function: Function[Any, Any]) -> list[tuple[str, str]]:
    from rushes.cli.function_options import nested_for, options_for  # noqa: PLC0415 - a function is at hand

    ctx = click.Context(click.Command(function.name))
    rows = [record for o in options_for(function) if (record := o.get_help_record(ctx))]
    rows += [(name, "only in a preset file (--params)") for name in nested_for(function)]
    return rows


def _result_rows(model: Any) -> list[tuple[str, str]]:
    rows = []
    for name, info in model.model_fields.items():
        kind = getattr(info.annotation, "__name__", str(info.annotation))
        if "[" in str(info.annotation):
            kind = str(info.annotation).replace("typing.", "")
        rows.append((name, f"{kind}  {one_line(info.description or '', 100)}".rstrip()))
    return rows


def _block(rows: list[tuple[str, str]]) -> str:
    formatter = click.HelpFormatter(max_width=100)
    with formatter.indentation():
        formatter.write_dl([(name, text or " ") for name, text in rows])
    return formatter.getvalue().rstrip("\n")


def _indented(text: str) -> str:
    import inspect  # noqa: PLC0415 - a function is at hand, so it is loaded already

    return "\n".join(f"  {line}".rstrip() for line in inspect.cleandoc(text).splitlines())
