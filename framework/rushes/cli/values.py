"""What functions returned, as text: in formats of their own, as tables, and in a few words.

A function's module may offer ``FORMATS``, names of formats, the terminal's first, and ``render(results,
format, *, first, clips) -> str``, which writes results in one of them. Of functions that ran together each
has its own part. This module must not print, and must not know how the invocations were found.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from rushes.cli.show import fields, figure, short_name, table
from rushes.core.states import State
from rushes.printing import without_controls

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.invocation import Finished

__all__ = [
    "CSV",
    "TABLE",
    "columns_of",
    "csv_of",
    "formats_of",
    "has_values",
    "in_short",
    "of_member",
    "table_of",
    "text_of",
]

TABLE: Final = "table"
CSV: Final = "csv"
_SHORT: Final = 100
_LF: Final = "\n"


def formats_of(function: Function[Any, Any]) -> tuple[str, ...]:
    """The formats that the function's module declares as ``FORMATS`` beside a ``render``."""
    module = sys.modules.get(function.__module__)
    if not callable(getattr(module, "render", None)):
        return ()
    return tuple(getattr(module, "FORMATS", ()))


def has_values(function: Function[Any, Any]) -> bool:
    """Whether what it returns is more than files; of several, whether that is so of any."""
    members = getattr(function, "members", ()) or (function,)
    return any(not member.makes_outputs for member in members)


def text_of(
    function: Function[Any, Any],
    rows: Sequence[Finished],
    chosen: str,
    *,
    first: bool = True,
    files: bool = False,
) -> str:
    """What the rows hold, in one of the function's own formats, or else as a table.

    Args:
        function: what they are results of.
        rows: ended invocations; what has no result is passed over.
        chosen: one of `formats_of`, or ``table``.
        first: False when headers have been written before.
        files: of functions that ran together, those too that make files.
    """
    members = getattr(function, "members", ())
    if members and chosen == TABLE:
        parts = ((member, _of_members(rows, member.name)) for member in members)
        return "\n".join(
            f"{click.style(member.name, bold=True)}\n{text_of(member, own, TABLE, first=first).strip(_LF)}\n"
            for member, own in parts
            if own and (files or not member.makes_outputs)
        )
    kept = [one for one in rows if one.result is not None]
    if chosen in formats_of(function):
        results, clips = [one.result for one in kept], [one.asset for one in kept]

        return str(sys.modules[function.__module__].render(results, chosen, first=first, clips=clips))
    return table_of(kept, first=first)


def of_member(one: Finished, name: str) -> Finished | None:
    """How one of the functions ended that ran together, as if it had run alone; None where it did not run."""
    its = ((one.result or {}).get("functions") or {}).get(name)
    if its is None:
        return None
    return one._replace(
        function=name,
        state=State(its["state"]),
        result=its["result"],
        outputs=tuple(its["outputs"]),
        error=its["error"],
        receipt=its["receipt"],
        encoder=its["encoder"],
        cached=bool(its["cached"]),
        seconds=float(its["seconds"]),
        warnings=tuple(its["warnings"]),
    )


def in_short(one: Finished) -> str:
    """What came of an invocation that succeeded, in a few words."""
    functions = (one.result or {}).get("functions") if isinstance(one.result, Mapping) else None
    if functions:
        members = [own for name in functions if (own := of_member(one, name)) is not None]
        return "; ".join(f"{own.function} {_in_short(own)}" for own in members)
    return _in_short(one)


def _in_short(one: Finished) -> str:
    if one.state is not State.succeeded:
        return str(one.state.value)
    if one.outputs:
        return ", ".join(one.outputs)
    result = one.result if isinstance(one.result, Mapping) else {}
    flat = {name: value for name, value in result.items() if _flat(value)}
    said = [f"{name} {figure(value) if isinstance(value, float) else value}" for name, value in flat.items()]
    said += [f"{len(value)} of {name}" for name, value in result.items() if isinstance(value, list)]
    text = ", ".join(said) or "done"
    return text if len(text) <= _SHORT else text[: _SHORT - 1] + "…"


def _of_members(rows: Sequence[Finished], name: str) -> list[Finished]:
    found = [own for one in rows if (own := of_member(one, name)) is not None]
    return [own for own in found if own.result is not None]


def table_of(rows: Sequence[Finished], *, first: bool) -> str:
    """Scalar fields of the results as a table; a single result as a list of its fields.

    A result that lists things of one kind, such as the tracks of a clip, has a row for each of them.
    """
    lists = any(_listed(one) for one in rows)
    if len(rows) == 1 and first and not lists:
        return fields(rows[0].result or {})
    flat = [(one, line) for one in rows for line in _lines_of(one)]
    names = list(dict.fromkeys(name for _, line in flat for name in line))
    cells = [[short_name(one.asset), *(line.get(name) for name in names)] for one, line in flat]
    return table(["clip", *names], cells)


def columns_of(one: Finished) -> list[str]:
    """The columns that an invocation needs in a CSV table."""
    return list(_line(one))


def csv_of(rows: Sequence[Finished], columns: Sequence[str], *, head: bool) -> str:
    """All scalars of the results, those of mappings and lists under dotted names, and how each ended.

    Control characters of names are written as escapes: the file is read by spreadsheets, and by terminals.

    Args:
        rows: ended invocations.
        columns: all that `columns_of` names of any row of the whole table.
        head: whether the columns' names stand above.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    if head:
        writer.writeheader()
    writer.writerows(
        {name: without_controls(cell) if isinstance(cell, str) else cell for name, cell in _line(one).items()}
        for one in rows
    )
    return text.getvalue()


def _line(one: Finished) -> dict[str, Any]:
    error = one.error or {}
    line = {"invocation": one.invocation, "clip": one.asset, "state": one.state.value}
    line["error"] = f"[{error.get('kind')}] {error.get('message')}" if error else ""
    functions = one.result.get("functions") if isinstance(one.result, Mapping) else None
    if not functions:
        return line | dict(_scalars(one.result, ""))
    return line | {
        key: value
        for name, its in functions.items()
        for key, value in _scalars(its.get("result"), f"{name}.")
    }


def _scalars(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The scalars below a value, under names such as ``tracks.0.channels``."""
    if isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, own in items:
            yield from _scalars(
                own, f"{name}{key}" if not isinstance(own, Mapping | list) else f"{name}{key}."
            )
    elif value is not None:
        yield name, value


def _listed(one: Finished) -> list[Mapping[str, Any]]:
    """The things that a result lists, where it lists things of one kind and nothing else of that sort.

    One about files is about these: what it lists besides is no row of its own.
    """
    if one.outputs:
        return []
    lists = [value for value in (one.result or {}).values() if isinstance(value, list) and value]
    return lists[0] if len(lists) == 1 and all(isinstance(item, dict) for item in lists[0]) else []


def _lines_of(one: Finished) -> Iterator[dict[str, Any]]:
    own = {name: value for name, value in (one.result or {}).items() if _flat(value)}
    for item in _listed(one) or [{}]:
        yield own | {name: value for name, value in item.items() if _flat(value) or value is None}


def _flat(value: Any) -> bool:
    """Whether a value fits into a cell."""
    return isinstance(value, str | int | float | bool)
