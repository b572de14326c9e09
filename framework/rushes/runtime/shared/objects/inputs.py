"""INPUT arguments that name objects in a store become clips: objects, prefixes, globs, manifests of them.

As `rushes.runtime.sources.inputs` does it for files: in a stable order, each one once, the tree below INPUT
mirrored.
A name is taken as it stands, so an object that is really called ``take[1].mov`` is that one, and no pattern.
A prefix expands to clips, never to frames. This module must not know which store it is.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Final

from rushes.asset import IMAGE_SUFFIXES, Asset
from rushes.errors import CallerError, RushesError
from rushes.media_kinds import MEDIA_SUFFIXES, suffix_of
from rushes.ports import Shelf
from rushes.runtime.ownership import is_receipt_name, receipt_name
from rushes.runtime.shared.objects.frames import clip_of, frames_of, look_clip
from rushes.runtime.shared.objects.marks import object_mark
from rushes.runtime.sources.clips import clip_names
from rushes.runtime.sources.inputs import Found, limited
from rushes.runtime.sources.manifest import MANIFEST_SUFFIXES, Line, lines_of, stream_lines
from rushes.runtime.sources.places import Places
from rushes.runtime.sources.tree import has_magic
from rushes.stored import Stored

__all__ = ["expand_objects", "local_input"]

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://")
_GLOB: Final = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def expand_objects(
    inputs: Sequence[str],
    store: Shelf,
    *,
    out: str | None = None,
    stdin: IO[bytes] | IO[str] | None = None,
) -> Iterator[Found]:
    """The clips that INPUT arguments name in a store.

    Args:
        inputs: objects, prefixes and globs (``s3://cards/day*/**``), a manifest of these, or ``-``.
        store: where they are.
        out: where outputs will go: what is below it is passed over, and what has a receipt beside it.
        stdin: what ``-`` reads; the process's by default.

    Raises:
        CallerError: an input is a file of this machine (``local-input``) or there is no such object
            (``not-found``), before the first clip; or nothing at all was found (``no-media``).
    """
    if not inputs:
        raise CallerError("no INPUT is given.", code="no-input", fix="Name an object or a prefix: s3://…")
    for text in inputs:
        if text != "-" and not _is_manifest(text) and not _SCHEME.match(text):
            raise local_input(text)
    return _Expansion(store, out).run(inputs, stdin)


def local_input(name: str) -> CallerError:
    """A file of this machine, where objects are wanted."""
    return CallerError(
        f"{name!r} is on this machine, and what runs elsewhere cannot read it.",
        code="local-input",
        fix="Copy it to a bucket (aws s3 cp …) and name it s3://BUCKET/KEY, or run it here: --engine local.",
    )


def _is_manifest(text: str) -> bool:
    return suffix_of(text) in MANIFEST_SUFFIXES and os.path.isfile(text)  # noqa: PTH113 - a name as given


class _Expansion:
    def __init__(self, store: Shelf, out: str | None) -> None:
        self._store = store
        self._out = f"{out.rstrip('/')}/" if out else None
        self._places = Places()
        self._skipped = 0
        self._below_out = 0

    def run(self, inputs: Sequence[str], stdin: IO[bytes] | IO[str] | None) -> Iterator[Found]:
        count = 0
        try:
            for text in inputs:
                for found in self._one(text, stdin):
                    count += 1
                    yield found
        finally:
            self._places.close()
        if not count:
            raise self._nothing_in(", ".join(inputs))

    def _nothing_in(self, inputs: str) -> CallerError:
        if self._below_out:
            what = "object there is" if self._below_out == 1 else "objects there are"
            return CallerError(
                f"{inputs} holds no media outside --out {self._out}: {self._below_out:,} {what} below it, "
                "where each output would be the next clip.",
                code="no-media",
                fix="Send outputs elsewhere: --out s3://BUCKET/PREFIX, beside the clips and not among them.",
            )
        many = "" if self._skipped == 1 else "s"
        more = f" but {self._skipped:,} output{many} that Rushes made" if self._skipped else ""
        return CallerError(
            f"{inputs} holds no media{more}.",
            code="no-media",
            fix="Check the spelling; an object of an unusual extension has to be named itself.",
        )

    def _one(self, text: str, stdin: IO[bytes] | IO[str] | None) -> Iterator[Found]:
        if text == "-":
            yield from self._listed(stream_lines(stdin if stdin is not None else sys.stdin), "standard input")
        elif _is_manifest(text):
            yield from self._listed(lines_of(text, suffix_of(text)), text)
        else:
            yield from self._named(text)

    def _listed(self, lines: Iterable[Line], where: str) -> Iterator[Found]:
        """What a manifest names; what is wrong with a line is that line's problem."""
        for line in lines:
            problem = line.problem
            if problem is None and not _SCHEME.match(line.source):
                problem = local_input(line.source)
            if problem is not None:
                asset = Asset(line.source or f"{where}:{line.number}")
                yield Found(asset, problem=problem.to_dict(), params=line.params)
                continue
            try:
                for one in self._named(line.source):
                    yield limited(replace(one, params=line.params), line.frames)
            except RushesError as error:
                if error.kind != "caller":
                    raise
                yield Found(Asset(line.source), problem=error.to_dict(), params=line.params)

    def _named(self, uri: str) -> Iterator[Found]:
        """An object; else what is below a prefix, or matches a pattern.

        Raises:
            CallerError: there is nothing of that name.
        """
        bucket, _, key = uri.partition("://")[2].partition("/")
        if key and not key.endswith("/"):
            try:
                yield from self._taken(self._store.look(uri), "")
            except CallerError as error:
                if error.code != "not-found":
                    raise
            else:
                return
        if frames_of(uri) is not None:
            yield from self._taken(look_clip(self._store, uri), "")
            return
        if has_magic(key):
            fixed, matches = _pattern(uri)
            yield from self._below(fixed, matches)
            return
        prefix = uri if not key or uri.endswith("/") else f"{uri}/"
        there = False
        for one in self._below(prefix if key or uri.endswith("/") else f"{uri}/", None):
            there = True
            yield one
        if not there and key and not uri.endswith("/") and not self._skipped and not self._below_out:
            raise CallerError(
                f"there is no object {uri}, and nothing below it.",
                code="not-found",
                fix=f"Check the spelling: `aws s3 ls s3://{bucket}/` says what there is.",
            )

    def _below(self, prefix: str, matches: re.Pattern[str] | None) -> Iterator[Found]:
        """The clips below a prefix. Images wait for the others of their folder: they may be one shot."""
        images: dict[str, dict[str, Stored]] = {}
        for one in self._without_ours(self._store.listing(prefix)):
            relative = one.uri.removeprefix(prefix)
            folder, _, name = relative.rpartition("/")
            if any(part.startswith(".") for part in relative.split("/")):
                continue
            if matches is not None and not matches.fullmatch(one.uri):
                continue
            suffix = suffix_of(name)
            if suffix in IMAGE_SUFFIXES:
                images.setdefault(folder, {})[name] = one
            elif suffix in MEDIA_SUFFIXES or matches is not None:
                yield from self._taken(one, folder)
        for folder, names in images.items():
            for name in clip_names(names):
                if name in names:
                    yield from self._taken(names[name], folder)
                else:
                    yield from self._shot(
                        f"{prefix}{folder}/{name}" if folder else f"{prefix}{name}", folder, names
                    )

    def _shot(self, uri: str, folder: str, names: Mapping[str, Stored]) -> Iterator[Found]:
        """A sequence of frames that were listed; one with gaps is a problem of its own."""
        try:
            shot = clip_of(uri, {one.uri: one for one in names.values()})
        except CallerError as error:
            yield Found(Asset(uri), problem=error.to_dict())
        else:
            yield from self._taken(shot, folder)

    def _without_ours(self, listing: Iterable[Stored]) -> Iterator[Stored]:
        """Objects without receipts and what these belong to.

        Keys come in their order, so a receipt comes soon after its output, or is none.
        """
        waiting: deque[tuple[str, Stored]] = deque()
        for one in listing:
            if self._out is not None and one.uri.startswith(self._out):
                self._below_out += 0 if is_receipt_name(one.uri) else 1
                continue
            while waiting and waiting[0][0] < one.uri:
                yield waiting.popleft()[1]
            if is_receipt_name(one.uri):
                if self._out is None:
                    continue
                before = len(waiting)
                waiting = deque(pair for pair in waiting if pair[0] != one.uri)
                self._skipped += before - len(waiting)
                continue
            head, slash, name = one.uri.rpartition("/")
            waiting.append((f"{head}{slash}{receipt_name(name)}", one))
            # What comes later may belong to what came before it: "a.mov" stands before "a.mov.rushes.json",
            # but after its receipt's name would stand "a.mp4".
            waiting = deque(sorted(waiting, key=lambda pair: pair[0]))
        yield from (one for _, one in waiting)

    def _taken(self, one: Stored, folder: str) -> Iterator[Found]:
        """An object as a clip, unless it was named before."""
        asset = Asset(one.uri)
        subdir = _safe(folder)
        tag, again = self._places.take(subdir, asset.stem, f"{folder}/{asset.name}", one.uri)
        if not again:
            yield Found(asset, subdir, tag, mark=object_mark(one), size_bytes=one.size_bytes)


def _pattern(uri: str) -> tuple[str, re.Pattern[str]]:
    """The prefix that a glob starts from, and what its objects are called: ``**`` goes through folders."""
    parts = uri.split("/")
    fixed = next(number for number, part in enumerate(parts) if has_magic(part))
    text = ""
    for number, part in enumerate(parts[fixed:], start=fixed):
        last = number == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:.*/)?"
        else:
            text += _within(part) + ("" if last else "/")
    root = "/".join(parts[:fixed]) + "/"
    return root, re.compile(re.escape(root) + text, re.DOTALL)


def _within(part: str) -> str:
    """A glob of one part of a key, which matches no ``/``."""
    found = ""
    for sign in _GLOB.findall(part):
        if sign == "*":
            found += "[^/]*"
        elif sign == "?":
            found += "[^/]"
        elif len(sign) > 2 and sign.startswith("["):
            inner = sign[1:-1].replace("\\", r"\\").replace("[", r"\[")
            found += f"(?!/)[{'^' + inner[1:] if inner.startswith('!') else inner}]"
        else:
            found += re.escape(sign)
    return found


def _safe(folder: str) -> str:
    """The folder below a prefix as one that a file system can have: it is mirrored by outputs."""
    parts = (part for part in folder.split("/") if part) if folder else ()
    return "/".join("_" if part in {".", ".."} else _UNSAFE.sub("_", part) for part in parts)
