"""Manifests: lists of sources as text, CSV or JSON lines, read as a stream.

A bad line is that line's problem, not the manifest's. Bytes that are no UTF-8 survive, as they do in paths.
This module must not look at the sources.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, cast

from rushes.errors import CallerError, RushesError
from rushes.media.describing.spans import Span
from rushes.runtime.files import ours, shown

__all__ = ["MANIFEST_SUFFIXES", "Line", "lines_of", "stream_lines"]

MANIFEST_SUFFIXES: Final = frozenset({".txt", ".csv", ".tsv", ".jsonl", ".ndjson"})
_SOURCE_COLUMNS: Final = ("source", "path", "clip")
_LINE_BYTES: Final = 1024 * 1024  # longer than any path or sane object; a binary file has no line ends


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a manifest: a source with its own params, or what is wrong with the line."""

    number: int
    source: str
    params: dict[str, Any] | None = None
    frames: Span | None = None
    problem: RushesError | None = None


def lines_of(path: str, suffix: str) -> Iterator[Line]:
    """The lines of a manifest file, by its extension.

    Raises:
        CallerError: the file cannot be read, or a CSV has no column that names the source.
    """
    read = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}.get(suffix, _txt)
    with ours(path, "read"), open(path, "rb") as file:  # noqa: PTH123 - a str path, kept as given
        yield from read(_pieces(file, b"\n"), path)


def stream_lines(stream: IO[bytes] | IO[str]) -> Iterator[Line]:
    """The entries of standard input: paths or JSON objects, a line each.

    Where the first bytes hold a NUL, as `find -print0` writes it, that separates them instead.
    """
    if isinstance(stream, io.StringIO):
        stream = io.BytesIO(os.fsencode(stream.read()))
    binary = cast("IO[bytes]", getattr(stream, "buffer", stream))
    first = _read(binary)
    separator = b"\0" if b"\0" in first else b"\n"
    for number, raw in enumerate(_pieces(binary, separator, first), 1):
        text = os.fsdecode(raw)
        if text.lstrip().startswith("{"):
            line = _object(number, text, "standard input")
            if line.problem is None:
                yield line
                continue
        if text:
            yield Line(number, text)


def _read(file: IO[bytes]) -> bytes:
    """What there is by now: the first clips run while the list is still being written."""
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    return read(65_536)


def _pieces(file: IO[bytes], separator: bytes, rest: bytes = b"") -> Iterator[bytes]:
    """What stands between separators, in pieces of bounded length."""
    first, ended = True, False
    while not ended:
        *whole, rest = rest.split(separator)
        for piece in whole:
            yield _clean(piece, separator, first=first)
            first = False
        if len(rest) > _LINE_BYTES:
            raise CallerError(
                f"a line of the manifest is longer than {_LINE_BYTES} bytes.",
                code="bad-manifest",
                fix="A manifest is text: one source a line.",
            )
        chunk = _read(file)
        ended = not chunk
        rest += chunk
    if rest:
        yield _clean(rest, separator, first=first)


def _clean(piece: bytes, separator: bytes, *, first: bool) -> bytes:
    text = piece.removeprefix(b"\xef\xbb\xbf") if first else piece  # what Windows' editors put in front
    return text.removesuffix(b"\r") if separator == b"\n" else text


def _txt(lines: Iterable[bytes], _path: str) -> Iterator[Line]:
    for number, raw in enumerate(lines, 1):
        text = os.fsdecode(raw)
        if text.strip() and not text.startswith("#"):
            yield Line(number, text)


def _jsonl(lines: Iterable[bytes], path: str) -> Iterator[Line]:
    for number, raw in enumerate(lines, 1):
        if raw.strip():
            yield _object(number, os.fsdecode(raw), path)


def _object(number: int, text: str, where: str) -> Line:
    try:
        source, params, frames = _parsed(json.loads(text))
    except RushesError as error:  # an empty frame range says so itself
        return Line(number, "", problem=error)
    except (ValueError, TypeError, RecursionError) as error:
        expected = '{"source": "A001.mov", "params": {"height": 720}, "frames": [0, 100]}'
        return Line(number, "", problem=_bad_line(where, number, str(error), expected))
    return Line(number, source, params, frames)


def _parsed(data: Any) -> tuple[str, dict[str, Any] | None, Span | None]:
    if not isinstance(data, dict):
        msg = "no JSON object"
        raise TypeError(msg)
    source = next((data[c] for c in _SOURCE_COLUMNS if isinstance(data.get(c), str) and data[c]), None)
    params, frames = data.get("params") or {}, data.get("frames")
    unknown = ", ".join(sorted(set(data) - {*_SOURCE_COLUMNS, "params", "frames"}))
    if source is None or not isinstance(params, dict) or unknown:
        msg = f"it has {unknown}" if unknown else '"source" is no text or "params" no object'
        raise TypeError(msg)
    if isinstance(frames, list):
        frames = "-".join(map(str, frames))
    return source, params or None, Span.parse(frames) if frames else None


def _csv(lines: Iterable[bytes], path: str) -> Iterator[Line]:
    decoded = _Numbered(os.fsdecode(raw) + "\n" for raw in lines)
    header_text = next((text for text in decoded if text.strip()), "")
    delimiter = max(",\t;", key=header_text.count)
    header = [cell.strip() for cell in next(csv.reader([header_text], delimiter=delimiter), [])]
    column = next((c for c in _SOURCE_COLUMNS if c in header), None)
    if column is None:
        raise CallerError(
            f"{shown(path)} has no column that names the source; its header is {', '.join(header)!r}.",
            code="bad-manifest",
            fix="Start it with a line such as: source,height",
        )
    rows = csv.reader(decoded, delimiter=delimiter)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(
                decoded.number, "", problem=_bad_line(path, decoded.number, str(error), "a cell a column")
            )
            continue
        if any(cell.strip() for cell in cells):
            yield _row(header, column, cells, path, decoded.number)


class _Numbered:
    """Counts the lines that have been read: a quoted cell may span several."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._next: Callable[[], str] = iter(lines).__next__
        self.number = 0

    def __iter__(self) -> _Numbered:
        return self

    def __next__(self) -> str:
        text = self._next()
        self.number += 1
        return text


def _row(header: list[str], column: str, cells: list[str], path: str, number: int) -> Line:
    if len(cells) > len(header):
        why = f"{len(cells)} cells under a header of {len(header)}"
        return Line(
            number, "", problem=_bad_line(path, number, why, "a cell a column; quote cells with commas")
        )
    values = dict(zip(header, cells, strict=False))
    source = values.pop(column)
    if not source:
        return Line(number, "", problem=_bad_line(path, number, f"no {column}", "a path in that column"))
    span = values.pop("frames", "")
    try:
        frames = Span.parse(span) if span else None
    except CallerError as error:
        why = str(error).removesuffix(".")
        return Line(number, source, problem=_bad_line(path, number, why, "START-STOP"))
    # An empty cell leaves the option at its default: spreadsheets have no other way to say so.
    params = {name: value for name, value in values.items() if name and value != ""}
    return Line(number, source, params or None, frames)


def _bad_line(where: str, number: int, why: str, expected: str) -> CallerError:
    return CallerError(
        f"line {number} of {shown(where)} cannot be used: {why}.",
        code="bad-manifest-line",
        fix=f"Expected {expected}.",
    )
