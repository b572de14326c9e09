"""Where finished invocations go on standard output: JSON lines, paths, or text for people.

This module must not know batches, progress or errors' wording.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from rushes.cli.values import TABLE, formats_of, has_values, text_of
from rushes.core.states import State
from rushes.printing import without_controls

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
        return _TextSink(function, chosen or formats[0])
    if not terminal:
        return _PathSink() if function.makes_outputs else _ResultSink()
    return _TextSink(function, TABLE) if has_values(function) else NothingSink()


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
    """The paths of outputs, one a line, for the next command. One that is no line is exact in JSON alone."""

    def _lines(self, page: Sequence[Finished]) -> Iterable[str]:
        return (without_controls(path) for one in page for path in one.outputs)


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
        self._waiting += [one for one in page if one.result is not None]
        if len(self._waiting) >= _ROWS_MAX:
            self.close()

    def close(self) -> None:
        rows, self._waiting = self._waiting, []
        if rows:
            text = self._text(rows, first=self._first)
            click.echo(text.rstrip("\n")) if text.strip() else None
            self._first = False

    @abstractmethod
    def _text(self, rows: Sequence[Finished], *, first: bool) -> str: ...


class _TextSink(_RowSink):
    """What `values` makes of the rows."""

    def __init__(self, function: Function[Any, Any], chosen: str) -> None:
        super().__init__()
        self._function = function
        self._format = chosen

    def _text(self, rows: Sequence[Finished], *, first: bool) -> str:
        return text_of(self._function, rows, self._format, first=first)


def _write(lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        # As bytes: a path that is no UTF-8 reaches the next command as it is on disk.
        click.echo(text.encode("utf-8", "surrogateescape"), nl=False)
