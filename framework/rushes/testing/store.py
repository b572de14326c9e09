"""A store in memory. Every call is recorded, and the next of a verb can be made to fail.

This module must not know any real store.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import CallerError, MediaError, RushesError
from rushes.range_reader import RangeReader
from rushes.stored import Stored

if TYPE_CHECKING:
    from rushes.ports import Clock

__all__ = ["StubStore"]

Told = Callable[[int], None]


class StubStore:
    """A `rushes.ports.Store` in memory.

    Args:
        clock: when an object was last changed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._objects: dict[str, tuple[Stored, bytes]] = {}
        self._next = 0
        self._failing: dict[str, list[RushesError]] = {}
        self._coming: set[str] = set()
        self.calls: list[tuple[str, str]] = []

    def put(self, uri: str, data: bytes, *, archived: str = "") -> Stored:
        """Somebody else puts an object there, or another in its place."""
        self._next += 1
        crc = zlib.crc32(data)
        stored = Stored(uri, len(data), f'"{self._next}"', self._clock.now(), crc32=crc, archived=archived)
        self._objects[uri] = (stored, data)
        return stored

    def fail_next(self, verb: str, error: RushesError) -> None:
        """The next call of `verb` raises this."""
        self._failing.setdefault(verb, []).append(error)

    def _called(self, verb: str, uri: str) -> None:
        self.calls.append((verb, uri))
        if self._failing.get(verb):
            raise self._failing[verb].pop(0)

    def look(self, uri: str) -> Stored:
        self._called("look", uri)
        return self._found(uri)[0]

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Stored]:
        self._called("listing", prefix)
        for uri in sorted(self._objects, key=str.encode):
            if uri.startswith(prefix) and uri.encode() > after.encode():
                yield self._objects[uri][0]

    def fetch(self, uri: str, target: Path, told: Told | None = None) -> Stored:
        self._called("fetch", uri)
        stored, data = self._readable(uri)
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(data)
        part.rename(target)
        if told is not None:
            told(len(data))
        return stored

    def reader(self, uri: str, known: Stored | None = None) -> RangeReader:
        self._called("reader", uri)
        stored = known or self._readable(uri)[0]

        def get(start: int, stop: int) -> bytes:
            self._called("range", uri)
            now, data = self._readable(uri)
            if now.mark != stored.mark:
                raise MediaError(f"{uri} changed.", code="source-changed", fix="Submit it again.")
            return data[start:stop]

        return RangeReader(stored, get)

    def publish(
        self,
        source: Path,
        uri: str,
        sha256: str,
        *,
        over: Stored | None = None,
        about: Mapping[str, str] | None = None,
        told: Told | None = None,
    ) -> Stored:
        self._called("publish", uri)
        data = source.read_bytes()
        known = self._objects.get(uri)
        if (known is None) if over is None else (known is not None and known[0].mark == over.mark):
            stored = replace(self.put(uri, data), sha256=sha256, about=dict(about or {}))
            self._objects[uri] = (stored, data)
            if told is not None:
                told(len(data))
            return stored
        if known is not None and known[0].sha256 == sha256:
            return known[0]
        raise CallerError(f"{uri} exists and is not the same.", code="target-exists", fix="Choose another.")

    def restore(self, uri: str, *, days: int, speed: str = "Standard") -> bool:  # noqa: ARG002 - as others
        """Archived objects can be read when they are asked for a second time."""
        self._called("restore", uri)
        stored, data = self._found(uri)
        if not stored.archived:
            return True
        if uri in self._coming:
            self._objects[uri] = (replace(stored, archived=""), data)
            return True
        self._coming.add(uri)
        return False

    def abandon(self, uri: str) -> int:
        self._called("abandon", uri)
        return 0

    def _found(self, uri: str) -> tuple[Stored, bytes]:
        if uri not in self._objects:
            raise CallerError(f"{uri} does not exist.", code="not-found", fix="Check the spelling.")
        return self._objects[uri]

    def _readable(self, uri: str) -> tuple[Stored, bytes]:
        stored, data = self._found(uri)
        if stored.archived:
            raise CallerError(f"{uri} is in {stored.archived}.", code="archived", fix="Restore it first.")
        return stored, data
