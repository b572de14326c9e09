"""INPUT arguments become clips, as a stream: files, sequences, folders, globs, manifests, standard input.

What is wrong with the command line is raised before the first clip is given; what is wrong with one clip
is that clip's `problem`, and the stream goes on. This module must not know what is done with the clips.
"""

# ruff: noqa: PTH100, PTH111, PTH112, PTH113, PTH116, PTH117, PTH118, PTH120 - names stay as given

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

from rushes.asset import Asset
from rushes.errors import CallerError, RushesError
from rushes.media.describing.spans import Span
from rushes.media_kinds import suffix_of
from rushes.runtime.files import foreign, shown
from rushes.runtime.ownership import is_receipt_name
from rushes.runtime.sources.fingerprint import frames_on_disk
from rushes.runtime.sources.manifest import MANIFEST_SUFFIXES, Line, lines_of, stream_lines
from rushes.runtime.sources.places import Places
from rushes.runtime.sources.tree import Item, Tree, cannot_read, has_magic, like_a_pattern, not_a_file

__all__ = ["Found", "distinct", "expand", "limited"]

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Found:
    """One clip to work on.

    Args:
        asset: the clip; with `problem`, what would have been it.
        subdir: the folder below INPUT that it is in, for the output to mirror.
        tag: ``~ab12`` when an earlier clip makes the same output name in the same place, else "".
        problem: `RushesError.to_dict` of what keeps it from being used, or None.
        params: options that a manifest gives to this clip alone, not validated, or None.
        mark: what the clip was when it was found, where that is known already; else it is looked at.
        size_bytes: how large it was then, where a store has said it; else 0.
    """

    asset: Asset
    subdir: str = ""
    tag: str = ""
    problem: dict[str, Any] | None = None
    params: dict[str, Any] | None = None
    mark: str = ""
    size_bytes: int = 0


def expand(
    inputs: Sequence[str],
    *,
    out: str | None = None,
    base: Path | None = None,
    stdin: IO[bytes] | IO[str] | None = None,
) -> Iterator[Found]:
    """The clips that INPUT arguments name, in a stable order, each one once.

    Args:
        inputs: files, patterns ``plate.[1001-1096].exr``, folders, globs, manifests, or ``-``.
        out: where outputs will go. A folder is not walked into it, and what a receipt says Rushes made is
            passed over. Without it nothing can feed on its own outputs, so they are clips like others.
        base: the folder that relative inputs start from; the current one by default.
        stdin: what ``-`` reads; the process's by default.

    Raises:
        CallerError: an input does not exist (``not-found``) or cannot be read here, before the first clip;
            or, at the end, nothing at all was found (``no-media``).
    """
    if not inputs:
        raise CallerError("no INPUT is given.", code="no-input", fix="Name a file, a folder or a manifest.")
    expansion = _Expansion(out, os.path.abspath(base or "."), stdin)
    for text in inputs:
        expansion.check(text)
    if list(inputs).count("-") > 1:
        raise CallerError("- is given twice.", code="bad-value", fix="Standard input can be read once.")
    return expansion.run(inputs)


def distinct(clips: Iterable[tuple[Asset, Any]]) -> Iterator[Found]:
    """Clips that a program names itself, each with its own options or None, as `Found`, one for one.

    Nothing is looked at on disk and nothing is left out; but no two that differ get the same output name.
    """
    places = Places()
    try:
        for asset, params in clips:
            identity = f"{asset}\0{params!r}"
            tag, _ = places.take("", asset.stem, asset.name, identity)
            yield Found(asset, "", tag, None, params)
    finally:
        places.close()


def limited(found: Found, span: Span | None) -> Found:
    """The same clip limited to a span of it; one that has no such frames carries that as its problem."""
    if span is None or found.problem is not None:
        return found
    try:
        return replace(found, asset=replace(found.asset, frames=span.of(found.asset)))
    except RushesError as error:
        return replace(found, problem=error.to_dict())


class _Expansion:
    def __init__(self, out: str | None, base: str, stdin: IO[bytes] | IO[str] | None) -> None:
        self._base = base
        self._stdin = stdin
        self._places = Places()
        self._duplicates = 0
        self._tree = Tree(_identity(out, base), skip_own=out is not None)

    def check(self, text: str) -> None:
        """Refuse an argument that can name nothing."""
        problem = self._refusal(text) if text != "-" else None
        if problem is not None:
            raise problem

    def run(self, inputs: Sequence[str]) -> Iterator[Found]:
        empty: list[tuple[str, RushesError]] = []
        count = 0
        try:
            for text in inputs:
                before, skipped, known = count, self._tree.skipped, self._duplicates
                for found in self._one(text):
                    count += 1
                    yield found
                if count == before and known == self._duplicates:
                    empty.append((text, self._nothing_in(text, self._tree.skipped - skipped)))
            if count == 0:
                raise empty[0][1]
            for text, problem in empty:
                yield Found(Asset(self._path(text)), problem=problem.to_dict())
        finally:
            self._places.close()

    def _one(self, text: str) -> Iterator[Found]:
        if text == "-":
            stream = self._stdin if self._stdin is not None else sys.stdin
            yield from self._listed(stream_lines(stream), "standard input", self._base)
            return
        path = self._path(text)
        if suffix_of(path) in MANIFEST_SUFFIXES and os.path.isfile(path):
            lines = lines_of(path, suffix_of(path))
            yield from self._listed(lines, path, os.path.dirname(path))
        elif os.path.isdir(path):
            yield from self._items(self._tree.walk(path))
        elif os.path.lexists(path):
            yield from self._items([_explicit(path)])
        elif Asset(path).sequence is not None:
            yield from self._items([Item(path, "", cannot_read(path))])
        else:
            root, parts = _split_pattern(path)
            yield from self._items(self._tree.match(root, parts))

    def _items(
        self,
        items: Iterator[Item] | Sequence[Item],
        params: dict[str, Any] | None = None,
        span: Span | None = None,
    ) -> Iterator[Found]:
        own = json.dumps([params, span and repr(span)], sort_keys=True)
        for item in items:
            asset = Asset(item.path)
            if item.problem is not None:
                yield Found(asset, item.subdir, "", item.problem.to_dict(), params)
                continue
            relative = f"{item.subdir}/{asset.name}"
            tag, again = self._places.take(item.subdir, asset.stem, relative, f"{item.path}\0{own}")
            self._duplicates += again
            if not again:
                yield limited(Found(asset, item.subdir, tag, None, params), span)

    def _listed(self, lines: Iterator[Line], where: str, home: str) -> Iterator[Found]:
        for line in lines:
            if line.problem is not None:
                named = Asset(f"{where}:{line.number}" if not line.source else self._path(line.source))
                yield Found(named, problem=line.problem.to_dict())
                continue
            path = self._path(line.source, home)
            problem = self._refusal(line.source, path, literal=True)
            if problem is not None:
                problem.message = f"line {line.number} of {shown(where)}: {problem.message}"
                yield Found(Asset(path), problem=problem.to_dict(), params=line.params)
                continue
            subdir = _mirrored(line.source)
            if os.path.isdir(path):
                items: Iterator[Item] = self._tree.walk(path, subdir)
            else:
                items = iter([_explicit(path, os.path.dirname(subdir))])
            yield from self._items(items, line.params, line.frames)

    def _path(self, text: str, home: str = "") -> str:
        """The absolute path of an argument; a manifest's line is looked for beside it, then from `base`."""
        if text.startswith("file://"):
            text = text[7:]
        elif _SCHEME.match(text):
            return text
        if text.startswith("~/") and not os.path.lexists(os.path.join(home or self._base, text)):
            text = os.path.expanduser(text)
        beside = os.path.abspath(os.path.join(home or self._base, text))
        if not home or os.path.isabs(text) or _names_something(beside):
            return beside
        other = os.path.abspath(os.path.join(self._base, text))
        return other if _names_something(other) else beside

    def _refusal(self, text: str, path: str | None = None, *, literal: bool = False) -> RushesError | None:
        path = path or (self._path(text) if text else "")
        if not path or "\0" in path:
            return CallerError("an empty name is no INPUT.", code="bad-value", fix="Give a path.")
        if _SCHEME.match(path):
            return CallerError(
                f"{shown(path)} is not on this machine.",
                code="not-local",
                fix="Run it where it is, --engine aws:ENV of `rushes infra deploy`; or copy it here.",
            )
        if _names_something(path):
            return None
        if has_magic(path) and not literal and Asset(path).sequence is None:
            root, _ = _split_pattern(path)
            return None if os.path.isdir(root) else _missing(root)
        return _missing(path)

    def _nothing_in(self, text: str, skipped: int) -> CallerError:
        path = shown(self._path(text)) if text != "-" else "standard input"
        if skipped:
            outputs = "output" if skipped == 1 else "outputs"
            return CallerError(
                f"{path} holds no media but {skipped:,} {outputs} that Rushes made.",
                code="no-media",
                fix="Outputs are taken as inputs only when the files themselves are named.",
            )
        if text != "-" and not os.path.isdir(self._path(text)) and not os.path.isfile(self._path(text)):
            return CallerError(f"nothing matches {path}.", code="not-found", fix="Check the pattern.")
        if text != "-" and os.path.isdir(self._path(text)):
            fix = "Name another folder, or name the files themselves if their extension is unusual."
            return CallerError(f"{path} holds no media.", code="no-media", fix=fix)
        fix = "Write the path of a clip on each line."
        return CallerError(f"{path} lists no clips.", code="no-media", fix=fix)


def _names_something(path: str) -> bool:
    """True for whatever has a name on disk, and for a pattern that has a frame there."""
    if os.path.lexists(path):
        return True
    sequence = Asset(path).sequence
    if sequence is None or not os.path.isdir(sequence.directory):
        return False
    return next(frames_on_disk(sequence), None) is not None


def _explicit(path: str, subdir: str = "") -> Item:
    """A file that was named itself: taken whatever its extension."""
    return Item(path, subdir, _unusable(path))


def _unusable(path: str) -> RushesError | None:
    sequence = Asset(path).sequence
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return cannot_read(path) if sequence is not None else not_a_file(path)
    except OSError as error:
        return foreign(error, path, "read")
    if regular and is_receipt_name(path):
        return CallerError(
            f"{shown(path)} is a receipt, not media.", code="not-media", fix="Name the clip itself."
        )
    if regular and sequence is not None:
        return like_a_pattern(path)
    return cannot_read(path) if regular else not_a_file(path)


def _missing(path: str) -> RushesError:
    try:
        os.lstat(path)
    except FileNotFoundError:
        pass
    except OSError as error:  # a parent folder that may not be entered, a loop above, a name too long
        return foreign(error, path, "read")
    named = f"no frame of {shown(path)} exists." if Asset(path).sequence else f"{shown(path)} does not exist."
    parent = os.path.dirname(path)
    fix = (
        "Check the spelling."
        if os.path.isdir(parent)
        else f"Its folder {shown(parent)} does not exist either."
    )
    return CallerError(named, code="not-found", fix=fix, details={"path": shown(path)})


def _mirrored(text: str) -> str:
    """The place below a manifest that a relative line names; what lies elsewhere goes to the top."""
    if os.path.isabs(text) or _SCHEME.match(text) or text.startswith("~/"):
        return ""
    place = os.path.normpath(text)
    return "" if place.startswith("..") or place == "." else place


def _split_pattern(path: str) -> tuple[str, list[str]]:
    """The folder that a glob starts from, and the parts of the pattern below it."""
    parts = path.split("/")
    fixed = next(i for i, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:fixed]) or "/", parts[fixed:]


def _identity(out: str | None, base: str) -> tuple[int, int] | None:
    if out is None or _SCHEME.match(out):
        return None
    try:
        found = os.stat(os.path.join(base, out))
    except OSError:
        return None
    return found.st_dev, found.st_ino
