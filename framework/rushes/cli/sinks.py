"""Where finished invocations go on standard output: JSON lines, paths, or what a function renders itself.

A function's module may offer ``FORMATS``, names of formats, the terminal's first, and ``render(results,
format, *, first, clips) -> str``, which writes results in one of them. This module must not know batches,
progress or errors' wording.
"""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from rushes.cli.show import fields, short_name, table
from rushes.core.states import State

if TYPE_CHECKING:
    from rushes.function import Function
    from rushes.invocation import Finished

__all__ = ["JsonSink", "NothingSink", "Sink", "format_options", "sink_for"]

_ROWS_MAX: Final = 200
"""Rows that a table waits for before it settles on the width of its columns."""


class Sink(Protocol):
    """Takes pages of ended invocations."""

    def writes(self, page: Sequence[Finished]) -> bool:
        """True when `add` of that page would write something: a drawing has to make room first."""

    def add(self, page: Sequence[Finished]) -> None: ...

    def close(self) -> None: ...


def format_options(function: Function[Any, Any]) -> list[click.Option]:
    """``--format`` with the formats that a function's module offers; empty when it offers none."""
    formats = formats_of(function)
    if not formats:
        return []
    text = f"How results are written.  [default: {formats[0]} on a terminal]"
    return [click.Option(["--format"], type=click.Choice(formats), help=text)]


def sink_for(function: Function[Any, Any], *, as_json: bool, chosen: str | None, terminal: bool) -> Sink:
    """What the command line writes to standard output for a batch of `function`."""
    if as_json:
        return JsonSink()
    formats = formats_of(function)
    if formats and (terminal or chosen):
        return _RenderSink(_module(function).render, chosen or formats[0])
    if function.makes_outputs:
        return NothingSink() if terminal else _PathSink()
    return _TableSink() if terminal else _ResultSink()


def formats_of(function: Function[Any, Any]) -> tuple[str, ...]:
    """The formats that the function's module declares as ``FORMATS`` beside a ``render``."""
    module = _module(function)
    if not callable(getattr(module, "render", None)):
        return ()
    return tuple(getattr(module, "FORMATS", ()))


def _module(function: Function[Any, Any]) -> Any:
    return sys.modules.get(function.__module__)


class _LineSink(ABC):
    """Lines that are written as soon as there are any."""

    def writes(self, page: Sequence[Finished]) -> bool:
        return bool(page)

    def add(self, page: Sequence[Finished]) -> None:
        _write(self._lines(page))

    def close(self) -> None:
        return

    @abstractmethod
    def _lines(self, page: Sequence[Finished]) -> Iterable[str]: ...


class JsonSink(_LineSink):
    """One object a line, the schema of the CLI contract."""

    def _lines(self, page: Sequence[Finished]) -> Iterable[str]:
        return (json.dumps(one.to_json()) for one in page)


class _ResultSink(_LineSink):
    """The results alone, one JSON object a line; failures go to standard error."""

    def _lines(self, page: Sequence[Finished]) -> Iterable[str]:
        return (json.dumps(one.result) for one in page if one.state is State.succeeded)


class _PathSink(_LineSink):
    """The paths of outputs, one a line, for the next command."""

    def _lines(self, page: Sequence[Finished]) -> Iterable[str]:
        return (path for one in page for path in one.outputs)


class NothingSink:
    """On a terminal, the summary says where the files are."""

    def writes(self, page: Sequence[Finished]) -> bool:  # noqa: ARG002 - the protocol's signature
        return False

    def add(self, page: Sequence[Finished]) -> None:
        """Nothing."""

    def close(self) -> None:
        return


class _RowSink(ABC):
    """Rows that wait for others, so that columns fit them all."""

    def __init__(self) -> None:
        self._waiting: list[Finished] = []
        self._first = True

    def writes(self, page: Sequence[Finished]) -> bool:
        return len(self._waiting) + len(page) >= _ROWS_MAX

    def add(self, page: Sequence[Finished]) -> None:
        self._waiting += [one for one in page if one.state is State.succeeded]
        if len(self._waiting) >= _ROWS_MAX:
            self.close()

    def close(self) -> None:
        rows, self._waiting = self._waiting, []
        if rows:
            text = self._text(rows, first=self._first)
            _write([text.rstrip("\n")] if text else [])
            self._first = False

    @abstractmethod
    def _text(self, rows: Sequence[Finished], *, first: bool) -> str: ...


class _RenderSink(_RowSink):
    """What the function's own ``render`` makes of the rows."""

    def __init__(self, render: Callable[..., str], chosen: str) -> None:
        super().__init__()
        self._render = render
        self._format = chosen

    def _text(self, rows: Sequence[Finished], *, first: bool) -> str:
        results, clips = [one.result for one in rows], [one.asset for one in rows]
        return self._render(results, self._format, first=first, clips=clips)


class _TableSink(_RowSink):
    """Scalar fields of the results as a table; a single result as a list of its fields.

    A result that lists things of one kind, such as the tracks of a clip, has a row for each of them.
    """

    def _text(self, rows: Sequence[Finished], *, first: bool) -> str:
        lists = any(_listed(one.result or {}) for one in rows)
        if len(rows) == 1 and first and not lists:
            return fields(rows[0].result or {})
        flat = [(one, line) for one in rows for line in _lines_of(one.result or {})]
        names = list(dict.fromkeys(name for _, line in flat for name in line))
        cells = [[short_name(one.asset), *(line.get(name) for name in names)] for one, line in flat]
        return table(["clip", *names], cells)


def _listed(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The things that a result lists, where it lists things of one kind and nothing else of that sort."""
    lists = [value for value in result.values() if isinstance(value, list) and value]
    return lists[0] if len(lists) == 1 and all(isinstance(one, dict) for one in lists[0]) else []


def _lines_of(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    own = {name: value for name, value in result.items() if _flat(value)}
    for one in _listed(result) or [{}]:
        yield own | {name: value for name, value in one.items() if _flat(value) or value is None}


def _flat(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _write(lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        # As bytes: a path that is no UTF-8 reaches the next command as it is on disk.
        click.echo(text.encode("utf-8", "surrogateescape"), nl=False)
